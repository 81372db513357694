//! Programs that cannot be executed, and command lines that are none.

use std::process::Command;

use serde_json::json;

use super::launcher::{EXEC, Stage, program};

fn executing(path: &str, prepare: impl FnOnce(&std::path::Path)) -> (String, Option<String>, u8) {
    let mut stage = Stage::new("");
    prepare(&stage.image());
    stage.plan["process"]["executable"] = json!(path);
    stage.run().failure()
}

#[test]
fn a_missing_program_ends_with_127() {
    needs_root!();
    let (reason, hint, status) = executing("/bin/nothing", |_| {});
    assert_eq!(
        reason,
        "cannot execute /bin/nothing: no such file or directory"
    );
    assert_eq!(
        hint.as_deref(),
        Some("`executable` is a path inside the image")
    );
    assert_eq!(status, 127);
}

#[test]
fn a_program_without_its_interpreter_ends_with_126() {
    needs_root!();
    let script =
        |image: &std::path::Path| program(&image.join("bin/run"), b"#!/bin/nothing\n", 0o755);
    let (reason, hint, status) = executing("/bin/run", script);
    assert_eq!(
        reason,
        "cannot execute /bin/run: its interpreter is missing"
    );
    assert!(hint.unwrap().contains("into the image"));
    assert_eq!(status, 126);
}

#[test]
fn a_file_that_is_no_program_ends_with_126() {
    needs_root!();
    let text = |image: &std::path::Path| program(&image.join("bin/run"), b"hello", 0o755);
    let (reason, _, status) = executing("/bin/run", text);
    assert_eq!(
        (reason.as_str(), status),
        ("cannot execute /bin/run: exec format error", 126)
    );
    let closed =
        |image: &std::path::Path| program(&image.join("bin/run"), b"#!/bin/busybox", 0o644);
    let (reason, _, status) = executing("/bin/run", closed);
    assert_eq!(
        (reason.as_str(), status),
        ("cannot execute /bin/run: permission denied", 126)
    );
    let (reason, _, status) = executing("/bin", |_| {});
    assert_eq!(
        (reason.as_str(), status),
        ("cannot execute /bin: permission denied", 126)
    );
}

#[test]
fn the_knots_own_binary_is_never_executed_in_a_container() {
    needs_root!();
    for path in ["/proc/self/exe", "/proc/1/exe", "/bin/link"] {
        let link = |image: &std::path::Path| {
            std::os::unix::fs::symlink("/proc/self/exe", image.join("bin/link")).unwrap();
        };
        let (reason, _, status) = executing(path, link);
        assert!(
            reason.starts_with(&format!("cannot execute {path}: ")),
            "{reason}"
        );
        assert_eq!(status, 126);
    }
}

#[test]
fn a_missing_bridge_is_an_error_with_a_hint() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    let network = json!({ "bridge": "li-none", "address": "10.0.0.2", "prefix": 24 });
    stage.plan["network"] = json!({ "bridged": network });
    let (reason, hint, _) = stage.run().failure();
    assert!(reason.contains("li-none"), "{reason}");
    assert!(hint.unwrap().contains("ip link add li-none type bridge"));
}

#[test]
fn a_plan_of_another_release_is_refused() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    stage.plan.as_object_mut().unwrap().remove("ids");
    let (reason, hint, _) = stage.run().failure();
    assert!(
        reason.starts_with("cannot read the plan: missing field `ids`"),
        "{reason}"
    );
    assert!(hint.unwrap().contains("same release"));
}

fn by_hand(args: &[&str]) -> (Option<i32>, String, String) {
    let _lock = EXEC.lock();
    let output = Command::new(env!("CARGO_BIN_EXE_lithos_knot"))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn started_by_hand_it_says_who_starts_it() {
    let full = "--name shop/web.0 --plan 97 --report 98 --stdio 99";
    for line in [
        "",
        "--name shop/web.0",
        full,
        "--verify",
        "--verify --plan 97",
        "--what",
    ] {
        let args: Vec<_> = line.split_whitespace().collect();
        let (status, stdout, stderr) = by_hand(&args);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{line}: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains("\nhint: "),
            "{stderr}"
        );
    }
}

#[test]
fn help_and_version_are_there() {
    let (status, stdout, _) = by_hand(&["--help"]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("Usage: lithos_knot") && stdout.contains("Example: "));
    let (status, stdout, _) = by_hand(&["--version"]);
    assert_eq!(status, Some(0));
    assert_eq!(
        stdout,
        format!("lithos_knot {}\n", env!("CARGO_PKG_VERSION"))
    );
}
