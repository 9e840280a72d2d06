"""Scripts that teach a shell what may come next behind `strongroom`. Each asks `strongroom __complete` (see `completion`)."""

from __future__ import annotations

BASH = r"""# bash completion for strongroom: source it, or put it into a folder of bash-completion
_strongroom() {
    local current="${COMP_WORDS[COMP_CWORD]}" line kind="" plain=""
    local -a words=()
    COMPREPLY=()
    for line in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        words+=("$(_strongroom_unquoted "$line")")
    done
    case $current in [\"\']*) plain=yes ;; esac
    while IFS= read -r line; do
        if [ -z "$kind" ]; then
            kind=$line
        elif [ -n "$plain" ]; then
            COMPREPLY+=("${line%%$'\t'*}")
        else
            printf -v line %q "${line%%$'\t'*}"
            COMPREPLY+=("$line")
        fi
    done < <("$1" __complete "${words[@]}" 2>/dev/null </dev/null)
    if [ "$kind" = files ]; then
        compopt -o default 2>/dev/null
    elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

_strongroom_unquoted() {
    local word=$1
    case $word in
        \"*) word=${word#\"}; word=${word%\"} ;;
        \'*) word=${word#\'}; word=${word%\'} ;;
        *) word=${word//\\/} ;;
    esac
    printf '%s' "$word"
}

complete -F _strongroom strongroom
"""

ZSH = r"""#compdef strongroom
# zsh completion for strongroom: put it as _strongroom into a folder of $fpath, or source it behind compinit
_strongroom() {
    local -a answer described
    local line kind
    answer=("${(@f)$("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
    kind=${answer[1]}
    for line in "${(@)answer[2,-1]}"; do
        [[ -n $line ]] && described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( ${#described} )) && _describe -V strongroom described
    [[ $kind == files ]] && _files
}

if [[ ${funcstack[1]} == _strongroom ]]; then
    _strongroom "$@"
else
    compdef _strongroom strongroom
fi
"""

FISH = r"""# fish completion for strongroom: put it as strongroom.fish into ~/.config/fish/completions
function __strongroom_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l answer ($program __complete $words "$current" 2>/dev/null </dev/null)
    set -l kind $answer[1]
    set -e answer[1]
    if test "$kind" = files
        __fish_complete_path "$current"
    else if set -q answer[1]
        printf '%s\n' $answer
    end
end

complete -c strongroom -f -a '(__strongroom_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
