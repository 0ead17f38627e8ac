# Small servers that do what no packaged server does, under the library with a deadline of 1 s.
# A client that stalls is shut at its deadline; everybody else is served to the end.

load lib/env
load lib/hosts

# ---- Who drives the handshake, and how ----

@test "blocking SSL_accept: each stalled client in turn is shut, and the next one is served" {
    host_start blocking
    clients --in-turn silent quick byte quick drip quick half-hello quick
    clients --in-turn hello quick halfway12 quick halfway13 quick
    host_done 7
}

@test "blocking SSL_accept: ten stalled clients in the accept queue, each has its own time from accept" {
    host_deadline 0.3
    host_start SHAKEOUT_PRESSURE=off blocking
    clients --late 4 --limit 6 silent=5 hello=5 quick=3
    host_done 10
}

@test "blocking SSL_accept: good clients may be slow to finish and idle afterwards" {
    host_start blocking
    clients --in-turn slow good good-idle
    host_done 0
}

@test "blocking SSL_accept: good clients of TLS 1.2 may be idle afterwards" {
    host_start blocking
    clients --in-turn good12 good-idle12
    host_done 0
}

@test "a thread for each connection: stalled clients of every kind beside good ones" {
    host_start threads
    clients silent byte drip half-hello hello halfway12 halfway13 \
        good good12 good-idle good-idle12 slow
    host_done 7
}

@test "sixteen threads accept and serve while clients come, go and stall" {
    host_start threads --acceptors 16
    clients silent=2 hello=2 halfway12=2 halfway13=2 good-idle=2 quick=40
    clients silent=2 hello=2 quick=40
    host_done 12
}

@test "memory BIOs: a silent first client is shut with nothing set but the timeout" {
    host_start membio
    clients silent
    clients quick
    host_done 1
}

@test "memory BIOs: stalled clients of every kind beside good ones" {
    host_start membio
    clients silent byte drip half-hello hello halfway12 halfway13 \
        good good12 good-idle good-idle12 slow
    host_done 7
}

@test "memory BIOs: what the server has read and does not look at is the server's time" {
    host_start membio --think 1.5
    clients --in-turn quick good12
    clients --late 3 --limit 6 hello
    host_done 1
}

@test "memory BIOs: five bytes at a time" {
    host_start membio --chunk 5
    clients silent byte drip half-hello hello halfway12 halfway13 good good-idle12 slow
    host_done 7
}

@test "memory BIOs: fed by recv" {
    host_start membio --read recv
    clients hello halfway12 halfway13 good-idle good-idle12 slow
    host_done 3
}

@test "memory BIOs: fed by recvfrom" {
    host_start membio --read recvfrom
    clients hello halfway12 halfway13 good-idle good-idle12 slow
    host_done 3
}

@test "memory BIOs: fed by recvmsg" {
    host_start membio --read recvmsg
    clients hello halfway12 halfway13 good-idle good-idle12 slow
    host_done 3
}

@test "memory BIOs: fed by readv, a few bytes in each part" {
    host_start membio --read readv --chunk 60
    clients hello halfway12 halfway13 good-idle good-idle12 slow
    host_done 3
}

@test "memory BIOs: fed by __read_chk, as in a fortified program" {
    host_start membio --read read_chk
    clients hello halfway12 halfway13 good-idle12
    host_done 3
}

@test "memory BIOs: fed by __recv_chk, as in a fortified program" {
    host_start membio --read recv_chk
    clients hello halfway12 halfway13 good-idle12
    host_done 3
}

@test "memory BIOs: fed by __recvfrom_chk, as in a fortified program" {
    host_start membio --read recvfrom_chk
    clients hello halfway12 halfway13 good-idle12
    host_done 3
}

@test "a silent client that came before its port was known to speak TLS is shut, whoever finishes meanwhile" {
    host_start loop --lazy
    exec {early}<>"/dev/tcp/127.0.0.1/$HOST_PORT"
    for _ in 1 2 3 4 5 6 7 8; do
        clients quick
    done
    host_wait "the end of the silent client" grep -q silent "$HOST_LOG"
    exec {early}>&-
    host_done 1
}

@test "an event loop gets no event for a connection that it has closed and freed" {
    host_start freeing
    clients silent=60 hello=60 quick=10
    clients quick
}

@test "event loop with SSL_set_fd: stalled clients of every kind beside good ones" {
    host_start membio --socket-bio
    clients silent byte drip half-hello hello halfway12 halfway13 \
        good good12 good-idle good-idle12 slow
    host_done 7
}

@test "the handshake moves from SSL_accept in one thread to SSL_read in another" {
    host_start handoff
    clients silent byte drip half-hello hello halfway12 halfway13 \
        good good12 good-idle good-idle12 slow
    host_done 7
}

@test "a blocking SSL_read_ex finishes the handshake and goes on waiting for data" {
    host_start handoff --blocking
    clients silent byte hello halfway12 halfway13 good-idle good-idle12 slow
    host_done 5
}

@test "the first TLS calls of a process come from sixteen threads at once: none fails" {
    host_start rush
    host_says "rush ok"
    clients silent quick
    host_done 1
}

@test "coroutines that change in the middle of SSL_accept: no freed session is ever touched" {
    no_sanitizer "it does not know swapcontext()" address
    host_start coroutines
    clients plain
    host_says "own memory ok"
    host_done 0
}

@test "one SSL object, made fresh by SSL_clear for each connection" {
    host_start sslclear
    clients --in-turn quick silent good-idle hello quick halfway13 quick
    host_done 3
}

# ---- Descriptors that move ----

@test "moved descriptor: dup2 over 0" {
    host_start moved dup2-low
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "moved descriptor: dup" {
    host_start moved dup
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "moved descriptor: dup3" {
    host_start moved dup3
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "moved descriptor: F_DUPFD" {
    host_start moved dupfd
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "moved descriptor: F_DUPFD_CLOEXEC" {
    host_start moved dupfd-cloexec
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "moved descriptor: a duplicate is served while the first number stays open" {
    host_start moved both
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "one descriptor to read and another to write" {
    host_start moved split
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

@test "one BIO to read and another to write" {
    host_start moved split-bio
    clients --in-turn silent quick hello quick halfway12 good-idle
    host_done 3
}

# ---- Processes ----

@test "fork: accept in the parent, TLS in the child" {
    host_start forking
    clients silent byte hello halfway12 halfway13 good good-idle good-idle12 slow
    clients quick=30 silent=2
    host_done 7
}

@test "fork: the parent keeps its copy of every connection" {
    host_start forking --keep
    clients silent hello halfway13 good good-idle slow
    host_alive
    host_expect_shut 3
}

@test "raw clone: accept in the parent, TLS in the child" {
    host_start forking --clone
    clients silent byte hello halfway12 halfway13 good good-idle good-idle12 slow
    host_done 5
}

@test "exec: TLS in a fresh image that saw no accept" {
    host_start forking --exec
    clients silent byte hello halfway12 halfway13 good good-idle good-idle12 slow
    host_done 5
}

@test "no thread can be had in the child: a blocking handshake is bounded all the same" {
    host_start forking --no-threads
    clients silent byte drip hello halfway12 halfway13 good good-idle good-idle12 slow
    host_alive
    host_wait "end of its connections" host_no_connections
}

@test "no thread can be had in the raw clone: a blocking handshake is bounded all the same" {
    host_start forking --clone --no-threads
    clients silent byte drip hello halfway12 halfway13 good good-idle good-idle12 slow
    host_alive
    host_wait "end of its connections" host_no_connections
}

@test "descriptors passed to another process that does TLS" {
    host_start fdpass
    clients silent byte hello halfway12 halfway13 good good-idle good-idle12 slow
    host_done 5
}

@test "descriptors passed to another process, and kept in the first one too" {
    host_start fdpass --keep
    clients silent byte hello halfway12 halfway13 good good-idle good-idle12 slow
    host_alive
    host_expect_shut 5
}

@test "a vfork child closes everything and execs: the parent's connections are as before" {
    host_start SHAKEOUT_PRESSURE=off vforking
    clients silent=2 hello=2 halfway12 halfway13 good good-idle slow
    clients silent quick
    host_done 7
}

@test "a child that can start no thread leaves its parent's clients alone, and keeps its own deadlines" {
    host_start children serving
    host_says "^end"
    host_says "^parent's lives"
    host_says "^child's lived 1[.][0-4]"
    host_expect_shut 1
}

@test "a child that lowers RLIMIT_NOFILE does not take the clock away from its parent's clients" {
    host_start children lowering
    host_says "^end"
    host_says "^parent's lived 1[.][0-4]"
    host_expect_shut 1
}

@test "a worker that runs a command by vfork before its first client keeps that one's deadline" {
    host_address
    host_start SHAKEOUT_PORTS=4433 children vforking --at 4433
    host_says "^end"
    host_says "^child's lived 1[.][0-4]"
    host_expect_shut 1
}

@test "inetd, the port is named: who says nothing before the program thinks of TLS is shut at the deadline" {
    host_address
    host_start SHAKEOUT_PORTS=4434 spawning --inetd --at 4434
    clients silent byte hello halfway12 halfway13 good-idle slow quick
    host_done 5
}

@test "inetd, the port is not named: who says nothing before the program thinks of TLS is left alone" {
    host_start spawning --inetd
    clients --expect-open silent
    clients hello quick
    host_done 1
}

# ---- Descriptors that are closed, reused, or not to be had ----

close_all() {
    host_start closeall "$@"
    clients --in-turn hello quick
    host_says "closed "
    HOST_PORT=$(host_number again)
    clients silent hello halfway12 halfway13 good-idle quick
    host_says "own [1-9][0-9]* ok"
    # The thread has kept its timer, where the library could see to it.
    [[ $* == raw* || $* == onto || $* == *--daemon || $(host_reaper | wc -l) == 1 ]]
    host_done 5
}

@test "the program closes everything by close_range and reuses the numbers" {
    close_all close_range
}

@test "the program closes everything by closefrom and reuses the numbers" {
    close_all closefrom
}

@test "the program closes everything by a loop and reuses the numbers" {
    close_all loop
}

@test "the program puts its own files over every open descriptor by dup2" {
    close_all onto
}

@test "the program closes everything by the raw system call and reuses the numbers" {
    close_all raw
}

@test "the program closes everything by raw close, one by one, and reuses the numbers" {
    close_all raw-loop
}

@test "a daemon closes everything before it starts, and once more later" {
    close_all close_range --daemon
}

@test "a daemon closes everything by raw close before it starts, and once more later" {
    close_all raw-loop --daemon
}

reused() {
    host_start reuse "$1"
    host_says "reuse ok"
    clients silent hello quick
    host_done 2
}

@test "a stalled connection's number is reused after a raw close: nothing else is shut" {
    reused raw
}

@test "a stalled connection's number is reused after fclose: nothing else is shut" {
    reused stdio
}

@test "a stalled connection's number is reused after dup2 of /dev/null: nothing else is shut" {
    reused null
}

@test "a stalled connection's number is reused by dup2 over it: nothing else is shut" {
    reused onto
}

@test "no descriptor is left at the deadline: the stalled clients are shut all the same" {
    host_start SHAKEOUT_PRESSURE=off exhausted 6
    clients silent byte hello half-hello halfway12 halfway13
    host_says "accept: EMFILE"
    host_says "all stalled clients are gone"
    clients quick good-idle
    host_done 6
}

@test "room for one connection only: it is served, and the log says once what is missing" {
    host_start exhausted 0
    clients --in-turn quick good-idle quick quick
    cat "$HOST_LOG"
    [[ $(grep -c '^shakeout\[.*\]: not protected: ' "$HOST_LOG") == 1 ]]
    host_done 0
}

@test "RLIMIT_NOFILE is lowered below the library's own descriptors: stalled clients are shut all the same" {
    host_start threads --lower 100
    clients silent
    clients silent hello quick
    host_done 3
}

# ---- Nobody else is ever shut ----

@test "plaintext and TLS in one process: silent plaintext clients live while TLS clients stall" {
    host_start membio --plain-port
    local tls=$HOST_PORT plain
    plain=$(host_number plain)
    HOST_PORT=$plain clients plain-idle=4 plain=2 &
    local neighbours=$!
    HOST_PORT=$tls clients silent=2 byte hello halfway12 halfway13 quick good-idle
    wait "$neighbours"
    host_done 6
}

@test "plaintext clients come first and outnumber the TLS clients" {
    host_start membio --plain-port --socket-bio
    local plain
    plain=$(host_number plain)
    HOST_PORT=$plain clients plain-idle=8 &
    local neighbours=$!
    sleep 0.3
    clients silent hello quick
    wait "$neighbours"
    host_done 2
}

@test "memory BIOs: the session of a silent client, freed late, is held against no plaintext client" {
    host_start membio --plain-port --late-free
    clients silent
    HOST_PORT=$(host_number plain) clients plain
    host_done 1
}

@test "sessions that had their ClientHello in datagrams are held against no plaintext client" {
    host_start elsewhere
    clients plain
    clients plain-idle
    host_done 0
}

@test "STARTTLS on memory BIOs: the plaintext phase may be idle for ever, a stalled handshake may not" {
    host_start membio --starttls-port
    HOST_PORT=$(host_number starttls)
    clients plain-idle=3 plain &
    local neighbours=$!
    sleep 0.3
    clients --starttls --answers hello halfway12 halfway13 good-idle slow
    wait "$neighbours"
    clients --starttls quick
    host_done 3
}

@test "STARTTLS on memory BIOs: a client that is silent after STARTTLS is shut when nobody else can be meant" {
    host_start membio --starttls-port
    HOST_PORT=$(host_number starttls)
    clients --starttls --answers silent byte
    clients --starttls quick
    host_done 2
}

@test "STARTTLS on memory BIOs: a silent handshake may be any idle neighbour's, so nobody is shut" {
    host_start membio --starttls-port
    HOST_PORT=$(host_number starttls)
    clients plain-idle plain &
    local neighbours=$!
    sleep 0.3
    clients --starttls --expect-open --limit 2 silent byte
    wait "$neighbours"
    host_done 0
}

@test "STARTTLS on memory BIOs: a ClientHello with a random of zeros is found like any other" {
    host_start membio --starttls-port
    HOST_PORT=$(host_number starttls)
    clients plain-idle &
    local neighbour=$!
    sleep 0.3
    clients --starttls --answers zero-hello zero-hello
    wait "$neighbour"
    host_done 2
}

@test "memory BIOs: sessions that belong to no connection are nobody's, and a plaintext client lives" {
    host_start membio --starttls-port --strays
    HOST_PORT=$(host_number starttls) clients plain-idle
    clients hello
    host_done 1
}

@test "STARTTLS with SSL_set_fd: the clock starts with the handshake" {
    host_start membio --starttls-port --socket-bio
    HOST_PORT=$(host_number starttls)
    clients plain-idle=3 plain &
    local neighbours=$!
    sleep 0.3
    clients --starttls --answers silent byte hello halfway12 halfway13 good-idle slow
    wait "$neighbours"
    clients --starttls quick
    host_done 5
}

@test "implicit TLS, STARTTLS and plaintext in one process, silent clients on all three" {
    host_start membio --starttls-port --plain-port
    local plain starttls
    plain=$(host_number plain)
    starttls=$(host_number starttls)
    HOST_PORT=$plain clients plain-idle=3 &
    local first=$!
    HOST_PORT=$starttls clients plain-idle=3 &
    local second=$!
    sleep 0.2
    HOST_PORT=$starttls clients --starttls --answers hello halfway12 good-idle &
    local third=$!
    clients silent hello good-idle
    wait "$first"
    wait "$second"
    wait "$third"
    host_done 4
}

@test "a server that is a TLS client too: its outgoing connections may wait for ever" {
    host_start twoway
    clients silent hello halfway12 halfway13 good-idle
    host_says "outgoing ok"
    host_expect_shut 4
}

@test "renegotiation asked for by the server, answered after 2.5 deadlines" {
    host_start posthandshake renegotiate
    host_says "renegotiate ok"
    clients silent quick
    host_done 1
}

@test "renegotiation begun by the client, finished after 2.5 deadlines" {
    host_start posthandshake client-renegotiate
    host_says "client-renegotiate ok"
    clients silent quick
    host_done 1
}

@test "TLS 1.3 key update, answered after 2.5 deadlines" {
    host_start posthandshake keyupdate
    host_says "keyupdate ok"
    clients silent quick
    host_done 1
}

@test "TLS 1.3 client certificate asked for after the handshake, sent after 2.5 deadlines" {
    host_start posthandshake certificate
    host_says "certificate ok"
    clients silent quick
    host_done 1
}

# ---- Only the client's time is charged ----

@test "busy between accept and SSL_accept: good clients finish, silent ones are shut meanwhile" {
    host_start busy before 7
    clients quick
    clients silent=2 good-idle good-idle12 slow pause=2
    host_done 2
}

@test "busy between accept and SSL_accept: a client that then stalls has its own time only" {
    host_start busy before 2
    clients quick
    # Its hello lies there until 2.5 s; from then on the server waits for the client.
    clients --late 2.7 --limit 6 hello halfway13
    host_done 2
}

@test "busy in the middle of the handshake: good clients finish, stalled ones are shut meanwhile" {
    host_start SHAKEOUT_PRESSURE=off busy between 6
    clients quick
    clients silent hello halfway13 good-idle good-idle12 slow
    host_says "busy with [4-6]"
    host_done 3
}

@test "busy with the client's last words: good clients finish, stalled ones are shut meanwhile" {
    host_start busy last
    clients quick
    clients silent hello halfway12 halfway13 good-idle good-idle12 slow
    host_done 4
}

@test "busy with the client's last words: nobody goes early for the word that lies unread behind them" {
    host_deadline 2
    host_start SHAKEOUT_GRACE=0.05 busy last
    clients quick
    clients silent pause
    host_done 1
}

# ---- The program cannot be hurt ----

@test "SIGPIPE at its default: a server that writes to the connection that was shut survives" {
    host_start blocking --sigpipe-default
    clients --in-turn silent hello halfway12 quick
    host_says "sendmsg -1"
    host_says "then Broken pipe"
    host_done 3
}

@test "SIGPIPE at its default: a server that is blocked in a write when it is shut survives" {
    host_start blocking --sigpipe-default --long-answer
    clients --late 1.5 --limit 5 deaf
    host_says "handshake failed after 1[.][0-4]"
    clients silent
    host_done 2
}

callbacks() {
    local bare=$BATS_TEST_TMPDIR/bare
    HOSTS_BARE=1 host_start infocb "$1"
    clients --in-turn quick good12
    host_wait "end" host_ended 2
    cp "${HOST_OUT:?}" "$bare"
    host_stop
    host_start infocb "$1"
    clients --in-turn quick good12
    host_wait "end" host_ended 2
    diff <(sed 1d "$bare") <(sed 1d "$HOST_OUT")
    clients --in-turn silent hello halfway13 quick
    host_done 3
}

host_ended() {
    [[ $(grep -c '^end' "$HOST_OUT") -ge $1 ]]
}

@test "own info callback: none" {
    callbacks none
}

@test "own info callback: on the context" {
    callbacks ctx
}

@test "own info callback: on the context, after the session was made" {
    callbacks ctx-late
}

@test "own info callback: on the session" {
    callbacks ssl
}

@test "own info callback: on both" {
    callbacks both
}

@test "own info callback: set in the middle of the handshake" {
    callbacks late
}

@test "own info callback: taken away in the middle of the handshake" {
    callbacks gone
}

@test "own info callback: set and taken away before the handshake" {
    callbacks off
}

@test "a plugin with GnuTLS is unloaded and comes back at another address" {
    host_start reload
    host_says "reload ok"
}

# A program that would be killed for a system call of the library has none of its calls from then on.
@test "a sandbox that kills for system calls that are not on its list: the program is let go, and the log says so once" {
    no_sanitizer "the sandbox kills for a system call of its runtime" thread
    host_start confined
    clients quick
    clients --expect-open --limit 2 silent
    clients quick
    [[ $(grep -c '^shakeout\[.*\]: not protected: ' "$HOST_LOG") == 1 ]]
    host_done 0
}

@test "a sandbox that is entered when clients are there: the program is let go from then on" {
    no_sanitizer "the sandbox kills for a system call of its runtime" thread
    host_start confined --late
    clients silent
    clients --expect-open --limit 2 hello
    clients quick
    clients --expect-open --limit 2 silent
    [[ $(grep -c '^shakeout\[.*\]: not protected: ' "$HOST_LOG") == 1 ]]
    host_done 1
}

@test "a signal every millisecond whose handler works on the same descriptors" {
    host_start alarms
    clients silent=2 byte hello halfway12 halfway13 good-idle good-idle12 slow quick=30
    clients silent=2 quick=30
    host_says "signals [1-9][0-9]*, 0 in another thread"
    unless host_has ", [1-9][0-9]* in another thread"
    host_wait "end of its connections" host_no_connections
    host_expect_shut 8
}

@test "no thread can be had at all: an event loop keeps the deadlines itself, and the log says so once" {
    host_start membio --no-threads
    clients silent hello quick good-idle slow
    clients silent quick
    [[ $(grep -c '^shakeout\[.*\]: not protected: no thread' "$HOST_LOG") == 1 ]]
    host_done 3
}

@test "no thread can be had at all: a blocking handshake is bounded all the same" {
    host_start blocking --no-threads
    clients --in-turn silent quick hello quick halfway13 good-idle
    host_done 3
}

# own_wait NAME PATTERN: what the program says of that wait, of which the library must know nothing.
own_wait() {
    host_start ownwaits "$1"
    host_says "^end"
    host_says "^$1 $2"
    host_expect_shut 0
}

@test "no thread can be had at all: a read with MSG_DONTWAIT does not wait" {
    host_deadline 3
    own_wait dontwait "[01][.].*: EAGAIN"
}

@test "no thread can be had at all: a read ends after SO_RCVTIMEO" {
    host_deadline 3
    own_wait timeout "\(0[.][3-9]\|1[.]\).*: EAGAIN"
}

@test "no thread can be had at all: an alarm interrupts a read" {
    host_deadline 3
    own_wait alarm "\(0[.][3-9]\|1[.]\).*: EINTR"
}

@test "no thread can be had at all: select with a negative timeout fails" {
    own_wait select "0[.].*: EINVAL"
}

@test "no thread can be had at all: select looks at no more of its sets than it was told" {
    host_deadline 0.15
    host_start ownwaits sets
    host_says "^sets \\(0[.][3-9]\\|1[.]\\).*: done"
    host_says "^end"
}

@test "no thread can be had at all: ppoll with a negative timeout fails" {
    own_wait ppoll "0[.].*: EINVAL"
}

@test "no thread can be had at all: a poll in a vfork child ends, though a deadline of its parent has passed" {
    host_deadline 0.05
    own_wait vfork "\(0[.]\|1[.]\).*: done"
}
