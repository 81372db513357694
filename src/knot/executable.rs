//! Which file is executed: the one that the plan names, or the first of this name
//! that can be executed, where a command is looked for in `PATH`.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::execve;
use rustix::fs::{Mode, OFlags};

use super::environment::text;
use super::failure::Failure;
use crate::resolve::plan::{EnvValue, Process};
use crate::sys::beneath::open_in_root;

/// Where commands are looked for in a container without a `PATH`, as container
/// engines have it.
const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A file, or several in the order in which they are tried.
pub struct Executable {
    named: PathBuf,
    candidates: Vec<CString>,
}

impl Executable {
    /// Finds it without following magic links: `/proc/self/exe` would be the
    /// knot's own binary.
    pub fn find(root: &OwnedFd, process: &Process) -> Result<Self, Failure> {
        let named = process.executable.clone();
        let (mut candidates, mut worst) = (Vec::new(), io::Error::from_raw_os_error(libc::ENOENT));
        for path in paths(process) {
            match open_in_root(root, &path, OFlags::PATH, Mode::empty()) {
                Ok(_) => candidates.push(text(path.into_os_string().into_encoded_bytes())?),
                Err(err) if is_missing(&err) => worst = err,
                Err(err) => return Err(failure(named, true, err)),
            }
        }
        match candidates.is_empty() {
            true => Err(failure(named, false, worst)),
            false => Ok(Self { named, candidates }),
        }
    }

    /// Executes it; by execvp(3), one that may not be executed is passed over.
    pub fn execute(
        self,
        arguments: &[CString],
        variables: &[CString],
    ) -> Result<Infallible, Failure> {
        let mut cause = None;
        for path in &self.candidates {
            let Err(errno) = execve(path, arguments, variables);
            let err = io::Error::from(errno);
            let passed_over = is_missing(&err) || err.raw_os_error() == Some(libc::EACCES);
            cause = cause.or(Some(err));
            if !passed_over {
                break;
            }
        }
        let cause = cause.unwrap_or(io::Error::from_raw_os_error(libc::ENOENT));
        Err(failure(self.named, true, cause))
    }
}

fn is_missing(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

fn failure(executable: PathBuf, present: bool, cause: io::Error) -> Failure {
    Failure::Execute {
        executable,
        present,
        cause,
    }
}

/// Every path to be tried, absolute.
fn paths(process: &Process) -> Vec<PathBuf> {
    let named = &process.executable;
    if named.as_os_str().as_bytes().contains(&b'/') {
        return vec![process.workdir.join(named)];
    }
    let list = match process.environ.get("PATH") {
        Some(EnvValue::Text(list)) => list,
        _ => USUAL,
    };
    let directories = list
        .split(':')
        .map(|dir| process.workdir.join(Path::new(dir)));
    directories.map(|dir| dir.join(named)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(executable: &str, path: Option<&str>) -> Vec<String> {
        let environ = path.map(|path| ("PATH".to_owned(), EnvValue::Text(path.to_owned())));
        let process = Process {
            executable: executable.into(),
            arguments: vec![],
            environ: environ.into_iter().collect(),
            workdir: "/srv".into(),
        };
        let paths = paths(&process).into_iter();
        paths.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_path_is_taken_as_it_is_or_from_the_working_directory() {
        assert_eq!(found("/bin/ls", Some("/usr/bin")), ["/bin/ls"]);
        assert_eq!(found("./ls", None), ["/srv/./ls"]);
        assert_eq!(found("bin/ls", None), ["/srv/bin/ls"]);
    }

    #[test]
    fn a_name_is_looked_for_in_path_or_in_the_usual_places() {
        let paths = ["/usr/bin/ls", "/srv/ls", "/srv/bin/ls"];
        assert_eq!(found("ls", Some("/usr/bin::bin")), paths);
        let usual = found("ls", None);
        assert_eq!(usual.first().unwrap(), "/usr/local/sbin/ls");
        assert_eq!(usual.last().unwrap(), "/bin/ls");
    }
}
