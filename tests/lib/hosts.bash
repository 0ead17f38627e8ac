# The test hosts (tests/hosts/*.c): start one under the library, play clients, see what is left.
# Load lib/env first. Every test may start one host; all of it lives in $BATS_TEST_TMPDIR.
#
#   setup_file(), setup(), teardown()  what a file about hosts needs; one with more to do has its own
#   hosts_certificate            in setup_file()
#   host_deadline SECONDS        another deadline than 1 s for the hosts that start from now on
#   host_pressure                they are judged under pressure in a sanitizer build, too
#   host_start NAME [ARG]...     starts it under the library; more settings as
#                                "NAME=VALUE" words before the host's name. Sets HOST_PID, HOST_PORT
#                                (0 if it prints none), HOST_OUT (its stdout), HOST_LOG (its stderr)
#   host_number WORD             the number in its line "WORD number", waited for
#   host_says TEXT               waits for a line that contains TEXT
#   clients [OPTION]... KIND...  tests/clients/stall.py against HOST_PORT with that deadline
#   host_address                 an address of its own (HOST_ADDRESS) for a host with a fixed port
#   host_done COUNT              the host is alive, has no connection left, exactly COUNT clients were
#                                shut according to the log; then ends it and looks for leftovers
#   unless COMMAND...            fails when the command succeeds (bash's `set -e` does not see a `!`)
#   host_stop                    in teardown(): ends what is left
#
# HOST_UNDER is a command with arguments that starts the host in its own place (unshare, ...).
# HOSTS_BARE=1 runs the hosts without the library: every test about a stalled client must then fail.

# shellcheck shell=bash

HOST_DEADLINE=1
HOST_PRESSURE=${SHAKEOUT_SAN:+off}
HOST_UNDER=()

setup_file() {
    hosts_certificate
}

setup() {
    shakeout_setup
}

teardown() {
    host_stop
    shakeout_teardown
}

host_deadline() {
    HOST_DEADLINE=$1
}

# A host with a sanitizer may keep its clients waiting for longer than a moment just to start a thread, and
# who stalls then goes before the deadline. That is right, and not what most tests are about.
host_pressure() {
    HOST_PRESSURE=
}

hosts_certificate() {
    export HOST_CERT=$BATS_FILE_TMPDIR/cert.pem HOST_KEY=$BATS_FILE_TMPDIR/key.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=localhost -keyout "$HOST_KEY" -out "$HOST_CERT" 2>"$BATS_FILE_TMPDIR/openssl.log"
    # Some hosts give up root before they read it again.
    chmod 755 "$BATS_FILE_TMPDIR"
    chmod 644 "$HOST_KEY" "$HOST_CERT"
}

# 127.X.Y.Z by the test's process number: ports there are ours alone.
host_address() {
    export HOST_ADDRESS=127.$((1 + BASHPID / 62500 % 250)).$((BASHPID / 250 % 250)).$((1 + BASHPID % 250))
}

host_start() {
    local settings=(SHAKEOUT_TIMEOUT="$HOST_DEADLINE")
    [[ -z $HOST_PRESSURE ]] || settings+=(SHAKEOUT_PRESSURE="$HOST_PRESSURE")
    while [[ $1 == *=* ]]; do
        settings+=("$1")
        shift
    done
    [[ -n ${HOSTS_BARE:-} ]] || settings+=(LD_PRELOAD="$SHAKEOUT_PRELOAD")
    local program=$SHAKEOUT_HOSTS/$1
    shift
    HOST_OUT=$BATS_TEST_TMPDIR/out
    HOST_LOG=$BATS_TEST_TMPDIR/log
    : >"$HOST_OUT" # an earlier host's lines must not be taken for this one's
    # A session of its own, so that whatever it leaves behind can be found (no fork: not a leader).
    setsid "${HOST_UNDER[@]}" env "${settings[@]}" "$program" "$@" >"$HOST_OUT" 2>"$HOST_LOG" 3>&- &
    HOST_PID=$!
    HOST_PORT=$(host_number port)
}

# host_wait WHAT COMMAND...: until COMMAND succeeds, for 30 s at most.
host_wait() {
    local what=$1 i
    shift
    for ((i = 0; i < 1500; i++)); do
        if "$@"; then
            return 0
        fi
        kill -0 "$HOST_PID" 2>/dev/null || break
        sleep 0.02
    done
    "$@" && return 0
    echo "no $what within 30 s from the host (pid $HOST_PID):" >&2
    head -n 50 "$HOST_OUT" "$HOST_LOG" >&2
    return 1
}

unless() {
    if "$@"; then
        echo "must not succeed: $*" >&2
        return 1
    fi
}

host_has() {
    grep -q -- "$1" "$HOST_OUT"
}

host_number() {
    host_wait "line '$1 N'" host_has "^$1 [0-9]" >&2 || return 1
    sed -n "s/^$1 \([0-9]*\).*/\1/p" "$HOST_OUT" | head -n 1
}

host_says() {
    host_wait "line with '$1'" host_has "$1"
}

# Under a sanitizer a host takes tens of milliseconds to start a thread and to accept the next client, and a
# client's clock starts when it connects. How late is late is judged without one.
clients() {
    local room=()
    [[ -z $SHAKEOUT_SAN || " $* " == *" --expect-open "* ]] || room=(--late 10 --limit 12)
    /usr/bin/python3 "$SHAKEOUT_ROOT/tests/clients/stall.py" --host "${HOST_ADDRESS:-127.0.0.1}" \
        --port "$HOST_PORT" --deadline "$HOST_DEADLINE" "$@" "${room[@]}"
}

# Connections of port $1 that some process still holds (an orphan of the kernel has inode 0).
host_connections() {
    awk -v port="$(printf ':%04X' "$1")" \
        'index($2, port) == 9 && $4 != "0A" && $10 != 0 { n++ } END { print n + 0 }' /proc/net/tcp
}

host_no_connections() {
    [[ $(host_connections "$HOST_PORT") == 0 ]]
}

host_alive() {
    kill -0 "$HOST_PID" 2>/dev/null && [[ $(cut -d ' ' -f 3 "/proc/$HOST_PID/stat") != Z ]]
}

# The library's own thread in process HOST_PID: its directory in /proc; nothing when there is none.
host_reaper() {
    grep -lx shakeout "/proc/$HOST_PID"/task/*/comm | sed 's:/comm$::'
}

host_has_reaper() {
    [[ -n $(host_reaper) ]]
}

# How often that thread has gone to sleep: each wake-up is followed by one.
host_wakeups() {
    sed -n 's/^voluntary_ctxt_switches:\t//p' "$(host_reaper)/status"
}

# The open descriptors of HOST_PID, one "number kind" a line.
host_descriptors() {
    local path
    for path in "/proc/$HOST_PID/fd"/*; do
        echo "${path##*/} $(readlink "$path" | sed 's/:.*//')"
    done | sort -n
}

# Lines of the log, one for each client that the library shut.
host_shut_count() {
    grep -c 'handshake deadline: ' "$HOST_LOG" || [[ $? == 1 ]]
}

host_expect_shut() {
    local count
    count=$(host_shut_count)
    if [[ $count != "$1" ]]; then
        echo "the log tells of $count clients that were shut, not of $1:" >&2
        head -n 50 "$HOST_LOG" >&2
        return 1
    fi
}

host_session_gone() {
    ! pgrep -s "$1" >/dev/null
}

host_done() {
    if ! host_alive; then
        echo "the host has died:" >&2
        head -n 50 "$HOST_OUT" "$HOST_LOG" >&2
        return 1
    fi
    host_wait "end of its connections" host_no_connections
    host_expect_shut "$1"
    host_stop
}

host_stop() {
    [[ -n ${HOST_PID:-} ]] || return 0
    local pid=$HOST_PID status=0 i
    HOST_PID=
    kill -TERM "$pid" 2>/dev/null || echo "the host had ended before" >&2
    wait "$pid" || status=$?
    for ((i = 0; i < 100; i++)); do
        host_session_gone "$pid" && break
        sleep 0.02
    done
    if ! host_session_gone "$pid"; then
        echo "processes left behind:" >&2
        pgrep -a -s "$pid" >&2
        pkill -KILL -s "$pid"
        return 1
    fi
    # 143: ended by our SIGTERM; 0: it had nothing more to do.
    if [[ $status != 143 && $status != 0 ]]; then
        echo "the host ended with status $status:" >&2
        head -n 50 "$HOST_OUT" "$HOST_LOG" >&2
        return 1
    fi
}
