//! The plan of one container: what the knot executes, in order.
//!
//! A plan is data. It can be printed, compared and tested as text; tokens stay
//! sealed in it. Only [`super`] makes plans out of documents, so holding one is
//! the proof that it was checked. It goes to the knot as JSON in a sealed
//! memfd, and into the container's record, where a later supervisor compares it
//! field by field: a new field must have a `serde` default that means what its
//! absence meant, so that a release which adds a field restarts nothing.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::confinement::Seccomp;
use crate::config::process::Kind;
use crate::config::units::{Cores, IdMap};
use crate::confinement::capability::Capability;
use crate::confinement::landlock::Bind;
use crate::confinement::rlimit::Resource;
use crate::name::ContainerName;
use crate::sys::socket::Listen;

pub use secrets::{Content, Form, Piece, Place, Sealed, SecretFile, Secrets};

/// Everything about one container.
///
/// The fields are public for reading; there is deliberately no constructor
/// outside `resolve` but deserialisation, which the knot and the records need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Plan {
    /// Which container.
    pub name: ContainerName,
    /// Supervised or run on demand.
    pub kind: Kind,
    /// The image directory on the host, absolute: the read-only root.
    pub image: PathBuf,
    /// The container config, absolute inside the image, for `LITHOS_CONFIG`.
    pub config: PathBuf,
    /// The empty directory on the host that the new root is attached to.
    pub mount_dir: PathBuf,
    /// The container's host name.
    pub hostname: String,
    /// What is mounted on the root, in this order.
    pub mounts: Vec<Mount>,
    /// Files made from host files and mounted over the image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<MadeFile>,
    /// The user namespace, and the ids of the process in it.
    pub ids: Ids,
    /// What else keeps the process in; none: nothing (a record of before 0.1.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<Confinement>,
    /// What is executed.
    pub process: Process,
    /// The secrets, sealed; all instances share them.
    #[serde(default, skip_serializing_if = "Secrets::is_empty")]
    pub secrets: Rc<Secrets>,
    /// Resource limits of the process.
    pub limits: Limits,
    /// The container's cgroup; none: cgroups are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Cgroup>,
    /// Listening sockets, in the order of their file descriptors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<Socket>,
    /// The network namespace.
    #[serde(default)]
    pub network: Network,
    /// Where stdout and stderr go.
    pub stdio: Stdio,
    /// When it is started again, and stopped for good.
    pub supervision: Supervision,
}

impl Plan {
    /// As a knot and a record get it.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        // As long as most are, rather than grown to it by and by.
        let mut json = Vec::with_capacity(2048);
        serde_json::to_writer(&mut json, self)?;
        Ok(json)
    }

    /// The sockets that whoever starts the knot binds and passes to it; the
    /// others it binds itself, in the container's own network namespace.
    pub fn passed_sockets(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.iter().filter(|socket| self.is_passed(socket))
    }

    /// The plan of another command in this plan's container: all is the same but
    /// what is executed, with the caller's standard input and output and no
    /// socket. The secrets are left out unless they are wanted.
    ///
    /// `command` is its name or path, and its arguments.
    pub fn with_command(&self, command: &[String], with_secrets: bool) -> Option<Self> {
        let (executable, arguments) = command.split_first()?;
        let mut plan = self.clone();
        plan.kind = Kind::Command;
        plan.process.executable = executable.into();
        plan.process.arguments = arguments.to_vec();
        plan.stdio.interactive = true;
        plan.stdio.file = None;
        plan.sockets.clear();
        // Those are there already.
        Rc::make_mut(&mut plan.secrets).files.clear();
        if !with_secrets {
            plan.secrets = Rc::default();
        }
        Some(plan)
    }

    /// Whether set-user-id programs of the image work: only where nobody has
    /// claimed `no_new_privs`, and none of the ids that they could take on is
    /// root's on the host.
    pub fn allows_set_id(&self) -> bool {
        let ids = &self.ids;
        let wanted = |confinement: &Confinement| !confinement.no_new_privileges;
        let root = |map: &IdMap| map.outside == 0;
        self.confinement.as_ref().is_some_and(wanted)
            && ids.user_namespace
            && !ids.uid_map.iter().chain(&ids.gid_map).any(root)
    }

    /// Whether the process may have the user id of the host's root, or rights to his
    /// files.
    pub fn may_be_root(&self) -> bool {
        let confinement = self.confinement.as_ref();
        let capable = confinement.is_some_and(|asked| !asked.capabilities.is_empty());
        self.ids.host_uid == 0 || capable
    }

    /// Whether this is one of [`Plan::passed_sockets`].
    pub fn is_passed(&self, socket: &Socket) -> bool {
        socket.external || self.network == Network::Host
    }
}

/// A directory or file on the host: `base` comes from a config the maintainer
/// wrote, `below` is opened beneath it, following no symlink that leads out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostPath {
    /// Absolute, trusted.
    pub base: PathBuf,
    /// Relative to `base`, empty for `base` itself; not trusted.
    pub below: PathBuf,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mount {
    /// Absolute inside the container.
    pub target: PathBuf,
    /// What is mounted there.
    pub what: MountSource,
}

/// What is mounted. Everything is nosuid; everything but a device directory is
/// nodev; `Statedir` is noexec too, and without [`Confinement::exec_volumes`]
/// so are `Readonly` and `Persistent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// procfs of the container's pid namespace.
    Proc,
    /// sysfs, read-only.
    Sys,
    /// The container's own cgroup, read-only, at `/sys/fs/cgroup`.
    CgroupView,
    /// A private tmpfs `/dev` with the usual devices, `pts`, `ptmx`, `shm`,
    /// `fd`, `stdin`, `stdout` and `stderr`.
    PrivateDev,
    /// A prepared `/dev` of the host (`devfs-dir`), and a `pts` of its own.
    HostDev(PathBuf),
    /// A host directory, read-only.
    Readonly(HostPath),
    /// A host directory, writable.
    Persistent {
        /// Which.
        host: HostPath,
        /// Make it if it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        make: Option<Owner>,
    },
    /// A tmpfs.
    Tmpfs {
        /// Bytes.
        size: u64,
        /// Mode of its root.
        mode: u32,
    },
    /// Where the files of secrets are, read-only; its mount point may be missing
    /// on a tmpfs.
    Secrets,
    /// A directory of the container's small tmpfs of its own.
    Statedir {
        /// Which, relative to the tmpfs's root; empty for the root.
        below: PathBuf,
        /// Its mode and owner.
        owner: Owner,
    },
}

/// What container engines hide in `/proc`: it tells about, or acts on, the
/// whole machine.
pub const MASKED_IN_PROC: &[&str] = &[
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

/// What only root of the host can read in `/proc`, by its mode: where what lies in the
/// machine's memory, and a key of its network. Hidden from a process that
/// [may be him](Plan::may_be_root).
pub const MASKED_FROM_ROOT: &[&str] = &[
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "pagetypeinfo",
    "slabinfo",
    "sys/net/ipv4/tcp_fastopen_key",
    "vmallocinfo",
];

/// What they leave readable in `/proc`.
pub const READONLY_IN_PROC: &[&str] = &["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What they hide in `/sys`.
pub const MASKED_IN_SYS: &[&str] = &["firmware", "devices/virtual/powercap"];

/// What they hide in each processor's directory there: when it was hot, which tells
/// what others do.
pub const MASKED_OF_PROCESSOR: &str = "thermal_throttle";

/// Mode and owner of a directory that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Owner {
    /// Permission bits.
    pub mode: u32,
    /// Host id (already mapped).
    pub uid: u32,
    /// Host id (already mapped).
    pub gid: u32,
}

/// A file made at start on the container's own tmpfs, and mounted read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MadeFile {
    /// Absolute inside the container: `/etc/resolv.conf` or `/etc/hosts`.
    pub target: PathBuf,
    /// A missing (or other than regular) target is an error, not left alone.
    pub insist: bool,
    /// The host file it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<PathBuf>,
    /// What follows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub append: String,
}

impl MadeFile {
    /// The longest host file that is copied, in bytes.
    pub const LONGEST_COPY: u64 = 1 << 20;
}

/// The user namespace and the ids in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ids {
    /// False: the process runs in the host's user namespace.
    pub user_namespace: bool,
    /// Written to `uid_map`; an identity map of every id is written out here.
    pub uid_map: Vec<IdMap>,
    /// Written to `gid_map`.
    pub gid_map: Vec<IdMap>,
    /// The process's user, inside.
    pub uid: u32,
    /// The process's group, inside.
    pub gid: u32,
    /// The same user on the host.
    pub host_uid: u32,
    /// The same group on the host.
    pub host_gid: u32,
}

/// What keeps a process in besides namespaces, mounts and ids.
///
/// Its bounding set, ambient set and the rest are empty but for `capabilities`
/// whether there is one or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Confinement {
    /// All the capabilities it has, ambient ones too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<Capability>,
    /// The system calls it may make, by name.
    pub seccomp: Seccomp,
    /// Whether no program that it executes can have more rights than it has.
    pub no_new_privileges: bool,
    /// Whether programs on `Readonly` and `Persistent` volumes may be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exec_volumes: bool,
    /// What Landlock leaves it beyond what is mounted; none: it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landlock: Option<Landlock>,
}

/// Landlock's rules that mounts do not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Landlock {
    /// TCP ports that may be bound.
    pub bind: Bind,
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Process {
    /// Absolute inside the container; also argument zero. Only in a plan
    /// [with another command](Plan::with_command) it may be relative to the
    /// working directory, or a name to be looked for in `PATH`.
    pub executable: PathBuf,
    /// Arguments from one on, variables replaced.
    pub arguments: Vec<String>,
    /// The whole environment but the secrets, variables replaced.
    pub environ: BTreeMap<String, EnvValue>,
    /// Absolute inside the container.
    pub workdir: PathBuf,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvValue {
    /// This text.
    Text(String),
    /// The process's pid as it sees it itself.
    Pid,
}

/// Resource limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// RLIMIT_NOFILE, soft and hard.
    pub fileno: u64,
    /// Others, soft and hard; none: unlimited. RLIMIT_CORE is 1 if it is not here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<Resource, Option<u64>>,
}

/// The container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cgroup {
    /// The common parent, `cgroup-name`.
    pub parent: String,
    /// The cgroup's own name below it: `<sandbox>:<process>.<n>`.
    pub name: String,
    /// v1 names of the controllers in use: `cpu`, `memory`, `pids`, `name`, `cpuacct`, `blkio`.
    pub controllers: Vec<String>,
    /// Bytes; swap included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Bytes from which on memory is taken back, and the container slowed down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_high: Option<u64>,
    /// Relative weight, 1024 is one share of the usual size.
    pub cpu_shares: u64,
    /// Processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cores>,
    /// Number of tasks.
    pub pids: u64,
}

/// A listening socket handed to the process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Socket {
    /// The file descriptor it has in the process.
    pub fd: u32,
    /// Where it is bound.
    pub address: SocketAddr,
    /// Backlog of `listen`.
    pub backlog: u32,
    /// `SO_REUSEADDR`.
    pub reuse_addr: bool,
    /// `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// Whether it is non-blocking.
    pub non_block: bool,
    /// Bound in the host's network namespace even in a bridged network.
    pub external: bool,
    /// The variable's name for `LISTEN_FDNAMES`, if it is handed over the way
    /// systemd does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<String>,
}

impl Socket {
    /// How it is made, by whoever makes it.
    pub fn listen(&self) -> Listen {
        Listen {
            address: self.address,
            backlog: self.backlog,
            reuse_addr: self.reuse_addr,
            reuse_port: self.reuse_port,
            non_block: self.non_block,
        }
    }
}

/// The network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The host's.
    #[default]
    Host,
    /// One of its own, with loopback only.
    Loopback,
    /// One of its own, on a bridge.
    Bridged {
        /// The bridge's interface name.
        bridge: String,
        /// The container's address.
        address: IpAddr,
        /// The network's prefix length.
        prefix: u8,
        /// The default route.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gateway: Option<IpAddr>,
        /// Run once the interface is up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after_setup: Vec<String>,
    },
}

/// Where stdout and stderr go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stdio {
    /// The sandbox's stdio log on the host, absolute.
    pub log: PathBuf,
    /// A file inside the container instead, for the process itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Commands only: keep stdin, stdout and stderr.
    #[serde(default)]
    pub interactive: bool,
}

/// When a container is started again, and stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Supervision {
    /// Least time between two starts.
    pub restart_timeout: Duration,
    /// The longest wait that failures in a row lead to.
    #[serde(default = "Supervision::usual_restart_timeout_max")]
    pub restart_timeout_max: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub kill_timeout: Duration,
    /// Restart the process inside the kept container.
    #[serde(default)]
    pub restart_process_only: bool,
    /// Exit codes that are no failure.
    #[serde(default)]
    pub normal_exit_codes: Vec<u8>,
}

impl Supervision {
    /// The default of `restart-timeout-max`.
    pub const RESTART_TIMEOUT_MAX: Duration = Duration::from_secs(60);

    fn usual_restart_timeout_max() -> Duration {
        Self::RESTART_TIMEOUT_MAX
    }
}
