//! `/etc/lithos/master.yaml`: directories, cgroups, logging.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::reader::{self, Value};
use super::units::LogLevel;
use super::values::{absolute, below, list, log_level, path, word};
use crate::problem::{Problem, Source};

/// The master config, as written; relative paths are relative to what
/// the documentation of each key names.
#[derive(Debug, Clone, PartialEq)]
pub struct Master {
    /// Where the sandbox configs are; relative to the master config's directory.
    pub sandboxes_dir: PathBuf,
    /// Where the process configs are; relative to the master config's directory.
    pub processes_dir: PathBuf,
    /// Pid file, records, mount point; absolute.
    pub runtime_dir: PathBuf,
    /// The supervisor's records; relative to `runtime_dir`.
    pub state_dir: PathBuf,
    /// An empty directory used as mount point; relative to `runtime_dir`.
    pub mount_dir: PathBuf,
    /// A prepared `/dev`; none: each container gets a private one.
    pub devfs_dir: Option<PathBuf>,
    /// Parent of all container cgroups; none: no cgroups.
    pub cgroup_name: Option<String>,
    /// The controllers to use.
    pub cgroup_controllers: Vec<Controller>,
    /// Master and supervisor logs.
    pub default_log_dir: PathBuf,
    /// A log of loaded process configs for each sandbox; none: turned off.
    pub config_log_dir: Option<PathBuf>,
    /// Where stdout and stderr of the containers go.
    pub stdio_log_dir: PathBuf,
    /// The supervisor's log; relative to `default_log_dir`.
    pub log_file: PathBuf,
    /// How much it tells.
    pub log_level: LogLevel,
    /// Log to syslog instead of files.
    pub syslog_facility: Option<String>,
    /// TCP address for the metrics, besides the Unix socket.
    pub metrics_listen: Option<SocketAddr>,
    /// The supervisor's name in syslog; children use `lithos-<sandbox>`.
    pub syslog_app_name: String,
}

/// A cgroup controller that may be named in `cgroup-controllers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Number of tasks.
    Pids,
    /// The named hierarchy of v1; means nothing on v2.
    Name,
    /// CPU accounting of v1; means nothing on v2.
    Cpuacct,
    /// Block IO (`io` on v2).
    Io,
}

impl Default for Master {
    fn default() -> Self {
        Self {
            sandboxes_dir: "./sandboxes".into(),
            processes_dir: "./processes".into(),
            runtime_dir: "/run/lithos".into(),
            state_dir: "state".into(),
            mount_dir: "mnt".into(),
            devfs_dir: None,
            cgroup_name: Some("lithos.slice".into()),
            cgroup_controllers: vec![Controller::Cpu, Controller::Memory, Controller::Pids],
            default_log_dir: "/var/log/lithos".into(),
            config_log_dir: Some("/var/log/lithos/config".into()),
            stdio_log_dir: "/var/log/lithos/stderr".into(),
            log_file: "master.log".into(),
            log_level: LogLevel::Warn,
            syslog_facility: None,
            metrics_listen: None,
            syslog_app_name: "lithos".into(),
        }
    }
}

/// Reads a master config; none if there is any problem.
pub fn read_master(source: &Arc<Source>) -> (Option<Master>, Vec<Problem>) {
    reader::whole(source, master)
}

fn master(root: &Value<'_>) -> Option<Master> {
    let default = Master::default();
    let mut map = root.map("a mapping")?;
    let syslog_app_name = map
        .get_by("syslog-app-name", &["syslog-name"])
        .map_or(Some(default.syslog_app_name), |value| app_name(&value));
    let master = Master {
        sandboxes_dir: map.or("sandboxes-dir", default.sandboxes_dir, path),
        processes_dir: map.or("processes-dir", default.processes_dir, path),
        runtime_dir: map.or("runtime-dir", default.runtime_dir, absolute),
        state_dir: map.or("state-dir", default.state_dir, below),
        mount_dir: map.or("mount-dir", default.mount_dir, below),
        devfs_dir: map.optional("devfs-dir", absolute),
        cgroup_name: map.nullable("cgroup-name", default.cgroup_name, cgroup_name),
        cgroup_controllers: map.or("cgroup-controllers", Vec::new(), controllers),
        default_log_dir: map.or("default-log-dir", default.default_log_dir, absolute),
        config_log_dir: map.nullable("config-log-dir", default.config_log_dir, absolute),
        stdio_log_dir: map.or("stdio-log-dir", default.stdio_log_dir, absolute),
        log_file: map.or("log-file", default.log_file, path),
        log_level: map.or("log-level", default.log_level, log_level),
        syslog_facility: map.optional("syslog-facility", facility),
        metrics_listen: map.optional("metrics-listen", listen_address),
        syslog_app_name: String::new(),
    };
    map.finish();
    let master = Master {
        syslog_app_name: syslog_app_name?,
        ..master
    };
    Some(match master.cgroup_controllers.is_empty() {
        true => Master {
            cgroup_controllers: default.cgroup_controllers,
            ..master
        },
        false => master,
    })
}

fn cgroup_name(value: &Value<'_>) -> Option<String> {
    below(value)?.to_str().map(str::to_owned)
}

fn controllers(value: &Value<'_>) -> Option<Vec<Controller>> {
    list(
        "a list of controllers",
        word(&[
            ("cpu", Controller::Cpu),
            ("memory", Controller::Memory),
            ("pids", Controller::Pids),
            ("name", Controller::Name),
            ("cpuacct", Controller::Cpuacct),
            ("blkio", Controller::Io),
            ("io", Controller::Io),
        ]),
    )(value)
}

/// The facilities of syslog(3).
fn facility(value: &Value<'_>) -> Option<String> {
    const FACILITIES: &[(&str, &str)] = &[
        ("kern", "kern"),
        ("user", "user"),
        ("mail", "mail"),
        ("daemon", "daemon"),
        ("auth", "auth"),
        ("syslog", "syslog"),
        ("lpr", "lpr"),
        ("news", "news"),
        ("uucp", "uucp"),
        ("cron", "cron"),
        ("authpriv", "authpriv"),
        ("ftp", "ftp"),
        ("local0", "local0"),
        ("local1", "local1"),
        ("local2", "local2"),
        ("local3", "local3"),
        ("local4", "local4"),
        ("local5", "local5"),
        ("local6", "local6"),
        ("local7", "local7"),
    ];
    word(FACILITIES)(value).map(str::to_owned)
}

fn listen_address(value: &Value<'_>) -> Option<SocketAddr> {
    let parsed = value.scalar("an address and port")?.parse();
    // Port 0 is any port, which nobody would find.
    parsed
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0)
        .or_else(|| {
            value.refuse(
                "this is no address and port",
                Some("write it as 127.0.0.1:9100 or [::1]:9100"),
            )
        })
}

fn app_name(value: &Value<'_>) -> Option<String> {
    let name = value.scalar("a name")?;
    let printable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    match printable && name.len() <= 48 {
        true => Some(name.to_owned()),
        false => value.refuse(
            "a name in syslog is 1 to 48 printable ASCII characters",
            None,
        ),
    }
}
