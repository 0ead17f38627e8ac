-- An echo server over TLS: LuaSec, one connection at a time.
local socket = require("socket")
local ssl = require("ssl")

local context = assert(ssl.newcontext({
    mode = "server", protocol = "any", options = { "no_sslv3" },
    certificate = os.getenv("CERT"), key = os.getenv("KEY"),
}))
local server = assert(socket.bind("127.0.0.1", tonumber(os.getenv("PORT")), 300))
while true do
    local client = server:accept()
    local secured = ssl.wrap(client, context)
    if secured:dohandshake() then
        repeat
            local line = secured:receive("*l")
            if line then secured:send(line .. "\n") end
        until not line
    end
    secured:close()
end
