#!/usr/bin/env bats
# A real server that is the late one: Apache asks somebody else about the client, inside of the handshake
# call, for longer than the client's deadline. More of it, with hosts of our own: "busy" in hosts.bats.
# packages: apache2 openssl python3

load lib/env
load lib/servers

setup() {
    need apache2 apache2
    shakeout_setup
    # Not below BATS_TEST_TMPDIR, which Apache's worker that gave up root cannot reach.
    SERVERS_TMP=$(mktemp -d "${TMPDIR:-/tmp}/late.XXXXXX")
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
    SERVER_PID=
    RESPONDER_PID=
    CA=$SERVERS_TMP/ca
    make_client_certificate
}

teardown() {
    [[ -z $SERVER_PID ]] || stop_server
    [[ -z $RESPONDER_PID ]] || kill "$RESPONDER_PID"
    rm -r "$SERVERS_TMP"
    shakeout_teardown
}

# $CA.pem, $CA.key, and of one client whom it knows $CA.client.pem, $CA.client.key and $CA.index.
make_client_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
        -keyout "$CA.key" -out "$CA.pem"
    openssl req -newkey rsa:2048 -nodes -subj /CN=client -keyout "$CA.client.key" |
        openssl x509 -req -days 2 -CA "$CA.pem" -CAkey "$CA.key" -CAcreateserial -out "$CA.client.pem"
    printf 'V\t991231000000Z\t\t%s\tunknown\t/CN=client\n' \
        "$(openssl x509 -in "$CA.client.pem" -noout -serial | cut -d = -f 2)" >"$CA.index"
    chmod 644 "$CA".*
} 2>"$BATS_TEST_TMPDIR/openssl.log"

# start_responder SECONDS: sets RESPONDER_PORT
start_responder() {
    RESPONDER_PORT=$(free_port)
    /usr/bin/python3 "$servers_dir/programs/ocsp_responder.py" "$RESPONDER_PORT" "$1" "$CA.pem" "$CA.key" \
        "$CA.index" >"$BATS_TEST_TMPDIR/responder" 2>"$BATS_TEST_TMPDIR/responder.log" 3>&- &
    RESPONDER_PID=$!
    wait_for port_listens "$RESPONDER_PORT"
}

# The good client, of this version of TLS.
ask() {
    /usr/bin/python3 - "$SERVER_PORT" "$CA.client" "$1" <<'PYTHON'
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = ssl.TLSVersion[sys.argv[3]]
context.load_cert_chain(sys.argv[2] + ".pem", sys.argv[2] + ".key")
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)) as client:
    client.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
    answer = b"".join(iter(lambda: client.recv(4096), b""))
if not answer.endswith(b"here\n"):
    sys.exit(f"the answer is {answer}")
PYTHON
}

nobody_was_shut() {
    if grep -E 'handshake deadline: |evicted' "$SERVER_LOG"; then return 1; fi
}

@test "Apache looks up a client's certificate for longer than the deadline: it is served, a silent one is shut" {
    start_responder 2.5
    cat >"$CA.conf" <<END
SSLCACertificateFile $CA.pem
SSLVerifyClient require
SSLOCSPEnable on
SSLOCSPDefaultResponder http://127.0.0.1:$RESPONDER_PORT/
SSLOCSPOverrideResponder on
END
    MORE=$CA.conf start_server apache-event protected 1
    ask TLSv1_2
    ask TLSv1_3
    [[ $(grep -c answered "$BATS_TEST_TMPDIR/responder") == 2 ]]
    nobody_was_shut
    exec {silent}<>"/dev/tcp/127.0.0.1/$SERVER_PORT"
    wait_for grep -q 'handshake deadline: 1.*(silent)' "$SERVER_LOG"
}
