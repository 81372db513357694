//! Where the output of a process goes, and which exit codes are no failure.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::ground::Ground;

const FILE: &str = "stdout-stderr-file: /data/out\nvolumes: { /data: !Persistent /host }";

fn with_a_volume(ground: &Ground) {
    let host = ground.directory("host", 1000, 0o755);
    ground.sandbox(&format!("writable-paths: {{ /host: {} }}", host.display()));
}

#[test]
fn the_stdout_stderr_file_takes_the_output_in_place_of_the_log() {
    let Some(ground) = Ground::new() else { return };
    with_a_volume(&ground);
    ground.write("host/out", "what was there\n");
    std::os::unix::fs::chown(ground.path("host/out"), Some(1000), Some(1000)).unwrap();
    ground.container(&format!("arguments: [list=/bin, sleep]\n{FILE}"));
    let tree = ground.start();
    let text = tree.wait("output", || {
        let text = fs::read_to_string(ground.path("host/out")).unwrap();
        text.contains("list=/bin").then_some(text)
    });
    assert!(text.starts_with("what was there\n"), "{text}");
    assert!(tree.lines("shop/web.0", "list=/bin").is_empty());
}

#[test]
fn the_stdout_stderr_file_is_made_as_the_processs_own() {
    let Some(ground) = Ground::new() else { return };
    with_a_volume(&ground);
    ground.container(&format!("arguments: [list=/bin, sleep]\n{FILE}"));
    let tree = ground.start();
    let made = tree.wait("file", || fs::metadata(ground.path("host/out")).ok());
    assert_eq!((made.uid(), made.gid()), (1000, 1000));
}

#[test]
fn a_stdout_stderr_file_that_leads_elsewhere_or_nowhere_is_an_error_that_passes() {
    let Some(ground) = Ground::new() else { return };
    with_a_volume(&ground);
    fs::create_dir(ground.path("host/out")).unwrap();
    ground.container(&format!(
        "arguments: [list=/bin, sleep]\nrestart-timeout: 0.05\n{FILE}"
    ));
    let tree = ground.start();
    tree.wait_for_log(&["/data/out is not a regular file"]);
    fs::remove_dir(ground.path("host/out")).unwrap();
    tree.wait("output", || {
        let text = fs::read_to_string(ground.path("host/out")).ok()?;
        text.contains("list=/bin").then_some(())
    });
}

/// The failures in a row after some starts of a process that exits with `status`.
fn failures(ground: &Ground, status: u8, lines: &str) -> (u64, String) {
    ground.container(&format!(
        "arguments: [list=/bin, exit={status}]\nrestart-timeout: 0.05\n{lines}"
    ));
    let tree = ground.start();
    tree.results("shop/web.0", "list=/bin", 3);
    let told = format!("shop/web.0: ended with exit status {status}");
    let log = tree.wait("ends", || {
        let log = tree.log();
        (log.matches(&told).count() >= 2).then_some(log)
    });
    let path = ground.path("run/state/shop/web.0/record.json");
    let failures = tree.wait("record", || {
        let record: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        record["history"]["failures"].as_u64()
    });
    let line = log.lines().find(|line| line.contains(&told)).unwrap();
    (failures, line.to_owned())
}

#[test]
fn only_the_normal_exit_codes_are_no_failures_of_a_daemon() {
    let Some(ground) = Ground::new() else { return };
    let (count, line) = failures(&ground, 3, "normal-exit-codes: [3, 5]");
    assert_eq!(count, 0);
    assert!(line.contains(" INFO "), "{line}");
    for status in [0, 4] {
        let Some(ground) = Ground::new() else { return };
        let (count, line) = failures(&ground, status, "normal-exit-codes: [3, 5]");
        assert!(count >= 1, "{status}");
        assert!(line.contains(" WARN "), "{line}");
    }
}
