//! Who can see a secret: the process, and nobody else.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::{Ground, OWN_ROOT};
use crate::tree::{files_below, lives, read};

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

/// Whether any readable mapping of the process holds the needle.
fn memory_holds(pid: i32, needle: &str) -> bool {
    let maps = String::from_utf8(read(pid, "maps")).unwrap();
    assert!(!maps.is_empty(), "cannot read the maps of {pid}");
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        if !rest.starts_with('r') || end - start > 1 << 30 {
            return false;
        }
        let mut bytes = vec![0; (end - start) as usize];
        let read = memory
            .seek(SeekFrom::Start(start))
            .and_then(|_| memory.read_exact(&mut bytes));
        read.is_ok() && holds(&bytes, needle)
    })
}

fn start_with_secret(ground: &Ground, actions: &str) {
    ground.container(&format!(
        "arguments: [{actions}]\nsecret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", &secret())
    ));
}

#[test]
fn the_plaintext_is_in_the_memory_of_the_process_and_of_nobody_else() {
    let Some(ground) = Ground::new() else { return };
    start_with_secret(&ground, "list=/bin, sleep");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let process = tree.process("shop/web.0");
    assert!(
        memory_holds(process, &secret()),
        "the search finds nothing at all"
    );
    for pid in [tree.pid(), tree.knot("shop/web.0")] {
        assert!(!memory_holds(pid, &secret()), "{pid} holds the plaintext");
    }
}

#[test]
fn the_private_key_is_in_the_memory_of_nobody_who_stays() {
    let Some(ground) = Ground::new() else { return };
    start_with_secret(&ground, "list=/bin, sleep");
    let key = fs::read_to_string(ground.path("keys/alpha")).unwrap();
    // A line of it that holds the private part.
    let line = key.lines().nth(3).unwrap();
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    for pid in [
        tree.pid(),
        tree.knot("shop/web.0"),
        tree.process("shop/web.0"),
    ] {
        assert!(!memory_holds(pid, line), "{pid} holds the private key");
    }
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
fn nothing_of_the_knot_can_be_read_from_inside() {
    let Some(ground) = Ground::new() else { return };
    let files = ["environ", "mem", "maps", "auxv", "stack", "syscall"];
    let directories = ["fd", "map_files", "fdinfo"];
    let reads: Vec<_> = files
        .iter()
        .map(|file| format!("read=/proc/1/{file}"))
        .collect();
    let lists: Vec<_> = directories
        .iter()
        .map(|dir| format!("list=/proc/1/{dir}"))
        .collect();
    let more = ["list=/proc/1/root", "list=/proc/1/cwd", "read=/proc/1/exe"].map(String::from);
    let actions = [reads, lists, more.to_vec()].concat();
    // Also for the root of a user namespace, who has every capability in it.
    for sandbox in ["", OWN_ROOT] {
        let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
        ground.sandbox(sandbox);
        start_with_secret(&ground, &format!("{}, sleep", actions.join(", ")));
        let mut tree = ground.start();
        for action in &actions {
            let result = tree.result("shop/web.0", action);
            assert!(result["error"].is_string(), "{action}: {result}");
        }
        tree.stop();
    }
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
    kill(Pid::from_raw(knot), Signal::SIGKILL).unwrap();
    tree.wait("the end of the knot", || (!lives(knot)).then_some(()));
    // While it runs, the kernel refuses that anyway. We are root, who owns it.
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    let refused = tree.wait("another refusal than that it runs", || {
        let err = File::options().write(true).open(&again).unwrap_err();
        (err.raw_os_error() != Some(nix::libc::ETXTBSY)).then_some(err)
    });
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EROFS));
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
