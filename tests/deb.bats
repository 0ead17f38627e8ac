#!/usr/bin/env bats
# The Debian packages: built, checked by lintian, installed on this machine and taken away again.
# `make check-deb`; not a part of `make check`, since it changes the machine.
# serial

# SC2030, SC2031: a variable that one test changes is not read by another. SC2154: `run` sets it.
# shellcheck disable=SC2030,SC2031,SC2154
# bats file_tags=slow

bats_require_minimum_version 1.5.0
load lib/env

setup_file() {
    load lib/env
    FILES=$(mktemp -d "${TMPDIR:-/tmp}/shakeout-deb.XXXXXX")
    export FILES
    VERSION=$(sed -n 's/^VERSION *:= *//p' "$SHAKEOUT_ROOT/Makefile")
    export VERSION
    "$SHAKEOUT_ROOT/scripts/make-deb" "$VERSION" "$FILES/one"
}

teardown_file() {
    rm -rf "$FILES"
}

setup() {
    unset_settings
    PACKAGES=("$FILES"/one/libshakeout_*.deb "$FILES"/one/shakeout_*.deb)
}

@test "there are two packages, the library's for every architecture at once" {
    [[ ${#PACKAGES[@]} -eq 2 ]]
    [[ $(dpkg-deb --field "${PACKAGES[0]}" Multi-Arch) == same ]]
    local architecture triplet
    architecture=$(dpkg --print-architecture)
    triplet=$(dpkg-architecture -q DEB_HOST_MULTIARCH)
    [[ $(dpkg-deb --field "${PACKAGES[0]}" Architecture) == "$architecture" ]]
    dpkg-deb --contents "${PACKAGES[0]}" | grep -q " ./usr/lib/$triplet/shakeout/libshakeout.so$"
    dpkg-deb --contents "${PACKAGES[1]}" | grep -q ' ./usr/bin/shakeout$'
}

@test "built again elsewhere, the packages are the same" {
    "$SHAKEOUT_ROOT/scripts/make-deb" "$VERSION" "$FILES/another/place"
    local package
    for package in "${PACKAGES[@]}"; do
        cmp "$package" "$FILES/another/place/${package##*/}"
    done
}

@test "installed, the packages do what the demo shows, and purged they are gone" {
    [[ $EUID -eq 0 ]] || skip "only root installs packages"
    local package apt
    for package in shakeout libshakeout; do
        if dpkg-query -W "$package" >/dev/null 2>&1; then skip "$package is installed here already"; fi
    done
    # apt-get, which waits for whoever else is installing.
    apt=(apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
    "${apt[@]}" install --no-install-recommends "${PACKAGES[@]}" 3>&-
    # Whatever happens from here on, they are purged.
    # A shell of its own, since bats and || would both let it go on after an error.
    run env ROOT="$SHAKEOUT_ROOT" bash -euo pipefail -c "$(declare -f installed_packages_work); installed_packages_work"
    "${apt[@]}" purge shakeout libshakeout 3>&-
    echo "$output"
    [[ $status -eq 0 ]]
    run ! find /usr/bin/shakeout /usr/lib/*/shakeout /usr/share/doc/shakeout
}

installed_packages_work() {
    [[ $(/usr/bin/shakeout --version) == "shakeout $VERSION" ]]
    # $LIB is for the loader to expand, ld.so(8): lib/x86_64-linux-gnu here
    # shellcheck disable=SC2016
    LD_PRELOAD='/usr/$LIB/shakeout/libshakeout.so' grep -q /shakeout/libshakeout.so /proc/self/maps
    zcat /usr/share/man/man7/shakeout.7.gz | grep -q "LD_PRELOAD=/usr/lib/.*/shakeout/libshakeout.so"
    BUILD=/usr/bin "$ROOT/scripts/smoke-telnet" -t 2 >"$FILES/demo"
    cat "$FILES/demo"
    [[ $(tail -n 1 "$FILES/demo") == pass ]]
}
