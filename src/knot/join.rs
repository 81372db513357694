//! Another command in a container that runs: `lithos_knot --join`.
//!
//! The joiner stands in for the knot. It stays a process of the host's pid
//! namespace, which nothing in the container can see, and takes on the container
//! as the knot has made it: its mounts, its network, its limits. The command is its
//! child and goes through [`child`](super::child) like every process of a
//! container, so it is confined by the same code in the same order; only that
//! the user and the cgroup namespace are not made but joined.
//!
//! From its fork to its exec the child can be seen from inside the container.
//! It is not dumpable in that time, and its memory belongs to the host's user
//! namespace, so nobody in there may look at its memory, descriptors,
//! environment or executable, whatever its ids are. A process in the container
//! that has the same user can kill it, and nothing else.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use nix::sched::CloneFlags;
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, umask,
};

use super::command_line::Join;
use super::failure::{Attempt, Failure};
use super::gate::{self, Gate};
use super::notice::Notices;
use super::owner::Owner;
use super::process::{self, Start};
use super::secrets::KeyFiles;
use super::signals::{Sender, Signals};
use super::terminal::{Request as TerminalRequest, Terminal};
use super::{cgroup, life};
use crate::report::End;
use crate::resolve::plan::Plan;
use crate::sys::{descriptor, limits, mount, namespace, pidfd};

/// What the knot has made; the rest is the process's.
const OF_KNOT: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS);

/// The descriptors of a [`Join`].
struct Given {
    plan: OwnedFd,
    gate: OwnedFd,
    knot: OwnedFd,
    process: OwnedFd,
    terminal: Option<TerminalRequest>,
}

/// Executes the command, and waits for its end.
pub fn run(join: Join) -> ExitCode {
    let (given, report) = match adopt(&join) {
        Ok(given) => given,
        Err(err) => return super::not_open(&err),
    };
    // Only the container's own start and end are told in its stdio log.
    let null = File::options().write(true).open("/dev/null");
    let null = match null {
        Ok(null) => null.into(),
        Err(err) => return super::not_open(&err),
    };
    let mut notices = Notices::new(join.name, report, null);
    let outcome = Signals::block(Sender::Anybody)
        .cannot("block", "the signals")
        .and_then(|signals| enter(given, &signals, &mut notices));
    notices.conclude(outcome)
}

fn adopt(join: &Join) -> io::Result<(Given, OwnedFd)> {
    let mut numbers = vec![join.plan, join.report, join.gate, join.knot, join.process];
    numbers.extend(join.terminal);
    let mut owned = descriptor::adopt_inherited(&numbers)?.into_iter();
    let mut next = || owned.next().expect("as many as numbers");
    let (plan, report, gate, knot, process) = (next(), next(), next(), next(), next());
    let terminal = join.terminal.map(|_| TerminalRequest {
        socket: next(),
        replaced: join.replaced.clone(),
    });
    let given = Given {
        plan,
        gate,
        knot,
        process,
        terminal,
    };
    Ok((given, report))
}

/// Enters the container, runs the command, and waits for its end.
fn enter(given: Given, signals: &Signals, notices: &mut Notices) -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).cannot("close", "the memory to others")?;
    let setting = std::fs::read_to_string("/proc/sys/fs/suid_dumpable");
    refuse_to_be_seen(&setting.cannot("read", "fs.suid_dumpable")?)?;
    let plan: Plan = super::read_sealed(given.plan)?;
    umask(Mode::from_raw_mode(0o022));
    let keys = KeyFiles::open(&plan.secrets)?;
    let cgroup = of_running(&given.process, cgroup::of_process)?;
    let joined = Joined::find(&plan, given.process)?;
    of_running(&given.knot, |knot| {
        limits::take_on(knot).cannot("take on", "the limits of the container")
    })?;
    let memlock = of_running(&joined.process, |process| {
        limits::memlock(process).cannot("read", "the limits of the process")
    })?;
    setrlimit(Resource::Memlock, memlock).cannot("take on", "the limits of the process")?;
    let memlock = process::set_limits(&plan)?;
    let proc = mount::open_directory(Path::new("/proc")).cannot("open", "/proc")?;
    namespace::join(&joined.process, CloneFlags::CLONE_NEWNET).cannot("join", "its network")?;
    namespace::join(&given.knot, OF_KNOT).cannot("join", "its namespaces")?;
    let owner = Owner::draw(&plan.ids).cannot("draw", "a user id for the knot")?;
    let terminal = given.terminal;
    let terminal = terminal.map(|wanted| Terminal::make(wanted, owner));
    let terminal = terminal.transpose()?;
    match gate::pass(Some(&given.gate), signals).cannot("wait for", "lithos_ctl")? {
        Gate::Open => {}
        Gate::SupervisorGone => return Ok(()),
        Gate::Stopped(signal) => {
            notices.ended(End::Signalled(signal), None, None);
            return Ok(());
        }
    }
    let stdio = notices.stdio()?;
    let start = Start {
        plan: &plan,
        owner,
        keys,
        secret_files: Vec::new(),
        confinement: super::confine(&plan, &stdio)?,
        stdio,
        sockets: &[],
        terminal,
        proc,
        cgroup,
        memlock,
        joined: Some(joined),
    };
    life::once(start, Some(given.gate), signals, notices)
}

/// Where that setting is 1, whoever takes on another user can be looked into by
/// that user at once, and there is somebody who might.
fn refuse_to_be_seen(setting: &str) -> Result<(), Failure> {
    match setting.trim() {
        "1" => Err(Failure::Kind {
            action: "enter",
            object: "the container".to_owned(),
            fault: "fs.suid_dumpable is 1, so its processes could look into ours",
            hint: "`sysctl fs.suid_dumpable=0`, as it is by default",
        }),
        _ => Ok(()),
    }
}

/// What is learned, by its pid, of a process that is running before and after.
fn of_running<T>(
    process: &OwnedFd,
    learn: impl FnOnce(i32) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    let pid = pidfd::pid(process).and_then(|pid| pid.ok_or_else(gone));
    let learned = learn(pid.cannot("find", "the container's process")?);
    match pidfd::has_ended(process) {
        true => Err(gone()).cannot("find", "the container's process"),
        false => learned,
    }
}

/// The namespaces that are the process's own.
pub struct Joined {
    process: OwnedFd,
    /// None: it is the host's.
    user: Option<OwnedFd>,
}

impl Joined {
    fn find(plan: &Plan, process: OwnedFd) -> Result<Self, Failure> {
        let user = match plan.ids.user_namespace {
            true => Some(of_running(&process, |pid| {
                user_namespace(pid).cannot("find", "its user namespace")
            })?),
            false => None,
        };
        Ok(Self { process, user })
    }

    /// The child takes its place in them.
    pub fn enter(&self) -> Result<(), Failure> {
        namespace::join(&self.process, CloneFlags::CLONE_NEWCGROUP)
            .cannot("join", "its cgroup namespace")?;
        match &self.user {
            Some(user) => namespace::join(user, CloneFlags::CLONE_NEWUSER)
                .cannot("join", "its user namespace"),
            None => Ok(()),
        }
    }

    /// The child ends with the joiner, whatever ends that. To be called once its
    /// ids are taken, which forgets it.
    pub fn end_with_parent(&self) -> Result<(), Failure> {
        set_parent_process_death_signal(Some(Signal::KILL)).cannot("bind to", "lithos_ctl")?;
        match getppid() {
            // Outside of this pid namespace.
            None => Ok(()),
            Some(_) => Err(Failure::Launch("whoever began it is gone")),
        }
    }
}

/// The user namespace that the knot has made for the process: the process may
/// have made itself another one below.
fn user_namespace(pid: i32) -> io::Result<OwnedFd> {
    let own = File::open("/proc/self/ns/user")?;
    let mut found = OwnedFd::from(File::open(format!("/proc/{pid}/ns/user"))?);
    loop {
        let above = namespace::parent(&found)?;
        if namespace::is_same(&above, &own)? {
            return Ok(found);
        }
        found = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_executed_where_others_could_look_into_it() {
        for setting in ["0\n", "2\n"] {
            refuse_to_be_seen(setting).unwrap();
        }
        let failure = refuse_to_be_seen("1\n").unwrap_err();
        assert_eq!(failure.status(), 125);
    }

    #[test]
    fn nothing_is_learned_of_a_process_that_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pidfd = pidfd::open(child.id().cast_signed()).unwrap();
        child.wait().unwrap();
        assert!(of_running(&pidfd, |_| Ok(())).is_err());
    }

    #[test]
    fn a_process_of_the_hosts_user_namespace_has_none_to_be_joined() {
        assert!(user_namespace(std::process::id().cast_signed()).is_err());
    }
}
