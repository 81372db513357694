//! Secrets: opened for the process, and for nobody else.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use lithos_crypt::{Namespace, PublicKey};
use serde_json::{Value, json};

use super::launcher::{EXEC, Running, Stage};

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lithos_crypt/tests/vectors/keys"
);
const PLAINTEXT: &str = "correct-horse-battery-staple";

fn seal(key: &str, namespace: &str, secret: &str) -> String {
    let public = fs::read_to_string(format!("{VECTORS}/{key}.pub")).unwrap();
    let namespace: Namespace = namespace.parse().unwrap();
    PublicKey::from_openssh(&public)
        .unwrap()
        .seal(&namespace, secret.as_bytes())
        .unwrap()
        .to_string()
}

/// A container with these secrets, and the private key `alpha`.
fn stage(script: &str, secrets: Value) -> Stage {
    let mut stage = Stage::new(script);
    let key = stage.host("key");
    fs::copy(format!("{VECTORS}/alpha"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    stage.plan["secrets"] =
        json!({ "key-files": [key], "namespaces": ["", "shop"], "environ": secrets });
    stage
}

#[test]
fn the_process_gets_its_secrets_in_its_environment() {
    needs_root!();
    let secrets = json!({
        "ONE": [seal("alpha", "", PLAINTEXT)],
        "FIRST": [seal("beta", "", "beta's"), seal("alpha", "other", "no"), seal("alpha", "shop", "a:b=c\nd")],
    });
    let mut stage = stage("", secrets);
    stage.plan["process"]["arguments"] = json!(["env"]);
    let printed = stage.run().good();
    assert_eq!(
        printed,
        format!("FIRST=a:b=c\nd\nONE={PLAINTEXT}\nPATH=/bin\nTERM=dumb\n")
    );
}

#[test]
fn a_secret_that_does_not_open_is_told_without_any_value() {
    needs_root!();
    let secrets = json!({
        "GOOD": [seal("alpha", "", PLAINTEXT)],
        "KEY": [seal("beta", "", "hunter2")],
        "SPACE": [seal("alpha", "other", "hunter2")],
        "PLAIN": ["hunter2"],
    });
    let ended = stage("echo ran", secrets).run();
    let (reason, _, status) = ended.failure();
    for (variable, outcome) in [
        ("KEY", "key-mismatch"),
        ("SPACE", "namespace-denied"),
        ("PLAIN", "malformed"),
    ] {
        let line = reason
            .lines()
            .find(|line| line.contains(&format!("the secret {variable}: ")));
        assert!(line.unwrap().contains(outcome), "{reason}");
    }
    assert_eq!(reason.lines().count(), 3);
    assert_eq!(status, 125);
    let everything = format!("{reason}{}{:?}", ended.output, ended.report);
    assert!(
        !everything.contains("hunter2")
            && !everything.contains(PLAINTEXT)
            && !everything.contains("ran")
    );
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    needs_root!();
    let refused = |prepare: &dyn Fn(&std::path::Path)| {
        let stage = stage("echo ran", json!({ "A": [seal("alpha", "", "x")] }));
        prepare(&stage.host("key"));
        stage.run().failure()
    };
    for mode in [0o640, 0o604, 0o700, 0o4600] {
        let (reason, hint, _) =
            refused(&|key| fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap());
        assert!(
            reason.ends_with("/key: its mode allows more than 0600"),
            "{reason}"
        );
        assert!(hint.unwrap().contains("chmod 0600"));
    }
    let (reason, _, _) = refused(&|key| std::os::unix::fs::chown(key, Some(1000), None).unwrap());
    assert!(
        reason.ends_with("/key: it does not belong to root"),
        "{reason}"
    );
    let (reason, _, _) = refused(&|key| fs::remove_file(key).unwrap());
    assert!(
        reason.ends_with("/key: no such file or directory"),
        "{reason}"
    );
    let (reason, _, _) = refused(&|key| {
        fs::remove_file(key).unwrap();
        nix::unistd::mkfifo(key, nix::sys::stat::Mode::S_IRUSR).unwrap();
    });
    assert!(
        reason.ends_with("/key: it is not a regular file"),
        "{reason}"
    );
    let (reason, _, _) = refused(&|key| fs::write(key, "hunter2").unwrap());
    assert!(
        reason.starts_with("cannot use the private key file") && !reason.contains("hunter2"),
        "{reason}"
    );
}

#[test]
fn no_key_file_is_opened_without_a_secret() {
    needs_root!();
    let stage = stage("echo ran", json!({}));
    fs::remove_file(stage.host("key")).unwrap();
    assert_eq!(stage.run().good(), "ran\n");
}

#[test]
fn the_knot_holds_neither_key_nor_plaintext_nor_key_file() {
    needs_root!();
    let stage = stage(
        "echo ready; busybox sleep 60",
        json!({ "A": [seal("alpha", "", PLAINTEXT)] }),
    );
    let running = stage.start();
    running.await_output("ready");
    let key = fs::read_to_string(format!("{VECTORS}/alpha")).unwrap();
    let key = key.lines().nth(2).unwrap();
    let found = scan(running.pid, &[PLAINTEXT, key, "BEGIN OPENSSH"]);
    assert_eq!(found, [false, false, false]);
    // The scan does find what is there.
    assert_eq!(scan(running.pid, &["shop/web.0"]), [true]);
    let process = process_of(&running);
    assert_eq!(
        scan(process, &[PLAINTEXT, key, "BEGIN OPENSSH"]),
        [true, false, false]
    );
    running.signal(rustix::process::Signal::KILL);
    running.wait();
}

fn process_of(running: &Running) -> i32 {
    let path = format!("/proc/{0}/task/{0}/children", running.pid);
    fs::read_to_string(path)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

/// Which of `needles` are in a process's memory.
fn scan(pid: i32, needles: &[&str]) -> Vec<bool> {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = vec![false; needles.len()];
    for line in maps.lines().filter(|line| !line.contains("[v")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let mut bytes = vec![0; (u64::from_str_radix(end, 16).unwrap() - start) as usize];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for (found, needle) in found.iter_mut().zip(needles) {
            *found |= bytes
                .windows(needle.len())
                .any(|part| part == needle.as_bytes());
        }
    }
    found
}

fn verify(stage: &Stage) -> (Option<i32>, String) {
    let secrets = json!([stage.plan["secrets"]]).to_string();
    let plan = lithos::sys::memfd::sealed("secrets", secrets.as_bytes()).unwrap();
    rustix::io::fcntl_setfd(&plan, rustix::io::FdFlags::empty()).unwrap();
    let number = plan.as_raw_fd().to_string();
    let _lock = EXEC.lock();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_knot"));
    let output = command
        .args(["--verify", "--plan", &number])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn verify_tells_which_secrets_do_not_open_and_nothing_else() {
    needs_root!();
    let good = stage("", json!({ "A": [seal("alpha", "shop", PLAINTEXT)] }));
    assert_eq!(verify(&good), (Some(0), String::new()));
    let bad = stage(
        "",
        json!({ "A": [seal("alpha", "", PLAINTEXT)], "B": [seal("beta", "", "hunter2")] }),
    );
    let (status, printed) = verify(&bad);
    assert_eq!(status, Some(1));
    let line: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&line["plan"], &line["variable"]), (&json!(0), &json!("B")));
    assert!(line["error"].as_str().unwrap().contains("key-mismatch"));
    assert!(!printed.contains(PLAINTEXT) && !printed.contains("hunter2"));
}

#[test]
fn verify_names_every_secret_if_the_key_file_cannot_be_used() {
    needs_root!();
    let stage = stage(
        "",
        json!({ "A": [seal("alpha", "", "x")], "B": [seal("alpha", "", "y")] }),
    );
    fs::remove_file(stage.host("key")).unwrap();
    let (status, printed) = verify(&stage);
    assert_eq!(status, Some(1));
    assert_eq!(printed.lines().count(), 2);
    assert!(
        printed
            .lines()
            .all(|line| line.contains("cannot open the private key file"))
    );
}
