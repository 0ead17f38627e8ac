# Under pressure the worst unfinished handshakes are shut early; without it nobody is. What it must
# never do to a good client comes first. The flood itself is in flood.bats.
# packages: python3 openssl

load lib/env
load lib/hosts

setup() {
    shakeout_setup
    HOST_PID=
    CROWD_PID=
    FLOOD_PID=
    # Whatever is shut earlier than that is shut under pressure.
    host_deadline 20
    host_pressure
}

teardown() {
    [[ -z $CROWD_PID ]] || crowd_leave
    [[ -z $FLOOD_PID ]] || kill "$FLOOD_PID"
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

# crowd_number NAME: closed, open or count.
crowd_number() {
    sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$CROWD"
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

# flood KIND COUNT SECONDS FROM SOURCES: clients that connect again whenever they are shut
# (bench/flooders.c), in the background; returns when all have come.
flood() {
    FLOOD=$BATS_TEST_TMPDIR/flood
    : >"$FLOOD"
    "$SHAKEOUT_HOSTS/../bench/flooders" "$HOST_PORT" "$@" >"$FLOOD" 3>&- &
    FLOOD_PID=$!
    host_wait "flood" grep -q flooding "$FLOOD"
}

flood_ends() {
    local pid=$FLOOD_PID
    FLOOD_PID=
    wait "$pid"
}

# start_python PROGRAM [ARG]...: one of servers/programs as the host.
start_python() {
    local port
    port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    HOST_OUT=$BATS_TEST_TMPDIR/out
    HOST_LOG=$BATS_TEST_TMPDIR/log
    # shellcheck disable=SC2153 # lib/hosts sets them
    setsid env CERT="$HOST_CERT" KEY="$HOST_KEY" PORT="$port" HOUR=3600 SHAKEOUT_TIMEOUT="$HOST_DEADLINE" \
        LD_PRELOAD="$SHAKEOUT_PRELOAD" /usr/bin/python3 \
        "$SHAKEOUT_ROOT/tests/servers/programs/$1" "${@:2}" >"$HOST_OUT" 2>"$HOST_LOG" 3>&- &
    HOST_PID=$!
    HOST_PORT=$port
    host_wait "listener" listens "$port"
}

listens() {
    grep -qi "^ *[0-9]*: 0100007F:$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp
}

# Keeps every processor busy for SECONDS, in the background.
load_machine() {
    local i
    for ((i = 0; i < $(nproc); i++)); do
        timeout "$1" sh -c 'while :; do :; done' 3>&- &
    done
}

# counted NAME: one of the host's counters.
counted() {
    "$SHAKEOUT_CMD" --status --json "$HOST_PID" >"$BATS_TEST_TMPDIR/status"
    /usr/bin/python3 -c '
import json, sys
(server,) = json.load(open(sys.argv[1]))["servers"]
print(eval(sys.argv[2], {"s": server}))' "$BATS_TEST_TMPDIR/status" "$1"
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
    crowd --count 100 --kind byte --hold "$([[ $SHAKEOUT_SAN ]] && echo 8 || echo 3)"
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

# nobody_pays_for HOST_OPTION SECONDS
nobody_pays_for() {
    host_start loop "$@"
    good 4 --every 0.02 --delay 0.5 --again 0.7 --patience 20 --sources 200
    the_good 'served == tried >= 190'
    nobody_was_shut
}

@test "a server that sleeps for half a second now and then costs its slow clients nothing" {
    nobody_pays_for --sleep 0.5
}

@test "a server that asks another one for half a second now and then costs its slow clients nothing" {
    nobody_pays_for --ask 0.5
}

@test "a storm of clients that a busy server works off costs the slow ones nothing" {
    host_start loop
    good 3 --at-once 200 --delay 0.3 --again 0.3 --patience 10 --sources 400
    the_good 'served == tried >= 200'
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

@test "a server of which a thread was cancelled while it waited for a client costs its slow clients nothing" {
    no_sanitizer "its runtime takes a cancelled thread for a broken one"
    nobody_pays_for --sleep 0.5 --cancelled
}

@test "a plaintext port at a limit of its own is no pressure on the clients of TLS" {
    host_start membio --plain-port --most-plain 1
    local tls=$HOST_PORT
    good 0.2 --every 0.02 # now it is known what the port speaks
    HOST_PORT=$(host_number plain)
    crowd --count 3 --hold 4
    HOST_PORT=$tls good 2 --every 0.02 --delay 0.5 --again 0.5 --patience 8 --sources 64
    the_good 'served == tried >= 90'
    nobody_was_shut
}

@test "health checks of a server that closes by the raw system call are no pressure and no offenders" {
    host_start loop --raw-close
    crowd --count 12 --sources 12 --hold 6
    sleep 1.1
    # They leave while the next ones come.
    good 2 --every 0.005 --delay 1 --patience 0.02 --from 127.8.0.1
    the_good 'late == tried >= 100'
    good 1 --every 0.05 --delay 0.5 --from 127.8.0.1
    the_good 'served == tried >= 18'
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
    the_good 'served == tried >= 50'
    GOOD=$BATS_TEST_TMPDIR/good
    the_good 'served == tried >= 50'
    nobody_was_shut
}

@test "a server that takes its time to start a process for the next client costs the slow ones nothing" {
    host_start spawning --slow 0.6
    good 5 --every 0.7 --delay 1.5 --patience 8
    the_good 'served == tried >= 6'
    nobody_was_shut
}

# Only by a trial is it told from a full pool. looked_up_slowly [OPTION]...: host threads
looked_up_slowly() {
    host_start threads --slow-name 127.9.0.1 "$@"
    good 0.1 --every 1 # now it is known what the port speaks
    good 0.2 --at-once 8 --delay 5 --patience 20 --from 127.1.0.1 --sources 8 &
    local clients=$!
    sleep 0.3
    crowd --count 4 --kind hello --hold 4.5
    crowd_ends
    wait "$clients"
    the_good 'cut <= 1 and served == tried - cut >= 7'
    # And it is remembered.
    good 0.2 --at-once 8 --delay 2 --patience 20 --from 127.2.0.1 --sources 8 &
    clients=$!
    sleep 0.3
    crowd --count 4 --kind hello --hold 2.5
    crowd_ends
    wait "$clients"
    the_good 'served == tried >= 8'
    [[ $(evicted_in_log) -le 1 ]]
}

@test "a thread for each client, and names that take long to look up: one slow client pays at most, however often" {
    looked_up_slowly
}

@test "... and when the thread that accepts looks them up" {
    looked_up_slowly --at-the-door
}

@test "clients that the server does not want are no pressure" {
    host_start loop --deny 127.8.0.1
    good 0.5 --at-once 12
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

# They are accepted at once, so no queue shows that they wait.
@test "a pool of threads behind one that accepts: a good client behind twenty silent ones is served soon" {
    host_start threads --pool 3
    good 0.1 --every 1 # now it is known what the port speaks
    crowd --count 20 --sources 20 --hold 8
    good 0.1 --every 1 --patience 6
    the_good 'served == 1 and longest < 2.5'
    good 1 --every 0.1 --from 127.3.0.1 --sources 20
    the_good 'served == tried'
}

@test "silent clients do not make an offender of him who brings his hello from the same address" {
    host_start blocking
    crowd --count 20 --hold 8 --from 127.7.0.1
    good 1 --every 0.2 --patience 6 --from 127.7.0.1
    the_good 'served == tried >= 4 and longest < 2.5'
}

@test "SHAKEOUT_PRESSURE=off: the good client waits for the plain deadlines" {
    host_deadline 1.5
    host_start SHAKEOUT_PRESSURE=off blocking
    crowd --count 3 --hold 8
    good 0.1 --every 1 --patience 8
    the_good 'served == 1 and longest >= 2.5'
    unless grep evicted "$HOST_LOG"
}

@test "a full server evicts as many as wait, and no more" {
    host_start loop --most 10
    crowd --count 15 --kind half-hello --sources 15 --hold 3
    crowd_ends
    the_crowd 'closed == 5'
    [[ $(evicted_in_log) == 5 ]]
}

# Only when it has turned away 32 it is believed that it is full.
@test "a server that turns away whom it has no room for: stalled clients make room" {
    host_start loop --full 10
    crowd --count 10 --kind half-hello --sources 10 --hold 6
    good 4 --every 0.05 --patience 5
    the_good 'served >= tried - 40 >= 30 and not late'
}

@test "a server that starts a process for each client, and may start no more: stalled clients make room" {
    host_start spawning --most 3
    crowd --count 12 --kind half-hello --hold 8
    good 0.1 --every 1 --from 127.8.0.1 --patience 8
    the_good 'served == 1 and longest < 7'
}

@test "SHAKEOUT_GRACE is kept" {
    host_start SHAKEOUT_GRACE=1 loop --most 10
    crowd --count 15 --kind half-hello --sources 15 --hold 4
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

# finished_ones_do_not_count HOST: nor do they lose their merits.
finished_ones_do_not_count() {
    host_start SHAKEOUT_MAX_PENDING=5 "$1"
    good 0.1 --every 1 # now it is known what the port speaks
    clients --deadline 1.2 good-idle=10 &
    local idle=$!
    sleep 0.7
    good 1.5 --every 0.3 --delay 0.6
    wait "$idle"
    the_good 'served == tried >= 5'
    nobody_was_shut
    # Offenders get no grace, but who has finished is none.
    crowd --count 9 --kind byte --from 127.0.0.1 --hold 0.5
    good 0.5 --every 0.1 --delay 0.15 --from 127.0.0.1
    the_good 'served == tried'
}

@test "SHAKEOUT_MAX_PENDING does not count clients that have finished" {
    finished_ones_do_not_count loop
}

@test "SHAKEOUT_MAX_PENDING does not count clients that have finished by a TLS library that no hook sees" {
    finished_ones_do_not_count loop-static
}

@test "no descriptors left: stalled clients make room" {
    host_start loop --limit 40
    crowd --count 60 --kind byte --sources 20 --hold 6
    good 3 --every 0.1
    the_good 'served >= 0.9 * tried'
}

@test "no descriptors left, and a server that tries again and again: no more go than must" {
    host_start loop --limit 40
    crowd --count 60 --kind half-hello --sources 60 --hold 2
    crowd_ends
    # Of 40 descriptors the host and the library need a few.
    the_crowd 'open >= 30 and min(ages) >= 0.25'
    [[ $(evicted_in_log) == $((60 - $(crowd_number open))) ]]
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

@test "the plaintext phase before STARTTLS lives, and so do finished clients, while handshakes must go" {
    host_start SHAKEOUT_MAX_PENDING=1 membio --starttls-port
    HOST_PORT=$(host_number starttls)
    clients --deadline 1 plain-idle=8 plain=2 &
    local plain=$!
    clients --deadline 1 --starttls --answers good-idle=3 &
    local finished=$!
    sleep 0.3
    # The last of them may stay, until the good client comes.
    clients --deadline 0.25 --late 8 --limit 10 --starttls --answers halfway12 halfway13 hello=3 &
    local stalled=$!
    wait "$plain"
    wait "$finished"
    clients --deadline 1 --starttls slow
    wait "$stalled"
    [[ $(evicted_in_log) == 5 ]]
}

# ---- The door -------------------------------------------------------------------------------------

@test "offenders are turned away at the door; a good client of another address gets through" {
    host_start blocking
    flood silent 32 4 127.9.0.1 1
    sleep 1.5
    good 2 --every 0.1
    flood_ends
    the_good 'served >= 0.95 * tried'
    # The host has seen only few of them.
    [[ $(grep -c 'handshake failed' "$HOST_OUT") -lt $(evicted_in_log) ]]
    good 0.3 --every 0.05
    the_good 'served == tried'
}

@test "who floods the TLS port is not turned away at a plaintext port beside it" {
    host_start membio --plain-port --most 8
    good 0.1 --every 1 # now it is known what the port speaks
    flood silent 32 5 127.9.0.1 1
    sleep 2
    HOST_PORT=$(host_number plain) crowd --count 8 --from 127.9.0.1 --hold 2
    crowd_ends
    flood_ends
    the_crowd 'open == 8'
    # So many can only have been turned away at the door.
    [[ $(evicted_in_log) -gt 1000 ]]
}

@test "a stranger is no offender, whatever his neighbours are" {
    host_start blocking
    flood silent 32 5 127.9.0.1 1
    sleep 2
    # Each comes for the first time.
    good 2 --every 0.1 --from 127.3.0.1 --sources 20
    flood_ends
    the_good 'served >= 0.95 * tried'
}

# let_in HOST
let_in() {
    host_deadline 1
    host_start "$1"
    crowd --count 10 --kind byte --hold 2
    crowd_ends
    the_crowd 'closed == 10 and min(ages) >= 1'
    good 1 --every 0.05 --delay 0.3 --from 127.9.0.1
    the_good 'served == tried'
    unless grep evicted "$HOST_LOG"
}

@test "without pressure even an offender is let in" {
    let_in loop
}

@test "without pressure even an offender is let in: a listener that does not block" {
    let_in membio
}

@test "at the door nothing is written to a client" {
    need strace strace
    no_sanitizer "strace and the sanitizer's runtime do not go together"
    host_start blocking
    strace -f -qq -p "$HOST_PID" -o "$BATS_TEST_TMPDIR/trace" -e trace=write,writev,sendto,sendmsg 3>&- &
    local tracer=$!
    host_wait "tracer" grep -q "^TracerPid:.*$tracer" "/proc/$HOST_PID/status"
    flood silent 32 3 127.9.0.1 1
    flood_ends
    [[ $(grep -c 'handshake failed' "$HOST_OUT") -lt $(evicted_in_log) ]]
    host_stop
    wait "$tracer"
    # The alerts are the program's, to those that it has taken.
    unless grep -vE 'write\(2, "shakeout|write\(1,|"\\25\\3\\3|--- SIG|\+\+\+ |resumed>' "$BATS_TEST_TMPDIR/trace"
}

@test "accept() tells the right address after those that were turned away" {
    local call
    for call in accept accept4; do
        host_start loop --most 8 --"$call"
        good 0.1 --every 1 # now it is known what the port speaks
        flood silent 64 2 127.9.0.1 1
        sleep 0.5
        good 1 --every 0.05 --sources 20
        flood_ends
        the_good 'served >= 0.9 * tried'
        host_alive
        # It turned some away itself, so the calls were repeated.
        [[ $(counted 's["accepted"]') -gt 300 ]]
        host_stop
    done
}

# While the host stands still all of them come to its queue; and they come again as fast as they are turned away.
@test "a program that accepts until nobody is there takes none of a queue of offenders" {
    host_start loop --most 8 --drain
    good 0.1 --every 1 # now it is known what the port speaks
    flood silent 200 4 127.9.0.1 1
    sleep 1.5
    local took i
    took=$(grep -c took "$HOST_OUT")
    for i in 1 2 3; do
        kill -STOP "$HOST_PID"
        sleep 0.3
        kill -CONT "$HOST_PID"
        sleep 0.1
    done
    [[ $(grep -c took "$HOST_OUT") == "$took" ]] || { grep -c took "$HOST_OUT"; echo "$took were there before"; return 1; }
    good 1 --every 0.05 --sources 20
    flood_ends
    the_good 'served >= 0.9 * tried'
}

@test "a server that polls and then accepts is not left waiting inside accept()" {
    host_start loop --most 8
    flood one-byte 64 2 127.9.0.1 1
    flood_ends
    sleep 1.5
    flood silent 200 1 127.9.0.1 1
    flood_ends
    sleep 1.5
    unless grep 'held up' "$HOST_OUT"
    good 0.2 --every 0.1
    the_good 'served == tried'
}

# all_are_counted HOST [OPTION]...
all_are_counted() {
    host_start "$@"
    good 0.1 --every 1 # now it is known what the port speaks
    flood silent 64 2 127.9.0.1 4
    flood_ends
    host_wait "end of the flood" host_no_connections
    sleep 1.2
    local evicted logged
    evicted=$(counted 's["evicted"]')
    logged=$(evicted_in_log)
    echo "evicted $evicted, logged $logged"
    [[ $evicted -gt 100 && $evicted == "$logged" ]]
    [[ $(counted 'sum(s["shut"].values())') == "$evicted" ]]
}

@test "the log and the counters tell of everyone who was evicted: an event loop" {
    all_are_counted loop --most 8
}

@test "the log and the counters tell of everyone who was evicted: one blocking thread" {
    all_are_counted blocking
}

# One address is many people: a gateway, a proxy.
@test "an address that has flooded is let in again soon after the flood" {
    host_start blocking
    flood silent 32 2 127.9.0.1 1
    flood_ends
    sleep 1.5
    good 1 --every 0.1 --from 127.9.0.1
    the_good 'served == tried'
}

# ---- No flood at all ------------------------------------------------------------------------------

@test "asyncio at full speed, the machine loaded: no good client is shut" {
    start_python asyncio_echo.py
    load_machine 12
    good 12 --at-once 32 --sources 500 --patience 20
    the_good 'served == tried'
    nobody_was_shut
}

@test "a thread for each client at full speed, the machine loaded: no good client is shut" {
    start_python blocking_echo.py threads
    load_machine 12
    good 12 --at-once 32 --sources 500 --patience 20
    the_good 'served == tried'
    nobody_was_shut
}

@test "slow good clients at full speed: nobody is shut by asyncio" {
    start_python asyncio_echo.py
    good 6 --at-once 100 --delay 0.3 --sources 300 --patience 20
    the_good 'served == tried'
    nobody_was_shut
}

@test "slow good clients at full speed: nobody is shut by a server with threads" {
    start_python blocking_echo.py threads
    good 6 --at-once 100 --delay 0.3 --sources 300 --patience 20
    the_good 'served == tried'
    nobody_was_shut
}
