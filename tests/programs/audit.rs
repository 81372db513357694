//! `lithos_ctl audit`, and what commands and `lithos_ctl exec` leave in the log.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cmd::{ground_with, lithos_cmd};
use crate::exec::exec;
use crate::ground::Ground;
use crate::metrics::{REQUEST, ask};
use crate::tree::wait_or;

fn audit(ground: &Ground, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_ctl"));
    let command = command.arg("--config").arg(ground.path("master.yaml"));
    let output = command.arg("audit").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn json(ground: &Ground, args: &[&str]) -> Value {
    let output = audit(ground, &[&["--json"], args].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Occasion and outcome of each line.
fn lines(ground: &Ground) -> Vec<(String, String)> {
    let text = fs::read_to_string(ground.path("log/audit.log")).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        (text("occasion"), text("outcome"))
    });
    lines.collect()
}

fn pairs(expected: &[[&str; 2]]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs.map(|[a, b]| (a.to_string(), b.to_string())).collect()
}

fn with_job(script: &str) -> Option<Ground> {
    let ground = ground_with(
        script,
        "kill-timeout: 0.5\nsecret-environ: { PASSWORD: TOKEN }",
    )?;
    let path = "images/probe/config/job.yaml";
    let text = fs::read_to_string(ground.path(path)).unwrap();
    let token = ground.seal("alpha", "", "a secret");
    ground.write(path, text.replace("TOKEN", &token));
    Some(ground)
}

#[test]
fn a_commands_secrets_are_noted_without_a_supervisor() {
    let Some(ground) = with_job("exit 3") else {
        return;
    };
    for _ in 0..2 {
        let mut command = lithos_cmd(&ground, &["shop", "job"]);
        assert_eq!(
            command.stdin(Stdio::null()).status().unwrap().code(),
            Some(3)
        );
    }
    assert_eq!(lines(&ground), pairs(&[["start", "delivered"]; 2]));
    // By the process's name, whichever run of it.
    let shown = json(&ground, &["shop/job"]);
    let containers = shown["secrets"].as_array().unwrap();
    assert_eq!(containers.len(), 2, "{shown:#}");
    let name = containers[0]["last"]["container"].as_str().unwrap();
    assert!(name.starts_with("shop/cmd.job."), "{name}");
    assert_eq!(
        json(&ground, &["shop/web"])["secrets"],
        Value::Array(Vec::new())
    );
}

#[test]
fn a_command_whose_caller_was_killed_is_noted_by_whoever_comes_next() {
    let Some(ground) = with_job("echo ready; trap '' TERM; sleep 1000") else {
        return;
    };
    let mut caller = lithos_cmd(&ground, &["shop", "job"]);
    let mut caller = caller
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = caller.id();
    let report = ground.path(&format!("run/state/shop/cmd.job.{pid}/report"));
    let started = || fs::read_to_string(&report).is_ok_and(|text| text.contains("started"));
    wait_or(|| started().then_some(())).unwrap();
    caller.kill().unwrap();
    caller.wait().unwrap();
    assert!(lines(&ground).is_empty());
    // Until its knot is gone, too, nobody touches it.
    let noted = || {
        let status = audit_after_command(&ground);
        assert!(status.is_some());
        lines(&ground)
            .iter()
            .any(|(_, outcome)| outcome == "delivered")
            .then_some(())
    };
    wait_or(noted).unwrap();
    assert_eq!(lines(&ground), pairs(&[["start", "delivered"]]));
}

/// Another command, which has no secrets, looks after what is left of others.
fn audit_after_command(ground: &Ground) -> Option<i32> {
    ground.processes(
        "job: { kind: Command, image: probe, config: /config/job.yaml }\n\
         other: { kind: Command, image: probe, config: /config/other.yaml }",
    );
    ground.container_named("other", "kind: Command\narguments: [report]");
    let mut command = lithos_cmd(ground, &["shop", "other"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .code()
}

#[test]
fn a_command_runs_though_its_lines_have_to_wait() {
    let Some(ground) = with_job("exit 0") else {
        return;
    };
    symlink("/dev/full", ground.path("log/audit.log")).unwrap();
    let run = || {
        lithos_cmd(&ground, &["shop", "job"])
            .stdin(Stdio::null())
            .status()
    };
    assert!(run().unwrap().success());
    fs::remove_file(ground.path("log/audit.log")).unwrap();
    assert!(run().unwrap().success());
    assert_eq!(lines(&ground), pairs(&[["start", "delivered"]; 2]));
}

#[test]
fn executing_with_secrets_is_noted_before_and_after() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "a secret");
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ PASSWORD: {token} }}"
    ));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.wait("a line", || (lines(&ground).len() == 1).then_some(()));
    let run = |args: &[&str]| {
        let mut command = exec(&ground, args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap()
    };
    assert!(run(&["shop/web.0", "--", "/bin/probe", "report"]).success());
    assert_eq!(lines(&ground).len(), 1);
    assert!(run(&["--with-secrets", "shop/web.0", "--", "/bin/probe", "report"]).success());
    let mut expected = vec![
        ["start", "delivered"],
        ["exec", "intended"],
        ["exec", "delivered"],
    ];
    assert_eq!(lines(&ground), pairs(&expected));
    // Who is killed in between has said what was about to be.
    let mut caller = exec(
        &ground,
        &["--with-secrets", "shop/web.0", "--", "/bin/probe", "sleep"],
    );
    let mut caller = caller
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_or(|| (lines(&ground).len() == 4).then_some(())).unwrap();
    kill(Pid::from_raw(caller.id().cast_signed()), Signal::SIGKILL).unwrap();
    caller.wait().unwrap();
    expected.push(["exec", "intended"]);
    assert_eq!(lines(&ground), pairs(&expected));
}

#[test]
fn executing_with_a_thousand_secrets_ends_whether_they_open_or_not() {
    let Some(ground) = Ground::new() else { return };
    let secrets = ground.thousand_secrets();
    ground.container(&format!("arguments: [report, sleep]\n{secrets}"));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let run = || {
        let args = ["--with-secrets", "shop/web.0", "--", "/bin/probe"];
        let mut child = exec(&ground, &args)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if wait_or(|| child.try_wait().unwrap()).is_none() {
            child.kill().unwrap();
            panic!("it does not end");
        }
        child.wait_with_output().unwrap()
    };
    let count = |outcome: &str| {
        let lines = lines(&ground);
        let exec = lines.iter().filter(|(occasion, _)| occasion == "exec");
        exec.filter(|(_, found)| found == outcome).count()
    };
    assert!(run().status.success());
    assert_eq!(count("delivered"), 1000);
    ground.replace_key();
    let output = run();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("cannot deliver 990 more of the secrets"),
        "{said}"
    );
    assert_eq!(count("key-mismatch"), 2000);
}

#[test]
fn lists_the_secrets_by_their_last_use_and_what_is_missing() {
    let Some(ground) = Ground::new() else { return };
    let line = |time: &str, container: &str, secret: &str| {
        format!(
            r#"{{"time":"{time}","container":"{container}","start":"1","occasion":"start","secret":"{secret}","delivery":"variable","outcome":"delivered","namespace":"","secret-hash":"8MtOoWUX"}}"#
        )
    };
    let old = line("2026-01-01T00:00:00Z", "shop/web.0", "OLD");
    ground.write("log/audit.log.1", old + "\n");
    ground.write("log/audit.log.2.gz", "");
    let new = line("2026-01-02T00:00:00Z", "shop/db.0", "NEW");
    let gap = r#"{"time":"2026-01-02T00:00:00Z","container":"shop/web.0","gap":"why"}"#;
    ground.write("log/audit.log", format!("{new}\n{gap}\n{{torn\n"));
    let output = audit(&ground, &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<_>> = shown
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{shown}");
    let row = |time, container, secret| {
        [
            time,
            "1",
            container,
            secret,
            "variable",
            "\"\"",
            "8MtOoWUX",
            "delivered",
        ]
    };
    assert_eq!(rows[1], row("2026-01-02T00:00:00Z", "shop/db.0", "NEW"));
    assert_eq!(rows[2], row("2026-01-01T00:00:00Z", "shop/web.0", "OLD"));
    let warned = String::from_utf8(output.stderr).unwrap();
    for why in [
        "lines of shop/web.0 are missing",
        "1 lines of the log",
        "is compressed",
    ] {
        assert!(warned.contains(why), "{warned}");
    }
    assert_eq!(
        json(&ground, &["shop/db.0"])["secrets"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn lines_that_wait_are_counted_and_tried_again_without_anybody_asking() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "a secret");
    let secrets = format!("secret-environ: {{ A: {token}, B: {token} }}");
    ground.container(&format!("arguments: [report, sleep]\n{secrets}"));
    symlink("/dev/full", ground.path("log/audit.log")).unwrap();
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let wait = |owed: usize| {
        let sample = format!("\nlithos_audit_lines_owed {owed}\n");
        tree.wait(&sample, || {
            ask(&ground, REQUEST).contains(&sample).then_some(())
        });
    };
    wait(2);
    assert!(ask(&ground, REQUEST).contains("\nlithos_audit_losses_total 0\n"));
    fs::remove_file(ground.path("log/audit.log")).unwrap();
    wait(0);
    assert_eq!(lines(&ground), pairs(&[["start", "delivered"]; 2]));
}
