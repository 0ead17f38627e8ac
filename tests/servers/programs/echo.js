// An echo server over TLS.
const fs = require('fs');
const tls = require('tls');

const server = tls.createServer({
  cert: fs.readFileSync(process.env.CERT),
  key: fs.readFileSync(process.env.KEY),
  handshakeTimeout: Number(process.env.HOUR) * 1000,
}, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});
server.on('tlsClientError', () => {});
server.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 300 });
