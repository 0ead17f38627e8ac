# 0-RTT (RFC 8446, 2.3): the client's data and the server's answer come before the handshake is over.
# The client is openssl s_client, since Python's ssl has no early data.
#
# packages: nginx-light openssl

load lib/env
load lib/servers

DEADLINE=1.5

setup() {
    need nginx nginx-light
    shakeout_setup
    SERVERS_TMP=$(mktemp -d "${TMPDIR:-/tmp}/servers.XXXXXX")
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
    start_server nginx protected "$DEADLINE"
    request=$'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
    printf '%s' "$request" >"$SERVERS_TMP/request"
    # A first, whole connection; its ticket lets the next one send early data.
    (printf '%s' "$request"; wait_for test -s "$SERVERS_TMP/session") |
        timeout 15 openssl s_client -connect "127.0.0.1:$SERVER_PORT" -tls1_3 \
            -sess_out "$SERVERS_TMP/session" >"$SERVERS_TMP/first" 2>&1
    [[ -s $SERVERS_TMP/session ]]
}

teardown() {
    stop_server
    rm -rf "$SERVERS_TMP"
    shakeout_teardown
}

# early_client PORT: sends the request as early data, and once more after 2.5 deadlines.
early_client() {
    (sleep 3.75; printf '%s' "$request"; wait_for answered_twice) |
        timeout 15 openssl s_client -connect "127.0.0.1:$1" -tls1_3 \
            -sess_in "$SERVERS_TMP/session" -early_data "$SERVERS_TMP/request" >"$SERVERS_TMP/output" 2>&1
}

answered_twice() {
    [[ $(grep -c '^HTTP/1.1 200' "$SERVERS_TMP/output") == 2 ]]
}

@test "a 0-RTT client is answered, may idle for 2.5 deadlines, and is answered again" {
    early_client "$SERVER_PORT" 3>&-
    cat "$SERVERS_TMP/output"
    grep -q 'Early data was accepted' "$SERVERS_TMP/output"
    answered_twice
    run ! grep 'handshake deadline' "$SERVER_LOG"
}

@test "a 0-RTT client that was answered but never finishes its handshake is shut at its deadline" {
    coproc relay { "$SHAKEOUT_ROOT/tests/clients/cut_after_hello.py" "$SERVER_PORT" 4 3>&-; }
    local port seconds relay_pid=$relay_PID
    read -r port <&"${relay[0]}"
    early_client "$port" 3>&- &
    local client=$!
    read -r seconds <&"${relay[0]}"
    wait "$relay_pid"
    wait "$client" || :
    echo "shut after $seconds s"
    grep -q 'HTTP/1.1 200' "$SERVERS_TMP/output"
    [[ $seconds != open ]]
    awk -v s="$seconds" -v d="$DEADLINE" 'BEGIN { exit !(s >= d && s <= d + 0.5) }'
}
