//! Plans for people: every mount, id, limit, variable, secret, socket.
//!
//! Secrets are shown by their labels, never by a value; the text of a token is
//! not shown either, since it says nothing to people.

mod confinement;

use std::io::{self, Write};
use std::rc::Rc;

use lithos_crypt::Token;

use crate::config::process::Kind;
use crate::config::secret::Transform;
use crate::config::units::IdMap;
use crate::resolve::plan::{
    Content, EnvValue, MASKED_FROM_ROOT, MASKED_IN_PROC, MASKED_IN_SYS, MountSource, Network,
    Owner, Piece, Plan, READONLY_IN_PROC, Sealed, Socket,
};
use crate::resolve::{Origins, paths};

/// Explains one process: its first container, and how the others differ.
pub fn process(out: &mut dyn Write, plans: &[Rc<Plan>], origins: &Origins) -> io::Result<()> {
    let Some(plan) = plans.first() else {
        return Ok(());
    };
    writeln!(out, "{}", title(plan, plans.len()))?;
    let rows = rows(plan, plans, origins);
    let width = rows
        .iter()
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0);
    let mut last = "";
    for (key, value) in &rows {
        let shown = if *key == last { "" } else { key };
        writeln!(
            out,
            "  {shown:width$}  {}",
            crate::problem::legible(value, 4096)
        )?;
        last = key;
    }
    writeln!(out)
}

fn title(plan: &Plan, containers: usize) -> String {
    let process = format!("{}/{}", plan.name.sandbox, plan.name.process);
    match (plan.kind, containers) {
        (Kind::Command, _) => {
            format!(
                "{process}: a command, {} with the pid of lithos_cmd for its number",
                plan.name
            )
        }
        (Kind::Daemon, 1) => format!("{process}: a daemon, {}", plan.name),
        (Kind::Daemon, n) => {
            let last = format!("{process}.{}", n - 1);
            format!(
                "{process}: a daemon, {n} containers, {} to {last}",
                plan.name
            )
        }
    }
}

type Row = (&'static str, String);

fn rows(plan: &Plan, plans: &[Rc<Plan>], origins: &Origins) -> Vec<Row> {
    let mut rows = vec![
        ("image", plan.image.display().to_string()),
        ("config", plan.config.display().to_string()),
        ("executes", command(plan)),
        ("in", plan.process.workdir.display().to_string()),
        ("host name", plan.hostname.clone()),
    ];
    rows.extend(ids(plan));
    rows.extend(confinement::rows(plan));
    rows.extend(mounts(plan));
    let environ = plan.process.environ.iter();
    rows.extend(environ.map(|(name, value)| ("variable", variable(name, value))));
    rows.extend(secrets(plan, origins));
    rows.extend(limits(plan));
    rows.extend(
        plan.sockets
            .iter()
            .map(|socket| ("socket", describe_socket(socket))),
    );
    rows.extend(plans.iter().map(|plan| ("network", network(plan))));
    if plan.network == Network::Host {
        rows.truncate(rows.len() + 1 - plans.len());
    }
    rows.extend(stdio(plan));
    rows.extend(timing(plan));
    rows
}

fn command(plan: &Plan) -> String {
    let executable = plan.process.executable.display().to_string();
    let arguments = plan.process.arguments.iter().map(|text| quoted(text));
    std::iter::once(executable)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn ids(plan: &Plan) -> Vec<Row> {
    let ids = &plan.ids;
    let on_host = |inside: u32, outside: u32| match inside == outside {
        true => inside.to_string(),
        false => format!("{inside}, {outside} on the host"),
    };
    let mut rows = vec![
        ("user", on_host(ids.uid, ids.host_uid)),
        ("group", on_host(ids.gid, ids.host_gid)),
    ];
    if !ids.user_namespace {
        rows.push((
            "user ids",
            "those of the host: no user namespace".to_owned(),
        ));
    }
    rows.extend(ids.uid_map.iter().map(|line| ("user ids", map(line))));
    rows.extend(ids.gid_map.iter().map(|line| ("group ids", map(line))));
    rows
}

fn map(line: &IdMap) -> String {
    if *line
        == (IdMap {
            inside: 0,
            outside: 0,
            count: u32::MAX,
        })
    {
        return "all, each is itself".to_owned();
    }
    let last = |first: u32| u64::from(first) + u64::from(line.count) - 1;
    format!(
        "{}–{} are {}–{} on the host",
        line.inside,
        last(line.inside),
        line.outside,
        last(line.outside)
    )
}

fn mounts(plan: &Plan) -> Vec<Row> {
    let root = std::iter::once("/  the image, read-only".to_owned());
    let mounts = plan.mounts.iter();
    let mounts = mounts.map(|m| format!("{}  {}", m.target.display(), mounted(plan, &m.what)));
    let files = plan.files.iter().map(|file| {
        let made = match &file.copy {
            Some(host) => format!("a copy of {} of the host", host.display()),
            None => "made".to_owned(),
        };
        let lines = file.append.trim().replace('\n', ", ");
        let more = if lines.is_empty() {
            String::new()
        } else {
            format!(", with {lines}")
        };
        format!("{}  {made}{more}", file.target.display())
    });
    root.chain(mounts)
        .chain(files)
        .map(|text| ("mount", text))
        .collect()
}

fn mounted(plan: &Plan, what: &MountSource) -> String {
    match what {
        MountSource::Proc => {
            let from_root = plan.may_be_root().then_some(MASKED_FROM_ROOT);
            let masked = [MASKED_IN_PROC, from_root.unwrap_or_default()].concat();
            let (masked, readonly) = (masked.join(" "), READONLY_IN_PROC.join(" "));
            format!("the container's processes, without {masked}; read-only {readonly}")
        }
        MountSource::Sys => format!("sysfs, read-only, without {}", MASKED_IN_SYS.join(" ")),
        MountSource::CgroupView => "the container's own cgroup, read-only".to_owned(),
        MountSource::PrivateDev => "private devices".to_owned(),
        MountSource::HostDev(dir) => format!("{} of the host, and a pts", dir.display()),
        MountSource::Readonly(host) => {
            format!("{} of the host, read-only", paths::shown(host).display())
        }
        MountSource::Persistent { host, make } => {
            let made = make.as_ref().map(|owner| {
                format!(
                    ", made if missing: {:04o}, {}:{}",
                    owner.mode, owner.uid, owner.gid
                )
            });
            let made = made.unwrap_or_default();
            format!(
                "{} of the host, writable{made}",
                paths::shown(host).display()
            )
        }
        MountSource::Tmpfs { size, mode } => format!("tmpfs of {}, {mode:04o}", bytes(*size)),
        MountSource::Secrets => "files with secrets, read-only".to_owned(),
        MountSource::Statedir { below, owner } => format!(
            "/{} of the state directory, {:04o}, {}:{}",
            below.display(),
            owner.mode,
            owner.uid,
            owner.gid
        ),
    }
}

fn variable(name: &str, value: &EnvValue) -> String {
    match value {
        EnvValue::Text(text) => format!("{name}={}", quoted(text)),
        EnvValue::Pid => format!("{name}=<the process's pid>"),
    }
}

fn secrets(plan: &Plan, origins: &Origins) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, sealed) in &plan.secrets.environ {
        rows.extend(secret(name, sealed, &from(name, origins)));
    }
    for file in &plan.secrets.files {
        let path = file.path.display().to_string();
        let Owner { mode, uid, gid } = file.owner;
        let origin = from(&path, origins);
        let more = format!("{origin}, a file, {mode:04o}, {uid}:{gid} on the host");
        match &file.content {
            Content::Secret(sealed) => rows.extend(secret(&path, sealed, &more)),
            Content::Template(pieces) => {
                rows.push(("secret", format!("{path}  a template{more}")));
                for piece in pieces {
                    if let Piece::Secret { name, sealed } = piece {
                        rows.extend(secret(name, sealed, &format!(", within {path}")));
                    }
                }
            }
        }
    }
    if !rows.is_empty() {
        let files = plan.secrets.key_files.iter();
        rows.extend(files.map(|file| ("opened with", file.display().to_string())));
        let namespaces = plan.secrets.namespaces.iter().map(|name| match &**name {
            "" => "the empty one".to_owned(),
            name => name.to_owned(),
        });
        rows.push(("namespaces", namespaces.collect::<Vec<_>>().join(", ")));
    }
    rows
}

fn from(name: &str, origins: &Origins) -> String {
    let origin = origins.get(name);
    origin.map_or(String::new(), |origin| format!(", from {}", origin.section))
}

/// A row for each of its tokens.
fn secret(name: &str, sealed: &Sealed, more: &str) -> Vec<Row> {
    let made = match &sealed.transform {
        None => String::new(),
        Some(Transform::Yescrypt) => ", hashed by yescrypt".to_owned(),
        Some(Transform::Dotenv(names)) => format!(", as {}", names.join(" ")),
    };
    let row = |text: &String| {
        let label = match text.parse::<Token>() {
            Ok(token) => token.label().to_string(),
            Err(_) => "…".to_owned(),
        };
        let text = format!("{name}  {label} (key, namespace, secret){made}{more}");
        ("secret", text)
    };
    sealed.tokens.iter().map(row).collect()
}

fn limits(plan: &Plan) -> Vec<Row> {
    let mut rows = vec![("limit", format!("{} open files", plan.limits.fileno))];
    rows.extend(confinement::limits(plan));
    match &plan.cgroup {
        None => rows.push(("cgroup", "none".to_owned())),
        Some(cgroup) => {
            let memory = match cgroup.memory {
                Some(memory) => format!("{} of memory, no swap", bytes(memory)),
                None => "no limit of memory".to_owned(),
            };
            rows.push(("limit", memory));
            if let Some(high) = cgroup.memory_high {
                rows.push((
                    "limit",
                    format!("slowed down above {} of memory", bytes(high)),
                ));
            }
            rows.push(("limit", format!("{} tasks", cgroup.pids)));
            if let Some(cpu) = cgroup.cpu {
                rows.push(("limit", format!("{cpu} CPU cores")));
            }
            rows.push(("limit", format!("{} CPU shares", cgroup.cpu_shares)));
            rows.push(("cgroup", format!("{}/{}", cgroup.parent, cgroup.name)));
        }
    }
    rows
}

fn bytes(size: u64) -> String {
    for (unit, factor) in [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if size >= factor && size.is_multiple_of(factor) {
            return format!("{}{unit}", size / factor);
        }
    }
    format!("{size} bytes")
}

fn describe_socket(socket: &Socket) -> String {
    let mut text = format!(
        "{} as fd {}, backlog {}",
        socket.address, socket.fd, socket.backlog
    );
    let mut flag = |set: bool, name: &str| {
        if set {
            text.push_str(", ");
            text.push_str(name);
        }
    };
    flag(!socket.reuse_addr, "no reuse-addr");
    flag(socket.reuse_port, "reuse-port");
    flag(socket.non_block, "non-blocking");
    flag(socket.external, "external");
    if let Some(name) = &socket.activation {
        flag(true, &format!("systemd activation as `{name}`"));
    }
    text
}

fn network(plan: &Plan) -> String {
    match &plan.network {
        Network::Host => "the host's".to_owned(),
        Network::Loopback => "loopback only".to_owned(),
        Network::Bridged {
            bridge,
            address,
            prefix,
            gateway,
            after_setup,
        } => {
            let mut text = format!("{}: {address}/{prefix} on {bridge}", plan.name);
            if let Some(gateway) = gateway {
                text += &format!(", by way of {gateway}");
            }
            if !after_setup.is_empty() {
                text += &format!(", then {}", after_setup.join(" "));
            }
            text
        }
    }
}

fn stdio(plan: &Plan) -> Vec<Row> {
    let stdio = &plan.stdio;
    let place = match (&stdio.file, stdio.interactive) {
        (_, true) => "those of whoever runs it".to_owned(),
        (Some(file), _) => format!("{} in the container", file.display()),
        (None, false) => stdio.log.display().to_string(),
    };
    vec![("output", place)]
}

fn timing(plan: &Plan) -> Vec<Row> {
    let timing = &plan.supervision;
    let mut rows = vec![(
        "stop",
        format!("SIGKILL {:?} after SIGTERM", timing.kill_timeout),
    )];
    if plan.kind == Kind::Daemon {
        let inside = match timing.restart_process_only {
            true => ", inside the kept container",
            false => "",
        };
        rows.push((
            "restart",
            format!("at most every {:?}{inside}", timing.restart_timeout),
        ));
    }
    if !timing.normal_exit_codes.is_empty() {
        let codes = timing.normal_exit_codes.iter().map(u8::to_string);
        rows.push(("normal exits", codes.collect::<Vec<_>>().join(", ")));
    }
    rows
}
