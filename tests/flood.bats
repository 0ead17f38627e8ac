# A sample of `make bench-flood`: servers under the library stay reachable for good clients while 256
# flooders hold their connections and connect again at once when they are shut. The harness is
# bench/flood.py; the whole table is made by scripts/bench-flood.
# packages: nginx-light python3 openssl
# serial

load lib/env

setup() {
    no_sanitizer "it measures how fast a server is"
    shakeout_setup
}

teardown() {
    shakeout_teardown
}

# served SECONDS CELL: at least 95 % of the good clients; where there is no flood, all of them, and
# nobody is shut.
served() {
    "$SHAKEOUT_ROOT/scripts/bench-flood" --seconds "$1" --cell "$2" --require 95 \
        --set LD_PRELOAD="$SHAKEOUT_PRELOAD" --json "$BATS_TEST_TMPDIR/flood.json"
}

# The control: this harness is a flood, and the server falls without the library.
@test "without the library an asyncio server with 70 descriptors serves nobody in a flood" {
    "$SHAKEOUT_ROOT/scripts/bench-flood" --seconds 3 --cell asyncio/silent/one/0/bare \
        --json "$BATS_TEST_TMPDIR/flood.json"
    grep -q '"served": 0,' "$BATS_TEST_TMPDIR/flood.json"
}

@test "an asyncio server with 70 descriptors stays reachable while silent clients flood it" {
    served 4 asyncio/silent/one/0/library
}

@test "an asyncio server with 70 descriptors stays reachable while one-byte clients flood it" {
    served 4 asyncio/one-byte/one/0/library
}

@test "a server with one blocking thread stays reachable while silent clients flood it" {
    served 4 blocking/silent/one/0/library
}

@test "a server with one blocking thread stays reachable while one-byte clients flood it" {
    served 4 blocking/one-byte/one/0/library
}

# nginx shuts its oldest unfinished client for the sake of the new one.
@test "nginx serves good clients that are slow while silent clients flood it" {
    need nginx nginx-light
    served 6 nginx/silent/one/0.3/library
}

@test "without a flood nobody is shut by an asyncio server that does handshakes at full speed" {
    served 10 asyncio/rush/one/0/library
}

@test "without a flood nobody is shut by a server with one blocking thread at full speed" {
    served 10 blocking/rush/one/0/library
}
