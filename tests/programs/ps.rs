//! `lithos_ps` over containers that run, wait and are gone.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cmd::{ground_with, lithos_cmd};
use crate::ctl::status;
use crate::exec::ground_with_busybox;
use crate::ground::Ground;
use crate::tree::{Tree, children, command_line, wait_or};

fn program(ground: &Ground, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_ps"));
    command.arg("-C").arg(ground.path("master.yaml")).args(args);
    command
}

fn ps(ground: &Ground, args: &[&str]) -> Output {
    program(ground, args).output().unwrap()
}

fn json(ground: &Ground) -> Vec<Value> {
    let output = ps(ground, &["--json"]);
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(ground: &Ground, args: &[&str]) -> String {
    let output = ps(ground, args);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Two instances that run, and one process that fails and waits.
fn started(ground: &Ground) -> Tree<'_> {
    ground.processes(
        "web: { image: probe, config: /config/web.yaml, instances: 2 }\n\
         bad: { image: probe, config: /config/bad.yaml }",
    );
    ground.container("arguments: [report, sleep]");
    ground.container_named("bad", "arguments: [report, exit=7]\nrestart-timeout: 600");
    let tree = ground.start();
    for name in ["shop/web.0", "shop/web.1"] {
        tree.result(name, "report");
    }
    tree.wait_for_log(&["shop/bad.0: ended with exit status 7"]);
    tree
}

#[test]
fn shows_each_container_with_its_figures() {
    let Some(ground) = Ground::new() else { return };
    let mut tree = started(&ground);
    let rows = json(&ground);
    let names: Vec<_> = rows
        .iter()
        .map(|row| format!("{}.{}", row["process"].as_str().unwrap(), row["instance"]))
        .collect();
    assert_eq!(names, ["bad.0", "web.0", "web.1"]);
    assert_eq!(rows[0]["state"], "waiting");
    assert_eq!(rows[0]["last-end"], "exit status 7");
    assert_eq!(rows[0]["pid"], Value::Null);
    assert_eq!(rows[1]["state"], "running");
    assert_eq!(rows[1]["pid"], tree.process("shop/web.0"));
    assert_eq!(rows[1]["knot-pid"], tree.knot("shop/web.0"));
    assert!(rows[1]["memory-bytes"].as_u64().unwrap() > 10_000);
    assert!((0.0..20.0).contains(&rows[1]["uptime-seconds"].as_f64().unwrap()));
    assert!(rows[1]["cpu-seconds"].as_f64().unwrap() < 5.0);
    assert_eq!(rows[1]["restarts"], 0);
    // The records are enough.
    tree.signal(Signal::SIGKILL);
    tree.ended();
    assert_eq!(json(&ground)[1]["state"], "running");
}

#[test]
fn memory_and_processor_time_are_those_of_the_cgroup_where_there_is_one() {
    let Some(ground) = Ground::new() else { return };
    let parent = ground.root().file_name().unwrap().to_str().unwrap();
    ground.master(&format!("cgroup-name: {parent}"));
    ground.container(
        "arguments: [fill=/tmp/all, report, sleep]\nvolumes: { /tmp: !Tmpfs { size: 20Mi } }",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let row = &json(&ground)[0];
    // A full tmpfs is charged to the container, and resident in none of its processes.
    let memory = row["memory-bytes"].as_u64().unwrap();
    assert!((20 << 20..100 << 20).contains(&memory), "{memory}");
    assert!(row["cpu-seconds"].as_f64().unwrap() > 0.0, "{row}");
}

#[test]
fn what_a_container_fails_with_moves_no_cursor_and_stays_on_its_line() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    tree.abandon();
    let path = "run/state/shop/bad.0/record.json";
    let record = std::fs::read(ground.path(path)).unwrap();
    let mut record: Value = serde_json::from_slice(&record).unwrap();
    let reason = "cannot execute /bin/\u{1b}[2J\nshop/web.9\u{202e}";
    record["last-end"]["ending"] = serde_json::json!({ "failed": { "reason": reason } });
    ground.write(path, record.to_string());
    let shown = text(&ground, &[]);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(
        shown.contains("cannot start: cannot execute /bin/"),
        "{shown}"
    );
    // Whatever was left running ends with it.
    drop(ground.start());
}

#[test]
fn what_an_ended_process_left_in_a_kept_container_is_never_shown_as_its_process() {
    let Some(ground) = ground_with_busybox("") else {
        return;
    };
    ground.container(
        "executable: /bin/busybox\nenviron: { PATH: /bin }\n\
         arguments: [sh, -c, '(busybox sleep 5000 &); exec busybox sleep 6000']\n\
         restart-process-only: true\nrestart-timeout: 3\nrestart-timeout-max: 3",
    );
    let tree = ground.start();
    let shown = || {
        let row = json(&ground).pop()?;
        (row["pid"] == status(&ground)["pid"]).then_some(row)
    };
    let running = || {
        tree.wait("process that is shown", || {
            let row = shown()?;
            let pid = row["pid"].as_i64()?.try_into().unwrap();
            command_line(pid).contains("sleep 6000").then_some(row)
        })
    };
    let first = running();
    let process = first["pid"].as_i64().unwrap().try_into().unwrap();
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
    let between = tree.wait("row without a process", || {
        shown().filter(|row| row["pid"].is_null())
    });
    assert_eq!(between["uptime-seconds"], Value::Null);
    assert!(between["memory-bytes"].as_u64().unwrap() > 0, "{between}");
    let second = running();
    assert_ne!(second["pid"], first["pid"]);
    assert_eq!(second["knot-pid"], first["knot-pid"]);
    assert_eq!(children(tree.knot("shop/web.0")).len(), 3);
}

#[test]
fn shows_a_table_and_a_tree() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let table = text(&ground, &[]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("NAME        PID"), "{table}");
    let pid = tree.process("shop/web.1").to_string();
    assert!(
        lines[3].starts_with("shop/web.1") && lines[3].contains(&pid),
        "{table}"
    );
    let tree = text(&ground, &["--tree"]);
    assert!(tree.starts_with("shop\n  bad\n    0"), "{tree}");
    assert!(
        tree.contains("\n  web\n    0") && tree.contains("\n    1"),
        "{tree}"
    );
}

#[test]
fn shows_a_command_while_somebody_runs_it() {
    let Some(ground) = ground_with("sleep 600", "") else {
        return;
    };
    let mut child = lithos_cmd(&ground, &["shop", "job"]).spawn().unwrap();
    let row = wait_or(|| json(&ground).pop().filter(|row| row["state"] == "running"));
    let row = row.expect("no command is shown");
    assert_eq!(
        (&row["process"], &row["command"]),
        (&"job".into(), &true.into())
    );
    assert_eq!(row["instance"], child.id());
    let name = format!("shop/cmd.job.{}", child.id());
    assert!(text(&ground, &[]).contains(&name));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!(json(&ground).len(), 0);
}

#[test]
fn watches_until_it_is_stopped() {
    let Some(ground) = Ground::new() else { return };
    let mut child = program(&ground, &["--watch", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(2).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(lines, ["[]", "[]"]);
}

#[test]
fn nothing_is_shown_where_nothing_runs_and_nothing_is_made() {
    let Some(ground) = Ground::new() else { return };
    assert_eq!(json(&ground).len(), 0);
    assert_eq!(text(&ground, &["--tree"]), "");
    assert!(!ground.path("run/state").exists());
}

#[test]
fn a_record_that_cannot_be_read_is_shown_as_unknown() {
    let Some(ground) = Ground::new() else { return };
    ground.write("run/state/shop/web.0/record.json", "{");
    assert_eq!(json(&ground)[0]["state"], "unknown");
}

#[test]
fn refuses_bad_input() {
    let Some(ground) = Ground::new() else { return };
    for args in [&["--watch", "0"][..], &["--tree", "--json"], &["more"]] {
        assert_eq!(ps(&ground, args).status.code(), Some(2), "{args:?}");
    }
    ground.write("master.yaml", "colour: red");
    let output = ps(&ground, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("colour"));
}
