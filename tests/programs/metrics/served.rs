//! Where and to whom they are given out.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PATIENCE, REQUEST, ask, connect, exchange, ground, parse};

/// An address at which nobody listens.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn ask_over_tcp(address: SocketAddr) -> std::io::Result<String> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(stream, REQUEST)
}

/// The TCP addresses at which this process listens.
fn listening(pid: i32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let own: BTreeSet<_> = links.map(|link| link.display().to_string()).collect();
    let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let lines = tables
        .map(|table| fs::read_to_string(table).unwrap_or_default())
        .concat();
    let fields = lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut listening = fields.filter(|fields| fields.get(3) == Some(&"0A"));
    let inode = |fields: &Vec<&str>| format!("socket:[{}]", fields[9]);
    listening
        .by_ref()
        .filter(|fields| own.contains(&inode(fields)))
        .count()
}

#[test]
fn only_a_configured_address_is_open_and_a_reload_follows_it() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    assert_eq!(listening(tree.pid()), 0);
    let mode = fs::metadata(ground.path("run/metrics.sock"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let (first, second) = (free_address(), free_address());
    for (address, before) in [(first, None), (second, Some(first))] {
        ground.master(&format!("metrics-listen: {address}"));
        tree.signal(Signal::SIGHUP);
        let answer = tree.wait("an answer over TCP", || ask_over_tcp(address).ok());
        assert_eq!(parse(python, &answer).web("lithos_process_running"), 1.0);
        if let Some(before) = before {
            let refused = ask_over_tcp(before).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        assert_eq!(listening(tree.pid()), 1);
    }
    ground.master("");
    tree.signal(Signal::SIGHUP);
    tree.wait("a closed address", || {
        ask_over_tcp(second).is_err().then_some(())
    });
    assert!(tree.stop().success());
}

#[test]
fn an_address_that_is_taken_stops_nothing_and_is_tried_again() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    ground.master(&format!("metrics-listen: {address}"));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.wait_for_log(&[&format!("cannot listen on {address} for `metrics-listen`")]);
    parse(python, &ask(&ground, REQUEST));
    drop(taken);
    let answer = tree.wait("an answer over TCP", || ask_over_tcp(address).ok());
    parse(python, &answer);
}

#[test]
fn hostile_scrapers_keep_nobody_waiting() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    // Silent ones, ones that never end their request, and ones that never read.
    let begun = ["", "GET /metrics HTTP/1.1\r\nA: ", REQUEST];
    let held: Vec<_> = (0..30)
        .map(|number| {
            let mut stream = connect(&ground).unwrap();
            let _ = stream.write_all(begun[number % 3].as_bytes());
            stream
        })
        .collect();
    // Meanwhile it supervises.
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGABRT).unwrap();
    tree.results("shop/web.0", "report", 2);
    // They are parted with after their time, if they do not go by themselves.
    parse(python, &ask(&ground, REQUEST));
    drop(held);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\x16\x03\x01\r\n\r\n", "400"),
        (
            &format!("GET /metrics HTTP/1.1\r\n{}", "A: b\r\n".repeat(9999)),
            "431",
        ),
    ] {
        let answer = ask(&ground, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert!(ask(&ground, "HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    parse(python, &ask(&ground, REQUEST));
    assert!(tree.stop().success());
}

#[test]
fn curl_reads_them() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--include",
            "--unix-socket",
        ])
        .arg(ground.path("run/metrics.sock"))
        .arg("http://localhost/metrics")
        .output();
    let output = match output {
        Err(err) if err.kind() == ErrorKind::NotFound => panic!("this test needs curl"),
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{output:?}");
    parse(python, &String::from_utf8(output.stdout).unwrap());
}
