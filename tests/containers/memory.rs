//! Secrets in memory: root looks through all of it, and finds a plaintext only in
//! the process that it is for, and a private key nowhere.

use std::fs::{self, File};
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::ground::Ground;
use crate::tree::{read, wait_or};

/// The seed of the key `alpha`: what follows its second public key in the file.
const SEED: &str = "743e70759b2898326483485d6fd986ebdd5cd20083950d6cddd01c7124aaae40";
/// The first half of the seed's SHA-512, which is the X25519 key before it is
/// clamped, and the second one. Clamping changes the first and the last byte.
const HALVES: [&str; 2] = [
    "ea9c39bf380283b58d9a1e24db171f474bd856c671d44156f77185e8480d3f24",
    "1c7faea8b019fa6db50292371bcf6b7f019ad4ab0d300cd2bddb6c4583adbb79",
];

/// Put together at run time, so that it is nowhere in this program's file.
fn plaintext() -> String {
    ["the", "plain", "text", "of", "the", "memory", "test"].join("~")
}

/// Something to look for.
struct Needle {
    what: String,
    bytes: Vec<u8>,
}

fn needle(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Needle {
    Needle {
        what: what.into(),
        bytes: bytes.into(),
    }
}

fn of_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// The private key in every form it ever has, in parts, should one be wiped and
/// the other not.
fn private_key(ground: &Ground) -> Vec<Needle> {
    let mut needles = Vec::new();
    for (what, hex) in [
        ("seed", SEED),
        ("X25519 key", HALVES[0]),
        ("prefix", HALVES[1]),
    ] {
        let bytes = of_hex(hex);
        needles.push(needle(format!("{what}, begin"), &bytes[1..16]));
        needles.push(needle(format!("{what}, end"), &bytes[16..31]));
    }
    let file = fs::read_to_string(ground.path("keys/alpha")).unwrap();
    // The lines that hold the seed.
    for line in file.lines().skip(4).take(2) {
        let part = line.trim_end_matches('=');
        needles.push(needle(format!("base64 {part}"), &part.as_bytes()[..24]));
    }
    needles
}

/// Which of these the memory of a process holds, in any mapping.
fn found(pid: i32, needles: &[Needle]) -> Vec<String> {
    let maps = String::from_utf8(read(pid, "maps")).unwrap();
    assert!(!maps.is_empty(), "cannot read the maps of {pid}");
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let range = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [range.0, range.1].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        // Of the kernel's own, the same in all processes.
        if line.ends_with("[vvar]") || line.ends_with("[vsyscall]") || line.contains("[vvar_") {
            continue;
        }
        let bytes = mapping(&memory, start, end);
        for needle in needles {
            if holds(&bytes, &needle.bytes) {
                found.push(format!("{} in {line}", needle.what));
            }
        }
    }
    found
}

/// By the standard library's own search for one byte, which is fast in a debug build.
fn holds(mut rest: &[u8], needle: &[u8]) -> bool {
    let (first, others) = needle.split_first().unwrap();
    while rest.contains(first) {
        rest.skip_until(*first).unwrap();
        if rest.starts_with(others) {
            return true;
        }
    }
    false
}

/// The bytes of a mapping; zeros where there are none, beyond the end of a file.
fn mapping(memory: &File, start: u64, end: u64) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut bytes = vec![0; (end - start) as usize];
    let mut done = 0;
    while done < bytes.len() {
        match memory.read_at(&mut bytes[done..], start + done as u64) {
            Ok(read) if read > 0 => done += read,
            _ => done += PAGE,
        }
    }
    bytes
}

fn with_secret(ground: &Ground) {
    let token = ground.seal("alpha", "", &plaintext());
    ground.container(&format!(
        "arguments: [list=/bin, sleep]\nsecret-environ: {{ PASSWORD: '{token}' }}"
    ));
}

#[test]
fn a_plaintext_is_in_the_memory_of_its_process_and_of_nobody_else() {
    let Some(ground) = Ground::new() else { return };
    with_secret(&ground);
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let (knot, process) = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
    let secret = [needle("plaintext", plaintext())];
    assert!(
        !found(process, &secret).is_empty(),
        "the search finds nothing at all"
    );
    for pid in [tree.pid(), knot] {
        // That it does look: both know the container's name.
        assert!(!found(pid, &[needle("name", "shop/web.0")]).is_empty());
        assert_eq!(found(pid, &secret), Vec::<String>::new());
    }
}

#[test]
fn a_private_key_is_in_the_memory_of_nobody_who_stays() {
    let Some(ground) = Ground::new() else { return };
    with_secret(&ground);
    let needles = private_key(&ground);
    // The search finds every one where it is: in this process.
    let own = found(std::process::id().cast_signed(), &needles);
    for needle in &needles {
        assert!(own.iter().any(|line| line.starts_with(&needle.what)));
    }
    for process_only in [false, true] {
        let _ = fs::remove_file(ground.path("log/stdio/shop.log"));
        let token = ground.seal("alpha", "", &plaintext());
        ground.container(&format!(
            "arguments: [list=/bin, sleep]\nrestart-process-only: {process_only}\n\
             secret-environ: {{ PASSWORD: '{token}' }}"
        ));
        let mut tree = ground.start();
        tree.result("shop/web.0", "list=/bin");
        let (knot, process) = (tree.knot("shop/web.0"), tree.process("shop/web.0"));
        for pid in [tree.pid(), knot, process] {
            assert_eq!(found(pid, &needles), Vec::<String>::new());
        }
        tree.stop();
    }
}

/// What each program of a command had in its memory when it came to its end.
fn at_the_end(mut command: Command, needles: &[Needle]) -> Vec<(String, Vec<String>)> {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let first = Pid::from_raw(child.id().cast_signed());
    let stopped = || {
        read(first.as_raw(), "stat")
            .windows(4)
            .any(|part| part == b") T ")
    };
    wait_or(|| stopped().then_some(())).expect("it stops itself");
    use ptrace::Options;
    let all = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK;
    let all = all | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXIT;
    ptrace::seize(first, all | Options::PTRACE_O_EXITKILL).unwrap();
    kill(first, Signal::SIGCONT).unwrap();
    let mut ends = Vec::new();
    // Of this thread alone: other tests have children of their own.
    let ours = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        match waitpid(None, Some(ours)).unwrap() {
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == ptrace::Event::PTRACE_EVENT_EXIT as i32 {
                    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
                    let name = program.file_name().unwrap().to_string_lossy().into_owned();
                    ends.push((name, found(pid.as_raw(), needles)));
                }
                ptrace::cont(pid, None).unwrap();
            }
            WaitStatus::Stopped(pid, signal) => ptrace::cont(pid, signal).unwrap(),
            WaitStatus::Exited(pid, status) if pid == first => {
                assert_eq!(status, 0);
                break;
            }
            WaitStatus::Exited(..) => {}
            other => panic!("{other:?}"),
        }
    }
    // It was waited for just now.
    let _ = child.wait();
    ends
}

/// The process that is about to execute a container's program opens its secrets with
/// the same function, and its memory ends with the exec.
#[test]
fn whoever_opens_secrets_for_a_check_ends_without_key_and_plaintext_in_memory() {
    let Some(ground) = Ground::new() else { return };
    with_secret(&ground);
    let mut command = Command::new("/bin/sh");
    let check = env!("CARGO_BIN_EXE_lithos_check");
    command.args(["-c", "kill -STOP $$; exec \"$@\"", "sh", check, "-C"]);
    command.arg(ground.path("master.yaml"));
    let mut needles = private_key(&ground);
    needles.push(needle("plaintext", plaintext()));
    needles.push(needle("its arguments", "lithos_"));
    let ends = at_the_end(command, &needles);
    for program in ["lithos_check", "lithos_knot"] {
        let (_, found) = ends.iter().find(|(name, _)| name == program).unwrap();
        // That it does look.
        assert!(!found.is_empty(), "the search finds nothing at all");
        let secret = |line: &&String| !line.starts_with("its arguments");
        assert_eq!(found.iter().filter(secret).collect::<Vec<_>>(), [""; 0]);
    }
}
