//! What hands do behind the supervisor's back: an image taken away, a cgroup
//! removed, a knot stopped.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::scene::{kill_process, knots, reload, wait_for_other_knot, wait_for_web};
use crate::tree::lives;

#[test]
fn a_vanished_image_fails_only_new_starts_and_they_go_on_when_it_is_back() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05\nrestart-timeout-max: 0.2");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    let mut tree = ground.start();
    let before = wait_for_web(&tree, &ground, 2);
    let (here, away) = (ground.path("images/probe"), ground.path("images/away"));
    fs::rename(&here, &away).unwrap();
    kill_process(&tree, "shop/web.0");
    tree.wait_for_log(&["shop/web.0: cannot start: ", "images/probe"]);
    reload(&tree);
    assert_eq!(knots(&ground)["shop/web.1"], before["shop/web.1"]);
    fs::rename(&away, &here).unwrap();
    wait_for_other_knot(&tree, &ground, "shop/web.0", &before["shop/web.0"]);
    let after = wait_for_web(&tree, &ground, 2);
    assert_eq!(after["shop/web.1"], before["shop/web.1"]);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

/// The container's cgroup in every hierarchy that has it.
fn cgroups(slice: &str, container: &str) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let below = fs::read_dir(&root)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let places = below
        .chain([root.clone()])
        .map(|place| place.join(slice).join(container));
    places.filter(|place| place.is_dir()).collect()
}

#[test]
fn a_container_outlives_its_cgroup_and_gets_another_with_its_next_start() {
    let Some(ground) = Ground::new() else { return };
    let slice = format!("{}.slice", ground.root().file_name().unwrap().display());
    ground.master(&format!("cgroup-name: {slice}"));
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05");
    let mut tree = ground.start();
    let process = tree.process("shop/web.0");
    let before = wait_for_web(&tree, &ground, 1);
    let own = || cgroups(&slice, "shop:web.0");
    assert!(!own().is_empty());
    for place in own() {
        let above = place.parent().unwrap().parent().unwrap();
        fs::write(above.join("cgroup.procs"), process.to_string()).unwrap();
        fs::remove_dir(&place).unwrap();
    }
    reload(&tree);
    assert_eq!(knots(&ground), before);
    kill_process(&tree, "shop/web.0");
    wait_for_other_knot(&tree, &ground, "shop/web.0", &before["shop/web.0"]);
    tree.wait("another cgroup", || (!own().is_empty()).then_some(()));
    assert!(tree.stop().success());
    ground.expect_nothing_left();
    assert_eq!(cgroups(&slice, ""), Vec::<PathBuf>::new());
}

/// Its process runs on. Nobody notices its end before the knot goes on.
#[test]
fn a_stopped_knot_is_adopted_and_killed_after_the_kill_timeout() {
    let Some(ground) = Ground::new() else { return };
    let container = |argument: &str| {
        ground.container(&format!(
            "arguments: [list=/{argument}, sleep]\nrestart-timeout: 0.05\nkill-timeout: 1"
        ));
    };
    container("bin");
    ground.processes(
        "web: { image: probe, config: /config/web.yaml, instances: 2 }\n\
         other: { image: probe, config: /config/other.yaml }",
    );
    ground.container_named(
        "other",
        "arguments: [list=/bin, sleep]\nrestart-timeout: 0.05",
    );
    let tree = ground.start();
    let names = ["shop/web.0", "shop/web.1", "shop/other.0"];
    let [stopped, ended, _] = names.map(|name| (tree.knot(name), tree.process(name)));
    for (knot, _) in [stopped, ended] {
        kill(Pid::from_raw(knot), Signal::SIGSTOP).unwrap();
    }
    kill(Pid::from_raw(ended.1), Signal::SIGKILL).unwrap();
    tree.abandon();
    let mut tree = ground.start();
    kill_process(&tree, names[2]);
    tree.results(names[2], "list=/bin", 2);
    assert!(lives(stopped.0) && lives(stopped.1) && lives(ended.0));
    kill(Pid::from_raw(ended.0), Signal::SIGCONT).unwrap();
    tree.results(names[1], "list=/bin", 2);
    container("data");
    reload(&tree);
    tree.results(names[0], "list=/data", 1);
    assert!(!lives(stopped.0));
    tree.wait_for_log(&["shop/web.0: still runs after its kill-timeout"]);
    kill(Pid::from_raw(tree.knot(names[0])), Signal::SIGSTOP).unwrap();
    let begin = Instant::now();
    assert!(tree.stop().success());
    assert!(begin.elapsed() < Duration::from_secs(10));
    ground.expect_nothing_left();
}
