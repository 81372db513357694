//! The `after-setup-command`: the maintainer's own program, run once the
//! container's interface is up.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::BridgeError;

/// How long the command may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The command's whole environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `command`, a program's absolute path and its arguments, where the
/// caller is: in its namespaces, with its stdout and stderr. It must end with
/// status 0 within `limit`; nothing of its process group is left afterwards.
///
/// An empty command is none. The caller's other descriptors must be
/// close-on-exec.
pub fn after_setup(command: &[String], limit: Duration) -> Result<(), BridgeError> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let failed = |source| BridgeError::Run {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let ended = ends_within(&child, limit);
    // Before it is waited for: until then its group's number is not reused.
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(failed)?;
    match ended.map_err(failed)? {
        false => Err(BridgeError::Timeout {
            program: program.clone(),
            limit,
        }),
        true if status.success() => Ok(()),
        true => Err(BridgeError::Status {
            program: program.clone(),
            status,
        }),
    }
}

/// Whether the child ends within `limit`; it is not waited for.
fn ends_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let pid = Pid::from_raw(child.id() as i32).ok_or(Errno::SRCH)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = std::time::Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            outcome => return Ok(outcome? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn sh(script: &str, limit: Duration) -> Result<(), BridgeError> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        after_setup(&command, limit)
    }

    #[test]
    fn no_command_is_a_success() {
        after_setup(&[], LIMIT).unwrap();
    }

    #[test]
    fn has_nothing_but_a_path_in_its_environment() {
        sh(
            "test \"$(tr '\\0' '\\n' </proc/$$/environ)\" = \"PATH=$PATH\"",
            LIMIT,
        )
        .unwrap();
    }

    #[test]
    fn refuses_a_command_that_ends_with_another_status_than_0() {
        let error = sh("exit 3", LIMIT).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot finish the network: after-setup-command /bin/sh ended with exit status: 3"
        );
    }

    #[test]
    fn refuses_a_command_that_does_not_exist() {
        let error = after_setup(&["/no/such/program".to_owned()], LIMIT).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cannot run after-setup-command /no/such/program")
        );
    }

    #[test]
    fn kills_a_command_that_takes_too_long_with_its_children() {
        let start = Instant::now();
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let script = format!("sleep 60 & echo $! >{}; wait", pid.display());
        let error = sh(&script, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, BridgeError::Timeout { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
        let pid = std::fs::read_to_string(pid).unwrap();
        assert!(ended(pid.trim()), "the sleep still runs");
    }

    /// A killed process may be a zombie until someone waits for it.
    fn ended(pid: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
                Ok(stat) if !stat.contains(") Z") => std::thread::sleep(Duration::from_millis(10)),
                _ => return true,
            }
        }
        false
    }
}
