//! Supervisors that go away, and what the next one makes of what they left.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;
use crate::tree::{Tree, lives};

const RECORD: &str = "run/state/shop/web.0/record.json";

/// A container that runs, and whose supervisor was killed.
fn orphaned(ground: &Ground, lines: &str) -> i32 {
    ground.container(&format!("arguments: [list=/bin, sleep]\n{lines}"));
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    tree.signal(Signal::SIGKILL);
    tree.ended();
    std::mem::forget(tree);
    knot
}

fn wait_until_loaded(tree: &Tree<'_>) {
    tree.wait_for_log(&["loaded; supervising"]);
}

#[test]
fn sigusr1_leaves_the_containers_to_the_next_supervisor() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let (knot, process) = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
    tree.signal(Signal::SIGUSR1);
    assert!(tree.ended().success());
    assert!(!ground.path("run/master.pid").exists());
    assert!(lives(knot) && lives(process));
    let mut next = ground.start();
    next.wait_for_log(&["shop/web.0: found running"]);
    assert_eq!(
        (next.knot("shop/web.0"), next.process("shop/web.0")),
        (knot, process)
    );
    assert!(next.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn an_end_that_no_supervisor_saw_is_noticed_with_its_status() {
    let Some(ground) = Ground::new() else { return };
    let knot = orphaned(&ground, "restart-timeout: 0.05");
    kill(Pid::from_raw(knot), Signal::SIGTERM).unwrap();
    let tree = ground.start();
    tree.wait_for_log(&["shop/web.0: was killed by signal 15"]);
    tree.results("shop/web.0", "list=/bin", 2);
    let record: Value = serde_json::from_slice(&fs::read(ground.path(RECORD)).unwrap()).unwrap();
    assert_eq!(record["last-end"]["ending"]["ended"]["signalled"], 15);
    assert_eq!(record["history"]["failures"], 0);
}

#[test]
fn a_torn_record_never_leads_to_a_second_generation() {
    let Some(ground) = Ground::new() else { return };
    let knot = orphaned(&ground, "");
    fs::write(ground.path(RECORD), "{\"version\":1,\"boo").unwrap();
    let tree = ground.start();
    tree.results("shop/web.0", "list=/bin", 2);
    assert!(!lives(knot));
    assert_eq!(ground.knots().len(), 1);
    tree.wait_for_log(&["cannot be read", "killing its knot"]);
}

#[test]
fn a_record_of_a_reused_pid_leads_to_a_new_start_and_harms_nobody() {
    let Some(ground) = Ground::new() else { return };
    let knot = orphaned(&ground, "restart-timeout: 0.05");
    kill(Pid::from_raw(knot), Signal::SIGKILL).unwrap();
    let mut record: Value =
        serde_json::from_slice(&fs::read(ground.path(RECORD)).unwrap()).unwrap();
    let mut bystander = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    record["knot"]["pid"] = bystander.id().into();
    fs::write(ground.path(RECORD), record.to_string()).unwrap();
    let mut tree = ground.start();
    tree.results("shop/web.0", "list=/bin", 2);
    assert!(tree.stop().success());
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_record_of_an_unknown_version_is_a_reason_not_to_start() {
    let Some(ground) = Ground::new() else { return };
    let knot = orphaned(&ground, "");
    let good = fs::read_to_string(ground.path(RECORD)).unwrap();
    fs::write(
        ground.path(RECORD),
        good.replace("\"version\":1", "\"version\":2"),
    )
    .unwrap();
    let mut tree = ground.start();
    assert_eq!(tree.ended().code(), Some(1));
    assert!(tree.log().contains("unknown version 2"), "{}", tree.log());
    assert!(lives(knot));
}

#[test]
fn what_is_wanted_no_more_is_stopped_by_the_next_supervisor() {
    let Some(ground) = Ground::new() else { return };
    let knot = orphaned(&ground, "");
    fs::remove_file(ground.path("sandboxes/shop.yaml")).unwrap();
    let mut tree = ground.start();
    tree.wait("end of the container", || (!lives(knot)).then_some(()));
    wait_until_loaded(&tree);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn failures_in_a_row_are_remembered_across_supervisors() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, exit=3]\nrestart-timeout: 0.1");
    let mut tree = ground.start();
    tree.results("shop/web.0", "list=/bin", 4);
    tree.wait_for_log(&["after", "3 restarts"]);
    tree.signal(Signal::SIGKILL);
    tree.ended();
    let history = || {
        let record = fs::read(ground.path(RECORD)).ok()?;
        let record: Value = serde_json::from_slice(&record).ok()?;
        Some((
            record["history"]["starts"].as_u64()?,
            record["history"]["failures"].as_u64()?,
        ))
    };
    let before = history().unwrap();
    assert!(before.0 >= 4 && before.1 >= 3, "{before:?}");
    let next = ground.start();
    let after = next.wait("another start", || history().filter(|now| now.0 > before.0));
    assert!(after.1 > before.1.saturating_sub(1), "{after:?}");
}

#[test]
fn no_cgroup_is_left_of_what_was_stopped() {
    let Some(ground) = Ground::new() else { return };
    let parent = format!("lithos-test-{}.slice", std::process::id());
    ground.master(&format!("cgroup-name: {parent}"));
    ground.container("arguments: [list=/bin, sleep]");
    let hierarchies = || {
        let mounted = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let mut paths: Vec<_> = mounted.map(|entry| entry.path().join(&parent)).collect();
        paths.push(format!("/sys/fs/cgroup/{parent}").into());
        paths.retain(|path| path.exists());
        paths
    };
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    assert_ne!(hierarchies(), Vec::<std::path::PathBuf>::new());
    assert!(tree.stop().success());
    assert_eq!(hierarchies(), Vec::<std::path::PathBuf>::new());
}

/// As an earlier release wrote it: each field that came later, or will, means
/// without it what there was before it.
#[test]
fn a_record_without_the_fields_that_came_later_is_adopted() {
    let Some(ground) = Ground::new() else { return };
    let knot = orphaned(&ground, "");
    let read =
        || -> Value { serde_json::from_slice(&fs::read(ground.path(RECORD)).unwrap()).unwrap() };
    let mut record = read();
    for (place, field) in [
        ("/plan", "network"),
        ("/plan/stdio", "interactive"),
        ("/plan/supervision", "restart-timeout-max"),
        ("/plan/supervision", "restart-process-only"),
        ("/plan/supervision", "normal-exit-codes"),
    ] {
        let object = record.pointer_mut(place).unwrap().as_object_mut();
        assert!(object.unwrap().remove(field).is_some(), "{field}");
    }
    let knot_of = record["knot"].as_object_mut().unwrap();
    knot_of.remove("pidfd-inode");
    record["a-later-field"] = true.into();
    fs::write(ground.path(RECORD), record.to_string()).unwrap();
    let mut tree = ground.start();
    // What is to be restarted is told to end before the second of these.
    tree.wait("recovery", || {
        (tree.log().matches("loaded; supervising").count() == 2).then_some(())
    });
    assert!(tree.log().contains("shop/web.0: found running"));
    assert_eq!(read()["stopping"], Value::Null);
    assert_eq!(tree.knot("shop/web.0"), knot);
    assert!(tree.stop().success());
    assert_eq!(tree.lines("shop/web.0", "list=/bin").len(), 1);
    ground.expect_nothing_left();
}
