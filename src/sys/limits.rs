//! Resource limits of other processes.

use std::io;

use rustix::process::Rlimit;

/// How many there are: asm-generic/resource.h.
const RESOURCES: usize = 16;

/// Columns of a name in `/proc/PID/limits`.
const NAME: usize = 25;

/// Takes on every resource limit of the process that has this pid.
///
/// Needs `CAP_SYS_RESOURCE` where one of them is higher than ours.
pub fn take_on(pid: i32) -> io::Result<()> {
    // In the order of their numbers.
    for (resource, theirs) in (0..).zip(all(pid)?) {
        let theirs = libc::rlimit {
            rlim_cur: theirs.current.unwrap_or(libc::RLIM_INFINITY),
            rlim_max: theirs.maximum.unwrap_or(libc::RLIM_INFINITY),
        };
        // SAFETY: `theirs` is valid for reading.
        if unsafe { libc::setrlimit(resource, &raw const theirs) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The RLIMIT_MEMLOCK of the process that has this pid.
pub fn memlock(pid: i32) -> io::Result<Rlimit> {
    let mut all = all(pid)?;
    Ok(all.swap_remove(libc::RLIMIT_MEMLOCK as usize))
}

/// Every limit of a process, whoever's it is: by `/proc`, since prlimit(2) needs
/// `CAP_SYS_RESOURCE` for those of other users.
fn all(pid: i32) -> io::Result<Vec<Rlimit>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let limits = text.lines().skip(1).map(parse).collect::<Option<Vec<_>>>();
    let limits = limits.filter(|limits| limits.len() >= RESOURCES);
    limits.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A line of it: after the name there are two limits.
fn parse(line: &str) -> Option<Rlimit> {
    let limit = |text: &str| match text {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    let mut words = line.get(NAME..)?.split_whitespace().map(limit);
    let (current, maximum) = (words.next()??, words.next()??);
    Some(Rlimit { current, maximum })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Resource, getrlimit, setrlimit};

    #[test]
    fn takes_on_what_another_process_has() {
        let parent = std::process::id().cast_signed();
        let said = crate::sys::forked::in_child(|| {
            let theirs = getrlimit(Resource::Nofile);
            let lower = Rlimit {
                current: Some(7),
                ..theirs
            };
            setrlimit(Resource::Nofile, lower).unwrap();
            assert_ne!(getrlimit(Resource::Nofile), theirs);
            take_on(parent).unwrap();
            assert_eq!(getrlimit(Resource::Nofile), theirs);
            assert_eq!(memlock(parent).unwrap(), getrlimit(Resource::Memlock));
            "done".to_owned()
        });
        assert_eq!(said, "done");
    }
}
