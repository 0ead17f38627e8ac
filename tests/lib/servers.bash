# shellcheck shell=bash
# Real servers: start one from tests/servers/, probe it with every client, stop it.
# Loaded after lib/env, which says what is preloaded (SHAKEOUT_PRELOAD).
#
# A start script begins with comment lines `# key: value`; `server_meta` reads them:
#   packages   Debian packages that the server needs
#   fast       (no value) belongs to the usual run; the others run where ALL_SERVERS=1
#   extract    a Debian package that is unpacked, not installed (it conflicts with another one)
#   kind       implicit, or starttls:PROTOCOL (tests/clients/starttls.py)
#   ask        what a client asks for after its handshake (tests/clients/asks.py)
#   mechanism  how the server drives its handshakes, in a phrase
#   ports      yes: no TLS object before the first byte, so the port must be in SHAKEOUT_PORTS
#   tls        the versions that it speaks (default 1.2,1.3)
#   serial     yes: serves one connection at a time
#   flood      how many stalled clients at once (default 200; 0: the server cannot)
#   room       how late, in seconds, a stalled client may be shut (default 0.3)
#   defer      how long the kernel may keep a silent client from accept() (TCP_DEFER_ACCEPT), seconds
#   lazy       yes: makes no TLS object before the first byte after STARTTLS, so that a silent client
#              cannot be told from one that speaks plaintext, and must not be shut
#   copies     yes: several processes hold each connection, so that it may be logged more than once
#   inert      yes: the library can do nothing there, so it must do no harm
#   root       yes: must be started by root
#   log        stderr: the process that shuts reaches no file (chroot), but the server's own log
#   no-sanitizer  why the server cannot run under a sanitizer build of the library
#   needs      a program of tests/servers/programs that fails where the server cannot run
#
# It runs with these variables, and ends by exec'ing the server in the foreground:
#   DIR        a directory of its own, also the working directory; anybody may enter it
#   PORT       a free port of 127.0.0.1
#   CERT KEY   a certificate and its key, PEM
#   RUN        the command to put before the server's command line
#   ROOTS      where packages were unpacked: $ROOTS/PACKAGE/usr/...
#   HOUR       3600, for every timeout that the server has

servers_dir=$(cd -- "${BASH_SOURCE[0]%/*}/../servers" && pwd)
repository=$(cd -- "$servers_dir/../.." && pwd)
export ROOTS=$repository/build/roots

# All servers, one name a line.
server_names() {
    local path
    for path in "$servers_dir"/*; do
        [[ -x $path && -f $path ]] && printf '%s\n' "${path##*/}"
    done
}

# server_meta NAME KEY [DEFAULT]
server_meta() {
    local value
    value=$(sed -n "/^#/!q; s/^# $2: //p" "$servers_dir/$1")
    printf '%s\n' "${value:-${3-}}"
}

# Prints why NAME cannot run here; fails when it can.
server_missing() {
    local package program
    for package in $(server_meta "$1" packages); do
        if ! dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
            echo "package $package is not installed"
            return 0
        fi
    done
    for package in $(server_meta "$1" extract); do
        if [[ ! -d $ROOTS/$package ]]; then
            echo "package $package is not unpacked (scripts/unpack-servers)"
            return 0
        fi
    done
    if ((EUID)) && [[ $(server_meta "$1" root) == yes ]]; then
        echo "the rights of root"
        return 0
    fi
    for program in $(server_meta "$1" needs); do
        if ! "$servers_dir/programs/$program" >/dev/null; then
            echo "$program: nothing found"
            return 0
        fi
    done
    return 1
}

# make_certificate DIRECTORY: cert.pem and key.pem for localhost, readable by every server's user.
make_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -addext 'basicConstraints=critical,CA:FALSE' -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
        -keyout "$1/key.pem" -out "$1/cert.pem" 2>"$1/openssl.log"
    chmod 644 "$1/key.pem" "$1/cert.pem"
}

# A port that the kernel says is free now.
free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# True when something listens on the TCP port. Looks instead of connecting: no client may come
# before the first one of the test.
port_listens() {
    local hex
    printf -v hex ':%04X' "$1"
    awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
        END { exit !found }' /proc/net/tcp /proc/net/tcp6
}

# start_server NAME bare|protected DEADLINE: sets SERVER_DIR, SERVER_PORT, SERVER_PID, SERVER_LOG.
# The caller has set SERVERS_TMP to a directory that holds cert.pem and key.pem.
start_server() {
    local name=$1 mode=$2 deadline=$3 tries
    SERVER_DIR=$(mktemp -d "$SERVERS_TMP/$name.$mode.XXXXXX")
    chmod 755 "$SERVER_DIR"
    SERVER_PORT=$(free_port)
    SERVER_LOG=$SERVER_DIR/shakeout.log
    [[ $(server_meta "$name" log) != stderr ]] || SERVER_LOG=$SERVER_DIR/output
    write_run_command "$name" "$mode" "$deadline" >"$SERVER_DIR/run"
    chmod 755 "$SERVER_DIR/run"
    (
        cd "$SERVER_DIR" || exit
        ulimit -c 0
        export DIR=$SERVER_DIR PORT=$SERVER_PORT RUN=$SERVER_DIR/run HOUR=3600
        export CERT=$SERVERS_TMP/cert.pem KEY=$SERVERS_TMP/key.pem
        # The words after exec stay this child's: $! is the server's pid, and the session's number.
        exec setsid "$servers_dir/$name" </dev/null >"$SERVER_DIR/output" 2>&1 3>&-
    ) &
    SERVER_PID=$!
    for ((tries = 0; tries < 300; tries++)); do
        port_listens "$SERVER_PORT" && return 0
        kill -0 "$SERVER_PID" 2>/dev/null || break
        sleep 0.1
    done
    echo "$name does not listen on port $SERVER_PORT; it said:"
    tail -n 40 "$SERVER_DIR/output"
    stop_server
    return 1
}

# The program that start scripts put before the server: it sets the library's environment.
write_run_command() {
    local name=$1 mode=$2 deadline=$3
    echo '#!/bin/sh'
    if [[ $mode == protected ]]; then
        : >"$SERVER_LOG"
        chmod 666 "$SERVER_LOG"
        echo "export LD_PRELOAD='$SHAKEOUT_PRELOAD' SHAKEOUT_TIMEOUT='$deadline'"
        if [[ $(server_meta "$name" log) != stderr ]]; then
            echo "export SHAKEOUT_LOG='$SERVER_LOG'"
        fi
        if [[ $(server_meta "$name" ports) == yes ]]; then
            echo "export SHAKEOUT_PORTS='$SERVER_PORT'"
        fi
        # A process that takes longer to start than a client may stall while others wait.
        [[ -z ${SHAKEOUT_SAN:-} ]] || echo "export SHAKEOUT_PRESSURE=off"
    fi
    # A server may clear its environment; what it needs is then in its script (SHAKEOUT_…, LD_PRELOAD).
    echo 'exec "$@"'
}

# Every process of the server: its descendants and its session, whoever their parent is by now.
server_processes() {
    /usr/bin/python3 - "$repository/tests/clients" "$SERVER_PID" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import processes
print(*sorted(p for p in processes.family(int(sys.argv[2])) if processes.alive(p)), sep="\n")
PYTHON
}

# Ends the server and whatever it started: asks first, insists after two seconds.
stop_server() {
    local members tries
    mapfile -t members < <(server_processes)
    ((${#members[@]})) || return 0
    kill -TERM "${members[@]}" 2>/dev/null || return 0
    for ((tries = 0; tries < 20; tries++)); do
        mapfile -t members < <(printf '%s\n' "${members[@]}"; server_processes)
        mapfile -t members < <(printf '%s\n' "${members[@]}" | sort -u | only_alive)
        ((${#members[@]})) || break
        sleep 0.1
    done
    # One that ends by itself just now is as good as killed, so the status says nothing.
    ((${#members[@]} == 0)) || kill -KILL "${members[@]}" 2>/dev/null || :
    wait "$SERVER_PID" 2>/dev/null || :
}

# Of the pids on standard input, those that still run.
only_alive() {
    local pid state
    while read -r pid; do
        state=$(sed 's/.*) \(.\).*/\1/' "/proc/$pid/stat" 2>/dev/null) || continue
        [[ $state == [ZX] || -z $state ]] || printf '%s\n' "$pid"
    done
}

# probe_server NAME DEADLINE [OPTION]...
probe_server() {
    local name=$1 deadline=$2
    shift 2
    /usr/bin/python3 "$repository/tests/clients/probe.py" 127.0.0.1 "$SERVER_PORT" \
        --kind "$(server_meta "$name" kind implicit)" --ask "$(server_meta "$name" ask http)" \
        --tls "$(server_meta "$name" tls 1.2,1.3)" --deadline "$deadline" --pid "$SERVER_PID" "$@"
}

# The control: bare, the server must serve good clients; what it closes itself is in the output.
control_server() {
    local name=$1 deadline=$2 status=0
    start_server "$name" bare "$deadline" || return 1
    probe_server "$name" "$deadline" --control >"$SERVER_DIR/probe" || status=$?
    finish_server "$status"
}

# How many times as long as 1 ms, which an idle machine needs, it takes here and now to start a process;
# from 1 to 10.
machine_slowness() {
    local start=$EPOCHREALTIME i
    for ((i = 0; i < 20; i++)); do (:); done
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { n = (b - a) * 1000 / 20; print (n < 1 ? 1 : (n > 10 ? 10 : n)) }'
}

# The server under the library, with every client. On a slow or busy machine servers accept late, and a
# client's clock starts when it connects: there is more room then, and fewer come at once.
protected_server() {
    local name=$1 deadline=$2 status=0
    local room flood options slowness
    slowness=$(machine_slowness)
    room=$(awk -v r="$(server_meta "$name" room 0.3)" -v s="$slowness" 'BEGIN { print r * s }')
    flood=$(awk -v n="$(server_meta "$name" flood 200)" -v s="$slowness" 'BEGIN { print int(n / s) }')
    if [[ -n ${SHAKEOUT_SAN:-} ]]; then
        # A fork under a sanitizer takes many times as long. What counts is that it has nothing to report.
        room=5
        flood=$((flood < 10 ? flood : 10))
    fi
    options=(--room "$room" --flood-room "$(awk -v r="$room" 'BEGIN { print r + 0.2 }')"
        --flood "$flood" --defer "$(server_meta "$name" defer 0)")
    [[ $(server_meta "$name" serial) != yes ]] || options+=(--serial)
    [[ $(server_meta "$name" lazy) != yes ]] || options+=(--lazy)
    [[ $(server_meta "$name" copies) != yes ]] || options+=(--copies)
    [[ $(server_meta "$name" inert) != yes ]] || options+=(--control)
    start_server "$name" protected "$deadline" || return 1
    options+=(--log "$SERVER_LOG")
    probe_server "$name" "$deadline" "${options[@]}" >"$SERVER_DIR/probe" || status=$?
    finish_server "$status"
}

# Stops the server; on failure shows what everybody said.
finish_server() {
    stop_server
    cp "$SERVER_DIR/probe" "$SERVERS_TMP/probe.last"
    if (($1 != 0)); then
        cat "$SERVER_DIR/probe"
        echo "-- the server's last words:"
        tail -n 20 "$SERVER_DIR/output"
        [[ ! -f $SERVER_LOG ]] || { echo "-- the library's log:"; tail -n 20 "$SERVER_LOG"; }
    fi
    return "$1"
}

# The deadline for a server: a shorter one where the clients have to come one after another.
server_deadline() {
    if [[ $(server_meta "$1" serial) == yes ]]; then echo 1; else echo 1.5; fi
}

# What the bats test of each server does.
check_server() {
    local deadline why
    if why=$(server_missing "$1"); then skip "missing: $why"; fi
    why=$(server_meta "$1" no-sanitizer)
    [[ -z $why ]] || no_sanitizer "$why"
    deadline=$(server_deadline "$1")
    control_server "$1" "$deadline"
    protected_server "$1" "$deadline"
}
