//! Why a container does not start: `cannot <verb> <object>: <cause>`, a hint
//! where there is one thing to do, and the status that a shell would end with.
//!
//! No variant can hold a value of a secret.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lithos_crypt::{KeyError, Refusal};
use quick_error::quick_error;

use super::transform::ValueError;
use crate::bridge::BridgeError;
use crate::cause::Cause;
use crate::confinement::landlock::LandlockError;
use crate::confinement::seccomp::FilterError;
use crate::report::{RefusedSecret, Report};

/// As many secrets, and tokens of one, are told of in words, which are logged and
/// kept. The report has the outcomes of all.
const MOST_TOLD: usize = 10;

quick_error! {
    /// Why a container does not start.
    #[derive(Debug)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum Failure {
        /// A system call's `cause`, with what was attempted: a verb and its object.
        Call {
            action: &'static str,
            object: String,
            cause: io::Error
        } {
            display("cannot {} {}: {}", action, object, Cause(cause))
            source(cause)
        }
        /// Something is of another kind than it must be.
        Kind {
            action: &'static str,
            object: String,
            fault: &'static str,
            hint: &'static str
        } {
            display("cannot {} {}: {}", action, object, fault)
        }
        /// The mount point `target` cannot be opened inside the container.
        MountPoint {
            target: PathBuf,
            cause: io::Error
        } {
            display("cannot mount on {}: {}", target.display(), Cause(cause))
            source(cause)
        }
        /// The host directory of a volume cannot be opened.
        Volume {
            host: PathBuf,
            target: PathBuf,
            cause: io::Error
        } {
            display(
                "cannot open {} on the host for the volume {}: {}",
                host.display(), target.display(), Beneath(cause),
            )
            source(cause)
        }
        /// The container's network cannot be set up.
        Network(cause: BridgeError) {
            display("{}", cause)
            source(cause)
        }
        /// The files and ports of the process cannot be restricted.
        Landlock(cause: LandlockError) {
            display("{}", cause)
            source(cause)
        }
        /// The plan allows a system call that nobody knows.
        Seccomp(cause: FilterError) {
            display("cannot make the seccomp filter: {}", cause)
            source(cause)
        }
        /// The plan cannot be understood: it is of another release.
        Plan(cause: serde_json::Error) {
            display("cannot read the plan: {}", cause)
            source(cause)
        }
        /// The plan and the command line do not belong together.
        Launch(fault: &'static str) {
            display("cannot use the plan: {}", fault)
        }
        /// The private keys in the file `path` cannot be used.
        Key {
            path: PathBuf,
            cause: KeyError
        } {
            display("cannot use the private key file {}: {}", path.display(), cause)
            source(cause)
        }
        /// Secrets that cannot be delivered, each with every token's own outcome.
        Secrets(refused: Vec<Refused>) {
            display("{}", Lines(refused))
        }
        /// The program `executable` cannot be executed; `present`: it exists.
        Execute {
            executable: PathBuf,
            present: bool,
            cause: io::Error
        } {
            display(
                "cannot execute {}: {}",
                executable.display(), ExecuteCause(*present, cause),
            )
            source(cause)
        }
        /// The process's own side of the start, as it told it before it ended.
        Told {
            reason: String,
            hint: Option<String>,
            status: u8,
            refused: Vec<RefusedSecret>
        } {
            display("{}", reason)
        }
    }
}

/// A secret that cannot be delivered.
#[derive(Debug)]
pub struct Refused {
    /// What it is called: a variable, or a file's path.
    pub name: String,
    /// Why.
    pub fault: Fault,
}

/// Why a secret cannot be delivered.
#[derive(Debug)]
pub enum Fault {
    /// Every token's own outcome, in their order.
    Tokens(Vec<Refusal>),
    /// It opens, but its value is not what it must be.
    Value(ValueError),
}

impl Failure {
    /// The one thing to do about it, if there is one.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Failure::Kind { hint, .. } => hint,
            Failure::MountPoint { cause, .. } => match cause.raw_os_error() {
                Some(libc::ENOENT) => "make the mount point in the image",
                Some(libc::ENOTDIR | libc::EISDIR) => {
                    "a directory is mounted on a directory, a file on a file"
                }
                _ => return None,
            },
            Failure::Volume { cause, .. } => match cause.raw_os_error() {
                Some(libc::ENOENT) => {
                    "make the directory on the host, or set `mkdir: true` on a !Persistent volume"
                }
                _ => return None,
            },
            Failure::Key { cause, .. } => return cause.hint().map(str::to_owned),
            Failure::Execute {
                executable,
                present,
                cause,
            } => return execute_hint(executable, *present, cause),
            Failure::Network(cause) => return cause.hint(),
            Failure::Told { hint, .. } => return hint.clone(),
            Failure::Secrets(refused) if refused.len() > MOST_TOLD => {
                "`lithos_ctl audit` lists every secret with its outcome"
            }
            Failure::Plan(_) | Failure::Launch(_) => {
                "only lithos_tree and lithos_cmd of the same release start lithos_knot"
            }
            Failure::Call { .. }
            | Failure::Landlock(_)
            | Failure::Seccomp(_)
            | Failure::Secrets(_) => {
                return None;
            }
        };
        Some(text.to_owned())
    }

    /// 127: not found; 126: not executable; 125: our own failure.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Execute { present: false, .. } => 127,
            Failure::Execute { .. } => 126,
            Failure::Told { status, .. } => *status,
            _ => 125,
        }
    }

    /// The line that tells it.
    pub fn report(&self) -> Report {
        Report::Failed {
            reason: self.to_string(),
            hint: self.hint(),
            status: self.status(),
            refused: self.refused(),
        }
    }

    fn refused(&self) -> Vec<RefusedSecret> {
        match self {
            Failure::Secrets(refused) => refused.iter().map(Refused::told).collect(),
            Failure::Told { refused, .. } => refused.clone(),
            _ => Vec::new(),
        }
    }
}

impl Refused {
    /// For the audit log: outcomes alone.
    fn told(&self) -> RefusedSecret {
        let outcomes = match &self.fault {
            Fault::Tokens(refusals) => refusals.iter().map(|r| r.error.outcome()).collect(),
            Fault::Value(fault) => vec![fault.outcome()],
        };
        RefusedSecret {
            name: self.name.clone(),
            outcomes: outcomes.into_iter().map(str::to_owned).collect(),
        }
    }
}

fn execute_hint(executable: &Path, present: bool, cause: &io::Error) -> Option<String> {
    let text = match cause.raw_os_error() {
        Some(libc::ENOENT) if present => {
            "copy the program's interpreter (its `#!` line) or its dynamic linker into the image"
        }
        Some(libc::ENOENT | libc::ENOTDIR) if is_name(executable) => {
            "there is none in the directories of the container's `PATH`"
        }
        Some(libc::ENOENT | libc::ENOTDIR) => "`executable` is a path inside the image",
        Some(libc::ENOEXEC) => {
            "it must be a program for this machine, or a script beginning with `#!`"
        }
        Some(libc::EACCES) => {
            "it must be a regular file that the container's user may execute, and not on a noexec volume"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whether it is no path, and looked for in `PATH`.
fn is_name(executable: &Path) -> bool {
    executable.parent() == Some(Path::new(""))
}

/// A cause of `openat2`, whose `EXDEV` is not about devices.
struct Beneath<'a>(&'a io::Error);

impl fmt::Display for Beneath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw_os_error() {
            Some(libc::EXDEV) => f.write_str("it leads out of the sandbox's directory"),
            _ => Cause(self.0).fmt(f),
        }
    }
}

/// A cause of `execve`, whose `ENOENT` may be about the interpreter.
struct ExecuteCause<'a>(bool, &'a io::Error);

impl fmt::Display for ExecuteCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1.raw_os_error()) {
            (true, Some(libc::ENOENT)) => f.write_str("its interpreter is missing"),
            _ => Cause(self.1).fmt(f),
        }
    }
}

/// The first of them, and how many more there are.
fn told<T>(refused: &[T]) -> (&[T], usize) {
    let told = &refused[..refused.len().min(MOST_TOLD)];
    (told, refused.len() - told.len())
}

struct Lines<'a>(&'a [Refused]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (told, more) = told(self.0);
        for (index, refused) in told.iter().enumerate() {
            let start = if index == 0 { "" } else { "\n" };
            write!(f, "{start}{refused}")?;
        }
        match more {
            0 => Ok(()),
            more => write!(f, "\ncannot deliver {more} more of the secrets"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempted = match self.fault {
            Fault::Tokens(_) => "open",
            Fault::Value(_) => "use",
        };
        write!(
            f,
            "cannot {attempted} the secret {}: {}",
            self.name, self.fault
        )
    }
}

/// Of tokens, each one's own outcome, in their order.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusals = match self {
            Fault::Tokens(refusals) => refusals.as_slice(),
            Fault::Value(fault) => return write!(f, "{fault}"),
        };
        let (told, more) = told(refusals);
        match told {
            [] => f.write_str("there is no token")?,
            [first, rest @ ..] => {
                write!(f, "{first}")?;
                rest.iter()
                    .try_for_each(|refusal| write!(f, "; {refusal}"))?;
            }
        }
        match more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Says what was attempted when it fails.
pub trait Attempt<T> {
    /// `cannot <action> <object>: <cause>`.
    fn cannot(self, action: &'static str, object: impl fmt::Display) -> Result<T, Failure>;

    /// `cannot <action> <path>: <cause>`.
    fn cannot_at(self, action: &'static str, path: &Path) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn cannot(self, action: &'static str, object: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|cause| Failure::Call {
            action,
            object: object.to_string(),
            cause: cause.into(),
        })
    }

    fn cannot_at(self, action: &'static str, path: &Path) -> Result<T, Failure> {
        self.cannot(action, path.display())
    }
}
