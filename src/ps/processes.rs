//! Processes, as `/proc` has them.

use std::collections::BTreeMap;
use std::fs;

/// What `/proc` says of a process; times in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Whose child it is.
    pub parent: i32,
    /// Since boot.
    pub started: u64,
    /// Of a processor.
    pub cpu: u64,
    /// Resident bytes.
    pub memory: u64,
}

/// Every process there is.
pub fn all() -> BTreeMap<i32, Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, seen(pid)?)))
        .collect()
}

/// By proc_pid_stat(5).
fn seen(pid: i32) -> Option<Seen> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The second field is the program's name, which may hold anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Seen {
        parent: fields.get(1)?.parse().ok()?,
        cpu: number(11)? + number(12)?,
        started: number(19)?,
        memory: number(21)? * rustix::param::page_size() as u64,
    })
}

/// Everything below a process, the oldest of its children first.
pub fn descendants(of: i32, processes: &BTreeMap<i32, Seen>) -> Vec<i32> {
    let mut found = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let children = processes.iter().filter(|(_, seen)| seen.parent == parent);
        let mut children: Vec<_> = children.map(|(pid, seen)| (seen.started, *pid)).collect();
        children.sort_unstable();
        let children = children.into_iter().map(|(_, pid)| pid);
        parents.extend(children.clone());
        found.extend(children);
    }
    found
}

/// How many ticks a second has.
pub fn ticks_a_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Seconds since boot.
pub fn since_boot() -> Option<f64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    text.split(' ').next()?.parse().ok()
}
