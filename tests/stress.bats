# Thousands of random clients against a server under the library. STRESS_SECONDS: for how long new ones come, to
# each server (`make stress`: two minutes).
# packages: nginx-light
# serial

load lib/env
load lib/servers
load lib/hosts

setup() {
    shakeout_setup
    DEADLINE=$HOST_DEADLINE
    host_pressure
}

teardown() {
    [[ -z ${SERVER_PID:-} ]] || stop_server
    host_stop
    shakeout_teardown
}

# Everything below looks at the processes PIDS, which listen on PORT and answer as ASK says.

descriptors() {
    local pid
    for pid in "${PIDS[@]}"; do ls "/proc/$pid/fd"; done | wc -l
}

descriptors_are() {
    [[ $(descriptors) == "$1" ]]
}

# Private memory in KiB.
memory() {
    local pid
    for pid in "${PIDS[@]}"; do cat "/proc/$pid/smaps_rollup"; done |
        awk '/^Private_Dirty:/ { sum += $2 } END { print sum }'
}

visits() {
    "$SHAKEOUT_ROOT/build/tests/bench/client" "$PORT" "$@"
}

crowd() {
    local at_once=400 late=0.5
    if [[ -n $SHAKEOUT_SAN ]]; then
        at_once=80 late=2
    fi
    /usr/bin/python3 "$SHAKEOUT_ROOT/tests/clients/stress.py" --port "$PORT" --ask "$ASK" --at-once "$at_once" \
        --deadline "$DEADLINE" --late "$late" --seconds "${STRESS_SECONDS:-3}" | tee "$BATS_TEST_TMPDIR/crowd"
    return "${PIPESTATUS[0]}"
}

# Waits until no more than the descriptors of before are left.
let_go() {
    local i
    for ((i = 0; i < 100; i++)); do
        descriptors_are "$1" && return 0
        sleep 0.05
    done
    echo "$(descriptors) descriptors are open, $1 were before:"
    ls -l "/proc/${PIDS[0]}/fd"
    return 1
}

# A record that is not given back is 128 bytes; six thousand of them would be 750 KiB. The host's own
# arenas and stacks account for less than the limit.
keeps_its_memory() {
    local before after
    visits handshake 200
    visits leave 1000
    let_go "$1"
    before=$(memory)
    visits handshake 1000
    visits leave 5000
    let_go "$1"
    after=$(memory)
    echo "private memory: $before KiB, after 6000 more clients $after KiB"
    ((after - before < 512))
}

endures() {
    local before
    visits handshake 1
    visits leave 1
    sleep 0.2
    before=$(descriptors)
    crowd
    let_go "$before"
    for pid in "${PIDS[@]}"; do kill -0 "$pid"; done
    visits handshake 1
    [[ -n $SHAKEOUT_SAN ]] || keeps_its_memory "$before"
}

@test "an event loop serves its good clients and loses the stalled ones, thousands of them (nginx)" {
    need nginx nginx-light
    SERVERS_TMP=$BATS_TEST_TMPDIR
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
    start_server nginx protected "$DEADLINE"
    PORT=$SERVER_PORT ASK=http
    mapfile -t PIDS < <(pgrep -P "$SERVER_PID")
    [[ ${#PIDS[@]} == 2 ]]
    endures
}

@test "a server with a thread for each client serves and loses them likewise" {
    host_start threads
    PORT=$HOST_PORT ASK=echo PIDS=("$HOST_PID")
    endures
}
