//! Spawning a knot: the descriptors it is given, and the two steps of its
//! record around it.
//!
//! The knot waits at the gate until its record is complete. If the supervisor
//! dies in between, the gate closes and the knot goes away by itself, so there
//! is never a container that a later supervisor does not know of.

mod joiner;

use std::cell::OnceCell;
use std::ffi::{CString, NulError};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use ::log::{info, warn};
use quick_error::quick_error;
use rustix::fs::{Mode, OFlags, fcntl_setfl, fstat, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};

use super::auditing::Progress;
use super::log;
use super::records::{Knot, Record, Records};
use super::sockets::{SocketError, Sockets};
use crate::cause::Cause;
use crate::confinement::landlock::{Bind, Level};
use crate::knot::cgroup::Hierarchies;
use crate::knot::command_line::Launch;
use crate::resolve::plan::Plan;
use crate::sys::mount::{self, NODEV, NOSUID, READONLY};
use crate::sys::{memfd, pidfd, spawn::Spawn};

quick_error! {
    /// Why a container was not launched.
    #[derive(Debug)]
    pub enum LaunchError {
        /// `lithos_knot` cannot be used at all.
        Program(path: PathBuf, err: io::Error) {
            display("cannot open {}: {}", path.display(), Cause(err))
            source(err)
        }
        /// Someone else could have written it.
        Untrusted(path: PathBuf) {
            display("cannot use {}: it must be an executable file that only its owner, root or this user, can write", path.display())
        }
        /// A step on the way.
        Step(what: &'static str, err: io::Error) {
            display("cannot {}: {}", what, Cause(err))
            source(err)
        }
        /// The stdio log.
        Stdio(path: PathBuf, err: io::Error) {
            display("cannot open {}: {}", path.display(), Cause(err))
            source(err)
        }
        /// A socket.
        Socket(err: SocketError) {
            display("{}", err)
            source(err)
            from()
        }
    }
}

impl From<NulError> for LaunchError {
    fn from(err: NulError) -> Self {
        Self::Step("spawn lithos_knot", err.into())
    }
}

fn step<T>(what: &'static str, result: Result<T, impl Into<io::Error>>) -> Result<T, LaunchError> {
    result.map_err(|err| LaunchError::Step(what, err.into()))
}

/// What every launch needs, opened once.
#[derive(Debug)]
pub struct Launcher {
    /// Held since start, so that an upgrade on disk never mixes an old
    /// supervisor with a new knot.
    program: OwnedFd,
    /// Where that was opened. Closing it takes a while (the kernel waits until nobody
    /// looks at the mount any more), so that is left to whoever drops this.
    _shield: OwnedFd,
    null: File,
    /// The host's cgroup hierarchies for knots, which would each find the same.
    cgroups: OnceCell<OwnedFd>,
}

impl Launcher {
    /// Opens `lithos_knot` in `dir`.
    pub fn open(dir: &Path) -> Result<Self, LaunchError> {
        let path = dir.join("lithos_knot");
        let failed = |err: rustix::io::Errno| LaunchError::Program(path.clone(), err.into());
        let program = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let program = program.map_err(failed)?;
        let found = fstat(&program).map_err(failed)?;
        let regular = found.st_mode & 0o170_000 == 0o100_000;
        let owned = [0, rustix::process::geteuid().as_raw()].contains(&found.st_uid);
        let writable_by_others = found.st_mode & 0o022 != 0;
        let executable = found.st_mode & 0o111 != 0;
        if !regular || !owned || writable_by_others || !executable || !is_elf(&program) {
            return Err(LaunchError::Untrusted(path));
        }
        let null = step("open /dev/null", File::open("/dev/null"))?;
        let (program, shield) = step("shield lithos_knot", read_only(dir, program))?;
        Ok(Self {
            program,
            _shield: shield,
            null,
            cgroups: OnceCell::new(),
        })
    }

    /// Starts what `record` intends, and completes the record. Returns the
    /// knot's pidfd.
    pub fn launch(
        &self,
        records: &Records,
        sockets: &mut Sockets,
        record: &mut Record,
    ) -> Result<OwnedFd, LaunchError> {
        let launched = self.prepare(records, sockets, record, None)?;
        Ok(launched.release().0)
    }

    /// The same, up to the gate, for a caller that has something to do first, or
    /// that hands `standard` input and output on.
    pub fn prepare(
        &self,
        records: &Records,
        sockets: &mut Sockets,
        record: &mut Record,
        standard: Option<&Standard<'_>>,
    ) -> Result<Launched, LaunchError> {
        record.audit = Progress::begin(&record.plan);
        let plan = step("seal the plan", record.plan.to_json())?;
        step("write the record", records.write_with(record, &plan))?;
        let report = step("make the report", records.new_report(&record.plan.name))?;
        let sockets = sockets.take(&record.plan)?;
        let (gate, opener) = step("make a pipe", pipe_with(PipeFlags::CLOEXEC))?;
        let given = Given {
            plan: step("seal the plan", seal(&plan))?,
            report: report.into(),
            gate,
            stdio: stdio(&record.plan)?,
            cgroups: match &record.plan.cgroup {
                Some(_) => Some(self.cgroups()?.as_fd()),
                None => None,
            },
            sockets,
        };
        let (pid, pidfd) = self.spawn(&record.plan, &given, standard)?;
        let noted = Knot::note(pid, &pidfd, given.socket_numbers());
        let completed = noted.and_then(|knot| {
            record.knot = Some(knot);
            records.write_with(record, &plan)
        });
        if let Err(err) = completed {
            undo(&pidfd);
            return Err(LaunchError::Step("complete the record", err));
        }
        Ok(Launched { pidfd, opener })
    }

    /// What knots are to be told of the cgroup hierarchies, where that is known before the
    /// first of them needs it.
    pub fn tell_cgroups(&self, found: &Hierarchies) -> Result<&OwnedFd, LaunchError> {
        let json = step("seal the cgroup hierarchies", serde_json::to_vec(found))?;
        let sealed = memfd::sealed("lithos-cgroups", &json);
        let sealed = step("seal the cgroup hierarchies", sealed)?;
        Ok(self.cgroups.get_or_init(|| sealed))
    }

    fn cgroups(&self) -> Result<&OwnedFd, LaunchError> {
        match self.cgroups.get() {
            Some(sealed) => Ok(sealed),
            None => self.tell_cgroups(&step("find the cgroup hierarchies", Hierarchies::find())?),
        }
    }

    fn spawn(
        &self,
        plan: &Plan,
        given: &Given<'_>,
        standard: Option<&Standard<'_>>,
    ) -> Result<(i32, OwnedFd), LaunchError> {
        let usual = Standard {
            three: [self.null.as_fd(), given.stdio.as_fd(), given.stdio.as_fd()],
            terminal: None,
            replaced: Vec::new(),
        };
        let standard = standard.unwrap_or(&usual);
        let launch = Launch {
            name: plan.name.clone(),
            plan: given.plan.as_raw_fd(),
            report: given.report.as_raw_fd(),
            gate: Some(given.gate.as_raw_fd()),
            stdio: given.stdio.as_raw_fd(),
            cgroups: given.cgroups.map(|cgroups| cgroups.as_raw_fd()),
            sockets: given.socket_numbers(),
            terminal: standard.terminal.map(|socket| socket.as_raw_fd()),
            replaced: standard.replaced.clone(),
        };
        let args = launch.to_args().into_iter().map(CString::new);
        let own_four = [&given.plan, &given.report, &given.gate, &given.stdio];
        let [stdin, stdout, stderr] = standard.three;
        let spawn = Spawn {
            program: self.program.as_fd(),
            args: args.collect::<Result<_, _>>()?,
            namespaces: NAMESPACES,
            stdin,
            stdout,
            stderr,
            keep: own_four
                .into_iter()
                .chain(&given.sockets)
                .map(AsFd::as_fd)
                .chain(given.cgroups)
                .chain(standard.terminal)
                .collect(),
        };
        step("spawn lithos_knot", spawn.start())
    }
}

/// The program, on a read-only mount that is not attached anywhere: whoever gets
/// hold of it in a container, by executing it or through `/proc`, cannot write it,
/// whatever its user is. And that mount.
fn read_only(dir: &Path, program: OwnedFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let attributes = READONLY | NOSUID | NODEV;
    let shield = mount::clone_of(mount::open_directory(dir)?, attributes)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let again = openat(&shield, "lithos_knot", flags, Mode::empty())?;
    let (one, other) = (fstat(&program)?, fstat(&again)?);
    match (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) {
        // Of its directory, so that `ps` shows its name.
        true => Ok((again, shield)),
        // It is a symlink, or itself mounted there.
        false => Ok((mount::clone_of(program, attributes)?, shield)),
    }
}

/// Whether this regular file begins as a program of the kernel's does, and is
/// not one that was copied to a full disk.
fn is_elf(program: &OwnedFd) -> bool {
    let mut magic = [0; 4];
    let file = File::open(format!("/proc/self/fd/{}", program.as_raw_fd()));
    let read = file.and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

/// What a knot has as 0, 1 and 2.
pub struct Standard<'a> {
    /// The three; never a terminal of the host.
    pub three: [BorrowedFd<'a>; 3],
    /// Where to send the master of the container's own terminal.
    pub terminal: Option<BorrowedFd<'a>>,
    /// Which of 0, 1 and 2 that terminal takes the place of.
    pub replaced: Vec<RawFd>,
}

/// A knot that waits at the gate; it goes away by itself if this is dropped.
#[derive(Debug)]
pub struct Launched {
    /// The knot.
    pub pidfd: OwnedFd,
    opener: OwnedFd,
}

impl Launched {
    /// Lets the knot go on. Returns its pidfd, and the other end of the gate,
    /// which a command's caller holds for as long as the command may run.
    pub fn release(self) -> (OwnedFd, OwnedFd) {
        // A knot that is gone already is noticed by its pidfd.
        let _ = rustix::io::write(&self.opener, b".");
        (self.pidfd, self.opener)
    }
}

/// Ends a knot that cannot be supervised, and waits until nothing of it is left.
pub fn undo(pidfd: &OwnedFd) {
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    let _ = pidfd::wait(pidfd);
}

/// The descriptors that a knot is given.
struct Given<'a> {
    plan: OwnedFd,
    report: OwnedFd,
    gate: OwnedFd,
    stdio: OwnedFd,
    cgroups: Option<BorrowedFd<'a>>,
    sockets: Vec<OwnedFd>,
}

impl Given<'_> {
    fn socket_numbers(&self) -> Vec<RawFd> {
        self.sockets.iter().map(AsRawFd::as_raw_fd).collect()
    }
}

/// The JSON of a plan, for a knot.
fn seal(plan: &[u8]) -> io::Result<OwnedFd> {
    memfd::sealed("lithos-plan", plan)
}

/// The sandbox's stdio log, without the `O_NONBLOCK` that only opening needs.
/// Where the disk is too full for a new file, nothing is logged: a log is no
/// reason for a service to be down.
fn stdio(plan: &Plan) -> Result<OwnedFd, LaunchError> {
    let path = &plan.stdio.log;
    let opened = log::append(path, 0o640).or_else(|err| match err.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let name = &plan.name;
            warn!(target: &log::about(&name.sandbox), "{name}: its output is lost, cannot open {}: {err}", path.display());
            File::options().append(true).open("/dev/null")
        }
        _ => Err(err),
    });
    let file = opened.and_then(|file| {
        fcntl_setfl(&file, OFlags::APPEND)?;
        Ok(file.into())
    });
    file.map_err(|err| LaunchError::Stdio(path.clone(), err))
}

/// All but those that the knot makes itself: of the network, since it connects
/// it to the host's, and of users and cgroups, for the process alone.
const NAMESPACES: i32 =
    libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Logs how far Landlock will restrict the containers on this kernel.
pub fn tell_landlock() {
    let level = Level::of_kernel(&Bind::Ports(Vec::new()));
    match level.complete() {
        true => info!("{level}"),
        false => warn!("{level}; a newer kernel restricts containers further"),
    }
}
