//! Resource limits, working directory, signals, session.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::ground::Ground;

#[test]
fn the_number_of_open_files_is_limited_as_declared() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]\nfileno-limit: 333");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["limits"]["Max open files"], json!(["333", "333"]));
}

#[test]
fn the_number_of_open_files_is_1024_where_nothing_is_declared() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["limits"]["Max open files"], json!(["1024", "1024"]));
}

#[test]
fn starts_in_the_declared_directory_or_the_root() {
    let Some(ground) = Ground::new() else { return };
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         worker: { image: probe, config: /config/worker.yaml }",
    );
    ground.container("arguments: [report, sleep]");
    ground.container_named("worker", "arguments: [report, sleep]\nworkdir: /work");
    let tree = ground.start();
    assert_eq!(tree.result("shop/web.0", "report")["workdir"], "/");
    assert_eq!(tree.result("shop/worker.0", "report")["workdir"], "/work");
}

#[test]
fn no_signal_is_blocked_or_ignored_and_the_file_mode_mask_is_the_usual_one() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    for set in ["SigBlk", "ShdPnd", "SigPnd"] {
        assert_eq!(report["status"][set], "0000000000000000", "{set}");
    }
    // Rust's runtime ignores SIGPIPE (13) in the probe itself.
    assert_eq!(report["status"]["SigIgn"], "0000000000001000");
    assert_eq!(report["status"]["Umask"], "0022");
}

#[test]
fn cannot_gain_privileges_through_an_executable() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["status"]["NoNewPrivs"], "1");
}

/// The directories of all hierarchies in which this cgroup is.
fn cgroups(path: &str) -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let places = hierarchies
        .chain([root.to_owned()])
        .map(|place| place.join(path));
    places.filter(|place| place.is_dir()).collect()
}

#[test]
fn a_container_is_accounted_in_a_cgroup_that_goes_with_it() {
    let Some(ground) = Ground::new() else { return };
    let slice = format!("{}.slice", ground.root().file_name().unwrap().display());
    ground.master(&format!("cgroup-name: {slice}"));
    ground.container("arguments: [report, sleep]\nmemory-limit: 64Mi");
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    let process = tree.process("shop/web.0").to_string();
    let found = cgroups(&format!("{slice}/shop:web.0"));
    let limits: Vec<_> = found
        .iter()
        .flat_map(|place| {
            [
                place.join("memory.limit_in_bytes"),
                place.join("memory.max"),
            ]
        })
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    assert_eq!(limits, ["67108864\n"], "{found:?}");
    for place in &found {
        let members = std::fs::read_to_string(place.join("cgroup.procs")).unwrap();
        assert!(
            members.lines().any(|pid| pid == process),
            "{} holds {members:?}",
            place.display()
        );
    }
    tree.stop();
    assert_eq!(cgroups(&slice), Vec::<std::path::PathBuf>::new());
}

const RECORD: &str = "run/state/shop/web.0/record.json";

/// How the container ended the last time, by its record.
fn last_end(ground: &Ground) -> Option<Value> {
    let record = fs::read(ground.path(RECORD)).ok()?;
    let mut record: Value = serde_json::from_slice(&record).ok()?;
    Some(record["last-end"].take()).filter(|end| !end.is_null())
}

/// Turns cgroups on, below one of this ground's own.
fn with_cgroups(ground: &Ground) -> String {
    let parent = ground
        .root()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    ground.master(&format!("cgroup-name: {parent}"));
    parent
}

#[test]
fn a_container_out_of_memory_is_logged_and_recorded_with_its_cgroup_limit_and_peak() {
    let Some(ground) = Ground::new() else { return };
    let parent = with_cgroups(&ground);
    ground.container(
        "arguments: [fill=/tmp/all, sleep]\nmemory-limit: 24Mi\nrestart-timeout: 0.1\n\
         volumes: { /tmp: !Tmpfs { size: 200Mi } }\nnormal-exit-codes: [0]",
    );
    let mut tree = ground.start();
    let cgroup = format!("(cgroup {parent}/shop:web.0), after ");
    let killed = "shop/web.0: was killed for memory: limit 24 MiB, peak ";
    let log = tree.wait_for_log(&[killed, &cgroup, ", 1 restart"]);
    let line = log.lines().find(|line| line.contains(killed)).unwrap();
    assert!(
        line.contains(" WARN ") && line.ends_with(" s, 0 restarts"),
        "{line}"
    );
    let last = tree.wait("last end in the record", || last_end(&ground));
    assert_eq!(last["ending"], json!({ "ended": { "signalled": 9 } }));
    assert_eq!(last["out-of-memory"]["limit"], 24 << 20);
    assert_eq!(
        last["out-of-memory"]["cgroup"],
        format!("{parent}/shop:web.0")
    );
    let peak = last["out-of-memory"]["peak"].as_u64().unwrap();
    assert!((20 << 20..=24 << 20).contains(&peak), "{peak}");
    let record: Value = serde_json::from_slice(&fs::read(ground.path(RECORD)).unwrap()).unwrap();
    assert!(record["history"]["failures"].as_u64() > Some(0), "{record}");
    assert!(tree.stop().success());
    ground.expect_nothing_left();
    assert_eq!(cgroups_of(&parent), Vec::<PathBuf>::new());
}

/// The directory of this cgroup in every hierarchy where there is one.
fn cgroups_of(parent: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = mounts.lines().filter(|line| line.contains(" - cgroup"));
    let points = points.filter_map(|line| line.split(' ').nth(4));
    points
        .map(|point| Path::new(point).join(parent))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn an_end_is_recorded_as_exit_code_with_uptime_and_restarts() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [exit=7]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.1");
    let tree = ground.start();
    let log = tree.wait_for_log(&[
        "shop/web.0: ended with exit status 7, after 0.",
        ", 2 restarts",
    ]);
    assert!(log.contains(" s, 0 restarts"), "{log}");
    // Said in the log first, and written to the record right after.
    let last = tree.wait("an end after two restarts in the record", || {
        last_end(&ground).filter(|last| last["restarts"].as_u64() >= Some(2))
    });
    assert_eq!(last["ending"], json!({ "ended": { "exited": 7 } }));
    assert_eq!(last["stopped"], false);
    assert_eq!(last["ran"]["secs"], 0, "{last}");
    assert!(last["time"].as_u64() > Some(1_700_000_000), "{last}");
}

#[test]
fn an_end_is_recorded_as_signal() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0.1");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGABRT).unwrap();
    let last = tree.wait("last end in the record", || last_end(&ground));
    assert_eq!(last["ending"], json!({ "ended": { "signalled": 6 } }));
    tree.wait_for_log(&["shop/web.0: was killed by signal 6, after "]);
}

#[test]
fn a_start_failure_is_recorded_with_its_reason() {
    let Some(ground) = Ground::new() else { return };
    let [one, other] = ["one", "other"].map(|secret| ground.seal("alpha", "", secret));
    // The label of one and the ciphertext of another: only opening it tells.
    let (label, _) = one.rsplit_once(':').unwrap();
    let (_, sealed) = other.rsplit_once(':').unwrap();
    ground.container(&format!(
        "arguments: [sleep]\nrestart-timeout: 0.1\nsecret-environ: {{ A: '{label}:{sealed}' }}"
    ));
    let tree = ground.start();
    let last = tree.wait("last end in the record", || last_end(&ground));
    let reason = last["ending"]["failed"]["reason"].as_str();
    let reason = reason.unwrap_or_else(|| panic!("{last}"));
    assert!(reason.starts_with("cannot "), "{reason}");
    let line = format!("shop/web.0: cannot start: {reason}");
    let log = tree.wait_for_log(&[&line]);
    let line = log.lines().find(|found| found.contains(&line)).unwrap();
    assert!(line.ends_with(" s, 0 restarts"), "{line}");
}

#[test]
fn an_own_stop_is_recorded_as_such_and_is_no_failure() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0.1");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0.1\nfileno-limit: 99");
    tree.signal(Signal::SIGHUP);
    tree.results("shop/web.0", "report", 2);
    let last = tree.wait("last end in the record", || last_end(&ground));
    assert_eq!(
        (&last["stopped"], &last["restarts"]),
        (&json!(true), &json!(0))
    );
    let log = tree.wait_for_log(&["shop/web.0: was killed by signal 15, told to end, after "]);
    let worth_warning = |line: &&str| line.contains(" WARN ") && line.contains("shop/web.0");
    assert_eq!(log.lines().find(worth_warning), None);
}

#[test]
fn a_container_has_the_limits_of_its_cgroup() {
    let Some(ground) = Ground::new() else { return };
    let parent = with_cgroups(&ground);
    ground.sandbox("limits: { memory: 64Mi, pids: 40, cpu: 2 }");
    ground.container(
        "arguments: [sleep]\ncpu-limit: 0.5\ncpu-shares: 512\npids-limit: 30\nmemory-high: 48Mi",
    );
    let mut tree = ground.start();
    let process = tree.process("shop/web.0");
    let membership = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    assert!(
        membership.contains(&format!("/{parent}/shop:web.0")),
        "{membership}"
    );
    let values = |names: [&str; 2]| {
        let tops = cgroups_of(&parent).into_iter();
        let files = tops.flat_map(|top| names.map(|name| top.join("shop:web.0").join(name)));
        let mut found = files.filter_map(|file| fs::read_to_string(file).ok());
        found.next().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(
        values(["memory.max", "memory.limit_in_bytes"]),
        (64 << 20).to_string()
    );
    assert_eq!(
        values(["memory.high", "memory.soft_limit_in_bytes"]),
        (48 << 20).to_string()
    );
    assert_eq!(values(["pids.max", "pids.max"]), "30");
    assert!(["50000", "50000 100000"].contains(&values(["cpu.max", "cpu.cfs_quota_us"]).as_str()));
    assert!(["512", "50"].contains(&values(["cpu.weight", "cpu.shares"]).as_str()));
    assert!(tree.stop().success());
    assert_eq!(cgroups_of(&parent), Vec::<PathBuf>::new());
}
