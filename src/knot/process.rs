//! From the knot to the container's process: a second fork, its ids, and what
//! it tells of its start.
//!
//! The process is made in a user namespace below the knot's, so it can undo
//! nothing that the knot has done. [`child`](super::child) is its own side.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use super::cgroup::Placement;
use super::child;
use super::confine::{Confinement, both};
use super::failure::{Attempt, Failure};
use super::join::Joined;
use super::owner::Owner;
use super::secrets::KeyFiles;
use super::signals::{Signals, pass_on};
use super::terminal::Terminal;
use crate::config::units::IdMap;
use crate::confinement::rlimit as limited;
use crate::report::Report;
use crate::resolve::plan::Plan;
use crate::sys::clone::Side;
use crate::sys::procfs;

/// What a process is started with.
pub struct Start<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Who the knot is from the first start on, and who owns the user namespaces.
    pub owner: Owner,
    /// What keeps the process in, ready for it to take on.
    pub confinement: Confinement,
    /// The key files, read by the process itself.
    pub keys: KeyFiles,
    /// The files of the plan's secrets, to be filled; none if they are.
    pub secret_files: Vec<OwnedFd>,
    /// The stdio log.
    pub stdio: OwnedFd,
    /// The plan's sockets, in its order.
    pub sockets: &'a [OwnedFd],
    /// The container's own terminal, if the process gets one.
    pub terminal: Option<Terminal>,
    /// A procfs in which the process has the pid that it has here.
    pub proc: OwnedFd,
    /// Where the process is accounted.
    pub cgroup: Placement,
    /// The process's own RLIMIT_MEMLOCK.
    pub memlock: Rlimit,
    /// Where it is one more in a running container; else it is the container's
    /// process, and has new namespaces.
    pub joined: Option<Joined>,
}

/// Sets the knot's own limits: no core file, and as many open files and as much
/// of everything else as its processes need, which lower these once they have
/// it. Gives back what RLIMIT_MEMLOCK was.
pub fn set_limits(plan: &Plan) -> Result<Rlimit, Failure> {
    let (files, memlock) = (getrlimit(Resource::Nofile), getrlimit(Resource::Memlock));
    forbid_core_files(plan).cannot("forbid", "core files")?;
    let highest = files.maximum.map(|hard| hard.max(plan.limits.fileno));
    setrlimit(Resource::Nofile, both(highest))
        .cannot("raise the limit of open files to", plan.limits.fileno)?;
    if !plan.secrets.is_empty() {
        // So that all memory can be locked while secrets are open. The kernel
        // may not let us; then what there is gets locked.
        let _ = setrlimit(Resource::Memlock, both(None));
    }
    for (resource, &value) in &plan.limits.others {
        leave_room(resource.kernels(), value).cannot("raise the limit of", resource.name())?;
    }
    Ok(memlock)
}

/// For the knot, and for every process whose sandbox does not say otherwise.
fn forbid_core_files(plan: &Plan) -> rustix::io::Result<()> {
    // With 0 the kernel still runs a core pattern that is a pipe; 1 it refuses.
    let hard = getrlimit(Resource::Core).maximum;
    let current = Some(hard.unwrap_or(1).min(1));
    let maximum = match plan.limits.others.contains_key(&limited::Resource::CORE) {
        true => hard,
        false => current,
    };
    setrlimit(Resource::Core, Rlimit { current, maximum })
}

/// Raises the knot's own hard limit to what its processes are to have, since
/// they may not; the soft one is the knot's own.
fn leave_room(resource: Resource, value: Option<u64>) -> rustix::io::Result<()> {
    let own = getrlimit(resource);
    let maximum = own.maximum.zip(value).map(|(own, value)| own.max(value));
    let current = own.current;
    setrlimit(resource, Rlimit { current, maximum })
}

/// A process that has executed its program.
pub struct Started {
    /// It.
    pub pid: Pid,
    /// The labels of the tokens that it opened, if some secret has several.
    pub opened: Vec<String>,
}

impl Start<'_> {
    /// Closes all that only a start needs, key files above all.
    pub fn into_cgroup(self) -> Placement {
        self.cgroup
    }

    /// Makes the process and sees it execute the program.
    pub fn process(&self, signals: &Signals) -> Result<Started, Failure> {
        let (tale, tell) = pipe_with(PipeFlags::CLOEXEC).cannot("make", "a pipe")?;
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        let (ready, go) = socketpair(family, SocketType::STREAM, flags, None)
            .cannot("make", "a pair of sockets")?;
        let doors = self.cgroup.doors()?;
        match self.fork().cannot("make", "a process")? {
            Side::Child => {
                drop((go, tale));
                child::run(self, &doors, ready, tell)
            }
            Side::Parent { pid, .. } => {
                drop((ready, tell, doors));
                let pid = Pid::from_raw(pid).expect("a child's pid is not 0");
                let mut go = File::from(go);
                if let Some(terminal) = &self.terminal {
                    // If it has ended instead, that is found out later.
                    let _ = go.read(&mut [0]);
                    terminal.give_to(&self.plan.ids)?;
                }
                self.prepare(pid)?;
                go.write_all(b"!").cannot("release", "the process")?;
                let opened = self.listen(pid, tale, signals)?;
                Ok(Started { pid, opened })
            }
        }
    }

    fn fork(&self) -> io::Result<Side> {
        let flags = match self.maps_ids() {
            true => libc::CLONE_NEWUSER,
            false => 0,
        };
        let cgroup = self.cgroup.to_be_made_in();
        self.owner.fork(flags, cgroup)
    }

    /// Whether the process gets a new user namespace.
    fn maps_ids(&self) -> bool {
        self.plan.ids.user_namespace && self.joined.is_none()
    }

    /// What only the knot may do to the process.
    fn prepare(&self, pid: Pid) -> Result<(), Failure> {
        let ids = &self.plan.ids;
        if self.maps_ids() {
            self.write_map(pid, "uid_map", &ids.uid_map)?;
            self.write_map(pid, "gid_map", &ids.gid_map)?;
        }
        // The supervisor's own may protect it, by the settings of its unit.
        self.write(pid, "oom_score_adj", "0")
    }

    fn write_map(&self, pid: Pid, name: &str, map: &[IdMap]) -> Result<(), Failure> {
        let lines = map
            .iter()
            .map(|map| format!("{} {} {}\n", map.inside, map.outside, map.count));
        self.write(pid, name, &lines.collect::<String>())
    }

    /// Writes a file of the process's in `proc`.
    fn write(&self, pid: Pid, name: &str, text: &str) -> Result<(), Failure> {
        let path = format!("{}/{name}", pid.as_raw_nonzero());
        procfs::open(&self.proc, path, OFlags::WRONLY)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .cannot("set the process's", name)
    }

    /// Waits for the exec, which closes the pipe, or for a failure told on it.
    /// The labels of the tokens that were opened, if those were told.
    fn listen(&self, pid: Pid, tale: OwnedFd, signals: &Signals) -> Result<Vec<String>, Failure> {
        rustix::io::ioctl_fionbio(&tale, true).cannot("prepare", "a pipe")?;
        let mut tale = File::from(tale);
        let mut told = Vec::new();
        loop {
            match tale.read_to_end(&mut told) {
                Ok(_) => break,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                Err(err) => return Err(err).cannot("hear of", "the process"),
            }
            for signal in signals
                .wait(Some(tale.as_fd()), None)
                .cannot("wait for", "a signal")?
            {
                pass_on(signal, pid, self.plan.kind);
            }
        }
        hear(&told)
    }
}

/// What the process has told of its start.
fn hear(told: &[u8]) -> Result<Vec<String>, Failure> {
    let mut lines = told.split(|byte| *byte == b'\n');
    let opened = match told.first() {
        Some(b'[') => lines.next().map(serde_json::from_slice),
        _ => None,
    };
    let failure = lines.next().filter(|line| !line.is_empty());
    match failure.map(serde_json::from_slice) {
        Some(Ok(Report::Failed {
            reason,
            hint,
            status,
            refused,
        })) => Err(Failure::Told {
            reason,
            hint,
            status,
            refused,
        }),
        _ => Ok(opened.and_then(Result::ok).unwrap_or_default()),
    }
}
