//! `lithos_cmd`, without a terminal; with one, see `terminal`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::{files_below, lives, wait_or};

/// A ground with the command `job`, which is busybox's shell with `script`.
pub fn ground_with(script: &str, lines: &str) -> Option<Ground> {
    let ground = Ground::new()?;
    fs::copy("/bin/busybox", ground.path("images/probe/bin/busybox")).unwrap();
    ground.processes(
        "job: { kind: Command, image: probe, config: /config/job.yaml }\n\
         web: { image: probe, config: /config/web.yaml }",
    );
    ground.container("arguments: [report, sleep]");
    ground.container_named(
        "job",
        &format!(
            "kind: Command\nexecutable: /bin/busybox\ninteractive: true\n{lines}\n\
             arguments: [sh, -c, {}, job]\nenviron: {{ PATH: /bin }}",
            serde_json::to_string(script).unwrap()
        ),
    );
    Some(ground)
}

/// `lithos_cmd` over this ground.
pub fn lithos_cmd(ground: &Ground, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lithos_cmd"));
    command
        .arg("--master")
        .arg(ground.path("master.yaml"))
        .args(args);
    command
}

fn run(ground: &Ground, args: &[&str]) -> Output {
    lithos_cmd(ground, args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Starts it and waits for the line `ready`.
fn ready(ground: &Ground) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = lithos_cmd(ground, &["shop", "job"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, output)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn no_record(ground: &Ground) -> bool {
    files_below(&ground.path("run/state"))
        .iter()
        .all(|file| !file.contains("cmd."))
}

#[test]
fn ends_as_the_command_does_and_leaves_nothing() {
    let Some(ground) = ground_with("exit 42", "") else {
        return;
    };
    let output = run(&ground, &["shop", "job"]);
    assert_eq!(output.status.code(), Some(42), "{}", text(&output.stderr));
    ground.expect_nothing_left();
}

#[test]
fn ends_with_128_and_the_signal_that_ended_the_command() {
    let Some(ground) = ground_with("kill -9 $$", "") else {
        return;
    };
    let output = run(&ground, &["shop", "job"]);
    assert_eq!(output.status.code(), Some(137), "{}", text(&output.stderr));
    ground.expect_nothing_left();
}

#[test]
fn ends_with_127_if_there_is_no_such_program_and_126_if_it_cannot_be_executed() {
    let Some(ground) = ground_with("", "") else {
        return;
    };
    let expect = |executable: &str, mode: u32, status: i32, error: &str| {
        let script = ground.write("images/probe/bin/script", "#!/bin/nothing\n");
        fs::set_permissions(script, PermissionsExt::from_mode(mode)).unwrap();
        ground.container_named("job", &format!("kind: Command\nexecutable: {executable}"));
        let output = run(&ground, &["shop", "job"]);
        let said = text(&output.stderr);
        assert!(said.contains(error), "{said}");
        assert_eq!(output.status.code(), Some(status), "{said}");
    };
    expect("/bin/none", 0o755, 127, "cannot execute /bin/none");
    expect("/bin/script", 0o644, 126, "/bin/script is not executable");
    expect("/bin/script", 0o755, 126, "cannot execute the interpreter");
    // Nor is what lies on a volume that only a container has.
    ground.write("images/probe/bin/script", "");
    let tmpfs = "/tmp/none\nvolumes: { /tmp: !Tmpfs { size: 1Mi } }";
    expect(tmpfs, 0o755, 127, "cannot execute /tmp/none");
    ground.expect_nothing_left();
}

#[test]
fn ends_with_125_and_one_error_if_it_cannot_run_the_command() {
    let Some(ground) = ground_with("exit 0", "") else {
        return;
    };
    ground.write("sandboxes/broken.yaml", "nonsense");
    for (args, expected) in [
        (["nothing", "job"], "there is no such sandbox"),
        (
            ["shop", "nothing"],
            "the sandbox shop has no such process\nhint: its commands are: job",
        ),
        (["shop", "web"], "cannot run shop/web: it is a daemon"),
        (["broken", "job"], "its configuration has problems"),
    ] {
        let output = run(&ground, &args);
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.matches("error: cannot run").count(), 1, "{said}");
        assert_eq!(output.status.code(), Some(125));
    }
    ground.container_named(
        "job",
        "kind: Command\nexecutable: /bin/busybox\nmemroy-limit: 1",
    );
    let output = run(&ground, &["shop", "job"]);
    assert!(text(&output.stderr).contains("memroy-limit"));
    assert_eq!(output.status.code(), Some(125));
    ground.expect_nothing_left();
}

#[test]
fn a_knot_that_is_killed_is_our_failure() {
    let Some(ground) = ground_with("echo ready; sleep 100", "") else {
        return;
    };
    let (mut child, _output) = ready(&ground);
    let knot = ground.knots()[0];
    kill(Pid::from_raw(knot), Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(125));
    ground.expect_nothing_left();
}

#[test]
fn refuses_a_wrong_command_line_with_2() {
    for args in [&["shop"][..], &[], &["sh/op", "job"], &["shop", "j.b"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_lithos_cmd"))
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn arguments_follow_those_of_the_config() {
    let Some(ground) = ground_with("echo $#: \"$@\" in $LITHOS_NAME", "") else {
        return;
    };
    let child = lithos_cmd(&ground, &["shop", "job", "--help", "-x", "a b"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let name = format!("shop/cmd.job.{}", child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        text(&output.stdout),
        format!("3: --help -x a b in {name}\n")
    );
}

#[test]
fn pipes_pass_through_whole() {
    let Some(ground) = ground_with("echo to stderr >&2; cat", "") else {
        return;
    };
    let mut child = lithos_cmd(&ground, &["shop", "job"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut stdin = child.stdin.take().unwrap();
    let typed = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&typed).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == sent, "{} bytes", output.stdout.len());
    assert_eq!(text(&output.stderr), "to stderr\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_command_that_is_not_interactive_writes_to_the_stdio_log() {
    let Some(ground) = ground_with("echo hello; wc -c", "") else {
        return;
    };
    let config = fs::read_to_string(ground.path("images/probe/config/job.yaml")).unwrap();
    ground.write(
        "images/probe/config/job.yaml",
        config.replace("interactive: true", ""),
    );
    let output = run(&ground, &["shop", "job"]);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (String::new(), String::new())
    );
    let log = fs::read_to_string(ground.path("log/stdio/shop.log")).unwrap();
    // Its knot tells of the start meanwhile.
    let own = log.lines().filter(|line| !line.contains(" lithos: "));
    assert_eq!(own.collect::<Vec<_>>(), ["hello", "0"], "{log}");
}

#[test]
fn passes_signals_on() {
    let signals = [
        (Signal::SIGTERM, 15),
        (Signal::SIGINT, 2),
        (Signal::SIGHUP, 1),
        (Signal::SIGQUIT, 3),
        (Signal::SIGUSR1, 10),
        (Signal::SIGUSR2, 12),
    ];
    let script = "for n in 1 2 3 10 12 15; do trap \"exit $((100 + n))\" $n; done; \
                  echo ready; while :; do sleep 0.05; done";
    let Some(ground) = ground_with(script, "") else {
        return;
    };
    for (signal, number) in signals {
        let (mut child, _output) = ready(&ground);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(100 + number), "{signal}");
    }
    ground.expect_nothing_left();
}

#[test]
fn the_container_ends_with_a_caller_that_is_killed_and_the_next_cleans_up() {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let Some(ground) = ground_with(script, "kill-timeout: 0.3") else {
        return;
    };
    let (mut child, mut output) = ready(&ground);
    let knot = ground.knots()[0];
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // It outlives SIGTERM for the kill-timeout, and no longer.
    assert!(wait_or(|| (!lives(knot)).then_some(())).is_some());
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(!no_record(&ground));
    let config = fs::read_to_string(ground.path("images/probe/config/job.yaml")).unwrap();
    ground.write(
        "images/probe/config/job.yaml",
        config.replace("while", "exit; while"),
    );
    assert_eq!(run(&ground, &["shop", "job"]).status.code(), Some(0));
    assert!(no_record(&ground));
    ground.expect_nothing_left();
}

#[test]
fn a_supervisor_comes_reloads_and_goes_and_the_command_stays() {
    let Some(ground) = ground_with("echo ready; sleep 100", "") else {
        return;
    };
    let (mut stale, _output) = ready(&ground);
    stale.kill().unwrap();
    stale.wait().unwrap();
    assert!(wait_or(|| ground.knots().is_empty().then_some(())).is_some());
    let (mut child, _output) = ready(&ground);
    let knot = ground.knots()[0];
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    let state = files_below(&ground.path("run/state"));
    assert!(
        !state.contains(&format!("shop/cmd.job.{}", stale.id())),
        "{state:?}"
    );
    tree.signal(Signal::SIGHUP);
    tree.wait("a reload", || {
        (tree.log().matches("loaded; supervising").count() == 2).then_some(())
    });
    assert!(tree.stop().success());
    assert!(lives(knot));
    let state = files_below(&ground.path("run/state"));
    assert!(
        state.contains(&format!("shop/cmd.job.{}/record.json", child.id())),
        "{state:?}"
    );
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    ground.expect_nothing_left();
}

#[test]
fn shares_the_listening_socket_of_a_daemon_of_its_sandbox() {
    let Some(ground) = ground_with("", "") else {
        return;
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    let ports = format!("tcp-ports: {{ {port}: {{ fd: 3 }} }}");
    ground.container(&format!("arguments: [report, sleep]\n{ports}"));
    ground.container_named(
        "job",
        &format!("kind: Command\ninteractive: true\narguments: [report, exit=0]\n{ports}"),
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let output = run(&ground, &["shop", "job"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn the_cgroup_goes_with_the_command() {
    let Some(ground) = ground_with("echo ready; sleep 100", "") else {
        return;
    };
    let parent = format!("lithos-test-cmd-{}", std::process::id());
    ground.master(&format!(
        "cgroup-name: {parent}\ncgroup-controllers: [pids]"
    ));
    let (mut child, _output) = ready(&ground);
    let cgroups = || {
        let find = Command::new("find")
            .args([
                "/sys/fs/cgroup",
                "-type",
                "d",
                "-path",
                &format!("*{parent}/*"),
            ])
            .output()
            .unwrap();
        text(&find.stdout)
    };
    assert!(cgroups().contains(&format!("{parent}/shop:cmd.job.{}", child.id())));
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(cgroups(), "");
    lithos::knot::cgroup::Hierarchies::find()
        .unwrap()
        .remove_parent(&parent);
}
