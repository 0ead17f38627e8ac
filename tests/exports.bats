# packages: binutils
# What the built library says about itself to the dynamic linker.

load lib/env

setup() {
    # The sanitizers' builds are linked in another way and are not what is installed.
    library=$SHAKEOUT_ROOT/build/libshakeout.so
    command=$SHAKEOUT_ROOT/build/shakeout
    cd "$BATS_TEST_TMPDIR"
}

# The names of shim/exports.map, and that there are any.
mapped_names() {
    sed -e 's@/\*.*\*/@@' -e '/local:/,$d' "$SHAKEOUT_ROOT/shim/exports.map" |
        grep -oE '[A-Za-z_][A-Za-z0-9_]*;' | tr -d ';' | sort
}

dynamic() {
    readelf --wide --dynamic "$1"
}

@test "the library exports the names of its map and no other" {
    mapped_names >expected
    nm --dynamic --defined-only --no-weak "$library" | awk '{ print $3 }' | sort >actual
    [ "$(wc -l <expected)" -ge 20 ]
    diff expected actual
}

@test "every exported name is a function" {
    nm --dynamic --defined-only "$library" | awk '{ print $2 }' | sort -u >types
    [ "$(cat types)" = T ]
}

@test "the library needs the C library and nothing else, least of all libssl" {
    dynamic "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >needed
    grep -qx 'libc\.so\.6' needed
    # Before glibc 2.34 these were libraries of their own.
    run ! grep -vxE 'libc\.so\.6|libdl\.so\.2|libpthread\.so\.0|ld-linux[-a-z0-9_]*\.so\.[0-9]' needed
}

@test "the library stays mapped for good, since OpenSSL keeps addresses inside it" {
    dynamic "$library" | grep -E 'FLAGS_1.*\bNODELETE\b'
}

@test "the library cannot be loaded late" {
    dynamic "$library" | grep -E 'FLAGS_1.*\bNOOPEN\b'
}

@test "the library has no text relocations and no search path of its own" {
    dynamic "$library" >entries
    run ! grep -E 'TEXTREL|RPATH|RUNPATH' entries
}

@test "library and command are bound at start and read-only afterwards" {
    for file in "$library" "$command"; do
        readelf --wide --segments "$file" | grep -w GNU_RELRO
        dynamic "$file" | grep -E 'FLAGS_1.*\bNOW\b'
    done
}

@test "no stack is executable and no segment both writable and executable" {
    for file in "$library" "$command"; do
        readelf --wide --segments "$file" >segments
        grep -E 'GNU_STACK .* RW +0x' segments
        run ! grep -E 'LOAD .* RWE ' segments
    done
}

@test "the command is position independent" {
    readelf --file-header "$command" | grep -E 'Type: +DYN'
    dynamic "$command" | grep -E 'FLAGS_1.*\bPIE\b'
}

@test "the stack protector is there" {
    nm --dynamic --undefined-only "$library" | grep -w __stack_chk_fail
}

@test "thread-local data is laid out at start, not allocated inside a hook" {
    nm --dynamic --undefined-only "$library" >undefined
    run ! grep -w __tls_get_addr undefined
}

@test "debug information aside, no path of the build machine is in the library" {
    strip -o stripped "$library"
    run ! grep -a "$SHAKEOUT_ROOT" stripped
}
