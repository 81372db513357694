//! Killing the program at its system calls, one after the other.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use crate::desk::Desk;
use crate::support::PROGRAM;

/// The system calls that change what is on a disk, and those between them.
const CALLS: &[&str] = &[
    "write", "fsync", "flock", "linkat", "link", "rename", "unlink", "unlinkat",
];

/// Whether strace is there. If not says SKIP, which is a failure where
/// `LITHOS_TEST_ROOT=1`.
pub fn can_kill() -> bool {
    if Command::new("strace").arg("--version").output().is_ok() {
        return true;
    }
    let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
    assert!(!must, "strace is not installed");
    println!("SKIP: strace is not installed");
    false
}

/// Runs the program on a fresh desk again and again, killed with SIGKILL at each
/// system call that matters; `verify` looks at what is left. How often it was killed.
pub fn at_each_call(
    arguments: &[&str],
    fresh: impl Fn() -> Desk,
    verify: impl Fn(&Desk, &str),
) -> usize {
    let mut kills = 0;
    for call in CALLS {
        for count in 1.. {
            let desk = fresh();
            if !is_killed(&desk, arguments, call, count) {
                break;
            }
            kills += 1;
            verify(&desk, &format!("{call} {count}"));
        }
    }
    kills
}

fn is_killed(desk: &Desk, arguments: &[&str], call: &str, count: usize) -> bool {
    let output = inject(desk, arguments, call, &format!("signal=KILL:when={count}"));
    let is_killed = output.status.signal() == Some(9);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        is_killed || output.status.success(),
        "{call} {count}: {said}"
    );
    is_killed
}

/// Runs the program with something happening at a system call, in strace's words.
pub fn inject(desk: &Desk, arguments: &[&str], call: &str, what: &str) -> Output {
    let mut command = Command::new("strace");
    command
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:{what}")])
        .arg(PROGRAM)
        .args(arguments)
        .current_dir(desk.root())
        .stdin(Stdio::null());
    command.output().unwrap()
}
