//! Shells on a terminal of their own, as people have them: what they complete when Tab is
//! pressed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::help::Words;
use crate::{expect_all, lines, share, shell};

/// Runs an interactive shell with these keys pressed, all at once; returns what it showed.
fn press(command: &str, keys: &str, home: &Path) -> Option<String> {
    let script = "SHELL=/bin/sh TERM=xterm HOME=$1 ZDOTDIR=$1 SHARE=$2 \
                  script -qec \"$0\" /dev/null <$1/keys";
    fs::write(home.join("keys"), keys).unwrap();
    shell("sh", script, &[command.as_ref(), home, share()])
}

/// Whether this shell, with such a start-up file, executes `lithos_ctl reload --json` when
/// as much of it is typed as must be.
fn completes(command: &str, file: &str, start: &str) {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join(file), start).unwrap();
    let keys = "lithos_ctl rel\t--js\t\nexit 0\n";
    if let Some(shown) = press(command, keys, home.path()) {
        assert!(shown.contains("executed: reload --json"), "{shown}");
    }
}

#[test]
fn bash_completes_what_is_typed() {
    completes(
        "bash --rcfile $HOME/rc -i",
        "rc",
        "source $SHARE/bash-completion/completions/lithos_ctl\n\
         lithos_ctl() { echo \"executed: $*\"; }\n",
    );
}

#[test]
fn fish_completes_what_is_typed() {
    completes(
        "fish --no-config --interactive --init-command 'source $HOME/rc'",
        "rc",
        "set --prepend fish_complete_path $SHARE/fish/vendor_completions.d\n\
         function lithos_ctl; echo executed: $argv; end\n",
    );
}

#[test]
fn zsh_completes_what_is_typed() {
    completes(
        "zsh -d -i",
        ".zshrc",
        "fpath=($SHARE/zsh/site-functions $fpath)\n\
         autoload -Uz compinit && compinit -u -D\n\
         lithos_ctl() { echo \"executed: $*\" }\n",
    );
}

#[test]
fn zsh_completes_every_flag_and_command() {
    let home = TempDir::new().unwrap();
    let typed = lines().into_iter().flat_map(|(line, definition)| {
        let (flags, commands) = (line.join(" ") + " -", line.join(" ") + " ");
        let words = Words::of(&definition);
        [(flags, words.flags), (commands, words.commands)]
    });
    let wanted: BTreeMap<_, _> = typed.filter(|(_, words)| !words.is_empty()).collect();
    let typed: String = wanted.keys().map(|line| format!("{line}\n")).collect();
    fs::write(home.path().join("typed"), typed).unwrap();
    let start = format!(
        "TYPED=$HOME/typed FOUND=$HOME/found\n{}",
        include_str!("complete.zsh")
    );
    fs::write(home.path().join(".zshrc"), start).unwrap();
    let Some(shown) = press("zsh -d -i", "\x14exit 0\n", home.path()) else {
        return;
    };
    let found = fs::read_to_string(home.path().join("found")).expect(&shown);
    let mut parts: BTreeMap<&str, _> = found
        .split("= ")
        .filter_map(|part| part.split_once('\n'))
        .map(|(line, words)| (line, words.lines().map(str::to_owned).collect()))
        .collect();
    for (line, wanted) in &wanted {
        let found = parts.remove(line.as_str()).expect(line);
        expect_all(std::slice::from_ref(line), wanted, &found, "zsh");
    }
}
