# What is tested, and where it is: the first thing that every bats file loads (`load lib/env`).
#
# Set at load, and not exported (the library names SHAKEOUT_ variables that it does not know):
#   SHAKEOUT_ROOT     the top of the repository
#   SHAKEOUT_LIB      the library under test; build/libshakeout.so unless the caller chose another
#   SHAKEOUT_CMD      the `shakeout` command that was built with it
#   SHAKEOUT_HOSTS    the directory of the programs made from tests/hosts/*.c
#   SHAKEOUT_PRELOAD  the value of LD_PRELOAD that puts the library into a program:
#                         env LD_PRELOAD="$SHAKEOUT_PRELOAD" SHAKEOUT_TIMEOUT=1 server...
#   SHAKEOUT_SAN      empty, or `address` or `thread` when the library is such a build
#
# To be called by every file that preloads the library:
#   shakeout_setup     in setup():    where a sanitizer writes its reports
#   shakeout_teardown  in teardown(): fails the test when there is a report; call it when the
#                      servers are gone, since some errors are only seen at exit
#
# For tests that cannot run here:
#   need COMMAND PACKAGE    skips with "missing: PACKAGE", which is a failure where REQUIRE_ALL=1
#   no_sanitizer WHY [SAN]  skips in a sanitizer build (or only in that of SAN)
#
# For all:
#   unset_settings          takes away what the caller's environment may say to the library
#   wait_for COMMAND...     until it succeeds, for 10 s at most
#
# The caller's side (Makefile, tests/run), exported: TESTED_LIB, TESTED_SAN and TESTED_SAN_PRELOAD, the
# sanitizer's runtime, which a program that was built without it needs from its start.

# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for the bats files

bats_require_minimum_version 1.5.0

SHAKEOUT_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
SHAKEOUT_LIB=${TESTED_LIB:-$SHAKEOUT_ROOT/build/libshakeout.so}
SHAKEOUT_CMD=${SHAKEOUT_LIB%/*}/shakeout
SHAKEOUT_HOSTS=$SHAKEOUT_ROOT/build/tests/hosts
SHAKEOUT_SAN=${TESTED_SAN:-}
SHAKEOUT_PRELOAD=${TESTED_SAN_PRELOAD:+$TESTED_SAN_PRELOAD:}$SHAKEOUT_LIB
if [[ $SHAKEOUT_SAN == thread ]]; then
    # Behind the runtime, our hooks would be called by its interceptors on behalf of a module that is
    # not instrumented, and no access of theirs would be looked at.
    SHAKEOUT_PRELOAD=$SHAKEOUT_LIB:$TESTED_SAN_PRELOAD
fi

shakeout_setup() {
    [[ -n $SHAKEOUT_SAN ]] || return 0
    # Not below BATS_TEST_TMPDIR, which a server's worker that gave up root cannot reach.
    SHAKEOUT_REPORTS=$(mktemp -d "${TMPDIR:-/tmp}/shakeout-reports.XXXXXX")
    chmod 1777 "$SHAKEOUT_REPORTS"
    # The servers are not ours: their leaks and their duplicate definitions are not judged, nor is
    # anything that an uninstrumented module does to another one.
    local common="log_path=$SHAKEOUT_REPORTS/report:handle_abort=0"
    export ASAN_OPTIONS="$common:detect_leaks=0:detect_odr_violation=0:verify_asan_link_order=0:abort_on_error=1"
    export UBSAN_OPTIONS="$common:print_stacktrace=1:abort_on_error=1"
    # die_after_fork: a child of a program with threads may start our reaper.
    export TSAN_OPTIONS="$common:die_after_fork=0:ignore_noninstrumented_modules=1:second_deadlock_stack=1:atexit_sleep_ms=0"
}

shakeout_teardown() {
    [[ -n ${SHAKEOUT_REPORTS:-} ]] || return 0
    local reports
    reports=$(find "$SHAKEOUT_REPORTS" -type f)
    if [[ -z $reports ]]; then
        rm -r "$SHAKEOUT_REPORTS"
        return 0
    fi
    echo "sanitizer reports:"
    find "$SHAKEOUT_REPORTS" -type f -exec head -n 80 {} +
    rm -r "$SHAKEOUT_REPORTS"
    return 1
}

need() {
    command -v "$1" >/dev/null || skip "missing: $2"
}

no_sanitizer() {
    if [[ -n $SHAKEOUT_SAN && ${2:-$SHAKEOUT_SAN} == "$SHAKEOUT_SAN" ]]; then
        skip "$SHAKEOUT_SAN sanitizer: $1"
    fi
}

# Those of this file have the prefix of the settings, but are not exported.
unset_settings() {
    local name
    unset LD_PRELOAD PYSSLPROTO37_HANDSHAKE_TIMEOUT
    for name in $(compgen -e SHAKEOUT_); do unset "$name"; done
}

wait_for() {
    local i
    for ((i = 0; i < 200; i++)); do
        if "$@"; then return 0; fi
        sleep 0.05
    done
    echo "in vain: $*"
    return 1
}
