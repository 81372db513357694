//! Starting again, stopping, and leaving nothing behind.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::lives;

#[test]
fn starts_a_daemon_again_when_it_ends() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [list=/bin, exit=0]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.1",
    );
    let tree = ground.start();
    tree.results("shop/web.0", "list=/bin", 3);
}

#[test]
fn starts_a_daemon_again_when_it_is_killed() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [list=/bin, sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.1",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "list=/bin", 2);
}

#[test]
fn a_killed_knot_takes_its_container_with_it_and_is_started_again() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [orphan, sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.1");
    let tree = ground.start();
    tree.result("shop/web.0", "orphan");
    let (knot, process) = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
    kill(Pid::from_raw(knot), Signal::SIGKILL).unwrap();
    tree.wait("end of the container", || (!lives(process)).then_some(()));
    tree.results("shop/web.0", "orphan", 2);
    assert_ne!(tree.knot("shop/web.0"), knot);
}

#[test]
fn starts_are_at_least_the_restart_timeout_apart() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [list=/bin, exit=1]\nrestart-timeout: 0.7\nrestart-timeout-max: 0.7",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let first = Instant::now();
    tree.results("shop/web.0", "list=/bin", 3);
    // Seen a little late the first time, perhaps.
    assert!(
        first.elapsed() > Duration::from_millis(1300),
        "{:?}",
        first.elapsed()
    );
}

#[test]
fn sigterm_stops_everything_and_leaves_nothing_behind() {
    let Some(ground) = Ground::new() else { return };
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 3 }");
    ground.container(
        "arguments: [orphan, sleep]\nvolumes: { /tmp: !Tmpfs { size: 1Mi }, /state: !Statedir {} }",
    );
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
        let mut tree = ground.start();
        for number in 0..3 {
            tree.result(&format!("shop/web.{number}"), "orphan");
        }
        tree.signal(signal);
        assert!(tree.ended().success());
        ground.expect_nothing_left();
        assert!(!ground.path("run/master.pid").exists());
    }
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_after_its_kill_timeout() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [ignore-term, list=/bin, sleep]\nkill-timeout: 1.5");
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let begin = Instant::now();
    assert!(tree.stop().success());
    let taken = begin.elapsed();
    assert!(taken > Duration::from_millis(1400), "{taken:?}");
    assert!(taken < Duration::from_secs(10), "{taken:?}");
    ground.expect_nothing_left();
}

#[test]
fn an_instance_count_of_zero_runs_none() {
    let Some(ground) = Ground::new() else { return };
    ground.processes(
        "web: { image: probe, config: /config/web.yaml, instances: 0 }\n\
         worker: { image: probe, config: /config/web.yaml }",
    );
    ground.container("arguments: [list=/bin, sleep]");
    let tree = ground.start();
    tree.result("shop/worker.0", "list=/bin");
    assert_eq!(ground.knots().len(), 1);
}

#[test]
fn a_second_supervisor_over_the_same_directory_is_refused() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_lithos_tree"))
        .arg("-C")
        .arg(ground.path("master.yaml"))
        .stderr(std::process::Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(1));
    assert!(lives(knot) && lives(tree.pid()));
}

#[test]
fn wrong_usage_ends_with_2_and_a_missing_config_with_1() {
    let Some(ground) = Ground::new() else { return };
    let ended = |arguments: &[&str]| {
        let mut tree = std::process::Command::new(env!("CARGO_BIN_EXE_lithos_tree"));
        tree.current_dir(ground.root()).args(arguments);
        let output = tree.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for wrong in [&["extra"][..], &["--log-level", "loud"], &["--nonsense"]] {
        let (code, told) = ended(wrong);
        assert_eq!(code, Some(2), "{told}");
    }
    let (code, told) = ended(&["-C", "missing.yaml"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("missing.yaml"), "{told}");
    assert!(!ground.path("run/master.pid").exists());
}

#[test]
fn writes_its_pid_into_the_runtime_directory() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let pid = fs::read_to_string(ground.path("run/master.pid")).unwrap();
    assert_eq!(pid.trim(), tree.pid().to_string());
}

#[test]
fn a_killed_supervisor_leaves_its_containers_to_the_next_one() {
    let Some(ground) = Ground::new() else { return };
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    ground.container(
        "arguments: [list=/bin, sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.1",
    );
    let mut tree = ground.start();
    let names = ["shop/web.0", "shop/web.1"];
    let pids = names.map(|name| {
        tree.result(name, "list=/bin");
        (tree.knot(name), tree.process(name))
    });
    tree.signal(Signal::SIGKILL);
    tree.ended();
    assert!(
        pids.iter()
            .all(|&(knot, process)| lives(knot) && lives(process))
    );

    let mut next = ground.start();
    next.wait("new pid file", || {
        let pid = fs::read_to_string(ground.path("run/master.pid")).ok()?;
        (pid.trim() == next.pid().to_string()).then_some(())
    });
    // An end that the new one notices shows that it has adopted them.
    kill(Pid::from_raw(pids[0].1), Signal::SIGKILL).unwrap();
    next.results(names[0], "list=/bin", 2);
    assert_eq!((next.knot(names[1]), next.process(names[1])), pids[1]);
    assert_eq!(next.lines(names[1], "list=/bin").len(), 1);
    assert_eq!(ground.knots().len(), 2);
    assert!(next.stop().success());
    ground.expect_nothing_left();
}
