//! What a process can see of itself and around itself, mostly out of `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::getsockname;
use serde_json::{Map, Value, json};

/// The whole report.
pub fn everything() -> Value {
    json!({
        "arguments": std::env::args().collect::<Vec<_>>(),
        "environ": std::env::vars().collect::<BTreeMap<_, _>>(),
        "status": status(),
        "limits": limits(),
        "descriptors": descriptors(),
        "mounts": mounts(),
        "namespaces": links("/proc/self/ns"),
        "uid_map": id_map("/proc/self/uid_map"),
        "gid_map": id_map("/proc/self/gid_map"),
        "workdir": std::env::current_dir().map(|dir| dir.display().to_string()).ok(),
        "executable": link("/proc/self/exe"),
        "hostname": rustix::system::uname().nodename().to_string_lossy(),
        "session": rustix::process::getsid(None).map(|id| id.as_raw_nonzero().get()).ok(),
        "processes": processes(),
        "cgroups": text("/proc/self/cgroup"),
        "oom_score_adj": text("/proc/self/oom_score_adj"),
        "personality": text("/proc/self/personality"),
    })
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `/proc/self/status`: ids, capabilities, seccomp, signals.
fn status() -> Map<String, Value> {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(key, value)| (key.to_owned(), json!(words(value).join(" "))))
        .collect()
}

/// Soft and hard limit by name.
fn limits() -> Map<String, Value> {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let lines = text.lines().skip(1).filter(|line| line.len() > 26);
    lines
        .map(|line| {
            let (name, rest) = line.split_at(26);
            (name.trim().to_owned(), json!(&words(rest)[..2]))
        })
        .collect()
}

/// Every open descriptor: what it is, and for a socket where it listens.
fn descriptors() -> Map<String, Value> {
    let mut found = links("/proc/self/fd");
    // The descriptor that reads the directory is in it too, and closed by now.
    found.retain(|fd, _| fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok());
    for (fd, what) in &mut found {
        if what
            .as_str()
            .is_some_and(|what| what.starts_with("socket:"))
        {
            *what = json!(listening(fd.parse().expect("a number")));
        }
    }
    found
}

fn listening(fd: i32) -> Option<String> {
    let socket = own(fd).ok()?;
    let address = getsockname(&socket).ok()?;
    let address: std::net::SocketAddr = address.try_into().ok()?;
    let state = rustix::net::sockopt::socket_acceptconn(&socket).ok()?;
    Some(format!(
        "{} {address}",
        if state { "listens" } else { "idle" }
    ))
}

/// A duplicate of an inherited descriptor of this number.
#[allow(unsafe_code)]
pub fn own(fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: the probe closes nothing that it has inherited, so the number stays
    // what it is for the time of the call; if it is not open, that fails.
    unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()
}

/// `/proc/self/mountinfo`, see proc_pid_mountinfo(5).
fn mounts() -> Vec<Value> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Value> {
    let (left, right) = line.split_once(" - ")?;
    let (left, right) = (words(left), words(right));
    Some(json!({
        "root": left.get(3)?,
        "target": left.get(4)?,
        "options": left.get(5)?.split(',').collect::<Vec<_>>(),
        "propagation": left.get(6..)?,
        "kind": right.first()?,
        "source": right.get(1)?,
        "super": right.get(2)?.split(',').collect::<Vec<_>>(),
    }))
}

fn id_map(path: &str) -> Vec<Vec<u32>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines();
    lines
        .map(|line| words(line).iter().filter_map(|w| w.parse().ok()).collect())
        .collect()
}

/// pid → command line of every process in sight.
fn processes() -> Map<String, Value> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|pid| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = line.trim_end_matches('\0').replace('\0', " ");
            (pid, json!(line))
        })
        .collect()
}

fn links(directory: &str) -> Map<String, Value> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let target = link(&entry.path().display().to_string());
            (entry.file_name().to_string_lossy().into_owned(), target)
        })
        .collect()
}

fn link(path: &str) -> Value {
    json!(
        fs::read_link(path)
            .ok()
            .map(|target| target.display().to_string())
    )
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}
