//! A container that runs, pinned: for those who enter it.
//!
//! By its record alone, so it needs no supervisor. Pids are only ways to pidfds;
//! what a pid says counts once the pidfd is found to have been that process's all
//! the time.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use quick_error::quick_error;

use super::records::{Found, Records, RecordsError};
use crate::cause::Cause;
use crate::name::ContainerName;
use crate::report::Report;
use crate::resolve::plan::Plan;
use crate::sys::pidfd;

quick_error! {
    /// Why a container cannot be entered.
    #[derive(Debug)]
    pub enum NotRunning {
        /// Nothing is kept of it.
        Unknown(name: ContainerName) {
            display("cannot enter {}: there is no such container\nhint: `lithos_ps` lists them", name)
        }
        /// Something is, but it does not run.
        State(name: ContainerName, why: &'static str) {
            display("cannot enter {}: {}", name, why)
        }
        /// It is about to.
        Starting(name: ContainerName) {
            display("cannot enter {}: it is still starting", name)
        }
        /// It cannot be told.
        Records(err: RecordsError) {
            display("{}", err)
            source(err)
            from()
        }
        /// Nor its process.
        Process(name: ContainerName, err: io::Error) {
            display("cannot find the process of {}: {}", name, Cause(err))
            source(err)
        }
    }
}

/// How long a container may be starting, and how long to wait between looks.
const PATIENCE: Duration = Duration::from_secs(10);
const NAP: Duration = Duration::from_millis(5);

/// A container that runs.
#[derive(Debug)]
pub struct Running {
    /// What it was started by.
    pub plan: Rc<Plan>,
    /// Its knot.
    pub knot: OwnedFd,
    /// Its process.
    pub process: OwnedFd,
}

impl Running {
    /// Finds it by the records; one that is about to run is waited for.
    pub fn find(records: &Records, name: &ContainerName) -> Result<Self, NotRunning> {
        let end = Instant::now() + PATIENCE;
        loop {
            match Self::look(records, name) {
                Err(NotRunning::Starting(_)) if Instant::now() < end => std::thread::sleep(NAP),
                found => return found,
            }
        }
    }

    fn look(records: &Records, name: &ContainerName) -> Result<Self, NotRunning> {
        let is = |why| NotRunning::State(name.clone(), why);
        let record = match records.read(name.clone())? {
            Found::Record(record) => record,
            Found::OtherBoot(_) => {
                return Err(is("it does not run, its record is of another boot"));
            }
            Found::Torn(_) if records.container_dir(name).exists() => {
                return Err(is("its record cannot be read"));
            }
            Found::Torn(_) => return Err(NotRunning::Unknown(name.clone())),
        };
        let knot = record.pin()?.filter(|knot| !pidfd::has_ended(knot));
        let (Some(noted), Some(knot)) = (&record.knot, knot) else {
            return Err(is("it does not run"));
        };
        let inside = match records.last_report(name) {
            Some(Report::Started { pid: Some(pid), .. }) => pid,
            Some(Report::Started { pid: None, .. }) => {
                return Err(is(
                    "it was started by an older release, which did not note its process",
                ));
            }
            Some(Report::Ended { .. } | Report::Failed { .. }) => {
                return Err(is("its process has ended"));
            }
            None => return Err(NotRunning::Starting(name.clone())),
        };
        let found = child(noted.pid, inside);
        let process = found.map_err(|err| NotRunning::Process(name.clone(), err))?;
        match process {
            // Up to here nobody else had the knot's pid, so it was its child.
            Some(process) if !pidfd::has_ended(&knot) => Ok(Self {
                plan: Rc::clone(&record.plan),
                knot,
                process,
            }),
            _ => Err(is("its process has ended")),
        }
    }
}

/// Which of its knot's children is the process of a container, if it has been executed
/// and has not ended; the oldest is the first of them. By what the knot has told last:
/// its other children are what processes that have ended left behind.
pub fn process_among(
    mut children: impl Iterator<Item = i32>,
    knot: i32,
    told: Option<&Report>,
) -> Option<i32> {
    match told {
        Some(&Report::Started { pid: Some(pid), .. }) => {
            children.find(|child| matches!(is_child(*child, knot, pid), Ok(true)))
        }
        Some(Report::Started { pid: None, .. }) | None => {
            let program = |pid: i32| fs::read_link(format!("/proc/{pid}/exe")).ok();
            let child = children.next()?;
            (program(child)? != program(knot)?).then_some(child)
        }
        Some(Report::Ended { .. } | Report::Failed { .. }) => None,
    }
}

/// The child of `parent` that has this pid in the pid namespace it is in.
fn child(parent: i32, inside: i32) -> io::Result<Option<OwnedFd>> {
    for entry in fs::read_dir("/proc")? {
        let pid = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid else { continue };
        if !is_child(pid, parent, inside)? {
            continue;
        }
        let Some(pidfd) = pidfd::unless_gone(pidfd::open(pid))? else {
            continue;
        };
        // Once more, now that it is pinned.
        if is_child(pid, parent, inside)? && !pidfd::has_ended(&pidfd) {
            return Ok(Some(pidfd));
        }
    }
    Ok(None)
}

fn is_child(pid: i32, parent: i32, inside: i32) -> io::Result<bool> {
    let status = fs::read(format!("/proc/{pid}/status"))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let Some(status) = pidfd::unless_gone(status)? else {
        return Ok(false);
    };
    Ok(says_child(&status, parent, inside))
}

/// By proc_pid_status(5).
fn says_child(status: &str, parent: i32, inside: i32) -> bool {
    let last = |key: &str| -> Option<i32> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().last()?.parse().ok()
    };
    last("PPid:") == Some(parent) && last("NSpid:") == Some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_by_its_parent_and_its_innermost_pid() {
        let status = "Name:\tPPid:\t9\nPid:\t70\nPPid:\t69\nNSpid:\t70\t2\n";
        assert!(says_child(status, 69, 2));
        for (parent, inside) in [(9, 2), (69, 70), (1, 2), (69, 1)] {
            assert!(!says_child(status, parent, inside), "{parent} {inside}");
        }
        assert!(!says_child("Name:\tx\n", 0, 0));
    }

    #[test]
    fn a_child_is_found_until_it_ends() {
        let mut process = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (own, pid) = (std::process::id().cast_signed(), process.id().cast_signed());
        let found = child(own, pid).unwrap().unwrap();
        assert_eq!(pidfd::pid(found).unwrap(), Some(pid));
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(child(own, pid).unwrap().is_none());
    }

    #[test]
    fn of_several_children_the_process_is_the_one_that_was_told_last() {
        let mut children: Vec<_> = (0..2)
            .map(|_| {
                std::process::Command::new("sleep")
                    .arg("60")
                    .spawn()
                    .unwrap()
            })
            .collect();
        let pids = [0, 1].map(|index: usize| children[index].id().cast_signed());
        let own = std::process::id().cast_signed();
        let started = |pid| Report::Started {
            time: 1,
            pid,
            landlock: None,
            opened: Vec::new(),
        };
        let ended = Report::Ended {
            end: crate::report::End::Exited(0),
            time: 1,
            ran: None,
            out_of_memory: None,
        };
        for (told, expected) in [
            (Some(started(Some(pids[0]))), Some(pids[0])),
            (Some(started(Some(pids[1]))), Some(pids[1])),
            (Some(started(Some(own))), None),
            (Some(ended), None),
            // An older release did not tell which, and there was none left behind before.
            (Some(started(None)), Some(pids[0])),
            (None, Some(pids[0])),
        ] {
            let found = process_among(pids.into_iter(), own, told.as_ref());
            assert_eq!(found, expected, "{told:?}");
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
