# Servers whose master listens and never accepts, and whose workers give up root: nginx.
# packages: nginx-light openssl python3

load lib/env
load lib/servers
load lib/status

setup() {
    no_sanitizer "servers.bats starts nginx with one; here it is about files and pages"
    need nginx nginx-light
    shakeout_setup
    SERVERS_TMP=$BATS_TEST_TMPDIR
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
    SERVER_PID=
}

teardown() {
    [[ -z $SERVER_PID ]] || stop_server
    shakeout_teardown
}

# silent_clients COUNT: they stay until the test ends.
silent_clients() {
    local i fd
    for ((i = 0; i < $1; i++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$SERVER_PORT"
        echo "client on descriptor $fd"
    done
}

@test "the workers count into one page, and each has its own connections" {
    local i worker
    export WORKERS=4
    start_server nginx protected 30
    value_is 'len(s["processes"])' 5
    for ((i = 0; i < 20; i++)); do
        openssl s_client -connect "127.0.0.1:$SERVER_PORT" </dev/null >"$BATS_TEST_TMPDIR/client" 2>&1
    done
    value_is 's["accepted"], s["handshakes_finished"]' "(20, 20)"
    silent_clients 6
    value_is 'sum(p["with_deadline"] for p in s["processes"])' 6
    value_is 's["processes"][0]["pid"], s["processes"][0]["connections"]' "($SERVER_PID, 0)"
    # What a worker has counted stays when it has ended; another one takes its place.
    worker=$(value '[p["pid"] for p in s["processes"]][-1]')
    kill "$worker"
    value_is "$worker in [p['pid'] for p in s['processes']]" False
    value_is 's["accepted"]' 26
}

@test "a worker that could not open the log file any more goes on logging" {
    [[ $EUID == 0 ]] || skip "needs root"
    start_server nginx protected 1
    chmod 600 "$SERVER_LOG"
    silent_clients 1
    wait_for grep -q 'handshake deadline: 1.*(silent)' "$SERVER_LOG"
}
