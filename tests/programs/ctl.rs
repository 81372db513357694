//! `lithos_ctl` over a real supervisor.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;
use crate::tree::Tree;

fn ctl(ground: &Ground, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_ctl"));
    command.arg("-C").arg(ground.path("master.yaml")).args(args);
    command.output().unwrap()
}

fn done(ground: &Ground, args: &[&str]) -> String {
    let output = ctl(ground, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(ground: &Ground, args: &[&str]) -> String {
    let output = ctl(ground, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn state(ground: &Ground, name: &str) -> String {
    let json: Value = serde_json::from_str(&done(ground, &["status", "--json", name])).unwrap();
    json["containers"][0]["state"].as_str().unwrap().to_owned()
}

fn started(ground: &Ground) -> Tree<'_> {
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    ground.container("arguments: [list=/bin, sleep]");
    let tree = ground.start();
    for name in ["shop/web.0", "shop/web.1"] {
        tree.result(name, "list=/bin");
        tree.process(name);
    }
    tree
}

#[test]
fn restarts_one_after_the_other_and_shows_it() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let before = tree.process("shop/web.0");
    let told = done(&ground, &["restart", "--settle", "0.2", "shop/web"]);
    assert_eq!(told.matches(": restarted, pid ").count(), 2, "{told}");
    assert_ne!(tree.process("shop/web.0"), before);
    let table = done(&ground, &["status"]);
    assert_eq!(table.matches("running").count(), 2, "{table}");
    let told = refused(&ground, &["restart", "shop/none"]);
    assert!(told.contains("no daemon is called that"), "{told}");
}

#[test]
fn a_restart_stops_at_the_first_failure() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let kept = tree.process("shop/web.1");
    std::fs::remove_file(ground.path("images/probe/bin/probe")).unwrap();
    let told = refused(&ground, &["restart", "--settle", "0.2", "shop/web"]);
    assert!(told.contains("cannot restart shop/web.0: "), "{told}");
    assert_eq!(tree.process("shop/web.1"), kept);
}

#[test]
fn a_hold_outlives_kill_9_reloads_and_a_stop() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    done(&ground, &["stop", "shop/web.0"]);
    assert_eq!(state(&ground, "shop/web.0"), "held");
    tree.abandon();
    let mut tree = ground.start();
    tree.listens();
    assert_eq!(state(&ground, "shop/web.0"), "held");
    done(&ground, &["reload"]);
    assert_eq!(state(&ground, "shop/web.0"), "held");
    assert!(tree.stop().success());
    assert!(!ground.path("run/control.sock").exists());
    let tree = ground.start();
    tree.listens();
    tree.process("shop/web.1");
    assert_eq!(state(&ground, "shop/web.0"), "held");
    assert_eq!(ground.knot("shop/web.0"), None);
    done(&ground, &["start", "--settle", "0.1", "shop"]);
    assert_eq!(state(&ground, "shop/web.0"), "running");
}

#[test]
fn a_reload_tells_why_it_was_refused() {
    let Some(ground) = Ground::new() else { return };
    let _tree = started(&ground);
    ground.write(
        "master.yaml.old",
        std::fs::read(ground.path("master.yaml")).unwrap(),
    );
    let good = std::fs::read_to_string(ground.path("master.yaml")).unwrap();
    let moved = format!("{good}state-dir: elsewhere\n");
    ground.write("master.yaml", moved);
    assert!(refused(&ground, &["reload"]).contains("cannot move `state-dir`"));
    ground.write("master.yaml", good);
    ground.processes("web: nonsense");
    assert!(refused(&ground, &["reload"]).contains("shop.yaml"));
}

#[test]
fn nothing_that_clients_do_keeps_containers_from_being_restarted() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let connect = || UnixStream::connect(ground.path("run/control.sock")).unwrap();
    let silent: Vec<_> = (0..8).map(|_| connect()).collect();
    let mut huge = connect();
    huge.set_write_timeout(Some(std::time::Duration::from_secs(1)))
        .unwrap();
    let _ = huge.write_all(&vec![b'x'; 1 << 20]);
    let mut garbage = connect();
    garbage.write_all(b"\0\xff\x1b[2J\n").unwrap();
    let mut deaf = connect();
    deaf.set_write_timeout(Some(std::time::Duration::from_millis(200)))
        .unwrap();
    let asking = b"{\"version\":1,\"command\":\"status\"}\n";
    while deaf.write_all(asking).is_ok() {}
    for _ in 0..2000 {
        drop(connect());
    }
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "list=/bin", 2);
    assert_eq!(state(&ground, "shop/web.1"), "running");
    let mut answer = [0; 64];
    let read = garbage.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).contains("\"error\""));
    drop(silent);
}

#[test]
fn without_a_supervisor_it_says_so() {
    let Some(ground) = Ground::new() else { return };
    assert!(refused(&ground, &["status"]).contains("none runs"));
    assert_eq!(ctl(&ground, &["stop"]).status.code(), Some(2));
    assert_eq!(ctl(&ground, &["stop", "../x"]).status.code(), Some(2));
}
