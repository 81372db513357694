//! Who can see a secret: the process, and nobody else.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::{files_below, read};

/// Not found in memory, logs or command lines unless a secret leaked, and put
/// together at run time, so that it is not in this program's memory image of
/// constants that a child might share.
fn secret() -> String {
    ["plain", "text", "of", "the", "confinement", "test"].join("~")
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

fn start_with_secret(ground: &Ground, actions: &str) {
    ground.container(&format!(
        "arguments: [{actions}]\nsecret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", &secret())
    ));
}

#[test]
fn the_plaintext_is_in_no_log_command_line_or_state_file() {
    let Some(ground) = Ground::new() else { return };
    start_with_secret(&ground, "list=/bin, sleep");
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    let process = tree.process("shop/web.0");
    assert!(holds(&read(process, "environ"), &secret()));
    for pid in [tree.pid(), knot] {
        assert!(!holds(&read(pid, "environ"), &secret()));
    }
    for pid in [tree.pid(), knot, process] {
        assert!(!holds(&read(pid, "cmdline"), &secret()));
    }
    let expect_clean = || {
        for below in ["log", "run"] {
            for file in files_below(&ground.path(below)) {
                let path = ground.path(below).join(file);
                let bytes = if path.is_file() {
                    fs::read(&path).unwrap()
                } else {
                    continue;
                };
                assert!(
                    !holds(&bytes, &secret()),
                    "{} holds the plaintext",
                    path.display()
                );
            }
        }
    };
    expect_clean();
    tree.stop();
    expect_clean();
}

#[test]
fn a_crash_leaves_no_core_file() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/db", 1000, 0o755);
    ground.sandbox(&format!(
        "writable-paths: {{ /db: {} }}",
        ground.path("host/db").display()
    ));
    // Where a core file would be, if it could be.
    ground.container(&format!(
        "arguments: [report, sleep]\nworkdir: /data\nvolumes: {{ /data: !Persistent /db }}\n\
         secret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", &secret())
    ));
    let tree = ground.start();
    let limits = tree.result("shop/web.0", "report")["limits"].clone();
    // One byte: with 0 the kernel still runs a core_pattern that is a program.
    assert_eq!(limits["Max core file size"], serde_json::json!(["1", "1"]));
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGABRT).unwrap();
    tree.wait_for_log(&["shop/web.0", "signal 6"]);
    assert_eq!(files_below(&ground.path("host/db")), Vec::<String>::new());
}

#[test]
fn whoever_gets_hold_of_the_knots_binary_cannot_write_it() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let knot = tree.knot("shop/web.0");
    let exe = format!("/proc/{knot}/exe");
    assert!(fs::read_link(&exe).unwrap().ends_with("lithos_knot"));
    let path = nix::fcntl::OFlag::O_PATH.bits();
    let held = File::options().read(true).custom_flags(path).open(&exe);
    let held = held.unwrap();
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    // We are root, who owns it. While any knot runs, the kernel refuses to open it for
    // writing anyway; but not this, which changes nothing where it works.
    let mode = fs::metadata(&again).unwrap().permissions();
    let refused = fs::set_permissions(&again, mode.clone()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EROFS));
    File::options().write(true).open(&again).unwrap_err();
    fs::set_permissions(env!("CARGO_BIN_EXE_lithos_knot"), mode).unwrap();
}

#[test]
fn one_container_cannot_see_another() {
    let Some(ground) = Ground::new() else { return };
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         spy: { image: probe, config: /config/spy.yaml }",
    );
    start_with_secret(&ground, "list=/bin, sleep");
    ground.container_named("spy", "arguments: [report, list=/proc/1/root, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let report = tree.result("shop/spy.0", "report");
    let processes = report["processes"].as_object().unwrap();
    assert!(
        processes
            .values()
            .all(|line| !line.as_str().unwrap().contains("web.0"))
    );
    assert!(!report.to_string().contains(&secret()));
}
