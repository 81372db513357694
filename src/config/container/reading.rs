//! Reading a container config, and the rules that lie within one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::volumes::volumes;
use super::{Choice, Container, ContainerKind, HostsFile, ResolvConf, TcpPort, Variable};
use crate::config::reader::{Value, unknown};
use crate::config::secret::{self, SecretFiles, SecretMap, SecretTemplates, variable_name};
use crate::config::values::{
    absolute, absolute_file, address, boolean, cores, duration, few, id, id_maps, integer, list,
    mapping, path, small, text, texts, word,
};

/// The most that `restart-timeout` may be: a day.
const LONGEST_RESTART_TIMEOUT: Duration = Duration::from_secs(86_400);
/// `restart-timeout-max`, if none is named and `restart-timeout` is below it.
const USUAL_RESTART_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// What systemd activation sets, so that nothing else may.
const ACTIVATION: [&str; 3] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];
/// The first descriptor that is handed over the way systemd does.
const FIRST_ACTIVATION_FD: u32 = 3;

pub(super) fn container(root: &Value<'_>) -> Option<Container> {
    let mut map = root.map("a mapping")?;
    let executable = map.required("executable", absolute_file);
    let restart_timeout = map.or(
        "restart-timeout",
        Duration::from_secs(1),
        restart_timeout_within_a_day,
    );
    let container = Container {
        kind: map.or("kind", ContainerKind::Daemon, kind),
        executable: executable.unwrap_or_default(),
        arguments: map.or("arguments", Vec::new(), texts),
        environ: map.or("environ", BTreeMap::new(), environ),
        secret_environ: map.or("secret-environ", SecretMap::default(), secret::variables),
        secret_environ_file: map.optional("secret-environ-file", path),
        secret_files: map.or("secret-files", SecretFiles::new(), few(secret::files)),
        secret_templates: map.or(
            "secret-templates",
            SecretTemplates::new(),
            few(secret::templates),
        ),
        no_default_secrets: map.or("no-default-secrets", false, boolean),
        workdir: map.or("workdir", "/".into(), absolute),
        user_id: map.optional("user-id", id),
        group_id: map.optional("group-id", id),
        uid_map: map.or("uid-map", Vec::new(), id_maps),
        gid_map: map.or("gid-map", Vec::new(), id_maps),
        volumes: map.or("volumes", BTreeMap::new(), few(volumes)),
        memory_limit: map.optional("memory-limit", integer(1, u64::MAX)),
        memory_high: map.optional("memory-high", integer(1, u64::MAX)),
        cpu_limit: map.optional("cpu-limit", cores),
        pids_limit: map.optional("pids-limit", integer(1, u64::MAX)),
        cpu_shares: map.optional("cpu-shares", integer(1, u64::MAX)),
        fileno_limit: map.optional("fileno-limit", integer(1, u64::MAX)),
        restart_timeout,
        restart_timeout_max: map.or(
            "restart-timeout-max",
            USUAL_RESTART_TIMEOUT_MAX.max(restart_timeout),
            restart_timeout_within_a_day,
        ),
        kill_timeout: map.optional("kill-timeout", duration),
        restart_process_only: map.or("restart-process-only", false, boolean),
        normal_exit_codes: map.or("normal-exit-codes", Vec::new(), exit_codes),
        interactive: map.or("interactive", false, boolean),
        stdout_stderr_file: map.optional("stdout-stderr-file", absolute_file),
        resolv_conf: map.or("resolv-conf", ResolvConf::default(), resolv_conf),
        hosts_file: map.or("hosts-file", HostsFile::default(), hosts_file),
        tcp_ports: map.or("tcp-ports", BTreeMap::new(), few(tcp_ports)),
        variables: map.or("variables", BTreeMap::new(), few(variables)),
    };
    map.get("metadata");
    refuse_contradictions(&container, |key| map.find(key));
    map.finish();
    Some(container)
}

/// The rules about several keys of one document.
fn refuse_contradictions<'a>(
    container: &Container,
    mut given: impl FnMut(&'static str) -> Option<Value<'a>>,
) {
    if container.interactive
        && container.kind == ContainerKind::Daemon
        && let Some(value) = given("interactive")
    {
        value.refuse_key::<()>(
            "only a command can be interactive",
            Some("write `kind: Command` or `kind: CommandOrDaemon`"),
        );
    }
    if container.restart_timeout_max < container.restart_timeout
        && let Some(value) = given("restart-timeout-max")
    {
        value.refuse::<()>("this must not be below `restart-timeout`", None);
    }
    if let (Some(file), Some(_)) = (given("secret-environ-file"), given("secret-environ")) {
        file.refuse_key::<()>("`secret-environ-file` excludes `secret-environ`", None);
    }
    refuse_names_given_twice(container, &mut given);
    refuse_clashing_descriptors(container, &mut given);
}

fn refuse_names_given_twice<'a>(
    container: &Container,
    given: &mut impl FnMut(&'static str) -> Option<Value<'a>>,
) {
    let activated = activated(container) > 0;
    let keys = [
        ("environ", container.environ.keys().collect::<BTreeSet<_>>()),
        (
            "secret-environ",
            container.secret_environ.0.keys().collect(),
        ),
    ];
    for (key, names) in &keys {
        for (name, value) in given(key).map_or(Vec::new(), |value| value.entries_again()) {
            if !names.contains(&name.to_owned()) {
                continue; // refused already
            }
            if activated && ACTIVATION.contains(&name) {
                value.refuse_key::<()>(
                    "this variable is set by systemd activation, which is asked for in `variables`",
                    None,
                );
            }
            if *key == "secret-environ" && container.environ.contains_key(name) {
                value.refuse_key::<()>("this variable stands in `environ` too", None);
            }
        }
    }
}

/// How many sockets are handed over the way systemd does.
fn activated(container: &Container) -> u32 {
    let systemd = |variable: &&Variable| {
        matches!(
            variable,
            Variable::TcpPort {
                systemd_activation: true
            }
        )
    };
    container.variables.values().filter(systemd).count() as u32
}

fn refuse_clashing_descriptors<'a>(
    container: &Container,
    given: &mut impl FnMut(&'static str) -> Option<Value<'a>>,
) {
    let activation = FIRST_ACTIVATION_FD..FIRST_ACTIVATION_FD + activated(container);
    let mut seen = BTreeSet::new();
    for (port, value) in given("tcp-ports").map_or(Vec::new(), |value| value.entries_again()) {
        let Some(port) = container.tcp_ports.get(port) else {
            continue; // refused already
        };
        if !seen.insert(port.fd) {
            value.refuse::<()>("another port has the same `fd`", None);
        } else if activation.contains(&port.fd) {
            value.refuse::<()>("its `fd` is one of those of systemd activation", None);
        } else if u64::from(port.fd) >= container.fileno_limit.unwrap_or(Container::FILENO_LIMIT) {
            value.refuse::<()>("its `fd` is beyond `fileno-limit`", None);
        }
    }
}

fn kind(value: &Value<'_>) -> Option<ContainerKind> {
    word(&[
        ("Daemon", ContainerKind::Daemon),
        ("Command", ContainerKind::Command),
        ("CommandOrDaemon", ContainerKind::CommandOrDaemon),
    ])(value)
}

fn environ(value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    mapping("a mapping of variable to value", variable_name, text)(value)
}

fn restart_timeout_within_a_day(value: &Value<'_>) -> Option<Duration> {
    let timeout = duration(value)?;
    match timeout <= LONGEST_RESTART_TIMEOUT {
        true => Some(timeout),
        false => value.refuse("this must be at most 86400 seconds", None),
    }
}

fn exit_codes(value: &Value<'_>) -> Option<Vec<u8>> {
    let code = |value: &Value<'_>| integer(0, 255)(value).and_then(|code| code.try_into().ok());
    list("a list of exit codes", code)(value)
}

fn choice(value: &Value<'_>) -> Option<Choice> {
    word(&[
        ("auto", Choice::Auto),
        ("true", Choice::Yes),
        ("false", Choice::No),
    ])(value)
}

fn resolv_conf(value: &Value<'_>) -> Option<ResolvConf> {
    let default = ResolvConf::default();
    let mut map = value.map("a mapping")?;
    let read = ResolvConf {
        mount: map.or("mount", default.mount, choice),
        copy_from_host: map.or("copy-from-host", default.copy_from_host, boolean),
    };
    map.finish();
    Some(read)
}

fn hosts_file(value: &Value<'_>) -> Option<HostsFile> {
    let default = HostsFile::default();
    let mut map = value.map("a mapping")?;
    let read = HostsFile {
        mount: map.or("mount", default.mount, choice),
        copy_from_host: map.or("copy-from-host", default.copy_from_host, boolean),
        localhost: map.or("localhost", default.localhost, choice),
        public_hostname: map.or("public-hostname", default.public_hostname, choice),
    };
    map.finish();
    Some(read)
}

fn tcp_ports(value: &Value<'_>) -> Option<BTreeMap<String, TcpPort>> {
    mapping("a mapping of port to socket", port_key, tcp_port)(value)
}

/// A port, or a text with variables that `resolve` puts in.
fn port_key(written: &str, value: &Value<'_>) -> Option<String> {
    let canonical = |port: &u16| *port > 0 && port.to_string() == written;
    match written.contains("@{") || written.parse().as_ref().is_ok_and(canonical) {
        true => Some(written.to_owned()),
        false => value.refuse_key("a port is a number from 1 to 65535, or `@{variable}`", None),
    }
}

fn tcp_port(value: &Value<'_>) -> Option<TcpPort> {
    let mut map = value.map("a mapping with `fd`")?;
    let fd = map.required("fd", descriptor);
    let port = TcpPort {
        fd: fd.unwrap_or_default(),
        host: map.or("host", IpAddr::V4(Ipv4Addr::UNSPECIFIED), listen_host),
        listen_backlog: map.or("listen-backlog", 128, small(0, i32::MAX as u32)),
        reuse_addr: map.or("reuse-addr", true, boolean),
        reuse_port: map.or("reuse-port", false, boolean),
        set_non_block: map.or("set-non-block", false, boolean),
        external: map.or("external", false, boolean),
    };
    map.finish();
    fd.map(|_| port)
}

/// An address that a socket can be bound to by itself.
fn listen_host(value: &Value<'_>) -> Option<IpAddr> {
    let host = address(value)?;
    let IpAddr::V6(six) = host else {
        return Some(host);
    };
    if let Some(four) = six.to_ipv4_mapped() {
        let hint = format!("write {four}");
        return value.refuse("this is an IPv4 address in the guise of IPv6", Some(&hint));
    }
    match six.is_unicast_link_local() {
        false => Some(host),
        true => value.refuse(
            "a link-local address means nothing without an interface, which cannot be named here",
            None,
        ),
    }
}

fn descriptor(value: &Value<'_>) -> Option<u32> {
    match small(0, i32::MAX as u32)(value)? {
        1 | 2 => value.refuse("file descriptors 1 and 2 are stdout and stderr", None),
        fd => Some(fd),
    }
}

fn variables(value: &Value<'_>) -> Option<BTreeMap<String, Variable>> {
    mapping("a mapping of name to variable", declared_name, variable)(value)
}

/// What stands in `@{…}`, so neither `}` nor white space; a `:` is for the
/// built-in variables.
fn declared_name(name: &str, value: &Value<'_>) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match !name.is_empty() && name.chars().all(good) {
        true => Some(name.to_owned()),
        false => value.refuse_key(
            "a variable's name holds only letters, digits, `_`, `-` and `.`",
            None,
        ),
    }
}

fn variable(value: &Value<'_>) -> Option<Variable> {
    const TAGS: [&str; 4] = ["TcpPort", "Choice", "Name", "DottedName"];
    let Some((tag, inner)) = value.tagged() else {
        return value.expected("one of !TcpPort, !Choice [a, b], !Name, !DottedName");
    };
    match tag {
        "TcpPort" => tcp_port_variable(&inner),
        "Choice" => match texts(&inner)? {
            choices if choices.is_empty() => value.refuse("there is nothing to choose from", None),
            choices => Some(Variable::Choice(choices)),
        },
        "Name" => bare(&inner, Variable::Name),
        "DottedName" => bare(&inner, Variable::DottedName),
        _ => value.refuse(unknown("tag", tag, TAGS.into_iter()), None),
    }
}

fn bare(inner: &Value<'_>, variable: Variable) -> Option<Variable> {
    match inner.is_null() {
        true => Some(variable),
        false => inner.refuse("nothing may follow this tag", None),
    }
}

fn tcp_port_variable(inner: &Value<'_>) -> Option<Variable> {
    if inner.is_null() {
        return Some(Variable::TcpPort {
            systemd_activation: false,
        });
    }
    let mut map = inner.map("nothing, or { activation: systemd }")?;
    let systemd_activation = map.or("activation", false, word(&[("systemd", true)]));
    map.finish();
    Some(Variable::TcpPort { systemd_activation })
}
