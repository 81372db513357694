//! A sandbox `shop` with one process `web` for which nothing is wrong; tests
//! change one thing and see what comes of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::paths::Home;
use super::plan::Plan;
use super::{Before, Doc, Documents, Resolved};
use crate::config::container::{Container, ContainerKind, TcpPort, Variable};
use crate::config::ip_network::IpNetwork;
use crate::config::master::Master;
use crate::config::process::{Kind, Process};
use crate::config::sandbox::{BridgedNetwork, Sandbox};
use crate::config::secret::SecretMap;
use crate::config::units::Range;
use crate::facts::{self, Facts, Found, MountFacts, Seen, Sight};
use crate::name::Name;
use crate::problem::{Problem, Severity, Source};

/// The documents, and facts that suit them.
pub(crate) struct Fixture {
    pub home: Home,
    pub sandbox_name: Name,
    pub sandbox: Sandbox,
    pub process_name: Name,
    pub process: Process,
    pub container: Container,
    pub secrets_file: Option<SecretMap>,
    /// What is not here is made up to be right.
    pub facts: Facts,
    /// Facts about mounts, by their target; the rest is right.
    pub mounts: BTreeMap<PathBuf, MountFacts>,
    /// What other processes come to.
    pub before: Before,
}

pub(crate) fn file(mode: u32) -> Found {
    Found {
        kind: facts::Kind::File,
        mode,
        uid: 0,
        gid: 0,
        size: 0,
        listed: false,
    }
}

pub(crate) fn directory() -> Found {
    Found {
        kind: facts::Kind::Directory,
        ..file(0o755)
    }
}

pub(crate) fn port(fd: u32) -> TcpPort {
    TcpPort {
        fd,
        host: Ipv4Addr::UNSPECIFIED.into(),
        listen_backlog: 128,
        reuse_addr: true,
        reuse_port: false,
        set_non_block: false,
        external: false,
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let range = |first, last| vec![Range { first, last }];
        let limits = crate::config::sandbox::Limits {
            memory: Some(1 << 30),
            ..Default::default()
        };
        Self {
            home: Home::new("/etc/lithos/master.yaml".into(), Master::default(), None),
            sandbox_name: "shop".parse().unwrap(),
            sandbox: Sandbox {
                image_dir: "/images".into(),
                allow_users: range(1000, 1999),
                allow_groups: range(0, 0).into_iter().chain(range(1000, 1999)).collect(),
                allow_tcp_ports: range(8000, 8999),
                readonly_paths: [("/ro".into(), "/srv/ro".into())].into(),
                writable_paths: [("/rw".into(), "/srv/rw".into())].into(),
                limits,
                ..Sandbox::default()
            },
            process_name: "web".parse().unwrap(),
            process: process(),
            container: container(),
            secrets_file: None,
            facts: Facts {
                image: Seen::Found(directory()),
                mounts: Vec::new(),
                paths: BTreeMap::new(),
                host_paths: BTreeMap::new(),
                key_files: BTreeMap::new(),
                public_host: None,
                bridge: Some(vec!["10.0.0.2".parse().unwrap()]),
                program: facts::program::Program::UNKNOWN,
                open_files_max: None,
                today: lithos_crypt::Day::parse("2026-06-15").unwrap(),
            },
            mounts: BTreeMap::new(),
            before: Before::default(),
        }
    }

    pub(crate) fn bridged() -> Self {
        let mut fixture = Self::new();
        fixture.sandbox.bridged_network = Some(BridgedNetwork {
            bridge: "br0".into(),
            network: IpNetwork {
                address: "10.0.0.0".parse().unwrap(),
                prefix: 24,
            },
            default_gateway: "10.0.0.1".parse().ok(),
            after_setup_command: Vec::new(),
        });
        fixture.process.ip_addresses = vec!["10.0.0.5".parse().unwrap()];
        fixture
    }

    pub(crate) fn command(&mut self) {
        self.process.kind = Kind::Command;
        self.container.kind = ContainerKind::Command;
    }

    pub(crate) fn variable(&mut self, name: &str, variable: Variable, value: &str) {
        self.container.variables.insert(name.into(), variable);
        self.process.variables.insert(name.into(), value.into());
    }

    pub(crate) fn missing(&mut self, path: &str) {
        self.see(path, Seen::Missing);
    }

    /// What is at a path inside the container.
    pub(crate) fn see(&mut self, path: &str, seen: Seen) {
        let sight = Sight {
            seen,
            path: path.into(),
            mount: None,
            in_directory: true,
            way: Vec::new(),
        };
        self.facts.paths.insert(path.into(), sight);
    }

    fn with<T>(&self, use_it: impl FnOnce(&Documents<'_>) -> T) -> T {
        let source = |path: &str| {
            Arc::new(Source {
                path: PathBuf::from(path),
                text: String::new(),
                secret: false,
            })
        };
        let sandbox = source("/etc/lithos/sandboxes/shop.yaml");
        let process = source("/etc/lithos/processes/shop.yaml");
        let container = source("/images/web/config/web.yaml");
        let secrets = source("/images/web/config/secrets.yaml");
        use_it(&Documents {
            home: &self.home,
            sandbox_name: &self.sandbox_name,
            sandbox: Doc::new(&self.sandbox, &sandbox),
            process_name: &self.process_name,
            process: Doc {
                value: &self.process,
                source: &process,
                entry: Some(self.process_name.as_str()),
            },
            before: self.before,
            container: Doc::new(&self.container, &container),
            secrets_file: self
                .secrets_file
                .as_ref()
                .map(|map| Doc::new(map, &secrets)),
        })
    }

    pub(crate) fn resolve(&self) -> Resolved {
        self.with(|docs| super::resolve(docs, &self.all_facts(docs)))
    }

    /// The facts that were given, completed by such that are right.
    fn all_facts(&self, docs: &Documents<'_>) -> Facts {
        let questions = super::questions(docs);
        let mut facts = self.facts.clone();
        let mounts = questions.mounts.iter().map(|planned| {
            let changed = self.mounts.get(&planned.target);
            changed
                .cloned()
                .unwrap_or_else(|| right_mount(&planned.target))
        });
        facts.mounts = mounts.collect();
        for path in &questions.paths {
            let on = |target: &Path| path.starts_with(target);
            let mount = questions.mounts.iter().rposition(|m| on(&m.target));
            let given = facts
                .paths
                .entry(path.clone())
                .or_insert_with(|| sight(path));
            given.mount = mount;
        }
        for path in &questions.host_paths {
            let found = Seen::Found(file(0o644));
            facts.host_paths.entry(path.clone()).or_insert(found);
        }
        facts
    }

    pub(crate) fn plans(&self) -> Vec<Plan> {
        let resolved = self.resolve();
        let problems: Vec<_> = resolved.problems.iter().map(|p| &p.message).collect();
        let template = resolved.template;
        template
            .unwrap_or_else(|| panic!("refused: {problems:#?}"))
            .plans()
            .into_iter()
            .map(|plan| Plan::clone(&plan))
            .collect()
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plans().swap_remove(0)
    }

    /// Asserts that it is refused, for this reason among others.
    pub(crate) fn refused(&self, message: &str) {
        let resolved = self.resolve();
        assert!(resolved.template.is_none(), "not refused");
        assert_among(&resolved.problems, message);
        assert!(resolved.problems.iter().all(|p| p.subject == "shop/web"));
    }

    pub(crate) fn sandbox_problems(&self) -> Vec<Problem> {
        self.with(|docs| super::sandbox(&self.sandbox_name, docs.sandbox))
    }

    /// Asserts that the sandbox config is refused, for this reason among others.
    pub(crate) fn sandbox_refused(&self, message: &str) {
        assert_among(&self.sandbox_problems(), message);
    }
}

fn assert_among(problems: &[Problem], message: &str) {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error);
    let errors: Vec<_> = errors.map(|p| p.message.as_str()).collect();
    assert!(
        errors.iter().any(|e| e.contains(message)),
        "no {message:?} in {errors:#?}"
    );
}

/// A mount that is right.
pub(crate) fn right_mount(target: &Path) -> MountFacts {
    MountFacts {
        target: sight(target),
        host: Some(Seen::Found(directory())),
        base: true,
    }
}

/// Something right at a path inside the container.
fn sight(path: &Path) -> Sight {
    let files = ["/bin/web", "/etc/hosts", "/etc/resolv.conf"];
    let device = Found {
        kind: facts::Kind::Other,
        ..file(0o666)
    };
    let found = match files.iter().any(|file| path == Path::new(file)) {
        true => file(0o755),
        false if path == Path::new("/dev/null") => device,
        false => directory(),
    };
    Sight {
        seen: Seen::Found(found),
        path: path.to_owned(),
        mount: None,
        in_directory: true,
        way: Vec::new(),
    }
}

fn process() -> Process {
    Process {
        kind: Kind::Daemon,
        instances: 1,
        image: "web".into(),
        config: "/config/web.yaml".into(),
        variables: BTreeMap::new(),
        ip_addresses: Vec::new(),
        extra_secrets_namespaces: Vec::new(),
    }
}

fn container() -> Container {
    Container {
        kind: ContainerKind::Daemon,
        executable: "/bin/web".into(),
        arguments: Vec::new(),
        environ: BTreeMap::new(),
        secret_environ: SecretMap::default(),
        secret_environ_file: None,
        secret_files: Default::default(),
        secret_templates: Default::default(),
        no_default_secrets: false,
        workdir: "/".into(),
        user_id: Some(1000),
        group_id: None,
        uid_map: Vec::new(),
        gid_map: Vec::new(),
        volumes: BTreeMap::new(),
        memory_limit: None,
        memory_high: None,
        cpu_limit: None,
        pids_limit: None,
        cpu_shares: None,
        fileno_limit: None,
        restart_timeout: std::time::Duration::from_secs(1),
        restart_timeout_max: std::time::Duration::from_secs(60),
        kill_timeout: None,
        restart_process_only: false,
        normal_exit_codes: Vec::new(),
        interactive: false,
        stdout_stderr_file: None,
        resolv_conf: Default::default(),
        hosts_file: Default::default(),
        tcp_ports: BTreeMap::new(),
        variables: BTreeMap::new(),
    }
}
