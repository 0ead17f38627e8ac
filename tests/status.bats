# What the servers count, and how it is read: shakeout --status.
# packages: python3 prometheus

# shellcheck disable=SC2030,SC2031,SC2154 # `run` sets output and stderr, in this shell

load lib/env
load lib/hosts
load lib/status

status() {
    "$SHAKEOUT_CMD" --status "$@"
}

@test "accepted, begun, finished and shut are counted, each by its reason" {
    host_start threads
    value_is 's["accepted"]' 0
    # Alone: while libssl is looked up for the first call, those of other threads are not seen.
    clients quick
    clients silent=2 byte hello halfway12 halfway13 quick=3 good-idle=2
    value_is 's["accepted"]' 12
    value_is 's["handshakes_begun"]' 12
    value_is 's["handshakes_finished"]' 6
    value_is 's["shut"]' "{'silent': 2, 'partial_hello': 1, 'halfway': 3}"
    value_is 's["handshake_seconds"]["count"]' 6
    value_is 'sum(b[2] for b in s["handshake_seconds"]["buckets"])' 6
    value_is 's["deadline_seconds"]' 1.0
    value_is 's["processes"][0]["connections"]' 0
    value_is 's["processes"][0]["with_deadline"]' 0
    value_is 'sum(s["unprotected"].values())' 0
}

@test "connections are counted while they are there, and those with a deadline" {
    host_start SHAKEOUT_TIMEOUT=30 threads
    clients quick
    value_is 's["processes"][0]["connections"]' 0
    clients --expect-open --limit 3 silent=5 &
    local silent=$!
    clients good-idle=2 &
    local idle=$!
    value_is 's["processes"][0]["connections"]' 7
    value_is 's["processes"][0]["with_deadline"]' 5
    wait "$silent" "$idle"
    value_is 's["processes"][0]["connections"]' 0
}

@test "a handshake's time is from accept to its end" {
    host_start threads
    clients slow
    value_is '0.55 < s["handshake_seconds"]["max"] < 0.95' True
    value_is '0.55 < s["handshake_seconds"]["p50"] <= s["handshake_seconds"]["max"]' True
}

@test "memory BIOs are counted, too" {
    host_start membio
    clients quick=3 hello
    value_is 's["handshakes_begun"], s["handshakes_finished"], s["shut"]["halfway"]' "(4, 3, 1)"
    value_is 's["handshake_seconds"]["count"]' 3
}

@test "a late server is counted once for each connection" {
    host_start busy before 1
    clients quick
    clients --late 4 --limit 8 good
    value_is 's["server_late"]' 1
    value_is 'sum(s["shut"].values())' 0
}

@test "a port that is to be left alone is counted as such" {
    host_address
    host_start SHAKEOUT_PORTS='!4433' threads --at 4433
    clients --expect-open --limit 1.5 silent
    value_is 's["abstained"]["port"]' 1
}

@test "a server that answers in plaintext on a port that is said to speak TLS: counted as such" {
    host_address
    host_start SHAKEOUT_PORTS=4433 plain --at 4433
    clients plain
    value_is 's["abstained"]["answered"]' 1
    value_is 'sum(s["shut"].values())' 0
}

@test "a silent client of a port that nobody knows: it has no deadline, and is not counted as abstained" {
    host_start threads --lazy
    clients --expect-open --limit 2 silent &
    local silent=$!
    value_is 's["processes"][0]["connections"], s["processes"][0]["with_deadline"]' "(1, 0)"
    wait "$silent"
    value_is 'sum(s["abstained"].values())' 0
}

@test "children count into their parent's page; each has its own connections" {
    host_start SHAKEOUT_TIMEOUT=30 forking
    clients quick=3
    value_is 's["accepted"]' 3
    value_is 's["handshakes_finished"]' 3
    clients --expect-open --limit 4 silent &
    local silent=$!
    value_is 'sorted(p["with_deadline"] for p in s["processes"])' "[0]"
    wait "$silent"
}

@test "no thread: that is counted" {
    host_start membio --no-threads
    clients quick
    value_is 's["unprotected"]["thread"] > 0' True
}

@test "a server that has changed its user and its root: root can read its counters" {
    [[ $EUID == 0 ]] || skip "needs root"
    mkdir "$BATS_TEST_TMPDIR/empty"
    host_start jail "$BATS_TEST_TMPDIR/empty"
    clients quick silent
    value_is 's["accepted"]' 2
    run -1 --separate-stderr as_nobody "$HOST_PID"
    [[ $output == "" ]]
    [[ ${stderr_lines[0]} == "shakeout: --status: process $HOST_PID may not be looked at: "* ]]
    [[ ${#stderr_lines[@]} == 1 ]]
}

as_nobody() {
    # The command may lie where nobody can go.
    exec 8<"$SHAKEOUT_CMD"
    setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/8 --status "$@"
}

@test "the table" {
    host_start threads
    clients quick=20 silent
    value_is 's["shut"]["silent"]' 1
    run -0 status "$HOST_PID"
    echo "$output"
    [[ ${lines[0]} =~ ^"threads ($HOST_PID): shakeout "[0-9.]+", deadline 1 s, counting for "[0-9]+" s"$ ]]
    grep -qE '^  accepted +21$' <<<"$output"
    grep -qE '^  handshakes finished +20$' <<<"$output"
    grep -qE '^  shut +1   1 silent$' <<<"$output"
    grep -qE "^ +$HOST_PID  threads +0 +0$" <<<"$output"
    grep -qE '^  took  p50 [0-9.]+ m?u?s, p90 .*, p99 .*, p99.9 .*, max [0-9.]+ m?u?s$' <<<"$output"
    grep -q '^  20 finished handshakes are too few to say which deadline fits;' <<<"$output"
    unless grep -E '.{80}' <<<"$output"
}

@test "the table says which deadline fits" {
    host_start SHAKEOUT_TIMEOUT=60 threads
    clients quick=120
    value_is 's["handshake_seconds"]["count"]' 120
    run -0 status "$HOST_PID"
    echo "$output"
    grep -qE '^  99 % of 120 handshakes finished within [0-9.]+ s; the deadline of' <<<"$output"
}

@test "without a process id: all servers, and none is an error" {
    host_start threads
    run -0 status --json
    grep -q "\"pid\":$HOST_PID," <<<"$output"
    host_stop
    [[ $EUID == 0 ]] || skip "needs root for a process namespace"
    run -1 --separate-stderr unshare --fork --pid --mount-proc "$SHAKEOUT_CMD" --status
    [[ $output == "" ]]
    [[ $stderr == "shakeout: --status: no process under libshakeout.so that has listened or accepted" ]]
}

@test "Prometheus: promtool has nothing to say" {
    need promtool prometheus
    host_start threads
    clients quick=20 silent
    value_is 's["shut"]["silent"]' 1
    status --prometheus "$HOST_PID" >"$BATS_TEST_TMPDIR/metrics"
    cat "$BATS_TEST_TMPDIR/metrics"
    run -0 promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
    [[ $output == "" ]]
    grep -q "^shakeout_shut_connections_total{pid=\"$HOST_PID\",program=\"threads\",reason=\"silent\"} 1$" "$BATS_TEST_TMPDIR/metrics"
    grep -q "^shakeout_handshake_duration_seconds_count{.*} 20$" "$BATS_TEST_TMPDIR/metrics"
    grep -q "^shakeout_handshake_duration_seconds_bucket{.*,le=\"+Inf\"} 20$" "$BATS_TEST_TMPDIR/metrics"
}

@test "--watch shows it again and again, until the process ends" {
    host_start threads
    (status --json --watch=50ms "$HOST_PID" >"$BATS_TEST_TMPDIR/samples" 2>"$BATS_TEST_TMPDIR/complaint") 3>&- &
    local watcher=$! pid=$HOST_PID
    clients quick
    host_wait "ten samples" has_samples 10
    host_stop
    local result=0
    wait "$watcher" || result=$?
    [[ $result == 1 ]]
    grep -q '"handshakes_finished":1,' "$BATS_TEST_TMPDIR/samples"
    # While it ends it may be seen without its memory.
    grep -qxE "shakeout: --status: (there is no process $pid|process $pid has ended)" "$BATS_TEST_TMPDIR/complaint"
}

has_samples() {
    [[ $(wc -l <"$BATS_TEST_TMPDIR/samples") -ge $1 ]]
}

@test "errors are one line each: what, which value, what is accepted" {
    run -125 --separate-stderr status abc
    [[ $stderr == "shakeout: --status: 'abc' is no process id; give numbers, or nothing for all processes" ]]
    run -125 --separate-stderr status -- -5
    run -125 --separate-stderr status 99999999999999999999
    run -125 --separate-stderr status --watch=0
    [[ $stderr == "shakeout: --status: --watch: '0' is not accepted; give "* ]]
    run -1 --separate-stderr status 4194305
    [[ $stderr == "shakeout: --status: there is no process 4194305" ]]
    /usr/bin/python3 -c 'import os, time; pid = os.fork() or os._exit(0); print(pid, flush=True); time.sleep(30)' \
        >"$BATS_TEST_TMPDIR/zombie" 3>&- &
    local parent=$! zombie
    wait_for test -s "$BATS_TEST_TMPDIR/zombie"
    read -r zombie <"$BATS_TEST_TMPDIR/zombie"
    wait_for grep -q '^State:.Z' "/proc/$zombie/status"
    run -1 --separate-stderr status "$zombie"
    kill "$parent"
    [[ $stderr == "shakeout: --status: process $zombie has ended" ]]
    run -1 --separate-stderr status $$
    [[ $stderr == "shakeout: --status: process $$ does not run under libshakeout.so" ]]
}

@test "a process under the library that never served has no counters, and no descriptor of ours" {
    env LD_PRELOAD="$SHAKEOUT_PRELOAD" sleep 30 3>&- &
    local pid=$!
    wait_for grep -q libshakeout "/proc/$pid/maps"
    run -1 --separate-stderr status "$pid"
    kill "$pid"
    [[ $stderr == "shakeout: --status: process $pid has not listened or accepted yet, is switched off, or could have no memory for its counters" ]]
}

# pretender CODE: a process with a memfd of our name, mapped shared, filled by CODE.
pretender() {
    : >"$BATS_TEST_TMPDIR/pretender" # of the one before
    /usr/bin/python3 -c '
import ctypes, mmap, os, sys, time
fd = os.memfd_create("shakeout")
os.ftruncate(fd, 4096)
page = mmap.mmap(fd, 4096)
exec(sys.argv[1])
print("ready", flush=True)
time.sleep(60)' "$1" >"$BATS_TEST_TMPDIR/pretender" 3>&- &
    PRETENDER=$!
    wait_for grep -q ready "$BATS_TEST_TMPDIR/pretender"
    run -1 --separate-stderr status "$PRETENDER"
    kill "$PRETENDER"
    wait "$PRETENDER" || [[ $? == 143 ]]
    [[ $output == "" ]]
    echo "$stderr"
}

@test "a foreign, an empty, a truncated and a newer page of counters are errors" {
    local start
    pretender ''
    start="shakeout: --status: process $PRETENDER: its counters cannot be read: "
    [[ $stderr == "${start}they are not the library's" ]]
    pretender 'page[:] = os.urandom(4096)'
    [[ $stderr == *"they are not the library's" ]]
    pretender 'page[:16] = b"handshk\n" + (99).to_bytes(4, "little") + (99).to_bytes(4, "little")'
    [[ $stderr == *"they have layout 99, this program reads layout "* ]]
    pretender 'page[:16] = b"handshk\n" + (1).to_bytes(4, "little") + (5000).to_bytes(4, "little")'
    [[ $stderr == *"they are damaged" ]]
    pretender 'os.ftruncate(fd, 0)'
    [[ $stderr == "shakeout: --status: process $PRETENDER cannot be read: "* ]]
}
