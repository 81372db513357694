//! `/etc/lithos/sandboxes/NAME.yaml`: what an application may use.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lithos_crypt::Namespace;

use super::confinement::{Confinement, confinement};
use super::ip_network::IpNetwork;
use super::reader::{self, Value};
use super::secret::{self, DefaultSecrets};
use super::units::{Cores, IdMap, LogLevel, Range};
use super::values::{
    absolute, absolute_key, address, boolean, cores, duration, id, id_maps, id_ranges, integer,
    list, log_level, mapping, namespaces, network, path, port_ranges, small, text, texts,
};
use crate::problem::{Problem, Source};

/// As many tasks as the kernel can number (`PID_MAX_LIMIT`); `pids.max` takes no more.
const MOST_PIDS: u64 = 4_194_304;

/// A sandbox config, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Sandbox {
    /// The process config, relative to `processes-dir`; none: `NAME.yaml`.
    pub config_file: Option<PathBuf>,
    /// Images are directories under it.
    pub image_dir: PathBuf,
    /// Number of path components of an image name, 1–16.
    pub image_dir_levels: u32,
    /// A text file, an image a line, for `lithos_clean`.
    pub used_images_list: Option<PathBuf>,
    /// May `lithos_clean` delete from `image_dir`.
    pub auto_clean: bool,
    /// The supervisor's log for this sandbox; none: `NAME.log`.
    pub log_file: Option<PathBuf>,
    /// Its level; none: the master's.
    pub log_level: Option<LogLevel>,
    /// Virtual directory → host directory that containers can read.
    pub readonly_paths: BTreeMap<PathBuf, PathBuf>,
    /// Virtual directory → host directory that containers can write.
    pub writable_paths: BTreeMap<PathBuf, PathBuf>,
    /// User ids a container may run as.
    pub allow_users: Vec<Range>,
    /// Group ids a container may run as.
    pub allow_groups: Vec<Range>,
    /// Used when the container config has no `user-id`.
    pub default_user: Option<u32>,
    /// Used when the container config has no `group-id`.
    pub default_group: u32,
    /// Ports that may be bound in the host's network namespace.
    pub allow_tcp_ports: Vec<Range>,
    /// Ceilings, and defaults for containers that name none.
    pub limits: Limits,
    /// False runs containers in the host's user namespace.
    pub user_namespace: bool,
    /// What of the confinement is loosened.
    pub confinement: Confinement,
    /// Appended to the container's `hosts`.
    pub additional_hosts: BTreeMap<String, IpAddr>,
    /// The containers' user namespace; empty: identity.
    pub uid_map: Vec<IdMap>,
    /// The containers' user namespace; empty: identity.
    pub gid_map: Vec<IdMap>,
    /// The host file copied for containers.
    pub resolv_conf: PathBuf,
    /// The host file copied for containers.
    pub hosts_file: PathBuf,
    /// The bridge the containers' interfaces are attached to.
    pub bridged_network: Option<BridgedNetwork>,
    /// OpenSSH Ed25519 private key files; `$CREDENTIALS_DIRECTORY` not expanded.
    pub secrets_private_key: Vec<PathBuf>,
    /// What a process config's `extra-secrets-namespaces` may add.
    pub allow_extra_secrets_namespaces: Vec<Namespace>,
    /// What every container gets that does not opt out.
    pub default_secrets: DefaultSecrets,
    /// Namespaces whose secrets containers may read.
    pub secrets_namespaces: Vec<Namespace>,
}

/// Ceilings for every container of a sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of memory; none: no ceiling.
    pub memory: Option<u64>,
    /// Processor time; none: no ceiling.
    pub cpu: Option<Cores>,
    /// Number of tasks.
    pub pids: u64,
    /// Relative CPU weight.
    pub cpu_shares: u64,
    /// RLIMIT_NOFILE.
    pub fileno: u64,
    /// Instances of one process.
    pub instances: u32,
    /// Bytes of one `!Tmpfs` volume.
    pub tmpfs: u64,
    /// Time between SIGTERM and SIGKILL.
    pub kill_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: None,
            cpu: None,
            pids: 4096,
            cpu_shares: 262_144,
            fileno: 1_048_576,
            instances: 1000,
            tmpfs: 1 << 30,
            kill_timeout: Duration::from_secs(300),
        }
    }
}

/// A bridge on the host, and the network on it.
#[derive(Debug, Clone, PartialEq)]
pub struct BridgedNetwork {
    /// The bridge's interface name.
    pub bridge: String,
    /// The network's address, with host bits zero.
    pub network: IpNetwork,
    /// The default route, if any.
    pub default_gateway: Option<IpAddr>,
    /// Run once the interface is up; an absolute program and its arguments.
    pub after_setup_command: Vec<String>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            config_file: None,
            image_dir: "/var/lib/lithos/containers".into(),
            image_dir_levels: 1,
            used_images_list: None,
            auto_clean: true,
            log_file: None,
            log_level: None,
            readonly_paths: BTreeMap::new(),
            writable_paths: BTreeMap::new(),
            allow_users: Vec::new(),
            allow_groups: Vec::new(),
            default_user: None,
            default_group: 0,
            allow_tcp_ports: Vec::new(),
            limits: Limits::default(),
            user_namespace: true,
            confinement: Confinement::default(),
            additional_hosts: BTreeMap::new(),
            uid_map: Vec::new(),
            gid_map: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
            hosts_file: "/etc/hosts".into(),
            bridged_network: None,
            secrets_private_key: Vec::new(),
            allow_extra_secrets_namespaces: Vec::new(),
            default_secrets: DefaultSecrets::default(),
            secrets_namespaces: vec!["".parse().expect("the empty namespace is valid")],
        }
    }
}

/// Reads a sandbox config; none if there is any problem.
pub fn read_sandbox(source: &Arc<Source>) -> (Option<Sandbox>, Vec<Problem>) {
    reader::whole(source, sandbox)
}

/// Reads a sandbox config; what has a problem is as if it were not given.
pub fn read_sandbox_in_part(source: &Arc<Source>) -> (Option<Sandbox>, Vec<Problem>) {
    reader::document(source, |root| {
        root.refuse_duplicates();
        sandbox(root)
    })
}

fn sandbox(root: &Value<'_>) -> Option<Sandbox> {
    let default = Sandbox::default();
    let mut map = root.map("a mapping")?;
    let sandbox = Sandbox {
        config_file: map.optional("config-file", path),
        image_dir: map.or("image-dir", default.image_dir, absolute),
        image_dir_levels: map.or("image-dir-levels", 1, small(1, 16)),
        used_images_list: map.optional("used-images-list", absolute),
        auto_clean: map.or("auto-clean", true, boolean),
        log_file: map.optional("log-file", path),
        log_level: map.optional("log-level", log_level),
        readonly_paths: map.or("readonly-paths", BTreeMap::new(), host_paths),
        writable_paths: map.or("writable-paths", BTreeMap::new(), host_paths),
        allow_users: map.or("allow-users", Vec::new(), id_ranges),
        allow_groups: map.or("allow-groups", Vec::new(), id_ranges),
        default_user: map.optional("default-user", id),
        default_group: map.or("default-group", 0, id),
        allow_tcp_ports: map.or("allow-tcp-ports", Vec::new(), port_ranges),
        limits: map.or("limits", default.limits, limits),
        user_namespace: map.or("user-namespace", true, boolean),
        confinement: confinement(&mut map),
        additional_hosts: map.or("additional-hosts", BTreeMap::new(), hosts),
        uid_map: map.or("uid-map", Vec::new(), id_maps),
        gid_map: map.or("gid-map", Vec::new(), id_maps),
        resolv_conf: map.or("resolv-conf", default.resolv_conf, absolute),
        hosts_file: map.or("hosts-file", default.hosts_file, absolute),
        bridged_network: map.optional("bridged-network", bridged_network),
        secrets_private_key: map.or("secrets-private-key", Vec::new(), key_files),
        allow_extra_secrets_namespaces: map.or(
            "allow-extra-secrets-namespaces",
            Vec::new(),
            namespaces,
        ),
        default_secrets: map.or("default-secrets", default.default_secrets, secret::defaults),
        secrets_namespaces: map.or("secrets-namespaces", default.secrets_namespaces, namespaces),
    };
    let id_map = map.find("uid-map").or(map.find("gid-map"));
    let mapped = !(sandbox.uid_map.is_empty() && sandbox.gid_map.is_empty());
    if let (false, true, Some(id_map)) = (sandbox.user_namespace, mapped, id_map) {
        id_map.refuse_key::<()>(
            "an id map needs a user namespace",
            Some("leave out the map or `user-namespace: false`"),
        );
    }
    map.finish();
    Some(sandbox)
}

/// Virtual directory → host directory.
fn host_paths(value: &Value<'_>) -> Option<BTreeMap<PathBuf, PathBuf>> {
    let what = "a mapping of virtual directory to host directory";
    mapping(what, absolute_key, absolute)(value)
}

fn limits(value: &Value<'_>) -> Option<Limits> {
    let default = Limits::default();
    let mut map = value.map("a mapping")?;
    let limits = Limits {
        memory: map.optional("memory", integer(1, u64::MAX)),
        cpu: map.optional("cpu", cores),
        pids: map.or("pids", default.pids, integer(1, MOST_PIDS)),
        cpu_shares: map.or("cpu-shares", default.cpu_shares, integer(1, u64::MAX)),
        fileno: map.or("fileno", default.fileno, integer(1, u64::MAX)),
        instances: map.or("instances", default.instances, small(0, u32::MAX)),
        tmpfs: map.or("tmpfs", default.tmpfs, integer(0, u64::MAX)),
        kill_timeout: map.or("kill-timeout", default.kill_timeout, duration),
    };
    map.finish();
    Some(limits)
}

fn hosts(value: &Value<'_>) -> Option<BTreeMap<String, IpAddr>> {
    mapping("a mapping of name to address", host_name, address)(value)
}

fn host_name(name: &str, value: &Value<'_>) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !name.is_empty() && name.len() <= 253 && name.chars().all(good) {
        true => Some(name.to_owned()),
        false => value.refuse_key(
            "a host name holds only letters, digits, `-`, `_` and `.`",
            None,
        ),
    }
}

fn bridged_network(value: &Value<'_>) -> Option<BridgedNetwork> {
    let mut map = value.map("a mapping with `bridge` and `network`")?;
    let bridge = map.required("bridge", interface);
    let network = map.required("network", network);
    let gateway = map.get("default-gateway");
    let default_gateway = gateway.as_ref().and_then(address);
    let after_setup_command = map.or("after-setup-command", Vec::new(), command);
    map.finish();
    let (bridge, network) = (bridge?, network?);
    if let (Some(gateway), Some(address)) = (gateway, default_gateway)
        && !network.has_host(address)
    {
        return gateway.refuse("the gateway is no address of a host in `network`", None);
    }
    Some(BridgedNetwork {
        bridge,
        network,
        default_gateway,
        after_setup_command,
    })
}

/// The name of a network interface, by the kernel's rule (`dev_valid_name`).
fn interface(value: &Value<'_>) -> Option<String> {
    let name = text(value)?;
    let strange = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let good = (1..=15).contains(&name.len()) && !matches!(name.as_str(), "." | "..");
    match good && !name.contains(strange) {
        true => Some(name),
        false => value.refuse(
            "an interface's name has 1 to 15 characters, none of them `/`, `:` or white space",
            None,
        ),
    }
}

/// An absolute program and its arguments.
fn command(value: &Value<'_>) -> Option<Vec<String>> {
    if let Some(program) = value.items("a list of texts")?.first() {
        absolute(program)?;
    }
    texts(value)
}

/// One path or a list of them.
fn key_files(value: &Value<'_>) -> Option<Vec<PathBuf>> {
    match value.is_list() {
        true => list("a path or a list of paths", key_file)(value),
        false => Some(vec![key_file(value)?]),
    }
}

fn key_file(value: &Value<'_>) -> Option<PathBuf> {
    let written = value.scalar("a path or a list of paths")?;
    match written.strip_prefix("$CREDENTIALS_DIRECTORY/") {
        Some(rest) if !rest.is_empty() && rest.split('/').all(|part| part != "..") => {
            Some(written.into())
        }
        Some(_) => value.refuse("this names no file in the directory", None),
        None => absolute(value),
    }
}
