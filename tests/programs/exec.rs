//! `lithos_ctl exec`, without a terminal; with one, see `terminal`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::alike::report;
use crate::ground::Ground;
use crate::tree::{Tree, children, lives};

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

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A ground whose container has busybox, and these lines in its config.
pub fn ground_with_busybox(lines: &str) -> Option<Ground> {
    let ground = Ground::new()?;
    fs::copy("/bin/busybox", ground.path("images/probe/bin/busybox")).unwrap();
    ground.container(&format!("arguments: [report, sleep]\n{lines}"));
    Some(ground)
}

/// Busybox's shell, in `shop/web.0`.
pub fn shell(ground: &Ground, script: &str) -> Child {
    let script = script.replace("sleep ", "busybox sleep ");
    let script = format!("PATH=/bin; {script}");
    exec(
        ground,
        &["shop/web.0", "--", "/bin/busybox", "sh", "-c", &script],
    )
    .stdin(Stdio::null())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap()
}

fn status(ground: &Ground, script: &str) -> Option<i32> {
    shell(ground, script).wait().unwrap().code()
}

pub fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let output = child.stdout.as_mut().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    line
}

pub fn started(tree: &Tree<'_>) -> Value {
    tree.result("shop/web.0", "report")
}

#[test]
fn has_the_environment_without_secrets_unless_they_are_wanted() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&format!(
        "arguments: [report, sleep]\nenviron: {{ LANG: C }}\n\
         secret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "a secret")
    ));
    let tree = ground.start();
    let start = started(&tree)["environ"].clone();
    assert_eq!(start["PASSWORD"], "a secret");
    // Ours is not handed in.
    let with = report(&ground, &["--with-secrets"])["environ"].clone();
    assert_eq!(with, start);
    let without = report(&ground, &[])["environ"].clone();
    let mut expected = start;
    expected.as_object_mut().unwrap().remove("PASSWORD");
    assert_eq!(without, expected);
    // Without a key there is none, and everything else is as before.
    fs::remove_file(ground.path("keys/alpha")).unwrap();
    let output = run(
        &ground,
        &["--with-secrets", "shop/web.0", "--", "/bin/probe"],
    );
    assert_eq!(output.status.code(), Some(125));
    let said = text(&output.stderr);
    assert!(said.contains("cannot open the private key file"), "{said}");
    assert_eq!(report(&ground, &[])["environ"], expected);
}

#[test]
fn needs_no_supervisor() {
    let Some(ground) = ground_with_busybox("") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    tree.abandon();
    assert_eq!(status(&ground, "exit 42"), Some(42));
    let mut next = ground.start();
    next.wait("the next supervisor", || {
        (next.log().matches("loaded; supervising").count() == 2).then_some(())
    });
    assert_eq!(status(&ground, "exit 42"), Some(42));
    assert!(next.stop().success());
}

#[test]
fn ends_as_the_command_does() {
    let Some(ground) = ground_with_busybox("environ: { PATH: '/none:/bin' }\nworkdir: /bin") else {
        return;
    };
    let script = ground.write("images/probe/bin/script", "#!/bin/nothing\n");
    fs::set_permissions(script, PermissionsExt::from_mode(0o644)).unwrap();
    let script = ground.write("images/probe/data/interpreted", "#!/bin/nothing\n");
    fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    let tree = ground.start();
    started(&tree);
    assert_eq!(status(&ground, "exit 0"), Some(0));
    assert_eq!(status(&ground, "exit 42"), Some(42));
    assert_eq!(status(&ground, "kill -9 $$"), Some(137));
    let expect = |command: &[&str], status: i32, said: &str| {
        let output = run(&ground, &[&["shop/web.0", "--"], command].concat());
        let found = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{command:?}: {found}");
        assert!(found.contains(said), "{command:?}: {found}");
    };
    for path in ["/bin/busybox", "busybox", "./busybox", "../bin/busybox"] {
        expect(&[path, "sh", "-c", "exit 3"], 3, "");
    }
    expect(&["/bin/none"], 127, "cannot execute /bin/none");
    expect(
        &["none"],
        127,
        "none in the directories of the container's `PATH`",
    );
    expect(&["./none"], 127, "cannot execute ./none");
    expect(&["script"], 126, "cannot execute script: permission denied");
    expect(&["/data"], 126, "cannot execute /data");
    expect(&["/data/interpreted"], 126, "its interpreter is missing");
    // The joiner's own, which is no program of the container.
    expect(&["/proc/self/exe"], 126, "cannot execute /proc/self/exe");
    let mut child = shell(&ground, "echo ready; sleep 1000");
    assert_eq!(first_line(&mut child), "ready\n");
    kill(Pid::from_raw(tree.knot("shop/web.0")), Signal::SIGKILL).unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(137),
        "with its container"
    );
}

#[test]
fn argument_zero_is_what_was_typed_and_every_argument_is_passed() {
    let Some(ground) = ground_with_busybox("environ: { PATH: /bin }") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    let output = run(
        &ground,
        &["shop/web.0", "--", "probe", "report", "--help", "-x", "a b"],
    );
    let line = text(&output.stdout).lines().next().unwrap().to_owned();
    let found: Value = serde_json::from_str(&line).unwrap();
    let expected = json!(["probe", "report", "--help", "-x", "a b"]);
    assert_eq!(found["result"]["arguments"], expected);
}

#[test]
fn refuses_what_does_not_run_with_125_and_one_error() {
    let Some(ground) = ground_with_busybox("restart-timeout: 1000") else {
        return;
    };
    let expect = |name: &str, said: &str| {
        let output = run(&ground, &[name, "--", "/bin/probe"]);
        let found = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{found}");
        assert!(found.contains(said), "{said}: {found}");
        assert_eq!(found.matches("error: ").count(), 1, "{found}");
    };
    expect("shop/web.0", "there is no such container");
    let tree = ground.start();
    started(&tree);
    for name in ["shop/web.1", "shop/none.0", "none/web.0", "shop/cmd.web.1"] {
        expect(name, "there is no such container");
    }
    let record = ground.path("run/state/shop/web.0/record.json");
    let good = fs::read_to_string(&record).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut changed: Value = serde_json::from_str(&good).unwrap();
        *changed.pointer_mut(pointer).unwrap() = value;
        fs::write(&record, changed.to_string()).unwrap();
    };
    with("/boot-id", json!("another"));
    expect("shop/web.0", "its record is of another boot");
    // Another process has the pid by now.
    with("/knot/start-time", json!(1));
    expect("shop/web.0", "it does not run");
    with("/knot/pid", json!(std::process::id()));
    expect("shop/web.0", "it does not run");
    with("/version", json!(99));
    expect("shop/web.0", "unknown version 99");
    fs::write(&record, &good[..100]).unwrap();
    expect("shop/web.0", "its record cannot be read");
    fs::write(&record, &good).unwrap();
    assert_eq!(status(&ground, "exit 0"), Some(0));
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.wait_for_log(&["shop/web.0", "signal 9"]);
    expect("shop/web.0", "it does not run");
    for args in [
        &["shop/web.0"][..],
        &["shop/web.0", "--"],
        &["web", "--", "x"],
    ] {
        assert_eq!(run(&ground, args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn pipes_pass_through_whole() {
    let Some(ground) = ground_with_busybox("environ: { PATH: /bin }") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    let args = [
        "shop/web.0",
        "--",
        "busybox",
        "sh",
        "-c",
        "echo err >&2; busybox cat",
    ];
    let mut child = exec(&ground, &args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let (mut stdin, typed) = (child.stdin.take().unwrap(), sent.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&typed).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == sent, "{} bytes", output.stdout.len());
    assert_eq!(text(&output.stderr), "err\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_directory_is_not_handed_in() {
    let Some(ground) = ground_with_busybox("") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    let directory = fs::File::open(ground.root()).unwrap();
    let output = exec(&ground, &["shop/web.0", "--", "/bin/probe", "report"])
        .stdin(directory)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("cannot hand in standard input: it is a directory"),
        "{said}"
    );
}

#[test]
fn passes_signals_on() {
    let Some(ground) = ground_with_busybox("") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    let script = "for n in 1 2 3 10 12 15; do trap \"exit $((100 + n))\" $n; done; \
                  echo ready; while :; do sleep 0.05; done";
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR2,
    ] {
        let mut child = shell(&ground, script);
        assert_eq!(first_line(&mut child), "ready\n");
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        assert_eq!(
            child.wait().unwrap().code(),
            Some(100 + signal as i32),
            "{signal}"
        );
    }
}

#[test]
fn the_command_ends_with_a_caller_that_is_killed_and_the_container_goes_on() {
    let Some(ground) = ground_with_busybox("kill-timeout: 0.3") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    let knot = tree.knot("shop/web.0");
    // Both outlive SIGTERM; the second is no child of ours or the joiner's.
    let script = "trap '' TERM; sleep 1000 & echo ready; wait";
    let mut child = shell(&ground, script);
    assert_eq!(first_line(&mut child), "ready\n");
    let joiner = children(child.id().cast_signed())[0];
    let command = children(joiner)[0];
    let sleep = tree.wait("the second process", || children(command).first().copied());
    child.kill().unwrap();
    child.wait().unwrap();
    for pid in [joiner, command, sleep] {
        tree.wait("its end", || (!lives(pid)).then_some(()));
    }
    assert!(lives(knot));
    assert_eq!(status(&ground, "exit 0"), Some(0));
}

#[test]
fn a_joiner_that_is_killed_takes_the_command_along_and_is_our_failure() {
    let Some(ground) = ground_with_busybox("") else {
        return;
    };
    let tree = ground.start();
    started(&tree);
    let mut child = shell(&ground, "echo ready; exec sleep 1000");
    assert_eq!(first_line(&mut child), "ready\n");
    let joiner = children(child.id().cast_signed())[0];
    let command = children(joiner)[0];
    kill(Pid::from_raw(joiner), Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(125));
    tree.wait("the end of the command", || (!lives(command)).then_some(()));
    assert!(lives(tree.knot("shop/web.0")));
}

#[test]
fn is_nothing_to_the_supervisor() {
    let Some(ground) = ground_with_busybox("") else {
        return;
    };
    let mut tree = ground.start();
    started(&tree);
    let knot = tree.knot("shop/web.0");
    let mut child = shell(&ground, "echo ready; sleep 1000");
    assert_eq!(first_line(&mut child), "ready\n");
    // Neither a reload nor a stop that has to wait for it.
    tree.signal(Signal::SIGHUP);
    tree.wait("a reload", || {
        (tree.log().matches("loaded; supervising").count() == 2).then_some(())
    });
    assert!(lives(knot));
    assert!(child.try_wait().unwrap().is_none());
    assert!(tree.stop().success());
    assert_eq!(child.wait().unwrap().code(), Some(137));
    ground.expect_nothing_left();
}
