# Small servers that do what no packaged server does, under the library with a deadline of 1 s.
# A client that stalls is shut at its deadline; everybody else is served to the end.

load lib/env
load lib/hosts

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

# ---- Who drives the handshake, and how ----

@test "blocking SSL_accept: each stalled client in turn is shut, and the next one is served" {
    host_start blocking
    clients --in-turn silent quick byte quick drip quick half-hello quick
    clients --in-turn hello quick halfway12 quick halfway13 quick
    host_done 7
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
    host_start vforking
    clients silent=2 hello=2 halfway12 halfway13 good good-idle slow
    clients silent quick
    host_done 7
}
