#!/usr/bin/env bats
# The manual and the completion: they render, and they say what the program says.
# packages: mandoc man-db zsh

# SC2016: zsh expands what stands in single quotes. SC2154: `run` sets it.
# shellcheck disable=SC2016,SC2154

bats_require_minimum_version 1.5.0
load lib/env

setup() {
    no_sanitizer "no library is loaded here"
    PAGES=("$SHAKEOUT_ROOT/shim/man/shakeout.1" "$SHAKEOUT_ROOT/shim/man/shakeout.7")
    cd "$SHAKEOUT_ROOT" || return 1
}

# A page as plain text on one line, so that a message may be broken anywhere.
plain() {
    mandoc -T utf8 -O width=400 "$1" | col -b | tr -s ' \n' ' '
}

# The options that --help names, one a line.
options() {
    "$SHAKEOUT_CMD" --help | grep -oE '(^|[][ ,|])--?[a-z][a-z-]*' | grep -oE -- '-.*' | sort -u
}

# documented PAGE TEXT...: each text is in the page
documented() {
    local page text
    page=$(plain "$1")
    shift
    [[ $# -gt 0 ]]
    for text in "$@"; do
        if [[ $page != *"$text"* ]]; then
            echo "not in the manual: $text"
            return 1
        fi
    done
}

# ---- The manual --------------------------------------------------------------------------------

@test "man renders the pages without a warning" {
    need man man-db
    local page
    for page in "${PAGES[@]}"; do
        LC_ALL=C.UTF-8 run -0 --separate-stderr man --warnings=w --local-file "$page"
        [[ -z $stderr && ${#lines[@]} -gt 40 ]]
    done
}

@test "shakeout(1) documents every option, and no other" {
    need mandoc mandoc
    diff <(options) <(plain "${PAGES[0]}" | grep -oE '(^|[][ (,|])--?[a-z][a-z-]*' | grep -oE -- '-.*' | sort -u)
}

@test "shakeout(1) documents why a program is refused" {
    need mandoc mandoc
    local reasons
    mapfile -t reasons < <(sed -n '/^const char \*target_reason/,/^}/p' shim/launcher/target.c |
        tr -d '\n' | sed 's/" *"//g' | grep -oE 'return "[^"]*"' | cut -d '"' -f 2 |
        grep -vxE 'cannot be read|is a damaged ELF file|is of an unknown kind')
    [[ ${#reasons[@]} -ge 5 ]]
    documented "${PAGES[0]}" "${reasons[@]}"
}

@test "shakeout(7) documents every setting" {
    need mandoc mandoc
    local names
    mapfile -t names < <(grep -ohE '"(SHAKEOUT|PYSSLPROTO37)_[A-Z_]+"' shim/base/settings.c | tr -d '"' | sort -u)
    [[ ${#names[@]} -ge 3 ]]
    documented "${PAGES[1]}" "${names[@]}"
}

@test "shakeout(7) documents every message of the log" {
    need mandoc mandoc
    local messages
    mapfile -t messages < <(cat shim/*/*.c | tr -d '\n' | sed 's/" *"//g' |
        grep -oE 'log_unprotected\( *"[^"]*"' | cut -d '"' -f 2 | sed 's/^/not protected: /')
    [[ ${#messages[@]} -ge 4 ]]
    mapfile -t -O "${#messages[@]}" messages < <(sed -n '/verdict_reason/,$s/.*_SHUT_.* = "\(.*\)",/\1:/p' shim/core/verdict.c)
    mapfile -t -O "${#messages[@]}" messages < <(grep -oE '"[a-z ]{12,}' shim/core/report.c | grep -v 'client was' | sed 's/^" *//; s/ $//')
    [[ ${#messages[@]} -ge 10 ]]
    documented "${PAGES[1]}" "${messages[@]}"
}

@test "shakeout(7) documents every field of the journal" {
    need mandoc mandoc
    local fields
    mapfile -t fields < <(grep -ohE '"(SHAKEOUT_[A-Z]+|MESSAGE_ID|PRIORITY|ERRNO)=' shim/base/log_journal.c | tr -d '"=')
    [[ ${#fields[@]} -ge 8 ]]
    documented "${PAGES[1]}" "${fields[@]}"
}

@test "the installed pages name the installed library" {
    make --no-print-directory -s manual BUILD="$BATS_TEST_TMPDIR/build" LIBDIR=/opt/x/lib
    run -0 grep -h /libshakeout.so "$BATS_TEST_TMPDIR"/build/man/shakeout.7
    [[ $output == *"LD_PRELOAD=/opt/x/lib/libshakeout.so"* && $output != */usr/local* ]]
}

# ---- Completion --------------------------------------------------------------------------------

# complete_line WORD...: what bash offers for the last word
complete_line() {
    bash --norc --noprofile -c '
        source shim/completion/shakeout.bash
        COMP_WORDS=(shakeout "$@")
        COMP_CWORD=$#
        _shakeout
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

@test "bash: all the options, and those of --help only" {
    run -0 complete_line -
    diff <(printf '%s\n' "${lines[@]}" --json --prometheus --watch | sort) <(options)
    run -0 complete_line --t
    [[ $output == --timeout ]]
}

@test "bash: the values of options" {
    run -0 complete_line -l s
    [[ ${lines[*]} == *stderr* && ${lines[*]} == *syslog* && ${lines[*]} != *journal* ]]
    run -0 complete_line --log = jour
    [[ $output == journal ]]
    run -0 complete_line --log =
    [[ ${lines[*]} == *stderr* && ${lines[*]} == *off* ]]
    run -0 complete_line -l shim/ma
    [[ $output == shim/man ]]
    run -0 complete_line --check sh
    [[ " ${lines[*]} " == *" sh "* ]]
    run -0 complete_line --check "$$"
    [[ " ${lines[*]} " == *" $$ "* ]]
    run -0 complete_line -p 44
    [[ -z $output ]]
}

@test "bash: --status and what belongs to it" {
    run -0 complete_line --status --
    [[ ${lines[*]} == "--json --prometheus --watch" ]]
    run -0 complete_line --status --json "$$"
    [[ " ${lines[*]} " == *" $$ "* ]]
    run -0 complete_line --status ""
    [[ " ${lines[*]} " == *" 1 "* ]]
    run ! grep -v '^[0-9]*$' <<<"$output"
}

@test "bash: the command, and then its own arguments" {
    run -0 complete_line -t 5 --ports = 443 bas
    [[ " ${lines[*]} " == *" bash "* ]]
    run -0 complete_line -- bas
    [[ " ${lines[*]} " == *" bash "* ]]
    run -0 complete_line -t 5 cat -l
    [[ -z $output ]]
    run -0 complete_line -t 5 cat shim/ma
    [[ $output == shim/man ]]
}

@test "bash: the function is registered for the command" {
    run -0 bash --norc --noprofile -c 'source shim/completion/shakeout.bash; complete -p shakeout'
    [[ $output == *"-F _shakeout shakeout" ]]
}

@test "zsh: the completion is valid, and knows the options of --help" {
    need zsh zsh
    run -0 zsh -n shim/completion/_shakeout
    [[ -z $output ]]
    # What zsh itself makes of it: compinit registers the file for the command.
    run -0 zsh -f -c 'fpath=(shim/completion $fpath); autoload -Uz compinit
        compinit -D -u && print -r -- $_comps[shakeout] && autoload +X _shakeout && print loaded'
    [[ ${lines[0]} == _shakeout && ${lines[1]} == loaded ]]
    diff <(options) <(grep -oE -- "['{,)(]--?[a-z]+" shim/completion/_shakeout | grep -oE -- '-.*' | sort -u)
}
