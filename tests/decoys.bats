#!/usr/bin/env bats
# A ClientHello where no TLS library comes to it must not make its client one that waits for the
# server. Which bytes a library reads as what is its own affair, so these are real ones; more of it in
# promises.bats.
# packages: lighttpd lighttpd-mod-gnutls lighttpd-mod-wolfssl haproxy python3

load lib/env
load lib/servers

DEADLINE=1.5

setup() {
    shakeout_setup
    SERVERS_TMP=$(mktemp -d "${TMPDIR:-/tmp}/decoys.XXXXXX")
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
    SERVER_PID=
}

teardown() {
    [[ -z $SERVER_PID ]] || stop_server
    rm -rf "$SERVERS_TMP"
    shakeout_teardown
}

# start NAME: a real server under the library; skips where it is not installed.
start() {
    local why
    if why=$(server_missing "$1"); then skip "missing: $why"; fi
    start_server "$1" protected "$DEADLINE"
}

clients() {
    /usr/bin/python3 "$repository/tests/clients/stall.py" --port "$SERVER_PORT" \
        --deadline "$DEADLINE" "$@"
}

@test "GnuTLS, which takes many a first byte for SSL 2" {
    start lighttpd-gnutls
    clients silent ssl2-decoy decoy
}

@test "wolfSSL, which takes any version" {
    start lighttpd-wolfssl
    clients silent version-decoy decoy
}

@test "an urgent byte does not make a client one whose bytes somebody else reads" {
    start lighttpd-wolfssl
    clients halfway13 urgent
}

@test "behind a PROXY header" {
    BIND_OPTIONS=accept-proxy
    export BIND_OPTIONS
    start haproxy
    clients silent proxy-decoy
}
