# What `shakeout --status` says of the server that a test has started, by lib/hosts (HOST_PID) or
# lib/servers (SERVER_PID). Load lib/env and one of these first.
#
#   value EXPRESSION            a Python expression of the one server `s` that its JSON shows
#   value_is EXPRESSION VALUE   waits for it

# shellcheck shell=bash

value() {
    "$SHAKEOUT_CMD" --status --json "${HOST_PID:-${SERVER_PID:-}}" | /usr/bin/python3 -c '
import json, sys
(s,) = json.load(sys.stdin)["servers"]
print(eval(sys.argv[1]))' "$1"
}

is() {
    [[ $(value "$1") == "$2" ]]
}

value_is() {
    wait_for is "$1" "$2" || { value s; return 1; }
}
