//! How a process of a container is confined: the one way, for its start and for
//! whatever else is executed in it.
//!
//! [`Confinement::prepare`] is for the knot, which can still reach every file;
//! [`Confinement::apply`] for the process itself, in its own user namespace and
//! before it touches anything of the image's. The order in there is the
//! kernel's, and each line says why; what follows it in the process may need
//! only what the default profile allows.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

use super::failure::{Attempt, Failure};
use crate::config::confinement::Seccomp;
use crate::confinement::capability::Capability;
use crate::confinement::landlock::{Level, Prepared, Rules};
use crate::confinement::seccomp::Filter;
use crate::resolve::plan::{self, Ids, MountSource, Plan};
use crate::sys::capability::{self, CapabilitySet};
use crate::sys::{keyring, seccomp};

/// What has to be done to a process, as far as it can be made ready.
#[derive(Debug)]
pub struct Confinement {
    ids: Ids,
    capabilities: CapabilitySet,
    no_new_privileges: bool,
    filter: Option<Vec<u8>>,
    landlock: Option<Prepared>,
}

impl Confinement {
    /// For processes that run by `plan` in the container whose root is `root`.
    ///
    /// `reopen`: what of the host's they have open and may open again, by
    /// `/dev/stdout` and its like.
    pub fn prepare(
        plan: &Plan,
        root: BorrowedFd<'_>,
        reopen: Vec<BorrowedFd<'_>>,
    ) -> Result<Self, Failure> {
        let ids = plan.ids.clone();
        let Some(asked) = &plan.confinement else {
            return Ok(Self {
                ids,
                capabilities: CapabilitySet::empty(),
                no_new_privileges: true,
                filter: None,
                landlock: None,
            });
        };
        let rules = asked.landlock.as_ref().map(|landlock| Rules {
            root,
            read: vec!["/".into()],
            execute: vec!["/".into()],
            write: writable(plan),
            reopen,
            bind: landlock.bind.clone(),
        });
        let landlock = rules.as_ref().map(Prepared::new).transpose();
        Ok(Self {
            ids,
            capabilities: set(asked),
            no_new_privileges: asked.no_new_privileges,
            filter: filter(&asked.seccomp)?,
            landlock: landlock.map_err(Failure::Landlock)?,
        })
    }

    /// How far Landlock restricts the processes; none: it is off.
    pub fn landlock(&self) -> Option<Level> {
        self.landlock.as_ref().map(Prepared::level)
    }

    /// The capabilities that a process can only have from whoever makes it, since
    /// no user namespace of its own gives it all of them first.
    pub fn granted_by_host(&self) -> CapabilitySet {
        match self.ids.user_namespace {
            true => CapabilitySet::empty(),
            false => self.capabilities,
        }
    }

    /// Takes on the plan's user and group, and gives up every right beyond
    /// theirs and what the plan grants, now or later.
    pub fn apply(&self) -> Result<(), Failure> {
        // While root's quota of keys counts, and before seccomp refuses it.
        keyring::join_new_session().cannot("make", "a session keyring")?;
        // The last that needs CAP_SETPCAP.
        capability::bound_to(self.capabilities).cannot("empty", "the capability bounding set")?;
        // Both need CAP_SYS_ADMIN, since no_new_privs may not be wanted.
        if let Some(landlock) = &self.landlock {
            landlock.restrict_self().map_err(Failure::Landlock)?;
        }
        if let Some(filter) = &self.filter {
            seccomp::install(filter).cannot("install", "the seccomp filter")?;
        }
        self.take_ids()?;
        if self.no_new_privileges {
            set_no_new_privs(true).cannot("give up", "new privileges")?;
        }
        // Nobody of the same user in here may look before the exec.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).cannot("close", "the memory to others")
    }

    fn take_ids(&self) -> Result<(), Failure> {
        let ids = &self.ids;
        let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
        setgroups(&[]).cannot("drop", "the supplementary groups")?;
        setresgid(gid, gid, gid).cannot("become the group", ids.gid)?;
        // Who stops being root loses what is permitted, too, unless it is kept.
        capability::keep_over_new_ids().cannot("keep", "the capabilities")?;
        setresuid(uid, uid, uid).cannot("become the user", ids.uid)?;
        capability::hold(self.capabilities).cannot("drop", "the capabilities")
    }
}

/// Sets the process's own resource limits; the last thing before its exec.
pub fn limit(limits: &plan::Limits, memlock: Rlimit) -> rustix::io::Result<()> {
    setrlimit(Resource::Memlock, memlock)?;
    for (resource, &value) in &limits.others {
        setrlimit(resource.kernels(), both(value))?;
    }
    setrlimit(Resource::Nofile, both(Some(limits.fileno)))
}

/// The same soft and hard limit; none: unlimited.
pub fn both(value: Option<u64>) -> Rlimit {
    Rlimit {
        current: value,
        maximum: value,
    }
}

fn set(asked: &plan::Confinement) -> CapabilitySet {
    let bits = asked.capabilities.iter().copied().map(Capability::bit);
    CapabilitySet::from_bits_retain(bits.fold(0, |set, bit| set | bit))
}

fn filter(asked: &Seccomp) -> Result<Option<Vec<u8>>, Failure> {
    let filter = match asked {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default => Filter::default_profile(),
        Seccomp::Allow(names) => {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            Filter::with_allowed(&names).map_err(Failure::Seccomp)?
        }
    };
    Ok(Some(filter.bytes()))
}

/// What a process may write as far as Landlock goes: what is mounted writable.
fn writable(plan: &Plan) -> Vec<PathBuf> {
    let volumes = plan.mounts.iter().filter(|mount| {
        matches!(
            mount.what,
            MountSource::Persistent { .. }
                | MountSource::Tmpfs { .. }
                | MountSource::Statedir { .. }
                | MountSource::Proc
                | MountSource::PrivateDev
                | MountSource::HostDev(_)
        )
    });
    volumes.map(|mount| mount.target.clone()).collect()
}
