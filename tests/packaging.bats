#!/usr/bin/env bats
# Installing: what make puts where and takes away again, the source archive, the systemd drop-in, the
# containers' paths.
# packages: git systemd

# SC2030, SC2031: a variable that one test changes is not read by another. SC2154: `run` sets it.
# shellcheck disable=SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0
load lib/env

# Built once, in a place of its own: other paths are other flags.
setup_file() {
    load lib/env
    if [[ -n $SHAKEOUT_SAN ]]; then return; fi
    FILES=$(mktemp -d "${TMPDIR:-/tmp}/shakeout-packaging.XXXXXX")
    export FILES
    make_here DESTDIR="$FILES/root" PREFIX=/opt/shakeout install
}

teardown_file() {
    [[ -z ${FILES-} ]] || rm -rf "$FILES"
}

setup() {
    no_sanitizer "installing has nothing to do with the sanitizers"
    unset_settings
    ROOT=$FILES/root
    cd "$BATS_TEST_TMPDIR" || return 1
}

# make of this repository, not a part of the make that runs the tests
make_here() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -s -C "$SHAKEOUT_ROOT" \
        BUILD="$FILES/build" "$@"
}

installed() {
    (cd "$1" && find . ! -type d -printf '%m %P\n' | sort -k 2)
}

# ---- make install ------------------------------------------------------------------------------

@test "install puts six files below PREFIX, and nothing elsewhere" {
    diff - <(installed "$ROOT") <<'END'
755 opt/shakeout/bin/shakeout
644 opt/shakeout/lib/shakeout/libshakeout.so
644 opt/shakeout/share/bash-completion/completions/shakeout
644 opt/shakeout/share/man/man1/shakeout.1
644 opt/shakeout/share/man/man7/shakeout.7
644 opt/shakeout/share/zsh/site-functions/_shakeout
END
}

@test "the installed command finds the installed library, wherever DESTDIR was moved to" {
    run -0 "$ROOT/opt/shakeout/bin/shakeout" printenv LD_PRELOAD
    [[ $output == "$ROOT/opt/shakeout/lib/shakeout/libshakeout.so" ]]
    cp -r "$ROOT/opt/shakeout" moved
    run -0 moved/bin/shakeout printenv LD_PRELOAD
    [[ $output == "$PWD/moved/lib/shakeout/libshakeout.so" ]]
}

@test "uninstall takes away what install put there, and nothing else" {
    cp -r "$ROOT" copy
    touch copy/opt/shakeout/lib/shakeout/mine copy/opt/shakeout/bin/other
    make_here DESTDIR="$PWD/copy" PREFIX=/opt/shakeout uninstall
    [[ $(installed copy | cut -d ' ' -f 2) == $'opt/shakeout/bin/other\nopt/shakeout/lib/shakeout/mine' ]]
    make_here DESTDIR="$PWD/copy" PREFIX=/opt/shakeout uninstall
}

@test "the command, the library's manual and the Makefile agree on version and place" {
    run -0 "$ROOT/opt/shakeout/bin/shakeout" --version
    [[ $output == "shakeout $(sed -n 's/^VERSION *:= *//p' "$SHAKEOUT_ROOT/Makefile")" ]]
    grep -q LD_PRELOAD=/opt/shakeout/lib/shakeout/libshakeout.so "$ROOT/opt/shakeout/share/man/man7/shakeout.7"
}

# ---- make dist ---------------------------------------------------------------------------------

@test "the source archive is the same wherever and whenever it is made" {
    git -C "$SHAKEOUT_ROOT" rev-parse --git-dir >/dev/null 2>&1 || skip "this is no git repository"
    git clone -q --no-hardlinks "$SHAKEOUT_ROOT" one
    git clone -q --no-hardlinks "$SHAKEOUT_ROOT" two
    find two -name '*.c' -exec touch -d '2001-02-03' {} +
    (cd one && env -u MAKEFLAGS -u MAKELEVEL make -s dist)
    (cd two && umask 077 && export TZ=Asia/Tokyo LC_ALL=C && env -u MAKEFLAGS -u MAKELEVEL make -s dist)
    cmp one/dist/*.tar.gz two/dist/*.tar.gz
    tar -tzf one/dist/*.tar.gz >names
    grep -qx 'shakeout-[0-9.]*/shim/hooks/accept.c' names
    run ! grep -vE '^shakeout-[0-9.]+/' names
}

# ---- scripts/systemd-dropin --------------------------------------------------------------------

dropin() {
    SHAKEOUT=$ROOT/opt/shakeout/bin/shakeout SYSTEMD_DIRECTORY=$PWD/units \
        "$SHAKEOUT_ROOT/scripts/systemd-dropin" "$@"
}

# A unit to put under shakeout, which says what is in its environment.
unit() {
    mkdir -p units
    printf '[Unit]\nDescription=Test\n[Service]\nExecStart=%s\n' "$(type -P env)" >"units/$1"
}

@test "a drop-in has the library and the settings, the journal being the log" {
    run -0 --separate-stderr dropin -t 10 -p '443,!9000' my-server
    [[ -z $stderr && ${lines[0]} == "#"* ]]
    diff - <(printf '%s\n' "${lines[@]:1}") <<END
[Service]
Environment="LD_PRELOAD=$ROOT/opt/shakeout/lib/shakeout/libshakeout.so"
Environment="SHAKEOUT_LOG=journal"
Environment="SHAKEOUT_PORTS=443,!9000"
Environment="SHAKEOUT_TIMEOUT=10"
END
}

@test "--install writes what systemd-analyze accepts" {
    need systemd-analyze systemd
    unit my-server.service
    run -0 dropin -t 10 -l '/var/log/a "b" 100%.log' --install my-server
    [[ $output == *"systemctl restart my-server.service"* ]]
    # As systemd itself reads it: no complaint, and the value as it was meant.
    run -0 systemd-analyze verify --man=no --recursive-errors=no "$PWD/units/my-server.service"
    [[ $output != *my-server* ]]
    grep -Fx 'Environment="SHAKEOUT_LOG=/var/log/a \"b\" 100%%.log"' units/my-server.service.d/shakeout.conf
    [[ $(stat -c %a units/my-server.service.d/shakeout.conf) == 644 ]]
}

@test "the installed library is taken before that of the source tree, which is told" {
    PATH="$ROOT/opt/shakeout/bin:$PATH" run -0 --separate-stderr "$SHAKEOUT_ROOT/scripts/systemd-dropin" my-server
    [[ -z $stderr && $output == *"\"LD_PRELOAD=$ROOT/opt/shakeout/lib/shakeout/libshakeout.so\""* ]]
    mkdir -p tree/scripts tree/build
    cp "$SHAKEOUT_ROOT/scripts/systemd-dropin" tree/scripts
    cp "$SHAKEOUT_CMD" "$SHAKEOUT_LIB" tree/build
    PATH=/usr/bin:/bin run ! type -P shakeout || skip "one is installed on this machine"
    PATH=/usr/bin:/bin run -0 --separate-stderr tree/scripts/systemd-dropin my-server
    [[ $output == *"\"LD_PRELOAD=$PWD/tree/build/libshakeout.so\""* && $stderr == *"make install"* ]]
}

@test "--install knows the instance of a template" {
    need systemd-analyze systemd
    unit my-server@.service
    run -0 dropin --install my-server@main
    [[ -e units/my-server@main.service.d/shakeout.conf ]]
}

@test "--install writes nothing that systemd-analyze does not accept" {
    need systemd-analyze systemd
    unit my-server.service
    # A newline is more than a line of a drop-in can hold.
    run -1 dropin -l "/var/log/a"$'\n'"b" --install my-server
    [[ $output == *"nothing was written"* ]]
    [[ ! -e units/my-server.service.d ]]
}

@test "bad settings and units are one line, and nothing is written" {
    local arguments
    unit my-server.service
    for arguments in "-t 0 my-server" "my-server.socket" "../x" "" "-t" "-x my-server" "a b"; do
        # shellcheck disable=SC2086 # words are meant
        run -2 --separate-stderr dropin --install $arguments
        [[ -z $output && ${#stderr_lines[@]} -eq 1 ]]
    done
    run -1 --separate-stderr dropin --install no-such-server
    [[ $stderr == *"there is no unit no-such-server.service" ]]
    [[ $(find units -type f) == units/my-server.service ]]
}

# ---- scripts/container -------------------------------------------------------------------------

@test "the containers' files copy what there is" {
    local containers=$SHAKEOUT_ROOT/scripts/container from sources installed
    # From the sources, as little as the build needs:
    mapfile -t sources < <(sed -n 's/^COPY \([^-]*\) [^ ]*$/\1/p' "$containers/Containerfile")
    [[ ${#sources[@]} -ge 2 ]]
    mkdir sources
    (cd "$SHAKEOUT_ROOT" && cp -r "${sources[@]}" "$BATS_TEST_TMPDIR/sources")
    env -u MAKEFLAGS -u MAKELEVEL make -s -C sources DEPS=0 -n install >commands
    grep -q 'install -m 755 build/shakeout' commands
    # From the first image, where make install has put it:
    mapfile -t installed < <(sed -n 's/^COPY --from=shakeout \([^ ]*\) .*/\1/p' "$containers/Containerfile.add")
    [[ ${#installed[@]} -eq 2 ]]
    for from in "${installed[@]}"; do
        [[ -e $ROOT${from/#\/usr\/local//opt/shakeout} ]]
    done
    # What is in the environment is what shakeout would put there.
    grep -q 'LD_PRELOAD=/usr/local/lib/shakeout/libshakeout.so' "$containers/Containerfile.add"
}
