//! What is counted: starts, ends and their reasons, and for how long.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Scraped, ground, wait_for};
use crate::tree::Tree;

#[test]
fn restarts_are_counted_by_their_reasons() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let process = Pid::from_raw(tree.process("shop/web.0"));
    kill(process, Signal::SIGABRT).unwrap();
    tree.results("shop/web.0", "report", 2);
    kill(Pid::from_raw(tree.knot("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "report", 3);
    // Told to end by a reload, it did so: that is no failure.
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0\nfileno-limit: 99");
    tree.signal(Signal::SIGHUP);
    tree.results("shop/web.0", "report", 4);
    let scraped = wait_for(
        &tree,
        &ground,
        python,
        "a restart after a stop",
        |scraped| scraped.restarts("stop") == 1.0,
    );
    assert_eq!(scraped.restarts("signal"), 1.0);
    assert_eq!(scraped.restarts("unknown"), 1.0);
    assert_eq!(scraped.web("lithos_process_started_total"), 4.0);
    assert_eq!(scraped.web("lithos_process_deaths_total"), 3.0);
    assert_eq!(scraped.web("lithos_process_failures_total"), 2.0);
    // A start that fails.
    fs::remove_file(ground.path("images/probe/bin/probe")).unwrap();
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGTERM).unwrap();
    wait_for(
        &tree,
        &ground,
        python,
        "a restart after a failed start",
        |scraped| scraped.restarts("start-failure") > 0.0,
    );
}

#[test]
fn restarts_inside_a_kept_container_are_counted_through_the_end_of_the_supervisor() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0\nrestart-process-only: true");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let knot = tree.knot("shop/web.0");
    let end = |tree: &Tree<'_>, signal, reports| {
        kill(Pid::from_raw(tree.process("shop/web.0")), signal).unwrap();
        tree.results("shop/web.0", "report", reports);
    };
    let counted = |tree: &Tree<'_>, reason: &str, started: f64| {
        let what = format!("restarts inside by {reason}");
        let scraped = wait_for(tree, &ground, python, &what, |scraped| {
            scraped.web("lithos_process_started_total") == started
        });
        assert_eq!(scraped.web("lithos_process_deaths_total"), started - 1.0);
        assert_eq!(scraped.web("lithos_process_running"), 1.0);
        scraped
    };
    end(&tree, Signal::SIGABRT, 2);
    let scraped = counted(&tree, "signal", 2.0);
    assert_eq!(scraped.restarts("signal"), 1.0);
    tree.wait_for_log(&["shop/web.0: was killed by signal 6, after ", ", 0 restarts"]);
    // One that nobody saw, and then one that the next supervisor sees.
    let process = Pid::from_raw(tree.process("shop/web.0"));
    tree.abandon();
    kill(process, Signal::SIGABRT).unwrap();
    let mut tree = ground.start();
    tree.results("shop/web.0", "report", 3);
    counted(&tree, "signal, unseen", 3.0);
    end(&tree, Signal::SIGABRT, 4);
    let scraped = counted(&tree, "signal", 4.0);
    assert_eq!(scraped.restarts("signal"), 3.0);
    assert_eq!(scraped.web("lithos_process_failures_total"), 3.0);
    assert_eq!(tree.knot("shop/web.0"), knot);
    let record = fs::read(ground.path("run/state/shop/web.0/record.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["history"]["starts"], 4);
    // The knot's own end is that of its process, once.
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    tree.signal(Signal::SIGHUP);
    tree.results("shop/web.0", "report", 5);
    let scraped = counted(&tree, "stop", 5.0);
    assert_eq!(scraped.restarts("stop"), 1.0);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn counters_go_on_through_reload_crash_and_upgrade_and_begin_anew_after_a_stop() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGABRT).unwrap();
    tree.results("shop/web.0", "report", 2);
    tree.signal(Signal::SIGHUP);
    let restarted = |times: f64| {
        move |scraped: &Scraped| scraped.value("lithos_master_restarts_total", "") == times
    };
    let same = |scraped: Scraped| {
        assert_eq!(scraped.web("lithos_process_started_total"), 2.0);
        assert_eq!(scraped.web("lithos_process_deaths_total"), 1.0);
        assert_eq!(scraped.web("lithos_process_running"), 1.0);
        assert_eq!(scraped.restarts("signal"), 1.0);
        assert_eq!(scraped.value("lithos_containers_started_total", ""), 2.0);
    };
    same(wait_for(&tree, &ground, python, "a reload", restarted(1.0)));
    tree.abandon();
    let mut tree = ground.start();
    same(wait_for(&tree, &ground, python, "a crash", restarted(2.0)));
    tree.signal(Signal::SIGUSR1);
    assert!(tree.ended().success());
    std::mem::forget(tree);
    let mut tree = ground.start();
    same(wait_for(&tree, &ground, python, "a detach", restarted(3.0)));
    assert!(tree.stop().success());
    for name in ["metrics.sock", "counters.json"] {
        assert!(!ground.path("run").join(name).exists(), "{name} is left");
    }
    let tree = ground.start();
    wait_for(&tree, &ground, python, "a stop", restarted(0.0));
}

#[test]
fn instances_that_are_gone_stay_counted_and_processes_that_are_gone_only_in_the_totals() {
    let Some((ground, python)) = ground() else {
        return;
    };
    let instances = |count: u32| {
        ground.processes(&format!(
            "web: {{ image: probe, config: /config/web.yaml, instances: {count} }}"
        ));
    };
    instances(3);
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    for number in 0..3 {
        tree.result(&format!("shop/web.{number}"), "report");
    }
    instances(1);
    tree.signal(Signal::SIGHUP);
    let scraped = wait_for(&tree, &ground, python, "one container", |scraped| {
        scraped.value("lithos_containers_running", "") == 1.0
    });
    assert_eq!(scraped.web("lithos_process_started_total"), 3.0);
    assert_eq!(scraped.web("lithos_process_deaths_total"), 2.0);
    instances(0);
    tree.signal(Signal::SIGHUP);
    let scraped = wait_for(&tree, &ground, python, "no container", |scraped| {
        scraped.value("lithos_master_containers", "") == 0.0
    });
    let web = scraped.get("lithos_process_started_total", "sandbox=shop,process=web");
    assert_eq!(web, None);
    assert_eq!(scraped.value("lithos_containers_started_total", ""), 3.0);
    assert_eq!(scraped.value("lithos_containers_deaths_total", ""), 3.0);
}

#[test]
fn a_knot_without_a_record_is_counted_as_unknown() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.abandon();
    fs::remove_file(ground.path("run/state/shop/web.0/record.json")).unwrap();
    let tree = ground.start();
    wait_for(&tree, &ground, python, "an unknown container", |scraped| {
        scraped.value("lithos_containers_unknown_total", "") == 1.0
    });
}
