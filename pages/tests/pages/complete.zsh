# For an interactive zsh. After Ctrl-T it completes each line of the file $TYPED, and writes
# what it offers to the file $FOUND, below the line with a `= ` before it.
fpath=($SHARE/zsh/site-functions $fpath)
autoload -Uz compinit && compinit -u -D

# Each offer is made through this builtin; calls with these options only ask what matches.
compadd() {
  if [[ ${@[1,(i)(-|--)]} != *-[OAD]\ * ]]; then
    local -a offered
    builtin compadd -A offered "$@"
    print -rl -- $offered >>$FOUND
  fi
  builtin compadd "$@"
}

complete-each() {
  local line
  while IFS= read -r line; do
    print -r -- "= $line" >>$FOUND
    BUFFER=$line CURSOR=$#line
    zle list-choices
  done <$TYPED
  BUFFER=
}
zle -N complete-each
bindkey '^T' complete-each
