# Under pressure the worst unfinished handshakes are shut early; without it nobody is. What it must
# never do to a good client comes first. The flood itself is in flood.bats.
# packages: python3 openssl

load lib/env
load lib/hosts

setup_file() {
    hosts_certificate
}

setup() {
    shakeout_setup
    HOST_PID=
    CROWD_PID=
    # Whatever is shut earlier than that is shut under pressure.
    host_deadline 20
}

teardown() {
    [[ -z $CROWD_PID ]] || crowd_leave
    host_stop
    shakeout_teardown
}

# crowd OPTION...: clients that stall, in the background (clients/crowd.py); returns when all have connected.
crowd() {
    CROWD=$BATS_TEST_TMPDIR/crowd
    : >"$CROWD"
    /usr/bin/python3 "$SHAKEOUT_ROOT/tests/clients/crowd.py" --port "$HOST_PORT" "$@" >"$CROWD" 3>&- &
    CROWD_PID=$!
    host_wait "crowd" grep -q there "$CROWD"
}

# Waits until the crowd has held as long as it was told to.
crowd_ends() {
    local pid=$CROWD_PID
    CROWD_PID=
    wait "$pid"
}

crowd_leave() {
    local pid=$CROWD_PID status=0
    CROWD_PID=
    kill "$pid" 2>/dev/null || return 0
    wait "$pid" || status=$?
    [[ $status == 143 || $status == 0 ]]
}

# the_crowd EXPRESSION: what the crowd must say at its end, in Python: closed, open, ages, count.
the_crowd() {
    holds "$CROWD" "$1"
}

# good SECONDS [OPTION]...: good clients for that long (bench/genuine.c).
good() {
    GOOD=$BATS_TEST_TMPDIR/good
    "$SHAKEOUT_HOSTS/../bench/genuine" "$HOST_PORT" "$@" --ask 'ping\n' >"$GOOD"
}

# the_good EXPRESSION: tried, served, cut, late, p50, p99, longest.
the_good() {
    holds "$GOOD" "$1"
}

holds() {
    /usr/bin/python3 -c '
import json, sys
facts = json.loads(open(sys.argv[1]).readlines()[-1])
if not eval(sys.argv[2], facts):
    facts.pop("__builtins__")
    sys.exit(f"does not hold: {sys.argv[2]}: {facts}")' "$1" "$2" && return 0
    tail -n 20 "$HOST_OUT" "$HOST_LOG"
    return 1
}

# How many clients the log says were shut early, one by one or in the lines that count the rest.
evicted_in_log() {
    awk '/evicted under pressure: / { n++ }
        / more clients? (was|were) shut/ { for (i = 2; i <= NF; i++) if ($i == "more") n += $(i - 1) }
        END { print n + 0 }' "$HOST_LOG"
}

nobody_was_shut() {
    host_alive
    unless grep -E 'evicted|deadline: |more client' "$HOST_LOG"
}

# ---- Nobody waits in vain: nobody is shut ---------------------------------------------------------

@test "slow clients of a server with room are left alone" {
    host_start loop
    good 2 --every 0.02 --delay 0.25 --again 0.25 --sources 64
    the_good 'served == tried >= 90'
    nobody_was_shut
}

@test "stalled clients of a server with room have until the deadline" {
    host_deadline 2
    host_start loop
    crowd --count 100 --kind byte --hold 3
    crowd_ends
    the_crowd 'closed == 100 and min(ages) >= 2'
    unless grep evicted "$HOST_LOG"
}

@test "clients with handshakes of one and a half seconds are left alone" {
    host_start loop
    good 1 --every 0.02 --delay 0.5 --again 1 --patience 5 --sources 64
    the_good 'served == tried >= 40'
    nobody_was_shut
}

@test "a server that computes for a moment now and then costs its slow clients nothing" {
    host_start loop --busy 0.08
    good 3 --every 0.02 --delay 0.5 --again 0.7 --patience 8 --sources 200
    the_good 'served == tried >= 140'
    nobody_was_shut
}

@test "a storm of clients that a busy server works off costs the slow ones nothing" {
    host_start loop
    good 3 --at-once 200 --delay 0.3 --again 0.3 --patience 10 --sources 400
    the_good 'served == tried >= 400'
    nobody_was_shut
}

@test "a server that was stopped for a moment does not take it out on its clients" {
    host_start loop
    good 1 --every 0.02 --delay 0.5 --again 0.5 --patience 10 --sources 64 &
    local clients=$!
    sleep 0.7
    kill -STOP "$HOST_PID"
    sleep 1
    kill -CONT "$HOST_PID"
    wait "$clients"
    GOOD=$BATS_TEST_TMPDIR/good
    the_good 'served == tried >= 40'
    nobody_was_shut
}

@test "finished clients whose words lie unread are no pressure" {
    host_start loop --later 0.5
    good 2 --every 0.02 --delay 0.4 --again 0.4 --patience 5 --sources 64
    the_good 'served == tried >= 90'
    nobody_was_shut
}

@test "processes that accept from one queue do not take it for stuck" {
    host_start loop --processes 4
    good 3 --at-once 64 --delay 0.4 --patience 10 --sources 100 &
    local clients=$!
    GOOD=$BATS_TEST_TMPDIR/fast
    "$SHAKEOUT_HOSTS/../bench/genuine" "$HOST_PORT" 3 --at-once 64 --sources 100 --from 127.1.0.1 \
        --patience 10 --ask 'ping\n' >"$GOOD"
    wait "$clients"
    the_good 'served == tried >= 200'
    GOOD=$BATS_TEST_TMPDIR/good
    the_good 'served == tried >= 200'
    nobody_was_shut
}

@test "clients that the server does not want are no pressure" {
    host_start loop --deny 127.8.0.1
    good 0.5 --at-once 60
    good 2 --every 0.05 --delay 0.5 --again 0.5 --patience 5 --sources 64 &
    local clients=$!
    crowd --count 300 --every 0.005 --from 127.8.0.1 --hold 2
    wait "$clients"
    GOOD=$BATS_TEST_TMPDIR/good
    the_good 'served == tried >= 35'
    nobody_was_shut
}

@test "health checks and port scanners that connect and leave are no pressure and no offenders" {
    host_start loop --most 40
    good 3 --every 0.05 --delay 0.4 --from 127.8.0.1 --patience 5 &
    local clients=$!
    crowd --leave --count 300 --every 0.005 --from 127.8.0.1 --hold 2
    wait "$clients"
    GOOD=$BATS_TEST_TMPDIR/good
    the_good 'served == tried >= 55'
    nobody_was_shut
}

# ---- Somebody waits: the worst go -----------------------------------------------------------------

@test "one blocking thread: a good client behind twenty silent ones is served soon" {
    host_start blocking
    crowd --count 20 --hold 8
    good 0.1 --every 1 --patience 6
    the_good 'served == 1 and longest < 2.5'
}

@test "SHAKEOUT_PRESSURE=off: the good client waits for the plain deadlines" {
    host_deadline 1.5
    host_start SHAKEOUT_PRESSURE=off blocking
    crowd --count 2 --hold 6
    good 0.1 --every 1 --patience 6
    the_good 'served == 1 and longest >= 2.5'
    unless grep evicted "$HOST_LOG"
}

@test "a full server evicts as many as wait, and no more" {
    host_start loop --most 10
    crowd --count 15 --kind byte --sources 15 --hold 3
    crowd_ends
    the_crowd 'closed == 5'
    [[ $(evicted_in_log) == 5 ]]
}

@test "SHAKEOUT_GRACE is kept" {
    host_start SHAKEOUT_GRACE=1 loop --most 10
    crowd --count 15 --kind byte --sources 15 --hold 4
    crowd_ends
    the_crowd 'closed == 5 and min(ages) >= 1 and max(ages) < 2.5'
}

@test "SHAKEOUT_MAX_PENDING: so many stay, and a good client is served" {
    host_start SHAKEOUT_MAX_PENDING=10 loop
    crowd --count 30 --kind byte --hold 3
    good 1 --every 0.1
    crowd_ends
    the_good 'served == tried'
    the_crowd '9 <= open <= 10'
}

@test "no descriptors left: stalled clients make room" {
    host_start loop --limit 40
    crowd --count 60 --kind byte --sources 20 --hold 6
    good 3 --every 0.1
    the_good 'served >= 0.9 * tried'
}

@test "finished clients stay, however full the server is" {
    host_deadline 1
    host_start SHAKEOUT_TIMEOUT=20 loop --most 20
    clients good-idle=10 good-idle12=5 &
    local idle=$!
    sleep 0.5
    crowd --count 40 --kind byte --sources 8 --hold 4
    wait "$idle"
    [[ $(evicted_in_log) -gt 0 ]]
}
