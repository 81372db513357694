//! A wall clock that is set back.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::scene::{kill_process, knots, reload, wait_for_web};
use crate::tree::Tree;

#[test]
fn a_clock_set_back_delays_and_restarts_nothing() {
    let Some(ground) = Ground::new() else { return };
    let library = ground.path("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/clock.c");
    let mut compile = Command::new("cc");
    compile
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source);
    assert!(compile.status().unwrap().success());
    ground.container(
        "arguments: [ignore-term, list=/bin, sleep]\nrestart-timeout: 0.3\nkill-timeout: 0.5",
    );
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    let moment = ground.path("now");
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_tree"));
        command
            .env("LD_PRELOAD", &library)
            .env("CLOCK_SET_BACK", &moment);
        Tree::start_by(&ground, command)
    };
    let tree = start();
    tree.results("shop/web.0", "list=/bin", 1);
    let before = wait_for_web(&tree, &ground, 2);
    let this_year = tree.log()[..4].parse::<u32>().unwrap();

    ground.write("now", "");
    for count in 2..4 {
        kill_process(&tree, "shop/web.0");
        let begin = Instant::now();
        tree.results("shop/web.0", "list=/bin", count);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    let last_year = format!("\n{}", this_year - 1);
    assert!(
        tree.log().contains(&last_year),
        "the clock was not set back"
    );
    reload(&tree);
    tree.abandon();
    let mut tree = start();
    tree.wait("adoption", || {
        (tree.log().matches("shop/web.1: found running").count() >= 2).then_some(())
    });
    assert_eq!(knots(&ground)["shop/web.1"], before["shop/web.1"]);
    let begin = Instant::now();
    assert!(tree.stop().success());
    assert!(
        begin.elapsed() > Duration::from_millis(450),
        "the kill-timeout"
    );
    assert!(begin.elapsed() < Duration::from_secs(10));
    ground.expect_nothing_left();
}
