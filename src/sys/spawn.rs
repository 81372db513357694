//! Starting a program from a descriptor, with nothing of ours but what is named.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::clone;
use super::disposition;

/// A program about to be started.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The executable; its environment will be empty.
    pub program: BorrowedFd<'a>,
    /// Argument zero included.
    pub args: Vec<CString>,
    /// `CLONE_NEW…` flags.
    pub namespaces: i32,
    /// Becomes 0.
    pub stdin: BorrowedFd<'a>,
    /// Becomes 1.
    pub stdout: BorrowedFd<'a>,
    /// Becomes 2.
    pub stderr: BorrowedFd<'a>,
    /// Stay open under their own numbers. All others are closed.
    pub keep: Vec<BorrowedFd<'a>>,
}

/// All that the child needs, ready before it is made.
struct Prepared {
    program: RawFd,
    argv: Vec<*const libc::c_char>,
    stdin: RawFd,
    stdout: RawFd,
    stderr: RawFd,
    keep: Vec<RawFd>,
    /// None of these descriptors has this number or one above it.
    above: RawFd,
    /// Why the program could not be executed; 0: it was.
    errno: i32,
}

impl Spawn<'_> {
    /// Starts it: in a session of its own, in `/`, with umask 022, all signals
    /// at their default and none blocked. Returns its pid and pidfd once it is
    /// executed, or why it could not be.
    pub fn start(&self) -> io::Result<(i32, OwnedFd)> {
        let mut argv: Vec<_> = self.args.iter().map(|arg| arg.as_ptr()).collect();
        argv.push(std::ptr::null());
        let keep: Vec<_> = self.keep.iter().map(AsRawFd::as_raw_fd).collect();
        let own = [self.program, self.stdin, self.stdout, self.stderr];
        let own = own.iter().map(AsRawFd::as_raw_fd);
        let above = own.chain(keep.iter().copied()).max().unwrap_or(2) + 1;
        let mut prepared = Prepared {
            program: self.program.as_raw_fd(),
            argv,
            stdin: self.stdin.as_raw_fd(),
            stdout: self.stdout.as_raw_fd(),
            stderr: self.stderr.as_raw_fd(),
            keep,
            above,
            errno: 0,
        };
        let argument = &raw mut prepared;
        // The child begins with our descriptors themselves and takes copies of those it is
        // to have, so that those of a thousand containers are not copied, to be closed.
        let flags = self.namespaces | libc::CLONE_FILES;
        // SAFETY: the child makes system calls on what was made before, and writes
        // only to `prepared`, which nobody else uses meanwhile. It changes descriptors
        // only once they are its own.
        let (pid, pidfd) = unsafe { clone::vfork(flags, become_program, argument.cast()) }?;
        match prepared.errno {
            0 => Ok((pid, pidfd)),
            errno => {
                super::pidfd::wait(&pidfd)?;
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }
}

/// The child's side: never returns, and allocates nothing. It is given a [`Prepared`]
/// whose `argv` ends with null.
extern "C" fn become_program(prepared: *mut libc::c_void) -> i32 {
    // SAFETY: it is what `start` passes, and `start` waits meanwhile.
    let p = unsafe { &mut *prepared.cast::<Prepared>() };
    // SAFETY: plain system calls on integers, and on memory that `p` holds.
    unsafe {
        let succeeded = libc::syscall(
            libc::SYS_close_range,
            p.above,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_UNSHARE,
        ) == 0
            && libc::setsid() != -1
            && libc::chdir(c"/".as_ptr()) == 0
            && default_signals()
            && libc::dup2(p.stdin, 0) == 0
            && libc::dup2(p.stdout, 1) == 1
            && libc::dup2(p.stderr, 2) == 2
            && libc::syscall(
                libc::SYS_close_range,
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            ) == 0
            && p.keep
                .iter()
                .all(|&fd| libc::fcntl(fd, libc::F_SETFD, 0) == 0);
        if succeeded {
            libc::umask(0o022);
            let environment = [std::ptr::null::<libc::c_char>()];
            libc::syscall(
                libc::SYS_execveat,
                p.program,
                c"".as_ptr(),
                p.argv.as_ptr(),
                environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        p.errno = *libc::__errno_location();
        libc::_exit(127)
    }
}

/// Every signal at its default, and only then none blocked.
fn default_signals() -> bool {
    disposition::reset_all();
    // SAFETY: an all-zero sigset_t is the empty set on Linux; every pointer is
    // valid or null.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    /// Starts `/bin/sh -c script` and gives what it printed.
    fn sh(script: &str, keep: Vec<BorrowedFd<'_>>) -> String {
        let program = File::open("/bin/sh").unwrap();
        let null = File::open("/dev/null").unwrap();
        let (mut output, write) = std::io::pipe().unwrap();
        let args = ["sh", "-c", script].map(|arg| CString::new(arg).unwrap());
        let spawn = Spawn {
            program: program.as_fd(),
            args: args.into(),
            namespaces: 0,
            stdin: null.as_fd(),
            stdout: write.as_fd(),
            stderr: write.as_fd(),
            keep,
        };
        let (_, pidfd) = spawn.start().unwrap();
        drop(write);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        crate::sys::pidfd::wait(pidfd).unwrap();
        text
    }

    #[test]
    fn hands_over_exactly_the_descriptors_that_are_named() {
        let kept = File::open("/dev/zero").unwrap();
        let _not_kept = File::open("/dev/full").unwrap();
        let number = kept.as_raw_fd().to_string();
        // The shell has the directory open while it lists it.
        let list = "for f in /proc/$$/fd/*; do [ -e $f ] && echo $f; done";
        let found = sh(list, vec![kept.as_fd()]);
        let numbers: Vec<_> = found
            .split_whitespace()
            .filter_map(|path| path.rsplit('/').next())
            .collect();
        for expected in ["0", "1", "2", &number] {
            assert!(numbers.contains(&expected), "{numbers:?}");
        }
        assert_eq!(numbers.len(), 4, "{numbers:?}");
    }

    #[test]
    fn what_is_open_here_stays_open_whatever_its_number() {
        let low = File::open("/dev/zero").unwrap();
        let high = rustix::io::fcntl_dupfd_cloexec(&low, 500).unwrap();
        let number = high.as_raw_fd();
        let list = "for f in /proc/$$/fd/*; do [ -e $f ] && echo ${f##*/}; done";
        for (keep, found) in [
            (vec![], "0\n1\n2\n"),
            (vec![high.as_fd()], "0\n1\n2\n500\n"),
        ] {
            assert_eq!(sh(list, keep), found.replace("500", &number.to_string()));
            for open in [low.as_fd(), high.as_fd()] {
                let target = format!("/proc/self/fd/{}", open.as_raw_fd());
                let target = std::fs::read_link(target).unwrap();
                assert_eq!(target.to_str(), Some("/dev/zero"));
            }
        }
    }

    #[test]
    fn gives_an_empty_environment_and_no_blocked_or_ignored_signals() {
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = own.lines().find(|l| l.starts_with("SigIgn")).unwrap();
        assert!(
            !ignored.ends_with("0000000000000000"),
            "Rust ignores SIGPIPE"
        );
        assert_eq!(sh("cat /proc/$$/environ", vec![]), "");
        let status = sh("while read l; do echo $l; done < /proc/$$/status", vec![]);
        for line in ["SigBlk: 0000000000000000", "SigIgn: 0000000000000000"] {
            assert!(status.contains(line), "{status}");
        }
    }

    #[test]
    fn runs_in_a_session_of_its_own() {
        let stat = sh("read l < /proc/$$/stat; echo $l", vec![]);
        let fields: Vec<_> = stat.split_whitespace().collect();
        assert_eq!(fields[0], fields[5], "{stat}");
    }

    #[test]
    fn says_why_a_program_cannot_be_executed() {
        let program = File::open("/dev/null").unwrap();
        let spawn = Spawn {
            program: program.as_fd(),
            args: vec![c"null".to_owned()],
            namespaces: 0,
            stdin: program.as_fd(),
            stdout: program.as_fd(),
            stderr: program.as_fd(),
            keep: vec![],
        };
        let error = spawn.start().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    }
}
