# bash completion for gnatterctl: commands and options as its own --help tells them.
_gnatterctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
    local words=() i
    case $before in
    --dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    --out | --tls-cert | --tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --limits | --accelerator) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$word") && return ;;
    --ack) mapfile -t COMPREPLY < <(compgen -W 'explicit auto' -- "$word") && return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --dir) ((i++)) ;;
        -*) ;;
        *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    local commands
    commands=$("$program" --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\( [a-z][a-z-]*\)\{0,1\}\).*/\1/p')
    if [[ $word == -* ]]; then
        local name=()
        if grep -qx -- "${words[0]:-} ${words[1]:-}" <<<"$commands"; then
            name=("${words[0]}" "${words[1]}")
        elif grep -qx -- "${words[0]:-}" <<<"$commands"; then
            name=("${words[0]}")
        fi
        mapfile -t COMPREPLY < <(compgen -W "$("$program" "${name[@]}" --help 2>/dev/null |
            sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p')" -- "$word")
    elif ((${#words[@]} == 0)); then
        mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<<"$commands" | sort -u)" -- "$word")
    elif ((${#words[@]} == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(sed -n "s/^${words[0]} //p" <<<"$commands")" -- "$word")
    fi
}
complete -F _gnatterctl gnatterctl
