//! The programs in a virtual machine, for what this machine's own kernel and
//! service manager need not have: cgroup v2, and systemd.
//!
//! Root, qemu, swtpm, mmdebstrap, cpio and busybox are needed. Without them each test
//! prints SKIP and why; with `LITHOS_TEST_ROOT=1` that is a failure. How the
//! machine is made is in `boot`; a test is a script that runs inside it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

#[path = "../install/built.rs"]
mod built;
mod cgroup_v2;
mod credentials;
#[path = "../probe/built.rs"]
mod probe;
mod service;

/// What booting needs.
const PROGRAMS: [&str; 5] = [
    "qemu-system-x86_64",
    "swtpm",
    "mmdebstrap",
    "cpio",
    "busybox",
];

/// Ends a test early where no virtual machine can be made.
macro_rules! needs_vm {
    () => {
        if let Some(lack) = crate::lack() {
            return crate::skip(&lack);
        }
    };
}
pub(crate) use needs_vm;

/// What is missing for a virtual machine.
pub fn lack() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("this is not root".to_owned());
    }
    if !cfg!(target_arch = "x86_64") {
        return Some("the virtual machine is an x86-64 one".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = |program: &&&str| {
        !std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    let program = PROGRAMS.iter().find(missing)?;
    Some(format!("{program} is not installed"))
}

/// Says so, past the test runner's capture, which hides what passing tests print.
pub fn skip(lack: &str) {
    let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
    assert!(!must, "LITHOS_TEST_ROOT=1, but {lack}");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {lack}");
}

/// Boots Debian 13 and runs `guest`, a shell script, in it as root, with the
/// `files` beside it in `/lithos`; `options` are those of the script `boot`. The output is the console's; the status is
/// the script's, 125 if it never ran.
pub fn boot(options: &[&str], guest: &str, files: &[&Path]) -> Output {
    // One at a time: each takes 3 GiB and both processors.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let script =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guest-{}", std::process::id()));
    fs::write(&script, guest).unwrap();
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/boot"))
        .args(options)
        .arg(&script)
        .args(files)
        .output()
        .unwrap();
    let _ = fs::remove_file(script);
    output
}

/// The programs under test, to be put beside a guest's script.
pub fn programs() -> [PathBuf; 4] {
    [
        env!("CARGO_BIN_EXE_lithos_tree"),
        env!("CARGO_BIN_EXE_lithos_knot"),
        env!("CARGO_BIN_EXE_lithos_check"),
        env!("CARGO_BIN_EXE_lithos_switch"),
    ]
    .map(PathBuf::from)
}

/// Fails with the whole console unless the guest's script exited with 0.
pub fn expect_success(output: &Output) {
    let (console, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{}\n{console}\n{errors}",
        output.status
    );
}
