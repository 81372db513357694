#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::key;

/// Whether this process may not dump core, not even if it raises its limit.
fn has_no_core(process: &str) -> bool {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    line.split_whitespace().skip(4).take(2).eq(["0", "0"])
}

#[test]
fn no_core_is_dumped_while_secrets_are_in_memory() {
    if has_no_core("self") {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(!must, "the tests themselves run without core dumps");
        println!("SKIP: the tests themselves run without core dumps");
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_lithos_crypt"))
        .args(["decrypt", "-i", &key("alpha")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for its input, so its limits come to rest.
    let process = child.id().to_string();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !has_no_core(&process) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let found = has_no_core(&process);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(found, "the limit of core files is not 0");
}
