//! `lithos_ctl` over a real supervisor. See also `control` and `exec`.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use serde_json::Value;

use crate::ground::Ground;
use crate::tree::Tree;

fn program(ground: &Ground, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_ctl"));
    command.arg("-C").arg(ground.path("master.yaml")).args(args);
    command
}

fn ctl(ground: &Ground, args: &[&str]) -> Output {
    program(ground, args).output().unwrap()
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

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What is said in JSON, a document in each line.
fn said(ground: &Ground, args: &[&str]) -> Vec<Value> {
    let lines = done(ground, args);
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// How things stand with `shop/web.0`.
pub fn status(ground: &Ground) -> Value {
    said(ground, &["status", "--json", "shop/web.0"])[0]["containers"][0].take()
}

pub fn state(ground: &Ground, name: &str) -> String {
    let json = &said(ground, &["status", "--json", name])[0];
    json["containers"][0]["state"].as_str().unwrap().to_owned()
}

/// How long each instance of `web` has run.
fn uptimes(ground: &Ground) -> [f64; 2] {
    let json = &said(ground, &["status", "--json", "shop/web"])[0];
    [0, 1].map(|number| {
        let container = &json["containers"][number];
        container["uptime-seconds"].as_f64().unwrap()
    })
}

pub fn started(ground: &Ground) -> Tree<'_> {
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
fn one_has_settled_before_the_next_is_restarted_unless_all_are_at_once() {
    let Some(ground) = Ground::new() else { return };
    let _tree = started(&ground);
    done(&ground, &["restart", "--settle", "1.5", "shop/web"]);
    let [first, second] = uptimes(&ground);
    assert!(first - second > 1.5 && second > 1.5, "{first} {second}");
    let args = ["restart", "--all-at-once", "--settle", "1.5", "shop"];
    let told = done(&ground, &args);
    assert_eq!(told.matches(": restarted, pid ").count(), 2, "{told}");
    let [first, second] = uptimes(&ground);
    assert!((first - second).abs() < 1.5, "{first} {second}");
}

#[test]
fn every_command_answers_in_json() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let expect = |args: &[&str], outcome: &str, pid: bool| {
        let said = said(&ground, args);
        assert_eq!(said[0]["name"], "shop/web.0", "{args:?}");
        assert_eq!(said[0]["outcome"], outcome, "{args:?}");
        assert_eq!(said[0]["pid"].is_i64(), pid, "{args:?}");
        assert_eq!(said.len(), 1, "{args:?}");
    };
    let restart = ["restart", "--json", "--settle", "0", "shop/web.0"];
    expect(&restart, "restarted", true);
    expect(
        &["stop", "--json", "--no-wait", "shop/web.0"],
        "held",
        false,
    );
    expect(&["stop", "--json", "shop/web.0"], "stopped", false);
    let start = ["start", "--json", "--settle", "0", "shop/web.0"];
    expect(&start, "started", true);
    expect(&start, "runs already", false);
    let status = &said(&ground, &["status", "--json"])[0];
    assert_eq!(status["supervisor"]["pid"], tree.pid());
    assert_eq!(
        status["containers"][0]["pid"],
        tree.process("shop/web.0"),
        "{status}"
    );
    let reload = &said(&ground, &["reload", "--json"])[0];
    assert_eq!(reload["outcome"], "reloaded");
    assert_eq!(reload["containers"], 2);
}

#[test]
fn logs_are_shown_from_the_end_and_followed() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let all = done(&ground, &["logs", "shop"]);
    assert!(all.contains("lithos: shop/web.0 started"), "{all}");
    assert!(all.contains("lithos: shop/web.1 started"), "{all}");
    let one = done(&ground, &["logs", "shop/web.0"]);
    assert!(!one.contains("lithos: shop/web.1"), "{one}");
    let last = done(&ground, &["logs", "-n", "1", "shop"]);
    assert_eq!(last, format!("{}\n", all.lines().next_back().unwrap()));
    let line = &said(&ground, &["logs", "--json", "-n", "1", "shop"])[0];
    assert_eq!(line["sandbox"], "shop");
    assert_eq!(line["line"], last.trim_end());
    let shown = ground.path("shown");
    let mut follows = program(&ground, &["logs", "-f", "-n", "9", "shop/web.1"])
        .stdout(File::create(&shown).unwrap())
        .spawn()
        .unwrap();
    let shows = |text: &str| {
        tree.wait(&format!("{text} in what is followed"), || {
            let shown = fs::read_to_string(&shown).unwrap();
            shown.contains(text).then_some(())
        });
    };
    shows("lithos: shop/web.1 started");
    done(&ground, &["restart", "--settle", "0", "shop"]);
    shows("lithos: shop/web.1 was killed by signal 15");
    let others = fs::read_to_string(&shown).unwrap();
    assert!(!others.contains("lithos: shop/web.0"), "{others}");
    follows.kill().unwrap();
    follows.wait().unwrap();
    let told = refused(&ground, &["logs", "zoo"]);
    assert!(
        told.starts_with("error: cannot show the log of zoo: there is no "),
        "{told}"
    );
}

#[test]
fn a_restart_stops_at_the_first_failure() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let kept = tree.process("shop/web.1");
    fs::remove_file(ground.path("images/probe/bin/probe")).unwrap();
    let told = refused(&ground, &["restart", "--settle", "0.2", "shop/web"]);
    assert!(told.contains("cannot restart shop/web.0: "), "{told}");
    assert_eq!(tree.process("shop/web.1"), kept);
}

#[test]
fn what_has_broken_files_runs_on_is_shown_so_and_is_not_restarted() {
    let Some(ground) = Ground::new() else { return };
    let tree = started(&ground);
    let process = tree.process("shop/web.0");
    ground.container("memroy-limit: 1Mi");
    let told = refused(&ground, &["reload"]);
    assert!(told.contains("memroy-limit"), "{told}");
    assert!(
        told.contains("\nerror: cannot use all of the files: "),
        "{told}"
    );
    let table = done(&ground, &["status"]);
    assert_eq!(table.matches("running, files broken").count(), 2, "{table}");
    for args in [
        &["restart", "shop"][..],
        &["restart", "--all-at-once", "shop"],
    ] {
        let told = refused(&ground, args);
        assert!(
            told.starts_with("error: cannot restart shop/web.0: "),
            "{told}"
        );
    }
    assert_eq!(tree.process("shop/web.0"), process);
}

#[test]
fn a_hold_is_for_what_is_added_later_and_a_start_that_fails_is_told() {
    let Some(ground) = Ground::new() else { return };
    let _tree = started(&ground);
    done(&ground, &["stop", "shop/web"]);
    // A hold is for what comes by that name, too.
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 3 }");
    done(&ground, &["reload"]);
    assert_eq!(state(&ground, "shop/web.2"), "held");
    fs::remove_file(ground.path("images/probe/bin/probe")).unwrap();
    let told = refused(&ground, &["start", "shop/web"]);
    assert!(
        told.starts_with("error: cannot start shop/web.0: "),
        "{told}"
    );
    assert!(told.contains("/bin/probe"), "{told}");
}

#[test]
fn what_is_held_listens_nowhere() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.container(&format!(
        "arguments: [sleep]\ntcp-ports: {{ {port}: {{ fd: 3, host: 127.0.0.1 }} }}"
    ));
    let tree = ground.start();
    tree.process("shop/web.0");
    let connects = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(connects());
    done(&ground, &["stop", "shop/web.0"]);
    assert!(!connects());
    done(&ground, &["reload"]);
    assert!(!connects());
    tree.abandon();
    let tree = ground.start();
    tree.listens();
    assert!(!connects());
    done(&ground, &["start", "shop/web.0"]);
    assert!(connects());
}

#[test]
fn a_reload_takes_a_port_over_to_another_address() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    let on = |socket: &str| {
        ground.container(&format!(
            "arguments: [sleep]\ntcp-ports: {{ {port}: {{ fd: 3, {socket} }} }}"
        ));
    };
    on("host: 127.0.0.1");
    let tree = ground.start();
    let mut before = tree.process("shop/web.0");
    for socket in [
        "host: 0.0.0.0",
        "host: 0.0.0.0, reuse-port: true",
        "host: 127.0.0.1",
    ] {
        on(socket);
        done(&ground, &["reload"]);
        before = tree.wait(&format!("a process with {socket}"), || {
            let now = tree.process("shop/web.0");
            (now != before).then_some(now)
        });
        assert!(!tree.log().contains("cannot start"), "{}", tree.log());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "{socket}");
    }
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
        fs::read(ground.path("master.yaml")).unwrap(),
    );
    let good = fs::read_to_string(ground.path("master.yaml")).unwrap();
    let moved = format!("{good}state-dir: elsewhere\n");
    ground.write("master.yaml", moved);
    assert!(refused(&ground, &["reload"]).contains("cannot move `state-dir`"));
    ground.write("master.yaml", good);
    ground.processes("web: nonsense");
    assert!(refused(&ground, &["reload"]).contains("shop.yaml"));
}

#[test]
fn without_a_supervisor_it_says_so() {
    let Some(ground) = Ground::new() else { return };
    assert!(refused(&ground, &["status"]).contains("none runs"));
    for args in [
        &["stop"][..],
        &["stop", "../x"],
        &["restart", "--settle", "-1", "shop"],
        &["start", "--settle", "1", "--no-wait", "shop"],
        &["logs", "-n", "many", "shop"],
        &["exec", "shop/web.0"],
    ] {
        assert_eq!(ctl(&ground, args).status.code(), Some(2), "{args:?}");
    }
}
