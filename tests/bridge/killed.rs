//! A knot that is killed while it attaches its container, at every system call
//! in turn, leaves nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

use lithos::bridge::HostLink;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::ground::{Container, Host, on_br0};
use crate::{IPV4, host_with_br0};

/// Set for the process that is to be killed.
const VICTIM: &str = "LITHOS_TEST_VICTIM";

/// Not a test: the victim, which is this very program.
#[test]
#[ignore = "run by leaves_nothing_when_killed_at_any_system_call"]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    eprintln!("{}", rustix::thread::gettid().as_raw_nonzero());
    let mut go = [0];
    std::io::stdin().read_exact(&mut go).unwrap();
    HostLink::open()
        .unwrap()
        .leave()
        .unwrap()
        .connect(&on_br0(IPV4[1]))
        .unwrap();
    eprintln!("connected");
}

#[test]
fn leaves_nothing_when_killed_at_any_system_call() {
    let Some(host) = host_with_br0() else { return };
    let mut calls = 0;
    while killed_after(calls, &host) {
        calls += 1;
    }
    assert!(calls > 30, "only {calls} system calls were seen");
    Container::attached(on_br0(IPV4[1])).unwrap();
}

/// Kills a victim once it has made this many system calls since it was told
/// to go. False: it had connected before.
fn killed_after(calls: usize, host: &Host) -> bool {
    let (mut child, mut errors, thread) = waiting_victim();
    ptrace::seize(thread, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    ptrace::interrupt(thread).unwrap();
    assert!(stops(thread));
    child.stdin.take().unwrap().write_all(b"!").unwrap();
    // It stops at the beginning and at the end of each, and first of the read
    // that it waited in.
    let mut alive = true;
    for _ in 0..2 * (calls + 1) {
        if alive {
            ptrace::syscall(thread, None).unwrap();
            alive = stops(thread);
        }
    }
    child.kill().unwrap();
    // Its end is told to its tracer first, then to its parent.
    while alive {
        alive = stops(thread);
    }
    child.wait().unwrap();
    let mut said = String::new();
    errors.read_to_string(&mut said).unwrap();
    assert!(
        host.soon_has_no_interface("li_"),
        "after {calls} system calls: {said}"
    );
    !said.contains("connected")
}

/// A victim that waits to be told to go, what it says, and its thread.
fn waiting_victim() -> (Child, BufReader<ChildStderr>, Pid) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::victim", "--ignored", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    let thread = line.trim().parse().unwrap();
    (child, errors, Pid::from_raw(thread))
}

/// Waits until the thread stops; false: it has ended.
fn stops(thread: Pid) -> bool {
    let status = waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
    !matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..))
}
