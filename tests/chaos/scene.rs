//! What runs, seen from outside, and what of it is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ground::Ground;
use crate::tree::read;

/// A process as `/proc/PID/stat` has it; pid and start time are unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub pid: i32,
    start_time: u64,
    parent: i32,
    command: String,
}

/// A knot and what it has for children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Knot {
    pub knot: Process,
    pub children: Vec<Process>,
}

impl Knot {
    /// Whether its process has been executed.
    pub fn runs(&self) -> bool {
        self.children
            .iter()
            .any(|child| child.command != "lithos_knot")
    }
}

/// The knots of the containers that are named so, by container.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scene(pub BTreeMap<String, Vec<Knot>>);

impl Scene {
    /// Looks at the containers of which `is_ours` says so of the sandbox.
    pub fn look(is_ours: impl Fn(&str) -> bool) -> Self {
        let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
        let mut knots = Vec::new();
        for process in processes() {
            if process.command == "lithos_knot" {
                knots.push(process.clone());
            }
            children.entry(process.parent).or_default().push(process);
        }
        // What a knot has forked is called so, too, before it executes another.
        let pids: BTreeSet<_> = knots.iter().map(|knot| knot.pid).collect();
        knots.retain(|knot| !pids.contains(&knot.parent));
        let mut scene = BTreeMap::<String, Vec<Knot>>::new();
        for knot in knots {
            let Some(name) = name_of(knot.pid) else {
                continue;
            };
            if name.split('/').next().is_some_and(&is_ours) {
                let children = children.remove(&knot.pid).unwrap_or_default();
                scene.entry(name).or_default().push(Knot { knot, children });
            }
        }
        Self(scene)
    }

    /// Whether exactly these run, each once and as one process.
    pub fn is(&self, expected: &BTreeSet<String>) -> Result<(), String> {
        let missing: Vec<_> = expected
            .iter()
            .filter(|name| !self.0.contains_key(*name))
            .collect();
        let extra: Vec<_> = self
            .0
            .keys()
            .filter(|name| !expected.contains(*name))
            .collect();
        let wrong = self.0.iter().filter(|(_, knots)| match knots.as_slice() {
            [knot] => !knot.runs() || knot.children.len() != 1,
            _ => true,
        });
        let wrong: Vec<_> = wrong.collect();
        match missing.is_empty() && extra.is_empty() && wrong.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "missing {missing:?}, extra {extra:?}, wrong {wrong:?}"
            )),
        }
    }

    /// Containers of which two generations run, now and in `earlier`.
    pub fn doubled(&self, earlier: &Self) -> Vec<&String> {
        let running = |scene: &Self, name: &str| -> BTreeSet<Process> {
            let knots = scene.0.get(name).into_iter().flatten();
            knots
                .filter(|knot| knot.runs())
                .map(|knot| knot.knot.clone())
                .collect()
        };
        let both = |name: &&String| {
            running(self, name)
                .intersection(&running(earlier, name))
                .count()
                > 1
        };
        self.0.keys().filter(both).collect()
    }
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(process).collect()
}

/// None if it is gone, or only waits to be reaped.
fn process(pid: i32) -> Option<Process> {
    let stat = String::from_utf8_lossy(&read(pid, "stat")).into_owned();
    let (left, right) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = right.split(' ').collect();
    (!matches!(fields[0], "Z" | "X")).then_some(())?;
    Some(Process {
        pid,
        start_time: fields.get(19)?.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        command: left.split_once('(')?.1.to_owned(),
    })
}

fn name_of(pid: i32) -> Option<String> {
    let line = String::from_utf8(read(pid, "cmdline")).ok()?;
    let mut words = line.split('\0');
    (words.next()? == "lithos_knot" && words.next()? == "--name").then_some(())?;
    Some(words.next()?.to_owned())
}

/// A container's record.
pub fn record(ground: &Ground, container: &str) -> Value {
    let bytes = fs::read(ground.path(&format!("run/state/{container}/record.json")));
    serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default()
}

/// The containers of which something is kept.
pub fn kept(ground: &Ground) -> BTreeSet<String> {
    let sandboxes = names(&ground.path("run/state"));
    let kept = sandboxes.into_iter().flat_map(|sandbox| {
        let containers = names(&ground.path(&format!("run/state/{sandbox}")));
        let named = containers
            .into_iter()
            .map(move |name| format!("{sandbox}/{name}"));
        named.collect::<Vec<_>>()
    });
    kept.collect()
}

/// The containers' cgroups below `slice`, in every hierarchy that has it.
pub fn cgroups(slice: &str) -> Vec<(PathBuf, BTreeSet<String>)> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = names(root).into_iter().map(|name| root.join(name));
    let places = hierarchies
        .chain([root.to_owned()])
        .map(|place| place.join(slice));
    let there = places.filter(|place| place.is_dir());
    there
        .map(|place| {
            let groups = names(&place)
                .into_iter()
                .filter(|name| place.join(name).is_dir());
            let groups = groups.map(|name| name.replacen(':', "/", 1)).collect();
            (place, groups)
        })
        .collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
