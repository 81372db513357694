//! What these tests have in common.

use std::collections::BTreeMap;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::{Tree, children, command_line, lives};

/// `lithos_tree` by way of a shell: the script goes on with `exec "$0" "$@"`.
pub fn by_shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", script, env!("CARGO_BIN_EXE_lithos_tree")]);
    command
}

/// Containers and their knots.
pub type Knots = BTreeMap<String, Vec<i32>>;

/// All that run on this ground.
pub fn knots(ground: &Ground) -> Knots {
    let mut all = Knots::new();
    let pids = ground.knots();
    // What a knot has forked has its command line before it executes another.
    let forked: Vec<_> = pids.iter().flat_map(|pid| children(*pid)).collect();
    for pid in pids
        .into_iter()
        .filter(|pid| lives(*pid) && !forked.contains(pid))
    {
        let name = command_line(pid)
            .split(' ')
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        all.entry(name).or_default().push(pid);
    }
    all
}

/// Waits until this many instances of `shop/web` run, and nothing else.
pub fn wait_for_web(tree: &Tree<'_>, ground: &Ground, count: usize) -> Knots {
    for number in 0..count {
        tree.process(&format!("shop/web.{number}"));
    }
    let knots = knots(ground);
    assert_eq!(knots.len(), count, "{knots:?}");
    assert!(knots.values().all(|pids| pids.len() == 1), "{knots:?}");
    knots
}

/// SIGHUP, and waits until the files have been read.
pub fn reload(tree: &Tree<'_>) {
    let before = loads(tree);
    tree.signal(Signal::SIGHUP);
    tree.wait("reload", || (loads(tree) > before).then_some(()));
}

/// How often the files have been read.
pub fn loads(tree: &Tree<'_>) -> usize {
    tree.log().matches("loaded; supervising").count()
}

/// Kills the container's process.
pub fn kill_process(tree: &Tree<'_>, container: &str) {
    kill(Pid::from_raw(tree.process(container)), Signal::SIGKILL).unwrap();
}

/// Waits until the container runs under another knot than this.
pub fn wait_for_other_knot(tree: &Tree<'_>, ground: &Ground, container: &str, old: &[i32]) {
    tree.wait("another knot", || {
        let knots = knots(ground).remove(container)?;
        (knots != old).then_some(())
    });
    tree.process(container);
}
