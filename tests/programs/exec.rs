//! `lithos_ctl exec`, without a terminal; with one, see `terminal`.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::ground::{Ground, OWN_ROOT};
use crate::tree::Tree;

/// `lithos_ctl exec` over this ground.
pub fn exec(ground: &Ground, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_ctl"));
    command
        .arg("--master")
        .arg(ground.path("master.yaml"))
        .arg("exec")
        .args(args);
    command
}

fn run(ground: &Ground, args: &[&str]) -> Output {
    exec(ground, args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the probe reports of itself, executed in `shop/web.0`.
fn report(ground: &Ground, options: &[&str]) -> Value {
    let args = [options, &["shop/web.0", "--", "/bin/probe", "report"]].concat();
    let output = run(ground, &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).expect("a report");
    line["result"].clone()
}

/// What differs between two processes that are alike in all that matters here.
const OF_EACH: [&str; 15] = [
    "Name",
    "Pid",
    "Tgid",
    "PPid",
    "NSpid",
    "NStgid",
    "NSpgid",
    "NSsid",
    "SigQ",
    "State",
    "Threads",
    "HugetlbPages",
    "CoreDumping",
    "voluntary_ctxt_switches",
    "nonvoluntary_ctxt_switches",
];

/// All that a start and an exec must have in common.
fn comparable(mut report: Value) -> Value {
    let numbers = |descriptors: &Value| -> BTreeSet<String> {
        descriptors.as_object().unwrap().keys().cloned().collect()
    };
    report["descriptors"] = json!(numbers(&report["descriptors"]));
    let all = report.as_object_mut().unwrap();
    for key in ["arguments", "session", "processes"] {
        all.remove(key);
    }
    let status = all["status"].as_object_mut().unwrap();
    status.retain(|key, _| {
        let memory = key.starts_with("Vm") || key.starts_with("Rss");
        !memory && !OF_EACH.contains(&key.as_str())
    });
    report
}

fn started(tree: &Tree<'_>) -> Value {
    tree.result("shop/web.0", "report")
}

/// Fails if the two differ.
fn expect_alike(ground: &Ground) {
    let tree = ground.start();
    let (start, exec) = (started(&tree), report(ground, &["--with-secrets"]));
    for found in [&start, &exec] {
        assert!(found["status"]["CapBnd"].is_string());
        assert!(found["limits"]["Max open files"].is_array());
        assert!(found["cgroups"].as_str().unwrap().contains(":/"));
    }
    let (start, exec) = (comparable(start), comparable(exec));
    for (key, value) in start.as_object().unwrap() {
        assert_eq!(*value, exec[key], "{key}");
    }
    assert_eq!(start, exec);
}

#[test]
fn has_all_that_a_start_has() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]\nenviron: { LANG: C }\nworkdir: /work");
    expect_alike(&ground);
}
