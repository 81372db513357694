//! Descriptors, environment, arguments, limits and output of the process.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use serde_json::json;

use super::launcher::{Stage, directory};

/// Lists the shell's descriptors from another process, which opens the directory.
const LIST: &str = "busybox ls -l /proc/$$/fd; true";

/// Each line of [`LIST`] as `number target`.
fn listed(stage: Stage) -> Vec<String> {
    let printed = stage.run().good();
    let lines = printed.lines().filter_map(|line| line.split_once(" -> "));
    let number = |left: &str| left.rsplit(' ').next().unwrap().to_owned();
    lines
        .map(|(left, target)| format!("{} {target}", number(left)))
        .collect()
}

#[test]
fn the_process_has_three_descriptors_and_no_other() {
    needs_root!();
    let stage = Stage::new(LIST);
    let lines = listed(stage);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], "0 /dev/null");
    for (number, line) in [(1, &lines[1]), (2, &lines[2])] {
        assert!(
            line.starts_with(&format!("{number} ")) && line.ends_with("/stdio"),
            "{line}"
        );
    }
}

fn socket(fd: u32, listener: &TcpListener, activation: Option<&str>) -> serde_json::Value {
    let address = listener.local_addr().unwrap();
    let mut socket = json!({
        "fd": fd, "address": address, "backlog": 128, "reuse-addr": true,
        "reuse-port": false, "non-block": false, "external": false,
    });
    if let Some(name) = activation {
        socket["activation"] = json!(name);
    }
    socket
}

fn with_sockets(stage: &mut Stage, wanted: &[(u32, Option<&str>)]) -> Vec<u64> {
    let (mut plan, mut inodes) = (Vec::new(), Vec::new());
    for (fd, activation) in wanted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        plan.push(socket(*fd, &listener, *activation));
        inodes.push(rustix::fs::fstat(&listener).unwrap().st_ino);
        stage
            .sockets
            .push(listener.as_fd().try_clone_to_owned().unwrap());
    }
    stage.plan["sockets"] = json!(plan);
    inodes
}

#[test]
fn each_socket_has_its_declared_number() {
    needs_root!();
    let mut stage = Stage::new(LIST);
    // 0, what the knot itself uses, and far beyond.
    let numbers = [0, 12, 3, 4, 11, 5, 10, 6, 9, 7, 8, 1000];
    let inodes = with_sockets(&mut stage, &numbers.map(|number| (number, None)));
    // Sources whose numbers are other sockets' targets.
    stage.sockets.reverse();
    stage.plan["sockets"].as_array_mut().unwrap().reverse();
    let lines = listed(stage);
    for (number, inode) in numbers.iter().zip(inodes) {
        let line = format!("{number} socket:[{inode}]");
        assert!(lines.contains(&line), "no {line} in {lines:?}");
    }
    assert_eq!(lines.len(), 2 + numbers.len());
}

#[test]
fn sockets_are_activated_as_systemd_does() {
    needs_root!();
    let mut stage = Stage::new("echo $LISTEN_FDS $LISTEN_FDNAMES $LISTEN_PID $$");
    with_sockets(
        &mut stage,
        &[(4, Some("metrics")), (9, None), (3, Some("http"))],
    );
    assert_eq!(stage.run().good(), "2 http:metrics 2 2\n");
}

#[test]
fn refuses_a_plan_with_another_number_of_sockets() {
    needs_root!();
    let mut stage = Stage::new("busybox true");
    with_sockets(&mut stage, &[(3, None)]);
    stage.sockets.clear();
    let (reason, _, _) = stage.run().failure();
    assert_eq!(
        reason,
        "cannot use the plan: it has another number of sockets than were passed"
    );
}

#[test]
fn a_client_reaches_the_socket_that_was_passed() {
    needs_root!();
    let mut stage = Stage::new("echo ready; busybox sleep 30");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    stage.plan["sockets"] = json!([socket(7, &listener, None)]);
    stage.sockets.push(listener.into());
    let mut running = stage.start();
    running.await_output("ready");
    // Now only the process has it.
    running.stage.sockets.clear();
    TcpStream::connect(address).unwrap();
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_environment_is_exactly_the_declared_one() {
    needs_root!();
    let mut stage = Stage::new("");
    stage.plan["process"]["arguments"] = json!(["env"]);
    stage.plan["process"]["environ"] = json!({
        "B": { "text": "two = 2\nlines" }, "A": { "text": "" }, "PID": "pid",
    });
    assert_eq!(stage.run().good(), "A=\nB=two = 2\nlines\nPID=2\n");
}

#[test]
fn the_arguments_are_exactly_the_declared_ones() {
    needs_root!();
    let mut stage = Stage::new("");
    let arguments = [
        "sh",
        "-c",
        "echo $#; busybox tr '\\0' '|' < /proc/$$/cmdline; echo",
        "",
        " a b ",
        "*",
    ];
    stage.plan["process"]["arguments"] = json!(arguments);
    let printed = stage.run().good();
    assert!(
        printed.starts_with("2\n/bin/busybox|sh|-c|echo"),
        "{printed}"
    );
    assert!(printed.ends_with("|| a b |*|\n"), "{printed}");
}

#[test]
fn the_limits_are_the_declared_ones() {
    needs_root!();
    let script =
        "busybox awk '/open files|core file|locked/ {print $(NF-2), $(NF-1)}' /proc/self/limits";
    let mut stage = Stage::new(script);
    stage.plan["limits"]["fileno"] = json!(77);
    let own = fs::read_to_string("/proc/self/limits").unwrap();
    let locked = own.lines().find(|line| line.contains("locked")).unwrap();
    let locked: Vec<_> = locked.split_whitespace().rev().skip(1).take(2).collect();
    let expected = format!("1 1\n77 77\n{} {}\n", locked[1], locked[0]);
    assert_eq!(stage.run().good(), expected);
}

fn with_output_file(prepare: impl FnOnce(&std::path::Path)) -> Stage {
    let mut stage = Stage::new("echo out; echo err >&2; busybox readlink /proc/self/fd/0");
    directory(&stage.host("volume"), 0o777, 0);
    prepare(&stage.host("volume"));
    let base = stage.host("volume");
    stage.mount(
        "/data",
        json!({ "persistent": { "host": { "base": base, "below": "" } } }),
    );
    stage.plan["stdio"]["file"] = json!("/data/log");
    stage
}

#[test]
fn output_goes_to_the_stdout_stderr_file() {
    needs_root!();
    let ended = with_output_file(|volume| {
        fs::write(volume.join("log"), "before\n").unwrap();
        std::os::unix::fs::chown(volume.join("log"), Some(1000), None).unwrap();
    });
    let ended = ended.run();
    assert_eq!(ended.good(), "");
    let log = fs::read_to_string(ended.stage.host("volume/log")).unwrap();
    assert_eq!(log, "before\nout\nerr\n/dev/null\n");
    assert!(ended.output.contains("lithos: shop/web.0 started"));
}

#[test]
fn the_stdout_stderr_file_is_opened_with_the_processs_own_ids() {
    needs_root!();
    let ended = with_output_file(|volume| {
        fs::write(volume.join("log"), "root's\n").unwrap();
        fs::set_permissions(
            volume.join("log"),
            std::os::unix::fs::PermissionsExt::from_mode(0o644),
        )
        .unwrap();
    });
    let (reason, _, _) = ended.run().failure();
    assert_eq!(
        reason,
        "cannot open the stdout-stderr-file /data/log: permission denied"
    );
}

#[test]
fn a_fifo_or_a_directory_is_no_stdout_stderr_file() {
    needs_root!();
    let ended = with_output_file(|volume| {
        let fifo = volume.join("log");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::chown(&fifo, Some(1000), None).unwrap();
    });
    let (reason, _, _) = ended.run().failure();
    assert!(
        reason.starts_with("cannot open the stdout-stderr-file /data/log: "),
        "{reason}"
    );
    let ended = with_output_file(|volume| directory(&volume.join("log"), 0o777, 1000));
    let (reason, _, _) = ended.run().failure();
    assert_eq!(
        reason,
        "cannot open the stdout-stderr-file /data/log: is a directory"
    );
}

#[test]
fn a_command_keeps_standard_input_and_output_if_it_is_interactive() {
    needs_root!();
    let mut stage = Stage::new(LIST);
    stage.plan["stdio"]["interactive"] = json!(true);
    assert_eq!(listed(stage).len(), 3);
}

#[test]
fn the_launcher_leaks_nothing_that_the_knot_would_close() {
    needs_root!();
    let stage = Stage::new(LIST);
    let leaked = fs::File::open("/etc/passwd").unwrap();
    // Left open across the exec, as a careless supervisor would.
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let lines = listed(stage);
    drop(leaked);
    assert!(
        lines.len() == 3 && !lines.concat().contains("passwd"),
        "{lines:?}"
    );
}
