#!/usr/bin/env bats
# The shakeout command: what it puts into the environment, what it refuses, and that it is gone then.
# packages: libcap2-bin util-linux

# SC2016: the inner shells expand what stands in single quotes. SC2030, SC2031: a variable that one
# test changes is not read by another. SC2154: `run` sets it.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0
load lib/env
load lib/command

setup_file() {
    command_files
    gcc -o "$FILES/dynamic" "$FILES/program.c"
    gcc -static -o "$FILES/static" "$FILES/program.c"
    gcc -static-pie -o "$FILES/static-pie" "$FILES/program.c"
}

setup() {
    command_setup
}

# refused REASON ARG...: exit status 125, the reason in one line, and the command did not run
refused() {
    local reason=$1
    shift
    run -125 --separate-stderr "$SHAKEOUT" "$@"
    [[ -z $output ]]
    [[ ${#stderr_lines[@]} -eq 1 ]]
    [[ $stderr == "shakeout: "*"$reason"* ]]
    [[ ! -e started ]]
}

script() {
    printf '%s\n' "${@:2}" >"$1"
    chmod 755 "$1"
}

# ---- What the command gets ---------------------------------------------------------------------

@test "the command runs with the library loaded" {
    run -0 "$SHAKEOUT" grep -c "$LIBRARY" /proc/self/maps
    [[ $output -gt 0 ]]
}

@test "without options it sets nothing but LD_PRELOAD" {
    run -0 --separate-stderr env -i PATH="$PATH" "$SHAKEOUT" env
    [[ $output == "PATH=$PATH"$'\n'"LD_PRELOAD=$LIBRARY" ]]
    [[ -z $stderr ]]
}

@test "options become variables, in their short and long forms" {
    local expected="SHAKEOUT_TIMEOUT=1.5s SHAKEOUT_PORTS=443,!9000 SHAKEOUT_LOG=syslog"
    local show='echo "SHAKEOUT_TIMEOUT=$SHAKEOUT_TIMEOUT SHAKEOUT_PORTS=$SHAKEOUT_PORTS SHAKEOUT_LOG=$SHAKEOUT_LOG"'
    run -0 "$SHAKEOUT" -t 1.5s -p '443,!9000' -l syslog sh -c "$show"
    [[ $output == "$expected" ]]
    run -0 "$SHAKEOUT" --timeout=1.5s --ports '443,!9000' --log syslog sh -c "$show"
    [[ $output == "$expected" ]]
    run -0 "$SHAKEOUT" -t1.5s '-p443,!9000' -lsyslog -- sh -c "$show"
    [[ $output == "$expected" ]]
}

@test "an option overrides its variable, the other variables stay" {
    SHAKEOUT_TIMEOUT=20 SHAKEOUT_PORTS=993 run -0 "$SHAKEOUT" -t 5 env
    [[ $output == *SHAKEOUT_TIMEOUT=5* ]]
    [[ $output == *SHAKEOUT_PORTS=993* ]]
    [[ $output != *SHAKEOUT_TIMEOUT=20* ]]
}

@test "option parsing stops at the command" {
    run -0 "$SHAKEOUT" -t 5 printf '%s ' -t 6 --help --
    [[ $output == "-t 6 --help -- " ]]
    run -0 "$SHAKEOUT" -t 5 -- printf '%s ' -p x
    [[ $output == "-p x " ]]
    POSIXLY_CORRECT=1 run -0 "$SHAKEOUT" printf '%s ' -l x
    [[ $output == "-l x " ]]
}

@test "a relative log path is made absolute" {
    run -0 "$SHAKEOUT" -l shakeout.log printenv SHAKEOUT_LOG
    [[ $output == "$DIR/shakeout.log" ]]
    run -0 "$SHAKEOUT" -l ../x printenv SHAKEOUT_LOG
    [[ $output == "$DIR/../x" ]]
    run -0 "$SHAKEOUT" -l ./syslog printenv SHAKEOUT_LOG
    [[ $output == "$DIR/./syslog" ]]
    run -0 "$SHAKEOUT" -l /var/log/x printenv SHAKEOUT_LOG
    [[ $output == /var/log/x ]]
}

@test "an existing LD_PRELOAD is kept, behind the library" {
    LD_PRELOAD=libm.so.6:libdl.so.2 run -0 "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$LIBRARY:libm.so.6:libdl.so.2" ]]
    LD_PRELOAD=' libm.so.6  libdl.so.2:' run -0 "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$LIBRARY:libm.so.6:libdl.so.2" ]]
    LD_PRELOAD='' run -0 "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$LIBRARY" ]]
}

@test "the library is in LD_PRELOAD once, however often the command is nested" {
    run -0 "$SHAKEOUT" "$SHAKEOUT" "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$LIBRARY" ]]
    LD_PRELOAD="libm.so.6:$LIBRARY libdl.so.2" run -0 "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$LIBRARY:libm.so.6:libdl.so.2" ]]
}

@test "another copy of the library is replaced, another library of a like name is not" {
    mkdir other
    cp "$LIBRARY" other/libshakeout.so
    cp "$(ldconfig -p | sed -n 's/.*libm\.so\.6.* => //p' | head -n 1)" other/xlibshakeout.so
    LD_PRELOAD="$DIR/other/libshakeout.so:$DIR/other/xlibshakeout.so" \
        run -0 "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$LIBRARY:$DIR/other/xlibshakeout.so" ]]
}

# ---- Where the library is found ------------------------------------------------------------------

@test "the library is found through a symbolic link to the command" {
    mkdir links
    ln -s "$SHAKEOUT" links/shakeout
    run -0 links/shakeout printenv LD_PRELOAD
    [[ $output == "$LIBRARY" ]]
}

@test "the library is found in ../lib/shakeout of a moved install" {
    mkdir -p lib/shakeout
    mv "$LIBRARY" lib/shakeout
    run -0 "$SHAKEOUT" printenv LD_PRELOAD
    [[ $output == "$DIR/lib/shakeout/libshakeout.so" ]]
}

@test "without a library nothing is started" {
    [[ ! -e /usr/local/lib/shakeout/libshakeout.so ]] || skip "one is installed on this machine"
    rm "$LIBRARY"
    refused "no libshakeout.so beside this program" touch started
}

@test "a path that LD_PRELOAD cannot hold is refused" {
    local name
    for name in 'with space' 'with:colon' "with\$ORIGIN"; do
        mkdir "$name"
        cp bin/* "$name"
        SHAKEOUT=$DIR/$name/shakeout
        refused "LD_PRELOAD cannot name '$DIR/$name/libshakeout.so'" touch started
    done
}

# ---- It is gone when the command runs ------------------------------------------------------------

@test "the command has the pid of shakeout" {
    run -0 sh -c 'echo $$; exec "$0" sh -c "echo \$\$"' "$SHAKEOUT"
    [[ ${lines[0]} == "${lines[1]}" ]]
}

@test "the exit status is the command's" {
    run -0 "$SHAKEOUT" true
    run -7 "$SHAKEOUT" sh -c 'exit 7'
    run -137 "$SHAKEOUT" sh -c 'kill -KILL $$'
}

@test "a signal to shakeout's pid reaches the command" {
    "$SHAKEOUT" sh -c 'trap "exit 42" TERM; : >ready; while :; do sleep 0.05; done' 3>&- &
    local pid=$! status=0
    wait_for test -e ready
    kill -TERM "$pid"
    wait "$pid" || status=$?
    [[ $status -eq 42 ]]
}

@test "standard input, output and error are the command's, and no descriptor is left open" {
    run -0 --separate-stderr bash -c 'echo in | "$0" sh -c "cat; echo err >&2"' "$SHAKEOUT"
    [[ $output == in && $stderr == err ]]
    run -0 bash -c 'exec ls -U /proc/self/fd'
    local before=$output
    run -0 bash -c 'exec "$0" ls -U /proc/self/fd' "$SHAKEOUT"
    [[ $output == "$before" ]]
}

@test "the command keeps the name that it was called by" {
    run -0 "$SHAKEOUT" sh -c 'tr "\0" " " </proc/$$/cmdline'
    [[ $output == "sh -c "* ]]
}

# ---- Bad values: 125, and nothing is started -----------------------------------------------------

@test "bad durations" {
    local value
    for value in '' 0 0.0 -1 nan inf 1e3 0x10 ten '5 s' 5d 0.5ms 9999h OFF; do
        refused "SHAKEOUT_TIMEOUT: '$value' is not accepted; give a number of seconds" \
            -t "$value" touch started
    done
}

@test "bad ports" {
    local value
    for value in 0 65536 https 443=0 '!443=5' 443x; do
        refused "SHAKEOUT_PORTS: '$value' is not accepted" -p "8443,$value" touch started
    done
    refused "'!443' contradicts" -p '443,!443' touch started
}

@test "bad logs" {
    local value
    for value in '' sdterr file; do
        refused "SHAKEOUT_LOG: '$value' is not accepted" -l "$value" touch started
    done
}

@test "bad variables, and variables with a bad name" {
    SHAKEOUT_TIMEOUT=0 refused "SHAKEOUT_TIMEOUT: '0'" touch started
    SHAKEOUT_LOG=relative.log refused "SHAKEOUT_LOG: 'relative.log'" -t 5 touch started
    SHAKEOUT_TIMEOTU=5 refused "'SHAKEOUT_TIMEOTU' is not a setting" touch started
    PYSSLPROTO37_HANDSHAKE_TIMEOUT=5s refused "PYSSLPROTO37_HANDSHAKE_TIMEOUT: '5s'" touch started
}

@test "a bad variable does not matter when an option replaces it" {
    SHAKEOUT_TIMEOUT=0 run -0 "$SHAKEOUT" -t 5 true
    PYSSLPROTO37_HANDSHAKE_TIMEOUT=5s run -0 "$SHAKEOUT" -t 5 true
}

@test "each bad value has a line of its own" {
    run -125 --separate-stderr "$SHAKEOUT" -t 0 -p 0,443,x -l x touch started
    [[ ${#stderr_lines[@]} -eq 4 ]]
    [[ ! -e started ]]
}

@test "unknown options, missing values, no command" {
    refused "option '-x' is not known; see shakeout --help" -x touch started
    refused "option '-y' is not known" -yt 5 touch started
    refused "option '--deadline=5' is not known" --deadline=5 touch started
    refused "option '-t' needs a value" -t
    refused "option '--log' needs a value" --log
    refused "option '--help=5' takes no value" --help=5 touch started
    refused "--status: option '--jsn' is not known; see shakeout --help" --status --jsn
    refused "--status: option '--json=1' takes no value" --status --json=1
    refused "no command given; see shakeout --help"
    refused "no command given" -t 5 --
}

# ---- Help and version ----------------------------------------------------------------------------

@test "--help fits a screen and names every option" {
    run -0 --separate-stderr "$SHAKEOUT" --help
    [[ -z $stderr ]]
    local line option
    mapfile -t lines <<<"$output" # bats leaves empty lines out
    [[ ${#lines[@]} -ge 10 && ${#lines[@]} -le 23 ]]
    for line in "${lines[@]}"; do [[ ${#line} -le 80 ]]; done
    for option in -t -p -l --timeout --ports --log --help --version; do
        [[ $output == *"$option"* ]]
    done
}

@test "--version" {
    run -0 "$SHAKEOUT" --version
    [[ $output =~ ^shakeout\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "--help to a full disk is an error" {
    run -125 bash -c '"$0" --help >/dev/full' "$SHAKEOUT"
    [[ $output == "shakeout: cannot write: "* ]]
}

# ---- 126 and 127 ---------------------------------------------------------------------------------

@test "127: not found" {
    run -127 "$SHAKEOUT" no-such-command-at-all
    [[ $output == "shakeout: cannot run 'no-such-command-at-all': No such file or directory" ]]
    run -127 "$SHAKEOUT" ./nope
    run -127 "$SHAKEOUT" ''
    script lost '#!/no/such/interpreter'
    run -127 "$SHAKEOUT" ./lost
    [[ $output == "shakeout: cannot run './lost': its interpreter or loader does not exist" ]]
}

@test "126: found but cannot be run" {
    run -126 "$SHAKEOUT" /
    [[ $output == "shakeout: cannot run '/': Permission denied" ]]
    echo true >plain
    run -126 "$SHAKEOUT" ./plain
    PATH="$DIR:$PATH" run -126 "$SHAKEOUT" plain
    head -c 60 "$FILES/dynamic" >damaged
    chmod 755 damaged
    run -126 "$SHAKEOUT" ./damaged
    [[ $output == *"damaged ELF"* ]]
}

@test "PATH is searched as execvp does" {
    mkdir a b
    script b/tool '#!/bin/sh' 'echo b'
    echo >a/tool
    PATH="$DIR/none:$DIR/a:$DIR/b:$PATH" run -0 "$SHAKEOUT" tool
    [[ $output == b ]]
    mkdir -p directory/tool c
    PATH="$DIR/directory:$DIR/b:$PATH" run -0 "$SHAKEOUT" tool
    [[ $output == b ]]
    script c/tool '#!/bin/sh' 'echo c'
    PATH="$DIR/c:$DIR/b:$PATH" run -0 "$SHAKEOUT" tool
    [[ $output == c ]]
    cd b || return 1
    PATH=":$PATH" run -0 "$SHAKEOUT" tool
    [[ $output == b ]]
    run -0 env -u PATH "$SHAKEOUT" true
}

@test "scripts run, with and without a first line" {
    script with '#! /bin/sh -e' 'echo "$# $1"'
    run -0 "$SHAKEOUT" ./with x
    [[ $output == "1 x" ]]
    script without 'echo "$# $1"'
    run -0 "$SHAKEOUT" ./without x
    [[ $output == "1 x" ]]
    script empty '#!' 'echo "$# $1"'
    run -0 "$SHAKEOUT" ./empty x
    [[ $output == "1 x" ]]
    script env '#!/usr/bin/env sh' 'printenv LD_PRELOAD'
    run -0 "$SHAKEOUT" ./env
    [[ $output == "$LIBRARY" ]]
}

# ---- What a preload cannot reach -----------------------------------------------------------------

@test "static programs are refused" {
    run -0 "$FILES/static"
    refused "'$FILES/static': it is statically linked" "$FILES/static"
    run -0 "$FILES/static-pie"
    refused "'$FILES/static-pie': it is statically linked" "$FILES/static-pie"
    run -0 "$SHAKEOUT" "$FILES/dynamic"
}

@test "a script is refused when its interpreter is, at any depth" {
    cp "$FILES/static" interpreter
    script one "#!$DIR/interpreter"
    refused "cannot protect './one': its interpreter '$DIR/interpreter' is statically" ./one
    script two "#! $DIR/one with arguments"
    refused "cannot protect './two': its interpreter '$DIR/interpreter' is statically" ./two
    script endless "#!$DIR/endless"
    refused "too many interpreters" ./endless
}

@test "another word size and another machine are refused" {
    cp "$FILES/dynamic" other-class
    printf '\x01' | dd of=other-class bs=1 seek=4 conv=notrunc status=none
    refused "'./other-class': it is built for another machine or word size" ./other-class
    cp "$FILES/dynamic" other-machine
    printf '\xf3\x00' | dd of=other-machine bs=1 seek=18 conv=notrunc status=none # EM_RISCV
    refused "'./other-machine': it is built for another machine or word size" ./other-machine
}

@test "another C library is refused" {
    sed 's/ld-linux/ld-other/' "$FILES/dynamic" >other
    chmod 755 other
    refused "'./other': it uses another C library" ./other
}

@test "a setuid program is refused, also one that nobody may read" {
    need_root "make a setuid program"
    cp "$FILES/dynamic" program
    chmod 4755 program
    run -125 as_nobody "$SHAKEOUT" ./program
    [[ $output == "shakeout: cannot protect './program': it gains privileges (setuid"* ]]
    chmod 4711 program
    run -125 as_nobody "$SHAKEOUT" ./program
    chmod 711 program
    run -0 as_nobody "$SHAKEOUT" ./program
    chmod 755 program
    run -0 as_nobody "$SHAKEOUT" ./program
}

@test "a setuid program of the distribution is refused" {
    [[ -u /bin/su ]] || skip "no setuid su here"
    run -125 as_nobody "$SHAKEOUT" /bin/su --version
    [[ $output == *"gains privileges"* ]]
}

@test "setuid is no obstacle where it changes nothing" {
    need_root "be root for a program that is setuid root"
    cp "$FILES/dynamic" program
    chmod 4755 program
    run -0 "$SHAKEOUT" ./program
    chown 65534 program
    chmod 4755 program
    run -0 as_nobody "$SHAKEOUT" ./program
    refused "gains privileges" ./program
}

@test "a setgid program is refused" {
    need_root "make a setgid program"
    cp "$FILES/dynamic" program
    chgrp 1 program
    chmod 2755 program
    run -125 as_nobody "$SHAKEOUT" ./program
    [[ $output == *"gains privileges"* ]]
    chmod 2745 program # mandatory locking, no setgid
    run -0 as_nobody "$SHAKEOUT" ./program
}

@test "a program with file capabilities is refused for users, and runs for root" {
    need_root "set file capabilities"
    need setcap libcap2-bin
    cp "$FILES/dynamic" program
    setcap cap_net_bind_service=+ep program
    run -125 as_nobody "$SHAKEOUT" ./program
    [[ $output == *"gains privileges"* ]]
    run -0 "$SHAKEOUT" ./program
}

@test "the interpreter of a script decides, a setuid script does not" {
    need_root "make a setuid program"
    script plain '#!/bin/sh' 'exit 0'
    chmod 4755 plain
    run -0 as_nobody "$SHAKEOUT" ./plain
    cp "$FILES/dynamic" interpreter
    chmod 4755 interpreter
    script through "#!$DIR/interpreter"
    run -125 as_nobody "$SHAKEOUT" ./through
    [[ $output == *"its interpreter '$DIR/interpreter' gains privileges"* ]]
}
