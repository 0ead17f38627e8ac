# The shakeout command as it is installed: a copy of it and its library for each test, in a place that
# anybody may enter, since some tests run as nobody. Load lib/env first.
#
#   command_files     in setup_file(): FILES, a directory for all tests of the file, with program.c
#   command_setup     in setup(): SHAKEOUT and LIBRARY, in the working directory DIR below FILES
#   as_nobody COMMAND...  as a user that is not root, whoever runs the tests
#   need_root WHAT    skips: "only root can WHAT"
#
# teardown_file() removes FILES.

# shellcheck shell=bash

command_files() {
    FILES=$(mktemp -d "${TMPDIR:-/tmp}/shakeout-command.XXXXXX")
    export FILES
    chmod 755 "$FILES"
    echo 'int main(void) { return 0; }' >"$FILES/program.c"
}

teardown_file() {
    rm -r "$FILES"
}

command_setup() {
    no_sanitizer "the command is tested as it is installed, without sanitizers"
    unset_settings
    DIR=$(mktemp -d "$FILES/test.XXXXXX")
    chmod 755 "$DIR"
    mkdir "$DIR/bin"
    cp "$SHAKEOUT_CMD" "$SHAKEOUT_LIB" "$DIR/bin"
    SHAKEOUT=$DIR/bin/shakeout
    LIBRARY=$DIR/bin/libshakeout.so
    cd "$DIR" || return 1
}

as_nobody() {
    if [[ $EUID -eq 0 ]]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
    else
        "$@"
    fi
}

need_root() {
    [[ $EUID -eq 0 ]] || skip "only root can $1"
}
