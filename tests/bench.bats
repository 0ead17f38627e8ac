# What the measures of `make bench` must not exceed, and that they measure at all.
# packages: valgrind

load lib/env

setup() {
    shakeout_setup
    no_sanitizer "its memory is not the library's"
}

teardown() {
    shakeout_teardown
}

# The difference in the row of the table that contains the text, as a plain number.
added() {
    awk -F '|' -v text="$1" 'index($2, text) { gsub(/[^0-9]/, "", $5); print $5; found = 1 } END { exit !found }' \
        "$BATS_TEST_TMPDIR/table"
}

@test "a tracked connection takes 128 bytes at most, and low or high descriptors the same memory" {
    local each low high
    /usr/bin/python3 "$SHAKEOUT_ROOT/scripts/bench" --quick --only memory >"$BATS_TEST_TMPDIR/table"
    cat "$BATS_TEST_TMPDIR/table"
    each=$(added "memory for each accepted connection")
    low=$(added "on low descriptors")
    high=$(added "on the highest descriptors")
    ((each > 40 && each <= 128))
    ((high < low + 64 && high < 512))
}

# Instructions of so many thousand reads of a file, and the start of the program.
instructions() {
    env LD_PRELOAD="$SHAKEOUT_PRELOAD" valgrind --tool=callgrind --callgrind-out-file="$BATS_TEST_TMPDIR/profile" \
        --log-file="$BATS_TEST_TMPDIR/valgrind" "$SHAKEOUT_ROOT/build/tests/bench/reads" file "$1"
    sed -n 's/^summary: //p' "$BATS_TEST_TMPDIR/profile"
}

@test "a read of a descriptor that is not tracked takes less than a hundred instructions" {
    need valgrind valgrind
    local one three each
    one=$(instructions 1)
    three=$(instructions 3)
    each=$(((three - one) / 2000))
    echo "$each instructions"
    ((each > 10 && each < 100))
}
