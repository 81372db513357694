//! The control socket, with clients that mean harm.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::ctl::{started, state};
use crate::ground::Ground;
use crate::tree::lives;

const STATUS: &[u8] = b"{\"version\":1,\"command\":\"status\"}\n";

/// A client that waits for nothing very long.
fn connect(ground: &Ground) -> UnixStream {
    let stream = UnixStream::connect(ground.path("run/control.sock")).unwrap();
    let second = Some(Duration::from_secs(1));
    stream.set_write_timeout(second).unwrap();
    stream
}

#[test]
fn nothing_that_clients_do_keeps_containers_from_being_restarted() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let silent: Vec<_> = (0..8).map(|_| connect(&ground)).collect();
    let mut huge = connect(&ground);
    let _ = huge.write_all(&vec![b'x'; 1 << 20]);
    let mut garbage = connect(&ground);
    garbage.write_all(b"\0\xff\x1b[2J\n").unwrap();
    let mut deaf = connect(&ground);
    while deaf.write_all(STATUS).is_ok() {}
    let mut truncated = connect(&ground);
    truncated.write_all(&STATUS[..STATUS.len() / 2]).unwrap();
    truncated.shutdown(Shutdown::Write).unwrap();
    for _ in 0..2000 {
        drop(connect(&ground));
    }
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "list=/bin", 2);
    assert_eq!(state(&ground, "shop/web.1"), "running");
    let mut answer = [0; 64];
    let read = garbage.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).contains("\"error\""));
    // Half a request is none, and nobody is there for an answer any more.
    assert_eq!(truncated.read(&mut answer).unwrap(), 0);
    drop(silent);
}

#[test]
fn clients_that_send_a_byte_now_and_then_keep_nobody_waiting() {
    let Some(ground) = Ground::new() else { return };
    let _tree = started(&ground);
    let mut slow: Vec<_> = (0..16).map(|_| connect(&ground)).collect();
    let mut quick = BufReader::new(connect(&ground));
    // A byte less than a whole request.
    for byte in &STATUS[..STATUS.len() - 1] {
        for slow in &mut slow {
            // On a busy machine its time may be over.
            let _ = slow.write_all(&[*byte]);
        }
        let asked = Instant::now();
        quick.get_mut().write_all(STATUS).unwrap();
        let mut answer = String::new();
        quick.read_line(&mut answer).unwrap();
        assert!(answer.contains("shop/web.1"), "{answer}");
        assert!(asked.elapsed() < Duration::from_secs(5));
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_no_request_is_refused_with_a_reason_and_changes_nothing() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let processes = ["shop/web.0", "shop/web.1"].map(|name| tree.process(name));
    let deep = "[".repeat(4000);
    let hold = |name: Value| json!({ "version": 1, "command": "hold", "name": name }).to_string();
    for request in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        deep,
        "{\"version\":1,\"version\":1".to_owned(),
        json!({ "command": "reload" }).to_string(),
        json!({ "version": 2, "command": "reload" }).to_string(),
        json!({ "version": "1", "command": "reload" }).to_string(),
        json!({ "version": 1, "command": "kill" }).to_string(),
        json!({ "version": 1, "command": "reload", "force": true }).to_string(),
        json!({ "version": 1, "command": ["hold"], "name": "shop" }).to_string(),
        json!({ "version": 1, "command": "hold" }).to_string(),
        hold(Value::Null),
        hold(json!(0)),
        hold(json!("")),
        hold(json!("../shop")),
        hold(json!("shop/web.0/..")),
        hold(json!("shop/web.-1")),
        hold(json!("shop/web.99999999999999999999")),
        hold(json!("shop\u{0}")),
        hold(json!("shop/cmd.web.7")),
        hold(json!("x".repeat(3000))),
    ] {
        let mut client = BufReader::new(connect(&ground));
        client.get_mut().write_all(request.as_bytes()).unwrap();
        client.get_mut().write_all(b"\n").unwrap();
        let mut answer = String::new();
        client.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).expect(&request);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("cannot "), "{request}: {answer}");
        assert_eq!(answer["version"], 1, "{request}");
    }
    assert_eq!(state(&ground, "shop/web.0"), "running");
    assert!(processes.into_iter().all(lives));
    assert!(!ground.path("run/holds.json").exists());
}

#[test]
fn the_socket_is_roots_alone() {
    let Some(ground) = Ground::new() else { return };
    let tree = ground.start();
    tree.listens();
    let metadata = std::fs::metadata(ground.path("run/control.sock")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}
