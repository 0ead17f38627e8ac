# Every kind of client against real servers, first bare, as a control, then under the library.
# What the clients do is in clients/probe.py, what a start script is in lib/servers.bash.

load lib/env
load lib/servers

setup_file() {
    # Not below BATS_FILE_TMPDIR, which servers that give up root cannot enter.
    SERVERS_TMP=$(mktemp -d "${TMPDIR:-/tmp}/servers.XXXXXX")
    export SERVERS_TMP
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
}

teardown_file() {
    rm -rf "$SERVERS_TMP"
}

setup() {
    shakeout_setup
    SERVER_PID=
}

teardown() {
    [[ -z $SERVER_PID ]] || stop_server
    shakeout_teardown
}

# A table that leaves a server out would pass without it.
@test "every start script has a test, and the tests that are not of the usual run are tagged" {
    local name wanted tested
    wanted=$(for name in $(server_names); do
        if grep -qx '# fast' "$servers_dir/$name"; then echo "$name"; else echo "$name slow"; fi
    done | sort)
    tested=$(awk '/^# bats test_tags=slow/ { slow = " slow" }
        $1 == "check_server" { print $2 slow; slow = "" }' "$BATS_TEST_FILENAME" | sort)
    diff <(echo "$wanted") <(echo "$tested")
}

# The table: a test for each start script; the slow ones run where ALL_SERVERS=1 (make check-servers).

@test "apache-event" {
    check_server apache-event
}

# bats test_tags=slow
@test "apache-prefork" {
    check_server apache-prefork
}

@test "asyncio" {
    check_server asyncio
}

# bats test_tags=slow
@test "asyncio-python3.6" {
    check_server asyncio-python3.6
}

@test "haproxy" {
    check_server haproxy
}

@test "memcached" {
    check_server memcached
}

@test "nginx" {
    check_server nginx
}

# bats test_tags=slow
@test "nginx-stream" {
    check_server nginx-stream
}

@test "openssl-s_server" {
    check_server openssl-s_server
}

# bats test_tags=slow
@test "openssl-s_server-www" {
    check_server openssl-s_server-www
}

@test "postgresql" {
    check_server postgresql
}

@test "python-blocking" {
    check_server python-blocking
}

# bats test_tags=slow
@test "python-threads" {
    check_server python-threads
}

# bats test_tags=slow
@test "redis" {
    check_server redis
}

@test "socat-fork" {
    check_server socat-fork
}

# bats test_tags=slow
@test "stunnel" {
    check_server stunnel
}

# bats test_tags=slow
@test "uvloop" {
    check_server uvloop
}
