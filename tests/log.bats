# Where the log goes, and that it never hurts the program: SHAKEOUT_LOG.
# packages: util-linux rsyslog systemd

load lib/env
load lib/hosts

setup() {
    shakeout_setup
    LOG=$BATS_TEST_TMPDIR/shakeout.log
    COLLECTOR=
}

teardown() {
    host_stop
    collector_stop
    shakeout_teardown
}

as_root() {
    [[ $EUID == 0 ]] || skip "needs root"
}

# The log's lines about clients that were shut.
told() {
    grep -c 'handshake deadline: ' "${1:-$LOG}" || [[ $? == 1 ]]
}

# tells COUNT [FILE]: waits for that many.
has_told() {
    [[ $(told "$2") == "$1" ]]
}

tells() {
    host_wait "$1 lines in ${2:-$LOG}" has_told "$1" "${2:-$LOG}" || { cat "${2:-$LOG}"; return 1; }
}

descriptor_of() {
    find "/proc/$HOST_PID/fd" -lname "$1" -printf '%f\n'
}

# ---- A file ----

@test "file: lines with a time, appended, mode 0640" {
    umask 022
    host_start SHAKEOUT_LOG="$LOG" threads
    clients silent
    tells 1
    [[ $(stat -c %a "$LOG") == 640 ]]
    grep -qE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z shakeout\['"$HOST_PID"'\]: handshake deadline: ' "$LOG"
    [[ $(date -d "$(tail -n 1 "$LOG" | cut -d' ' -f1)" +%s) -ge $(($(date +%s) - 5)) ]]
    host_stop
    [[ ! -s $HOST_LOG ]]
    host_start SHAKEOUT_LOG="$LOG" threads
    clients silent
    tells 2
}

@test "file: never through a symbolic link; standard error tells it" {
    ln -s "$BATS_TEST_TMPDIR/elsewhere" "$LOG"
    host_start SHAKEOUT_LOG="$LOG" threads
    clients silent
    [[ ! -e $BATS_TEST_TMPDIR/elsewhere ]]
    [[ $(<"$HOST_LOG") == "shakeout[$HOST_PID]: SHAKEOUT_LOG: the file '$LOG' cannot be opened (errno 40, a symbolic link)" ]]
}

@test "file: goes on in a new file when logrotate has moved the old one" {
    host_start SHAKEOUT_LOG="$LOG" threads
    clients silent
    tells 1
    mv "$LOG" "$LOG.1"
    clients silent hello
    tells 2
    tells 1 "$LOG.1"
    [[ $(descriptor_of "$LOG") -ge 100 ]]
    [[ -z $(descriptor_of "$LOG.1") ]]
}

@test "file: goes on when it was truncated (copytruncate)" {
    host_start SHAKEOUT_LOG="$LOG" threads
    clients silent
    tells 1
    : >"$LOG"
    clients silent
    tells 1
    [[ $(head -c 2 "$LOG") == 20 ]]
}

@test "file: a server that enters a chroot and gives up root goes on logging" {
    as_root
    mkdir "$BATS_TEST_TMPDIR/empty"
    host_start SHAKEOUT_LOG="$LOG" jail "$BATS_TEST_TMPDIR/empty"
    clients silent hello
    tells 2
    host_wait "end of its connections" host_no_connections
}

@test "file: one that would stop or kill a careless writer: a fifo, /dev/full, a size limit" {
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    host_start SHAKEOUT_LOG="$BATS_TEST_TMPDIR/fifo" threads
    clients silent quick
    host_stop
    host_start SHAKEOUT_LOG=/dev/full threads
    clients silent quick
    host_stop
    head -c 20000 /dev/zero >"$LOG"
    HOST_UNDER=(bash -c 'ulimit -f 8; exec "$@"' -)
    host_start SHAKEOUT_LOG="$LOG" threads
    clients silent hello quick
    [[ $(stat -c %s "$LOG") == 20000 ]]
    host_alive
}

@test "file: nothing is opened in a process that never serves" {
    env LD_PRELOAD="$SHAKEOUT_PRELOAD" SHAKEOUT_LOG="$LOG" true
    [[ ! -e $LOG ]]
}

@test "file: it lies high, closes on exec, and is there once" {
    host_start SHAKEOUT_LOG="$LOG" threads
    local fd flags
    fd=$(descriptor_of "$LOG")
    [[ $fd -ge 100 ]]
    flags=$(sed -n 's/^flags:\t*//p' "/proc/$HOST_PID/fdinfo/$fd")
    ((flags & 02000000)) # O_CLOEXEC
    clients silent
    tells 1
    [[ $(descriptor_of "$LOG") == "$fd" ]]
}

# The host owns all the numbers that it closed, and compares what is there.
after_all_is_closed() {
    clients --in-turn hello quick
    host_says "closed "
    HOST_PORT=$(host_number again)
    clients silent hello quick
    tells 3
    host_says "own [1-9][0-9]* ok"
    host_alive
}

closes_everything() { # HOW
    host_start SHAKEOUT_LOG="$LOG" closeall "$1"
    after_all_is_closed
}

@test "file: the program closes everything by close_range" {
    closes_everything close_range
}

@test "file: the program closes everything by closefrom" {
    closes_everything closefrom
}

@test "file: the program closes everything by a loop" {
    closes_everything loop
}

@test "file: the program puts its own files over every descriptor by dup2" {
    closes_everything onto
}

@test "file: the program closes everything by the raw system call" {
    closes_everything raw
}

@test "file: the program closes everything by raw close, one by one" {
    closes_everything raw-loop
}

# ---- syslog and the journal ----

# The host and the collector live in a mount namespace of their own, with a /dev and a /run that
# hold nothing but what is needed.
namespace() {
    as_root
    mkdir "$BATS_TEST_TMPDIR/dev" "$BATS_TEST_TMPDIR/run"
    cat >"$BATS_TEST_TMPDIR/enter" <<'EOF'
set -euo pipefail
dir=$1
shift
for node in null zero full random urandom tty; do
    touch "$dir/dev/$node"
    mount --bind "/dev/$node" "$dir/dev/$node"
done
ln -sfn /proc/self/fd "$dir/dev/fd"
mkdir -p "$dir/run/systemd/journal"
mount --rbind "$dir/dev" /dev
mount --bind "$dir/run" /run
exec "$@"
EOF
    unshare -m true 2>"$BATS_TEST_TMPDIR/unshare" || skip "no mount namespaces here: $(<"$BATS_TEST_TMPDIR/unshare")"
    # shellcheck disable=SC2034 # lib/hosts.bash reads it
    HOST_UNDER=(unshare -m bash "$BATS_TEST_TMPDIR/enter" "$BATS_TEST_TMPDIR")
}

# collect SOCKET: prints what comes there into $LOG. The directories are the namespace's.
collect() {
    rm -f "$1"
    /usr/bin/python3 "$SHAKEOUT_ROOT/tests/clients/datagrams.py" "$1" >>"$LOG" 3>&- &
    COLLECTOR=$!
    wait_for test -S "$1"
}

collector_stop() {
    [[ -n $COLLECTOR ]] || return 0
    kill "$COLLECTOR"
    wait "$COLLECTOR" || [[ $? == 143 ]] # a daemon ends with 0
    COLLECTOR=
}

@test "syslog: one datagram for each line, from the daemon facility" {
    namespace
    collect "$BATS_TEST_TMPDIR/dev/log"
    host_start SHAKEOUT_LOG=syslog threads
    clients silent hello
    tells 2
    # 29: facility 3, priority 5 (notice).
    grep -qE "^<29>shakeout\[$HOST_PID\]: handshake deadline: 1\.[0-9]+ s, client 127\.0\.0\.1:[0-9]+ on port $HOST_PORT, sent 0 bytes \(silent\)$" "$LOG"
    host_alive
    [[ ! -s $HOST_LOG ]]
}

@test "syslog: a bad setting is told there, with a warning's priority" {
    namespace
    collect "$BATS_TEST_TMPDIR/dev/log"
    host_start SHAKEOUT_LOG=syslog SHAKEOUT_TIMEOUT=0 threads
    host_wait "complaint" grep -qE "^<28>shakeout\[$HOST_PID\]: SHAKEOUT_TIMEOUT: '0' is not accepted" "$LOG"
    [[ ! -s $HOST_LOG ]]
}

@test "syslog: the daemon is started anew, and the lines go on" {
    namespace
    collect "$BATS_TEST_TMPDIR/dev/log"
    host_start SHAKEOUT_LOG=syslog threads
    clients silent
    tells 1
    collector_stop
    clients silent
    collect "$BATS_TEST_TMPDIR/dev/log"
    clients silent
    tells 2
}

@test "syslog: a daemon that does not read holds nobody up" {
    namespace
    collect "$BATS_TEST_TMPDIR/dev/log"
    kill -STOP "$COLLECTOR"
    host_start SHAKEOUT_LOG=syslog threads
    clients silent=40
    clients silent quick
    host_alive
    kill -CONT "$COLLECTOR"
}

@test "syslog: no daemon at all" {
    namespace
    host_start SHAKEOUT_LOG=syslog threads
    clients silent quick
    host_alive
}

@test "syslog: a server in a chroot, without root" {
    namespace
    chmod 755 "$BATS_TEST_TMPDIR/dev"
    collect "$BATS_TEST_TMPDIR/dev/log"
    mkdir "$BATS_TEST_TMPDIR/empty"
    host_start SHAKEOUT_LOG=syslog jail "$BATS_TEST_TMPDIR/empty"
    clients silent hello
    tells 2
}

@test "syslog: the program closes everything by raw close, one by one" {
    namespace
    collect "$BATS_TEST_TMPDIR/dev/log"
    host_start SHAKEOUT_LOG=syslog closeall raw-loop
    after_all_is_closed
}

@test "journal: the native protocol, with the facts in fields" {
    namespace
    mkdir -p "$BATS_TEST_TMPDIR/run/systemd/journal"
    collect "$BATS_TEST_TMPDIR/run/systemd/journal/socket"
    host_start SHAKEOUT_LOG=journal threads
    clients silent
    tells 1
    cat "$LOG"
    local line
    for line in "MESSAGE_ID=533a124a61ce466789f050629c8c8e4b" "PRIORITY=5" "SYSLOG_IDENTIFIER=shakeout" \
        "SYSLOG_PID=$HOST_PID" "SHAKEOUT_REASON=silent" "SHAKEOUT_BYTES=0" "SHAKEOUT_PORT=$HOST_PORT"; do
        grep -qxF "$line" "$LOG"
    done
    grep -qE '^MESSAGE=handshake deadline: ' "$LOG"
    grep -qE '^SHAKEOUT_CLIENT=127\.0\.0\.1:[0-9]+$' "$LOG"
    grep -qE '^SHAKEOUT_SECONDS=1\.[0-9]{3}$' "$LOG"
}

# What the daemons themselves make of it. They run in the namespace, whose /dev and /run are theirs;
# in the background, in the place of the shell there.
in_the_namespace() {
    exec nsenter --mount --target "$HOST_PID" "$@"
}

@test "syslog: rsyslog understands it" {
    need rsyslogd rsyslog
    namespace
    cat >"$BATS_TEST_TMPDIR/rsyslog.conf" <<EOF
module(load="imuxsock")
template(name="parts" type="string" string="%syslogtag% %syslogfacility-text% %syslogseverity-text%%msg%\n")
*.* action(type="omfile" file="$LOG" template="parts")
EOF
    host_start SHAKEOUT_LOG=syslog threads
    in_the_namespace rsyslogd -n -f "$BATS_TEST_TMPDIR/rsyslog.conf" -i "$BATS_TEST_TMPDIR/rsyslog.pid" 3>&- &
    COLLECTOR=$!
    host_wait "rsyslog's socket" test -S "$BATS_TEST_TMPDIR/dev/log"
    clients silent
    tells 1
    grep -qE "^shakeout\[$HOST_PID\]: daemon notice handshake deadline: 1\." "$LOG"
}

@test "journal: journald keeps it, and journalctl finds it by its fields" {
    local journald=/lib/systemd/systemd-journald
    need journalctl systemd
    need "$journald" systemd
    namespace
    mkdir -p "$BATS_TEST_TMPDIR/run/log/journal"
    host_start SHAKEOUT_LOG=journal threads
    in_the_namespace "$journald" 2>"$BATS_TEST_TMPDIR/journald" 3>&- &
    COLLECTOR=$!
    host_wait "journald's socket" test -S "$BATS_TEST_TMPDIR/run/systemd/journal/socket"
    clients silent
    host_wait "the line in the journal" journal_has "SHAKEOUT_PORT=$HOST_PORT" SHAKEOUT_REASON=silent
    journal_has MESSAGE_ID=533a124a61ce466789f050629c8c8e4b "SYSLOG_PID=$HOST_PID" PRIORITY=5
}

journal_has() {
    journalctl -q -D "$BATS_TEST_TMPDIR/run/log/journal" -o cat --no-pager "$@" | grep -q '^handshake deadline: 1\.'
}

# ---- Standard error that is a client ----

@test "stderr: nothing is written to it where it is a connection, as under inetd" {
    local port
    /usr/bin/python3 - >"$BATS_TEST_TMPDIR/port" 2>"$LOG" 3>&- <<'PYTHON' &
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stderr.write(server.accept()[0].makefile().read())
PYTHON
    COLLECTOR=$!
    wait_for test -s "$BATS_TEST_TMPDIR/port"
    port=$(<"$BATS_TEST_TMPDIR/port")
    # shellcheck disable=SC2034 # lib/hosts.bash reads it
    HOST_UNDER=(bash -c "exec 2<>/dev/tcp/127.0.0.1/$port; exec \"\$@\"" -)
    host_start threads
    clients silent
    host_stop
    wait "$COLLECTOR"
    COLLECTOR=
    cat "$LOG"
    [[ ! -s $LOG ]]
}

# ---- Nothing ----

@test "off: nothing anywhere" {
    host_start SHAKEOUT_LOG=off threads
    clients silent quick
    [[ ! -s $HOST_LOG ]]
    host_alive
}
