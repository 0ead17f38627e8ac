#!/usr/bin/env bats
# `shakeout --check`: what it says about programs and about running processes.
# packages: libcap2-bin util-linux python3 binutils

# SC2030, SC2031: a variable that one test changes is not read by another. SC2154: `run` sets it.
# shellcheck disable=SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0
load lib/env
load lib/command

setup_file() {
    command_files
    gcc -o "$FILES/plain" "$FILES/program.c"
    gcc -static -o "$FILES/static" "$FILES/program.c"
    linked_with openssl libssl.so.3
    linked_with gnutls libgnutls.so.30
    linked_with nss libssl3.so
    linked_with like-openssl libsslx.so.3
}

# linked_with PROGRAM LIBRARY: a program that needs a library of this name
linked_with() {
    : >"$FILES/empty.c"
    gcc -shared -fPIC -Wl,-soname,"$2" -o "$FILES/$2" "$FILES/empty.c"
    gcc -o "$FILES/$1" "$FILES/program.c" -Wl,--no-as-needed "$FILES/$2"
}

setup() {
    command_setup
    RUNNING=
}

teardown() {
    [[ -z $RUNNING ]] || { kill "$RUNNING" && { wait "$RUNNING" || true; }; }
}

# checked STATUS WHAT: runs the check; the verdict is the last line
checked() {
    run "-$1" --separate-stderr "$SHAKEOUT" --check "$2"
    [[ -z $stderr ]]
    VERDICT=${lines[-1]}
    [[ $VERDICT == "verdict       "* ]]
}

# start COMMAND...: in the background; it says that it runs by making the file `ready`
start() {
    "$@" 3>&- &
    RUNNING=$!
    wait_for test -e ready
}

python_with() {
    printf '%s\n' "import $1, time" 'open("ready", "w").close()' 'time.sleep(60)'
}

@test "programs linked with a TLS library that has hooks will be protected" {
    checked 0 "$FILES/openssl"
    [[ $VERDICT == *"protected when run by shakeout"* ]]
    [[ $output == *"TLS library   OpenSSL"* ]]
    checked 0 "$FILES/gnutls"
    [[ $output == *"TLS library   GnuTLS"* ]]
}

@test "it cannot tell for a TLS library without hooks, and for none" {
    checked 2 "$FILES/nss"
    [[ $output == *"TLS library   NSS (no hooks)"* ]]
    checked 2 "$FILES/plain"
    [[ $output == *"TLS library   none is linked"* ]]
    [[ $VERDICT == *"check the running process" ]]
    checked 2 "$FILES/like-openssl"
}

@test "a static program is not protected" {
    checked 1 "$FILES/static"
    [[ $output == *"loader        none"* ]]
    [[ $output == *"statically linked"* ]]
    [[ $VERDICT == *"not protected: the library cannot be loaded into it" ]]
}

@test "a Go program is not protected, even with the C library" {
    echo x >content
    local section
    for section in .go.buildinfo .note.go.buildid; do
        objcopy --add-section "$section=content" "$FILES/openssl" "go$section"
        checked 1 "./go$section"
        [[ $output == *"language      Go"* ]]
        [[ $VERDICT == *"a Go program"* ]]
    done
}

@test "a setuid program is not protected for others" {
    need_root "make a setuid program"
    cp "$FILES/openssl" program
    chmod 4755 program
    run -1 as_nobody "$SHAKEOUT" --check ./program
    [[ $output == *"gains privileges"* ]]
    checked 0 ./program
    [[ $output == *"privileges    setuid"* ]]
}

@test "a program that may be run but not read: it cannot tell" {
    need_root "run a program as somebody else"
    cp "$FILES/openssl" program
    chmod 711 program
    run -2 as_nobody "$SHAKEOUT" --check ./program
    [[ $output == *"cannot tell: it cannot be read" ]]
}

@test "a script is judged by its interpreter" {
    cp "$FILES/openssl" interpreter
    printf '#!%s\n' "$DIR/interpreter" >script
    chmod 755 script
    checked 0 ./script
    [[ $output == *"run by        $DIR/interpreter"* ]]
}

@test "commands are looked for in PATH" {
    PATH="$FILES:$PATH" checked 0 openssl
    [[ $output == *"program       $FILES/openssl"* ]]
}

@test "what cannot be looked at: status 2 and an error in one line" {
    local what
    for what in ./nope no-such-command 999999999 /; do
        run -2 --separate-stderr "$SHAKEOUT" --check "$what"
        [[ -z $output && ${#stderr_lines[@]} -eq 1 && $stderr == "shakeout: cannot check "*"$what"* ]]
    done
    run -125 --separate-stderr "$SHAKEOUT" --check
}

@test "another user's process: status 2 and an error" {
    need_root "run a program as somebody else"
    run -2 as_nobody "$SHAKEOUT" --check "$$"
    [[ $output == "shakeout: cannot check process $$: Permission denied" ]]
}

@test "a damaged file is no reason to crash" {
    local size
    for size in 16 52 60 64 100 600 1000 4000; do
        head -c "$size" "$FILES/openssl" >damaged
        chmod 755 damaged
        run "$SHAKEOUT" --check ./damaged
        [[ $status -eq 1 || $status -eq 2 ]]
    done
}

@test "a process with the library and a TLS library is protected" {
    start "$SHAKEOUT" -t 5 /usr/bin/python3 -c "$(python_with ssl)"
    checked 0 "$RUNNING"
    [[ $output == *"TLS library   OpenSSL"* ]]
    [[ $output == *"shakeout      loaded"* ]]
    [[ $VERDICT == "verdict       protected: "* ]]
}

@test "a process with the library and no TLS library: it cannot tell" {
    start "$SHAKEOUT" -t 5 /usr/bin/python3 -c "$(python_with os)"
    checked 2 "$RUNNING"
    [[ $output == *"TLS library   none is loaded"* ]]
}

@test "a process without the library is not protected" {
    start /usr/bin/python3 -c "$(python_with ssl)"
    checked 1 "$RUNNING"
    [[ $output == *"shakeout      not loaded"* ]]
    [[ $VERDICT == *"not protected: libshakeout.so is not loaded in it" ]]
}

@test "a process with the library switched off is not protected" {
    start "$SHAKEOUT" -t off /usr/bin/python3 -c "$(python_with ssl)"
    checked 1 "$RUNNING"
    [[ $VERDICT == *"not protected: SHAKEOUT_TIMEOUT is off" ]]
}

@test "a process goes on being protected when the library's file is replaced" {
    start "$SHAKEOUT" -t 5 /usr/bin/python3 -c "$(python_with ssl)"
    rm bin/libshakeout.so
    checked 0 "$RUNNING"
}
