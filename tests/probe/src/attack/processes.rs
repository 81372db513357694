//! Signals, and as much of everything as there is.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::memory::with_child;
use super::raw::Argument::{Memory, Number};
use super::raw::call;
use super::{Outcome, done, number};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "signal" => signal(object, None),
        "kill" => signal(object, Some(Signal::SIGKILL)),
        "terminate" => signal(object, Some(Signal::SIGTERM)),
        "starve" => starve(object),
        "starve-child" => with_child(|child| starve(&child.to_string())),
        "renice" => renice(object),
        "renice-child" => with_child(|child| renice(&child.to_string())),
        "slow-disk" => slow_disk(object),
        "slow-disk-child" => with_child(|child| slow_disk(&child.to_string())),
        "schedule" => schedule(object),
        "schedule-child" => with_child(|child| schedule(&child.to_string())),
        "forks" => forks(object),
        "memory" => memory(object),
        "find-process" => find_process(object),
        "shared-memory" => done(shared_memory(object, 0)),
        "make-shared-memory" => done(shared_memory(object, libc::IPC_CREAT | 0o666)),
        "remove-shared-memory" => remove_shared_memory(object),
        "flood" => flood(object),
        _ => return None,
    };
    Some(result)
}

fn signal(object: &str, signal: Option<Signal>) -> io::Result<Value> {
    done(kill(Pid::from_raw(number(object)?), signal))
}

/// Lets it write no byte to any file any more.
fn starve(object: &str) -> io::Result<Value> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    done(prlimit(process(object)?, Resource::Fsize, none))
}

fn renice(object: &str) -> io::Result<Value> {
    done(rustix::process::setpriority_process(process(object)?, 19))
}

/// Lets it use a disk only when nobody else does: `IOPRIO_WHO_PROCESS`,
/// `IOPRIO_CLASS_IDLE`.
fn slow_disk(object: &str) -> io::Result<Value> {
    let mut arguments = [1, number(object)?, 3 << 13].map(Number);
    done(call(libc::SYS_ioprio_set, &mut arguments))
}

/// Lets it use a processor only when nobody else does.
fn schedule(object: &str) -> io::Result<Value> {
    let idle = Number(libc::SCHED_IDLE as u64);
    let mut priority = [0; size_of::<libc::sched_param>()];
    let mut arguments = [Number(number(object)?), idle, Memory(&mut priority)];
    done(call(libc::SYS_sched_setscheduler, &mut arguments))
}

fn process(object: &str) -> io::Result<Option<rustix::process::Pid>> {
    Ok(rustix::process::Pid::from_raw(number(object)?))
}

/// So many children at a time, or the first error; all are gone afterwards.
fn forks(object: &str) -> io::Result<Value> {
    let mut children: Vec<Child> = Vec::new();
    let mut result = Ok(json!("done"));
    for _ in 0..number(object)? {
        let mut child = Command::new("/proc/self/exe");
        match child.arg("sleep").stdout(Stdio::null()).spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

/// Touches so many MiB.
fn memory(object: &str) -> io::Result<Value> {
    let mut all = Vec::new();
    for _ in 0..number(object)? {
        all.push(vec![1_u8; 1 << 20]);
    }
    Ok(json!(
        all.iter().map(|chunk| chunk[4096] as u64).sum::<u64>() > 0
    ))
}

/// The pid of whoever has this in its command line, this program excepted.
fn find_process(object: &str) -> io::Result<Value> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(object) && !line.contains("find-process") {
            return Ok(json!(line));
        }
    }
    Err(io::Error::from_raw_os_error(libc::ESRCH))
}

/// A System V segment of this key that another has made; or is to be made.
fn shared_memory(object: &str, flags: i32) -> io::Result<i64> {
    let size = if flags == 0 { 0 } else { 4096 };
    call(
        libc::SYS_shmget,
        &mut [number(object)?, size, flags as u64].map(Number),
    )
}

fn remove_shared_memory(object: &str) -> io::Result<Value> {
    let id = shared_memory(object, 0)? as u64;
    let remove = libc::IPC_RMID as u64;
    done(call(libc::SYS_shmctl, &mut [id, remove, 0].map(Number)))
}

/// So many MiB into standard output, which is the log.
fn flood(object: &str) -> io::Result<Value> {
    let chunk = vec![b'!'; 1 << 20];
    let mut log = io::stdout();
    for _ in 0..number(object)? {
        io::Write::write_all(&mut log, &chunk)?;
    }
    Ok(json!("done"))
}
