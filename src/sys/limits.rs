//! Resource limits of other processes.

use std::io;

use rustix::process::Rlimit;

/// How many there are: asm-generic/resource.h.
const RESOURCES: u32 = 16;

/// Takes on every resource limit of the process that has this pid.
///
/// Needs `CAP_SYS_RESOURCE` where one of them is higher than ours.
pub fn take_on(pid: i32) -> io::Result<()> {
    for resource in 0..RESOURCES {
        let theirs = read(pid, resource)?;
        // SAFETY: `theirs` is valid for reading, null is allowed for the old one.
        let status =
            unsafe { libc::prlimit(0, resource as _, &raw const theirs, std::ptr::null_mut()) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The RLIMIT_MEMLOCK of the process that has this pid, whoever's it is: by
/// `/proc`, since prlimit(2) needs `CAP_SYS_RESOURCE` for those of other users.
pub fn memlock(pid: i32) -> io::Result<Rlimit> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"));
    let limit = |text: &str| match text {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    let mut words = line.unwrap_or_default().split_whitespace().map(limit);
    match (words.next().flatten(), words.next().flatten()) {
        (Some(current), Some(maximum)) => Ok(Rlimit { current, maximum }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn read(pid: i32, resource: u32) -> io::Result<libc::rlimit> {
    let mut found = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: null is allowed for the new limit; `found` is valid for writing.
    match unsafe { libc::prlimit(pid, resource as _, std::ptr::null(), &raw mut found) } {
        0 => Ok(found),
        _ => Err(io::Error::last_os_error()),
    }
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
