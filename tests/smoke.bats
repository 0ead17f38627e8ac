#!/usr/bin/env bats
# The telnet smoke test itself: it passes when it should, and fails when it should.
# packages: inetutils-telnet openssl python3

bats_require_minimum_version 1.5.0
load lib/env

setup() {
    no_sanitizer "it starts the command as it is installed, without sanitizers"
    need telnet inetutils-telnet
    SMOKE=$SHAKEOUT_ROOT/scripts/smoke-telnet
    export BUILD=${SHAKEOUT_CMD%/*} TMPDIR=$BATS_TEST_TMPDIR
    SERVER=
}

teardown() {
    [[ -z $SERVER ]] || { kill "$SERVER" && { wait "$SERVER" || true; }; }
    [[ -z $(ls -d "$BATS_TEST_TMPDIR"/smoke-telnet.* 2>/dev/null) ]]
}

# closes_after SECONDS: a server that does so with each connection; its port is in PORT
closes_after() {
    : >"$BATS_TEST_TMPDIR/port"
    /usr/bin/python3 - "$1" 3>&- >"$BATS_TEST_TMPDIR/port" <<'PYTHON' &
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    time.sleep(float(sys.argv[1]))
    client.close()
PYTHON
    SERVER=$!
    wait_for test -s "$BATS_TEST_TMPDIR/port"
    PORT=$(<"$BATS_TEST_TMPDIR/port")
}

# A server of its own, under the library; a HOME without Python 3.6 makes it openssl s_server.
@test "passes on openssl s_server under the library" {
    HOME=/nonexistent PATH=/usr/bin:/bin run -0 "$SMOKE" -t 1
    [[ $output == *"openssl s_server"* ]]
    [[ $output == *"Connection closed by foreign host."* ]]
    [[ $output == *"still connected after 2.000 s"* ]]
    [[ $output == *"handshake deadline: 1."*" (silent)"* ]]
    [[ $output == *"answered: olleh"* ]]
    [[ ${lines[-1]} == pass ]]
}

@test "passes on asyncio of Python 3.6 under the library" {
    "$SHAKEOUT_ROOT/tests/servers/programs/find-python3.6" || skip "no Python 3.6 that runs"
    run -0 "$SMOKE" -t 1
    [[ $output == *"asyncio on Python 3.6"* ]]
    [[ $output == *"handshake deadline: 1."*" (silent)"* ]]
    [[ $output == *"answered: hello"* ]]
    [[ ${lines[-2]} == "report:    $BUILD/demo.html" ]]
    grep -q '<h1>telnet against asyncio on Python 3.6' "$BUILD/demo.html"
    [[ ${lines[-1]} == pass ]]
}

@test "fails when the library is switched off" {
    mkdir "$BATS_TEST_TMPDIR/build"
    printf '#!/bin/sh\nshift 4\nexec "$@"\n' >"$BATS_TEST_TMPDIR/build/shakeout"
    chmod 755 "$BATS_TEST_TMPDIR/build/shakeout"
    BUILD=$BATS_TEST_TMPDIR/build run -1 "$SMOKE" -t 0.5
    [[ $output == *"closed:    no"* ]]
    [[ ${lines[-1]} == fail ]]
}

@test "passes on a server elsewhere that closes in time" {
    closes_after 0.6
    run -0 "$SMOKE" -t 0.5 127.0.0.1 "$PORT"
    [[ $output == *"connected: yes"*"closed:    after "*"pass" ]]
}

@test "fails on a server that closes early, late or never, and on none" {
    closes_after 0.6
    run -1 "$SMOKE" -t 5 127.0.0.1 "$PORT"
    [[ $output == *"closed:    after "*"fail" ]]
    run -1 "$SMOKE" -t 0.001 127.0.0.1 1
    [[ $output == *"connected: no"*"fail" ]]
    kill "$SERVER"
    wait "$SERVER" || true
    closes_after 1.6
    run -1 "$SMOKE" -t 0.5 127.0.0.1 "$PORT"
    [[ $output == *"closed:    after "*"fail" ]]
    kill "$SERVER"
    wait "$SERVER" || true
    closes_after 60
    run -1 "$SMOKE" -t 0.5 127.0.0.1 "$PORT"
    [[ $output == *"closed:    no"*"fail" ]]
}

@test "status 2 for what it does not understand" {
    local arguments
    for arguments in "-t 0" "-t x" "-t" "-x" "127.0.0.1" "a b c"; do
        # shellcheck disable=SC2086 # words
        run -2 "$SMOKE" $arguments
    done
    BUILD=/nonexistent run -2 "$SMOKE"
}

@test "an interrupt leaves no process behind" {
    local status=0
    "$SMOKE" -t 30 >"$BATS_TEST_TMPDIR/output" 2>&1 3>&- &
    local pid=$!
    wait_for grep -q 'handshake finished' "$BATS_TEST_TMPDIR/output"
    kill -TERM "$pid"
    wait "$pid" || status=$?
    [[ $status -eq 2 ]]
    run -1 pgrep -f "$BATS_TEST_TMPDIR"
}
