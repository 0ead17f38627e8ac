# bash completion for shakeout(1). Works with and without the bash-completion package.
# shellcheck shell=bash

# Where the command of the line is: the index of the first word that is no option of shakeout's and
# no value of one. "=" is a word of its own (COMP_WORDBREAKS).
_shakeout_command_index() {
    local index=1
    while ((index < COMP_CWORD)); do
        case ${COMP_WORDS[index]} in
        --)
            echo $((index + 1))
            return
            ;;
        -t | -p | -l | --timeout | --ports | --log | --check)
            ((index++))
            [[ ${COMP_WORDS[index]-} != = ]] || ((index++))
            ;;
        -*) ;;
        *) break ;;
        esac
        ((index++))
    done
    echo "$index"
}

# _shakeout_pids WORD: the processes whose number begins so.
_shakeout_pids() {
    (cd /proc && compgen -d -- "$1") | grep -x '[0-9]*'
}

# What the option in front of the current word takes; fails when there is none that takes a value.
_shakeout_value() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $before in
    -l | --log)
        mapfile -t COMPREPLY < <(
            compgen -W 'stderr syslog journal off' -- "$word"
            compgen -f -- "$word"
        )
        ;;
    -t | --timeout) mapfile -t COMPREPLY < <(compgen -W 'off' -- "$word") ;;
    -p | --ports) COMPREPLY=() ;;
    --check)
        if [[ $word == [0-9]* ]]; then
            mapfile -t COMPREPLY < <(_shakeout_pids "$word")
        else
            _shakeout_program "$word"
        fi
        ;;
    *) return 1 ;;
    esac
}

_shakeout_program() {
    mapfile -t COMPREPLY < <(
        compgen -c -- "$1"
        compgen -f -- "$1"
    )
}

_shakeout_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

_shakeout() {
    local word=${COMP_WORDS[COMP_CWORD]} command
    command=$(_shakeout_command_index)
    if [[ " ${COMP_WORDS[*]:1:COMP_CWORD - 1} " == " --status "* ]]; then
        if [[ $word == -* ]]; then
            _shakeout_words '--json --prometheus --watch'
        else
            mapfile -t COMPREPLY < <(_shakeout_pids "$word")
        fi
    elif ((COMP_CWORD > command)); then
        if declare -F _command_offset >/dev/null; then
            _command_offset "$command"
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
    elif _shakeout_value; then
        return
    elif [[ $word == -* && ${COMP_WORDS[COMP_CWORD - 1]} != -- ]]; then
        _shakeout_words '-t -p -l --timeout --ports --log --check --status --help --version'
    else
        _shakeout_program "$word"
    fi
}
complete -o filenames -F _shakeout shakeout
