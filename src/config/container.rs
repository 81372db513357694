//! `<image>/config/ANY.yaml`: what to run and what it needs. Not trusted.
//!
//! The types come first; how they are read is in `container/reading.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::secret::{SecretFiles, SecretMap, SecretTemplates};
use super::units::{Cores, IdMap};
use crate::problem::{Problem, Source};

mod reading;
mod volumes;

/// Reads a container config; none if there is any problem.
pub fn read_container(source: &Arc<Source>) -> (Option<Container>, Vec<Problem>) {
    super::reader::whole(source, reading::container)
}

/// Reads a container config; what has a problem is as if it were not given. None
/// if nothing can be told of it.
pub fn read_container_in_part(source: &Arc<Source>) -> (Option<Container>, Vec<Problem>) {
    super::reader::document(source, |root| {
        root.refuse_duplicates();
        reading::container(root)
    })
}

/// Reads a secrets file, whose [`Source`] must be marked as secret; none if
/// there is any problem.
pub fn read_secrets_file(source: &Arc<Source>) -> (Option<SecretMap>, Vec<Problem>) {
    super::reader::whole(source, super::secret::variables)
}

/// A container config, as written. `metadata` is not looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// What it may be run as.
    pub kind: ContainerKind,
    /// Absolute path inside the container.
    pub executable: PathBuf,
    /// Without argument zero; variables not replaced.
    pub arguments: Vec<String>,
    /// The environment; variables not replaced.
    pub environ: BTreeMap<String, String>,
    /// Variable → secret.
    pub secret_environ: SecretMap,
    /// A YAML file with such a map, relative to this config's directory.
    pub secret_environ_file: Option<PathBuf>,
    /// Files with a secret each.
    pub secret_files: SecretFiles,
    /// Files with secrets in the midst.
    pub secret_templates: SecretTemplates,
    /// Without what the sandbox has for every container.
    pub no_default_secrets: bool,
    /// Working directory.
    pub workdir: PathBuf,
    /// None: the sandbox's default.
    pub user_id: Option<u32>,
    /// None: the sandbox's default.
    pub group_id: Option<u32>,
    /// The user namespace; empty: the sandbox's.
    pub uid_map: Vec<IdMap>,
    /// The user namespace; empty: the sandbox's.
    pub gid_map: Vec<IdMap>,
    /// Absolute mount point → volume.
    pub volumes: BTreeMap<PathBuf, Volume>,
    /// Bytes of memory of the whole container; none: the sandbox's ceiling.
    pub memory_limit: Option<u64>,
    /// Bytes of memory from which on the kernel takes it back and slows the
    /// container down; none: only at the limit.
    pub memory_high: Option<u64>,
    /// Processor time; none: the sandbox's ceiling.
    pub cpu_limit: Option<Cores>,
    /// Number of tasks; none: the sandbox's ceiling.
    pub pids_limit: Option<u64>,
    /// Relative CPU weight; none: the usual, or the sandbox's ceiling if that is lower.
    pub cpu_shares: Option<u64>,
    /// RLIMIT_NOFILE, soft and hard; none: as with `cpu_shares`.
    pub fileno_limit: Option<u64>,
    /// Least time between two starts.
    pub restart_timeout: Duration,
    /// The longest wait that failures in a row lead to, 60 s by default.
    pub restart_timeout_max: Duration,
    /// Time between SIGTERM and SIGKILL; none: as with `cpu_shares`.
    pub kill_timeout: Option<Duration>,
    /// Restart the process inside the kept container.
    pub restart_process_only: bool,
    /// Exit codes that are no failure.
    pub normal_exit_codes: Vec<u8>,
    /// Commands only: keep stdin, stdout, stderr.
    pub interactive: bool,
    /// Path inside the container, on a writable volume.
    pub stdout_stderr_file: Option<PathBuf>,
    /// What is mounted over `/etc/resolv.conf`.
    pub resolv_conf: ResolvConf,
    /// What is mounted over `/etc/hosts`.
    pub hosts_file: HostsFile,
    /// Port (or a text with variables) → its socket.
    pub tcp_ports: BTreeMap<String, TcpPort>,
    /// Declared variables.
    pub variables: BTreeMap<String, Variable>,
}

impl Container {
    /// The default of `cpu-shares`.
    pub const CPU_SHARES: u64 = 1024;
    /// The default of `fileno-limit`.
    pub const FILENO_LIMIT: u64 = 1024;
    /// The default of `kill-timeout`.
    pub const KILL_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default of `size` of a tmpfs.
    pub const TMPFS_SIZE: u64 = 100 << 20;
}

/// What a container config may be run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContainerKind {
    /// Supervised only.
    #[default]
    Daemon,
    /// On demand only.
    Command,
    /// Either.
    CommandOrDaemon,
}

/// What is mounted at a mount point.
#[derive(Debug, Clone, PartialEq)]
pub enum Volume {
    /// A virtual directory, read-only.
    Readonly {
        /// At or under a virtual directory of the sandbox.
        path: PathBuf,
    },
    /// A virtual directory, writable.
    Persistent {
        /// At or under a virtual directory in `writable-paths`.
        path: PathBuf,
        /// Make the host directory if it is missing.
        mkdir: bool,
        /// Mode of a directory made.
        mode: u32,
        /// Owner of a directory made, an id inside the container.
        user: u32,
        /// Group of a directory made, an id inside the container.
        group: u32,
    },
    /// A tmpfs of its own.
    Tmpfs {
        /// Bytes; none: the usual, or the sandbox's ceiling if that is lower.
        size: Option<u64>,
        /// Mode of its root.
        mode: u32,
    },
    /// A directory of the container's own small tmpfs.
    Statedir {
        /// Which directory of it.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner, an id inside the container.
        user: u32,
        /// Its group, an id inside the container.
        group: u32,
    },
}

/// `auto`, `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// Where it fits.
    #[default]
    Auto,
    /// Insist.
    Yes,
    /// Leave alone.
    No,
}

/// What is mounted over `/etc/resolv.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvConf {
    /// Mount it at all.
    pub mount: Choice,
    /// Copy the sandbox's host file.
    pub copy_from_host: bool,
}

/// What is mounted over `/etc/hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostsFile {
    /// Mount it at all.
    pub mount: Choice,
    /// Copy the sandbox's host file.
    pub copy_from_host: bool,
    /// Write lines for `localhost`; auto: if not copied from the host.
    pub localhost: Choice,
    /// Write a line for the host's name; auto: if not copied from the host.
    pub public_hostname: Choice,
}

/// A listening socket handed to the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpPort {
    /// The file descriptor it is handed over as.
    pub fd: u32,
    /// Address to bind.
    pub host: IpAddr,
    /// Backlog of `listen`.
    pub listen_backlog: u32,
    /// `SO_REUSEADDR`.
    pub reuse_addr: bool,
    /// `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// Hand it over non-blocking.
    pub set_non_block: bool,
    /// Bind in the host's network namespace even in a bridged network.
    pub external: bool,
}

/// A declared variable: which values it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// A TCP port.
    TcpPort {
        /// Hand over a listening socket the way systemd does.
        systemd_activation: bool,
    },
    /// One of these.
    Choice(Vec<String>),
    /// `^[0-9a-zA-Z_-]+$`.
    Name,
    /// Dot-separated names.
    DottedName,
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            mount: Choice::Auto,
            copy_from_host: true,
        }
    }
}

impl Default for HostsFile {
    fn default() -> Self {
        Self {
            mount: Choice::Auto,
            copy_from_host: true,
            localhost: Choice::Auto,
            public_hostname: Choice::Auto,
        }
    }
}
