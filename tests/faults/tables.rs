//! Tables of the kernel without room: descriptors, processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::ground::Ground;
use crate::scene::{by_shell, kill_process, knots, loads, reload, wait_for_web};
use crate::tree::Tree;

fn instances(ground: &Ground, count: usize) {
    ground.processes(&format!(
        "web: {{ image: probe, config: /config/web.yaml, instances: {count} }}"
    ));
}

#[test]
fn with_too_few_descriptors_it_starts_less_and_loses_nothing() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [sleep]\nfileno-limit: 16\nrestart-timeout: 0.05\nrestart-timeout-max: 0.2",
    );
    instances(&ground, 3);
    let mut tree = Tree::start_by(&ground, by_shell("ulimit -n 32; exec \"$0\" \"$@\""));
    let before = wait_for_web(&tree, &ground, 3);
    instances(&ground, 30);
    reload(&tree);
    tree.wait_for_log(&["cannot start", "too many open files"]);
    for (name, knot) in &before {
        assert_eq!(knots(&ground)[name], *knot);
    }
    instances(&ground, 3);
    reload(&tree);
    tree.wait("the former number", || {
        (knots(&ground) == before).then_some(())
    });
    kill_process(&tree, "shop/web.0");
    tree.wait("another knot", || {
        (knots(&ground).get("shop/web.0")? != &before["shop/web.0"]).then_some(())
    });
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

/// Whatever it fails at, and wherever: each number of descriptors ends
/// another step.
#[test]
fn a_supervisor_without_descriptors_doubles_and_stops_nothing() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05");
    instances(&ground, 4);
    let tree = ground.start();
    let before = wait_for_web(&tree, &ground, 4);
    tree.abandon();
    let (mut failed, mut succeeded) = (0, 0);
    for limit in 4..34 {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let mut tree = Tree::start_by(&ground, by_shell(&script));
        let before_this = loads(&tree);
        let ended = (0..3000).find_map(|_| {
            sleep(Duration::from_millis(20));
            let loaded = loads(&tree) > before_this;
            (tree.has_ended() || loaded).then_some(!loaded)
        });
        match ended.expect("neither loads nor ends") {
            true => failed += 1,
            // Time for what it may do wrong.
            false => {
                sleep(Duration::from_millis(150));
                succeeded += 1;
                tree.signal(nix::sys::signal::Signal::SIGKILL);
                tree.ended();
            }
        }
        std::mem::forget(tree);
        assert_eq!(knots(&ground), before, "with {limit} descriptors");
    }
    assert!(failed > 3 && succeeded > 3, "{failed} {succeeded}");
    let mut tree = ground.start();
    wait_for_web(&tree, &ground, 4);
    assert_eq!(knots(&ground), before);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

/// A cgroup with a limit of processes.
struct Pids(PathBuf);

impl Pids {
    fn make() -> Self {
        let name = format!("lithos-test-faults-{}", std::process::id());
        let one = Path::new("/sys/fs/cgroup/pids");
        let root = if one.is_dir() {
            one
        } else {
            Path::new("/sys/fs/cgroup")
        };
        let path = root.join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn limit(&self, most: &str) {
        fs::write(self.0.join("pids.max"), most).unwrap();
    }
}

impl Drop for Pids {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn at_a_limit_of_processes_what_runs_stays_and_the_rest_starts_when_it_can() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.2");
    instances(&ground, 4);
    let pids = Pids::make();
    // The supervisor, and two containers of a knot and a process each.
    pids.limit("5");
    let procs = pids.0.join("cgroup.procs");
    let script = format!("echo $$ > {}; exec \"$0\" \"$@\"", procs.display());
    let mut tree = Tree::start_by(&ground, by_shell(&script));
    tree.wait_for_log(&["cannot start", "resource temporarily unavailable"]);
    let running = || {
        let knots = knots(&ground).into_values().flatten();
        let with_process = knots.filter(|knot| !crate::tree::children(*knot).is_empty());
        with_process.count()
    };
    tree.wait("some that run", || (running() >= 1).then_some(()));
    assert!(!tree.has_ended());
    pids.limit("max");
    let before = knots(&ground);
    let after = wait_for_web(&tree, &ground, 4);
    let stay = before
        .iter()
        .filter(|(name, knots)| after[*name] == **knots);
    assert!(stay.count() >= 1, "{before:?} {after:?}");
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}
