//! Looking into every process that appears, as fast as can be.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::process::{Pid as RawPid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

/// A way to get at another process; true: it worked.
type Way = (&'static str, fn(i32) -> bool);

const WAYS: [Way; 10] = [
    ("exe", |pid| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok()
    }),
    ("open exe", |pid| {
        fs::File::open(format!("/proc/{pid}/exe")).is_ok()
    }),
    ("cwd", |pid| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
    }),
    ("root", |pid| {
        fs::read_dir(format!("/proc/{pid}/root")).is_ok()
    }),
    ("fd", |pid| fs::read_dir(format!("/proc/{pid}/fd")).is_ok()),
    ("maps", |pid| reads(pid, "maps")),
    ("environ", |pid| reads(pid, "environ")),
    ("mem", |pid| {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true);
        options.open(format!("/proc/{pid}/mem")).is_ok()
    }),
    ("take a descriptor", takes_descriptor),
    ("trace", traces),
];

fn reads(pid: i32, file: &str) -> bool {
    let mut byte = [0];
    let opened = fs::File::open(format!("/proc/{pid}/{file}"));
    opened.is_ok_and(|mut file| matches!(file.read(&mut byte), Ok(1)))
}

fn takes_descriptor(pid: i32) -> bool {
    let Some(pid) = RawPid::from_raw(pid) else {
        return false;
    };
    let pidfd = pidfd_open(pid, PidfdFlags::empty());
    pidfd.is_ok_and(|pidfd| pidfd_getfd(pidfd, 0, PidfdGetfdFlags::empty()).is_ok())
}

/// A tracee is let go again, or waited for, since nobody else could bury it.
fn traces(pid: i32) -> bool {
    let pid = Pid::from_raw(pid);
    if ptrace::seize(pid, ptrace::Options::empty()).is_err() {
        return false;
    }
    let _ = ptrace::interrupt(pid);
    let _ = waitpid(pid, Some(WaitPidFlag::__WALL));
    let _ = ptrace::detach(pid, None);
    true
}

/// Tries all ways with all processes but the first and this one until `stop` is
/// there. What worked is counted, by whether the process then still was one of
/// lithos or had become a program of the container.
pub fn pry(stop: &str) -> Value {
    let own = std::process::id().cast_signed();
    let (mut foreign, mut usual) = (BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
    let mut seen = 0u64;
    while !Path::new(stop).exists() {
        for pid in pids().filter(|pid| *pid != 1 && *pid != own) {
            seen += u64::from(is_of_lithos(pid));
            for (way, works) in WAYS {
                if works(pid) {
                    let worked = match is_of_lithos(pid) {
                        true => &mut foreign,
                        false => &mut usual,
                    };
                    *worked.entry(way).or_default() += 1;
                }
            }
        }
    }
    json!({ "foreign": foreign, "usual": usual, "seen": seen })
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Anybody may read the command line.
fn is_of_lithos(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"lithos_knot\0"))
}
