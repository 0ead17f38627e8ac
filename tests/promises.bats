# The library's promises, one by one. What a promise means for servers that do odd things is in
# hosts.bats, for real servers in servers.bats; here is what they have in common.

load lib/env
load lib/hosts

# ---- 1. A stalled handshake ends at its deadline ----

# The log names ten of them. The clients' own clocks run on while they wait for a processor.
@test "forty stalled clients are shut at their deadline, never early, most within 50 ms" {
    host_start threads
    clients silent=10 byte=5 drip=5 hello=10 halfway12=5 halfway13=5
    local prompt
    prompt=$(grep -cE 'handshake deadline: 1\.0[0-4]' "$HOST_LOG")
    [[ -n $SHAKEOUT_SAN || $prompt -gt 5 ]] || { cat "$HOST_LOG"; return 1; }
}

@test "the log tells the client, its port, its time and what it sent" {
    host_start threads
    clients silent
    clients hello
    local expected="^shakeout\[$HOST_PID\]: handshake deadline: 1\.[0-4][0-9]* s, client 127\.0\.0\.1:[0-9]+ on port $HOST_PORT, sent"
    grep -qE "$expected 0 bytes \(silent\)$" "$HOST_LOG"
    grep -qE "$expected [1-9][0-9]* bytes \(halfway\)$" "$HOST_LOG"
    host_done 2
}

@test "the deadline is what the operator set: 400ms" {
    host_deadline 0.4
    host_start SHAKEOUT_TIMEOUT=400ms threads
    clients silent hello halfway12 halfway13 good good-idle slow
    host_done 4
}

@test "the deadline is absolute: a client that goes on and on is shut as well" {
    host_deadline 0.5
    host_start membio
    clients drip=3
    # No complaint in the log beside the lines about clients.
    unless grep -v -e 'handshake deadline: ' -e 'protects this process: ' "$HOST_LOG"
    host_done 3
}

@test "a ClientHello where the server never looks is none, and waits for no answer" {
    host_start threads
    clients decoy=2 nested-decoy=2
    host_done 4
}

@test "a ClientHello where the server never looks: memory BIOs, which only it could tie" {
    host_start membio
    clients decoy=2 nested-decoy=2
    host_done 4
}

@test "a ClientHello where the server never looks: a TLS library that no hook sees" {
    host_start loop-static
    clients quick
    clients decoy nested-decoy
    host_done 2
}

@test "200 stalled clients and good ones in their midst" {
    host_start threads
    clients --late 1.5 silent=100 hello=100 >"$BATS_TEST_TMPDIR/stalled" &
    local stalled=$!
    sleep 0.3
    clients quick=10 good-idle=2 slow
    wait "$stalled" || { grep -v ': ok' "$BATS_TEST_TMPDIR/stalled"; return 1; }
    clients quick
    host_wait "end of its connections" host_no_connections
    # A flood is told in about ten lines a second and a line that counts the rest.
    # Under a sanitizer they come, and so go, over many seconds.
    [[ -n $SHAKEOUT_SAN || $(wc -l <"$HOST_LOG") -le 40 ]]
}

# It makes its SSL object for each client, and then waits in select() for the client or the terminal.
@test "openssl s_server at a terminal: its very first client is shut, though it sends nothing" {
    mkfifo "$BATS_TEST_TMPDIR/terminal"
    exec 4<>"$BATS_TEST_TMPDIR/terminal"
    HOST_OUT=$BATS_TEST_TMPDIR/out HOST_LOG=$BATS_TEST_TMPDIR/log
    setsid env SHAKEOUT_TIMEOUT="$HOST_DEADLINE" LD_PRELOAD="$SHAKEOUT_PRELOAD" openssl s_server \
        -accept 127.0.0.1:0 -cert "$HOST_CERT" -key "$HOST_KEY" <&4 >"$HOST_OUT" 2>"$HOST_LOG" 3>&- &
    HOST_PID=$!
    host_wait "port" grep -q '^ACCEPT 127' "$HOST_OUT"
    HOST_PORT=$(sed -n 's/^ACCEPT 127.0.0.1://p' "$HOST_OUT")
    clients silent
    clients --in-turn byte hello halfway13
    [[ $(grep -c 'handshake deadline: ' "$HOST_LOG") == 4 ]]
    exec 4>&-
}

# ---- 2. Nothing else is ever shut ----

@test "a port that nobody knows: a silent client is left alone until the port has spoken TLS" {
    host_start threads --lazy
    clients --expect-open --limit 2 silent
    host_expect_shut 0
    clients quick
    clients silent byte hello
    host_done 3
}

@test "a port that the operator names: its first, silent client is shut" {
    host_address
    host_start SHAKEOUT_PORTS=4433 threads --lazy --at 4433
    clients silent good-idle
    host_done 1
}

@test "a port that the operator names with a deadline of its own" {
    host_address
    host_start SHAKEOUT_TIMEOUT=30 SHAKEOUT_PORTS=4433=1s threads --lazy --at 4433
    clients silent byte hello halfway13 good-idle slow
    host_done 4
}

@test "a port that the operator wants left alone: nobody is shut there" {
    host_address
    host_start SHAKEOUT_PORTS='!4433' threads --at 4433
    clients --expect-open --limit 2.5 silent hello halfway12 halfway13 quick
    host_done 0
}

@test "a port that is assigned to TLS: its first, silent client is shut" {
    host_address
    host_start threads --lazy --at 6697
    clients silent good-idle
    host_done 1
}

@test "a port that is assigned to TLS but left alone by the operator" {
    host_address
    host_start SHAKEOUT_PORTS='!6697' threads --lazy --at 6697
    clients --expect-open --limit 2 silent
    host_done 0
}

@test "a port that is assigned to TLS in a process without a TLS library" {
    host_address
    host_start plain --at 6697
    clients plain-idle=2 plain
    host_done 0
}

@test "the library switched off: nobody is shut, nothing is started" {
    host_start SHAKEOUT_TIMEOUT=off membio
    clients --expect-open --limit 2 silent hello halfway13 quick
    unless host_has_reaper
    host_done 0
}

@test "finished clients of every kind may be idle for ever, each answered at the end" {
    host_start threads
    clients good=3 good12=3 good-idle=3 good-idle12=3
    host_done 0
}

# ---- 3. Only the client's time is charged: the tests named "busy" in hosts.bats ----

# ---- 4. The program cannot be hurt ----

conforms() {
    [[ -z $SHAKEOUT_SAN ]] || set -- "$@" --sanitized
    (cd "$BATS_TEST_TMPDIR" && "$SHAKEOUT_HOSTS/conform" "$@") >"$BATS_TEST_TMPDIR/bare"
    [[ $(tail -n 1 "$BATS_TEST_TMPDIR/bare") == end ]]
    (cd "$BATS_TEST_TMPDIR" && env SHAKEOUT_TIMEOUT=1 LD_PRELOAD="$SHAKEOUT_PRELOAD" \
        "$SHAKEOUT_HOSTS/conform" "$@") >"$BATS_TEST_TMPDIR/preloaded"
    diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/preloaded"
}

@test "every hooked function gives the same result and errno as without the library" {
    conforms
}

@test "every hooked function does the same to a connection with an unfinished TLS session" {
    conforms --tls
}

@test "a process that never does TLS gets no thread and no descriptor" {
    HOSTS_BARE=1 host_start plain
    local bare
    bare=$(host_descriptors)
    host_stop
    host_start plain
    diff <(echo "$bare") <(host_descriptors)
    clients plain=3 plain-idle=3
    unless host_has_reaper
    host_wait "end of its connections" host_no_connections
    diff <(echo "$bare") <(host_descriptors)
    host_done 0
}

@test "a process that never does TLS may keep a Unix connection idle" {
    host_start plain --unix
    host_says "unix ok"
    unless host_has_reaper
    host_done 0
}

@test "a TLS server gets no thread and no descriptor before its first connection" {
    host_start membio
    local fresh
    fresh=$(host_descriptors)
    unless host_has_reaper
    clients silent
    host_has_reaper
    host_done 1
    HOSTS_BARE=1 host_start membio
    diff <(host_descriptors) <(echo "$fresh")
}

@test "no signal can reach the library's thread, and it has a name" {
    host_start membio
    clients silent
    local blocked
    blocked=0x$(sed -n 's/^SigBlk:\t//p' "$(host_reaper)/status")
    # All but SIGKILL, SIGSTOP and the two that glibc keeps for itself (signal(7), nptl(7)).
    [[ $((blocked & 0x7ffbfeff)) == $((0x7ffbfeff)) ]]
    [[ $((blocked >> 33 & 0x3fffffff)) == $((0x3fffffff)) ]]
    host_done 1
}

@test "the library's own descriptors close on exec and lie above the program's" {
    host_start membio
    clients silent
    local number kind found=0
    while read -r number kind; do
        [[ $kind == anon_inode ]] || continue
        [[ $number -gt 100 ]]
        # O_CLOEXEC is 02000000 (open(2)).
        [[ $(($(sed -n 's/^flags:\t/0/p' "/proc/$HOST_PID/fdinfo/$number") & 02000000)) != 0 ]]
        found=$((found + 1))
    done < <(host_descriptors)
    [[ $found -gt 0 ]]
    host_done 1
}

@test "with nothing pending the library's thread does not wake up" {
    host_start membio
    clients silent quick
    clients good-idle &
    local idle=$! before
    sleep 1.3
    before=$(host_wakeups)
    sleep 1
    [[ $(host_wakeups) == "$before" ]]
    wait "$idle"
    before=$(host_wakeups)
    sleep 2
    [[ $(host_wakeups) == "$before" ]]
    host_done 1
}

@test "while a deadline is far away the library's thread does not wake up" {
    host_start SHAKEOUT_TIMEOUT=60 SHAKEOUT_PRESSURE=off membio
    clients --expect-open --limit 4 silent=3 hello=3 &
    local stalled=$! before
    host_wait "thread" host_has_reaper
    sleep 1
    before=$(host_wakeups)
    sleep 2
    [[ $(host_wakeups) == "$before" ]]
    wait "$stalled"
    host_done 0
}

# ---- 5. It never writes to a socket ----

@test "what the library does to a socket is shutdown(SHUT_RDWR), once, and no write at all" {
    need strace strace
    no_sanitizer "strace and the sanitizer's runtime do not go together"
    host_start blocking
    strace -f -qq -p "$HOST_PID" -o "$BATS_TEST_TMPDIR/trace" \
        -e trace=shutdown,write,writev,pwrite64,sendto,sendmsg,sendmmsg,sendfile,splice 3>&- &
    local tracer=$!
    host_wait "tracer" grep -q "^TracerPid:.*$tracer" "/proc/$HOST_PID/status"
    clients silent
    clients byte
    local reaper
    reaper=$(host_reaper)
    reaper=${reaper##*/}
    host_done 2
    wait "$tracer"
    cat "$BATS_TEST_TMPDIR/trace"
    [[ $(grep -c 'shutdown(' "$BATS_TEST_TMPDIR/trace") == 2 ]]
    [[ $(grep -c "^$reaper .*shutdown(.*SHUT_RDWR) *= 0" "$BATS_TEST_TMPDIR/trace") == 2 ]]
    # Beside the log, on descriptor 2, it writes nothing; and what the program's own thread
    # tries to write to such a connection comes too late.
    grep -E '(write|writev|pwrite64|send[a-z]*|splice)\(' "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/writes"
    unless grep -vE "write\(2, \"shakeout|write\(1,|= -1 EPIPE" "$BATS_TEST_TMPDIR/writes"
}
