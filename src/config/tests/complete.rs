//! Every key, read with a value that is not its default, in both spellings.

use std::collections::BTreeMap;
use std::time::Duration;

use lithos_crypt::{Day, SecretType};

use super::source;
use crate::config::confinement::{Confinement, Seccomp};
use crate::config::container::{
    Choice, Container, ContainerKind, HostsFile, ResolvConf, TcpPort, Variable, Volume,
    read_container, read_secrets_file,
};
use crate::config::ip_network::IpNetwork;
use crate::config::master::{Controller, Master, read_master};
use crate::config::process::{Kind, Process, read_processes};
use crate::config::sandbox::{BridgedNetwork, Limits, Sandbox, read_sandbox};
use crate::config::secret::{
    DefaultSecrets, FileOwner, Piece, Sealed, SecretFile, SecretFiles, SecretMap, SecretTemplate,
    SecretTemplates, Transform,
};
use crate::config::units::{Cores, IdMap, LogLevel, Range};
use crate::problem::{Problem, Source};

type Read<T> = fn(&std::sync::Arc<Source>) -> (Option<T>, Vec<Problem>);

fn read<T>(reader: Read<T>, text: &str) -> T {
    let (document, problems) = reader(&source(text));
    assert_eq!(problems, [], "{}", problems[0].render(false));
    document.unwrap()
}

/// The document with its keys in snake_case.
fn snake_case(text: &str) -> String {
    let snake = |line: &str| match line.split_once(':') {
        Some((key, value)) if !key.contains(['{', '/']) => {
            let name = key.trim_start_matches([' ', '-']);
            let before = &key[..key.len() - name.len()];
            format!("{before}{}:{value}\n", name.replace('-', "_"))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(snake).collect()
}

fn in_both_spellings<T: PartialEq + std::fmt::Debug>(reader: Read<T>, text: &str, expected: T) {
    assert_eq!(read(reader, text), expected);
    let snake = snake_case(text);
    assert_ne!(snake, text);
    assert_eq!(read(reader, &snake), expected);
}

fn strings<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

#[test]
fn reads_every_key_of_a_master_config() {
    let text = "
sandboxes-dir: /a/sandboxes
processes-dir: ../processes
runtime-dir: /run/other
state-dir: records
mount-dir: mount/point
devfs-dir: /srv/dev
cgroup-name: other.slice/lithos
cgroup-controllers: [io, blkio, name, cpuacct, cpu, memory, pids]
default-log-dir: /log
config-log-dir: /log/config
stdio-log-dir: /log/stdio
log-file: other.log
log-level: debug
syslog-facility: local0
metrics-listen: '127.0.0.1:9100'
syslog-app-name: other
";
    let expected = Master {
        sandboxes_dir: "/a/sandboxes".into(),
        processes_dir: "../processes".into(),
        runtime_dir: "/run/other".into(),
        state_dir: "records".into(),
        mount_dir: "mount/point".into(),
        devfs_dir: Some("/srv/dev".into()),
        cgroup_name: Some("other.slice/lithos".into()),
        cgroup_controllers: vec![
            Controller::Io,
            Controller::Io,
            Controller::Name,
            Controller::Cpuacct,
            Controller::Cpu,
            Controller::Memory,
            Controller::Pids,
        ],
        default_log_dir: "/log".into(),
        config_log_dir: Some("/log/config".into()),
        stdio_log_dir: "/log/stdio".into(),
        log_file: "other.log".into(),
        log_level: LogLevel::Debug,
        syslog_facility: Some("local0".into()),
        metrics_listen: Some("127.0.0.1:9100".parse().unwrap()),
        syslog_app_name: "other".into(),
    };
    in_both_spellings(read_master, text, expected);
    assert_eq!(read(read_master, "syslog-name: x").syslog_app_name, "x");
    assert_eq!(read(read_master, "syslog_name: x").syslog_app_name, "x");
}

#[test]
fn null_turns_off_cgroups_and_the_config_log() {
    let master = read(read_master, "cgroup-name: null\nconfig-log-dir: ~\n");
    assert_eq!((master.cgroup_name, master.config_log_dir), (None, None));
}

#[test]
fn an_empty_list_of_controllers_means_the_default() {
    assert_eq!(
        read(read_master, "cgroup-controllers: []"),
        Master::default()
    );
}

#[test]
fn an_empty_document_is_all_defaults() {
    for text in ["", "\n", "# nothing yet\n", "---\n", "{}", "null"] {
        assert_eq!(read(read_master, text), Master::default(), "{text:?}");
        assert_eq!(read(read_sandbox, text), Sandbox::default());
        assert_eq!(read(read_processes, text), BTreeMap::new());
    }
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let master = Master::default();
    let shown = format!("{master:?}");
    for value in [
        "\"./sandboxes\"",
        "\"./processes\"",
        "\"/run/lithos\"",
        "\"state\"",
        "\"mnt\"",
        "devfs_dir: None",
        "Some(\"lithos.slice\")",
        "[Cpu, Memory, Pids]",
        "\"/var/log/lithos\"",
        "Some(\"/var/log/lithos/config\")",
        "\"/var/log/lithos/stderr\"",
        "\"master.log\"",
        "log_level: Warn",
        "syslog_facility: None",
        "metrics_listen: None",
        "app_name: \"lithos\"",
    ] {
        assert!(shown.contains(value), "{value} in {shown}");
    }
    let shown = format!("{:?}", Sandbox::default());
    for value in [
        "\"/var/lib/lithos/containers\"",
        "levels: 1",
        "auto_clean: true",
        "default_user: None",
        "default_group: 0",
        "memory: None, cpu: None, pids: 4096, cpu_shares: 262144, fileno: 1048576",
        "instances: 1000, tmpfs: 1073741824, kill_timeout: 300s",
        "user_namespace: true",
        "capabilities: {}, seccomp: Default, no_new_privileges: true",
        "allow_exec_volumes: false, rlimits: {}, landlock: true",
        "\"/etc/resolv.conf\"",
        "\"/etc/hosts\"",
        "bridged_network: None",
        "private_key: []",
        "extra_secrets_namespaces: []",
        "secrets_namespaces: [Namespace(\"\")]",
    ] {
        assert!(shown.contains(value), "{value} in {shown}");
    }
}

#[test]
fn reads_every_key_of_a_sandbox_config() {
    let text = "
config-file: other.yaml
image-dir: /images
image-dir-levels: 2
used-images-list: /images/used
auto-clean: false
log-file: shop.log
log-level: 'off'
readonly-paths:
  /data: /srv/data
writable-paths:
  /db: /srv/db
allow-users: [7, 1000-2000]
allow-groups: [0, 100k-200k]
default-user: 1000
default-group: 1001
allow-tcp-ports: [80, 8000-8999]
limits:
  memory: 1Gi
  cpu: 2.5
  pids: 100
  cpu-shares: 2k
  fileno: 0x400
  instances: 3
  tmpfs: 64Mi
  kill-timeout: 1m30s
user-namespace: true
capabilities: [CHOWN, CAP_SYS_CHROOT]
seccomp: { allow: [ptrace, chroot] }
no-new-privileges: false
allow-exec-volumes: true
rlimits:
  nproc: 1k
  memlock: unlimited
landlock: 'off'
additional-hosts:
  db.internal: 10.0.0.7
uid-map:
  - { inside: 0, outside: 1000, count: 1 }
  - { inside: 1, outside: 100000, count: 65536 }
gid-map: [{ inside: 0, outside: 2000, count: 10 }]
resolv-conf: /srv/resolv.conf
hosts-file: /srv/hosts
bridged-network:
  bridge: br0
  network: 10.1.0.0/16
  default-gateway: 10.1.0.1
  after-setup-command: [/sbin/announce, '@{container_ip}']
secrets-private-key: [$CREDENTIALS_DIRECTORY/key, /etc/lithos/key]
allow-extra-secrets-namespaces: [a.b]
default-secrets:
  environ: { A: v2:a:b:c:d }
  files: { tls/key: [v2:a:b:c:d] }
secrets-namespaces: [shop, '']
";
    in_both_spellings(read_sandbox, text, whole_sandbox());
    let one = read(read_sandbox, "secrets-private-key: /key");
    assert_eq!(
        one.secrets_private_key,
        ["/key"].map(std::path::PathBuf::from)
    );
    assert!(!read(read_sandbox, "user-namespace: false").user_namespace);
}

fn whole_defaults() -> DefaultSecrets {
    let sealed = Sealed::from(vec!["v2:a:b:c:d".to_owned()]);
    let file = SecretFile {
        written: "tls/key".into(),
        sealed: sealed.clone(),
        owner: FileOwner::default(),
    };
    DefaultSecrets {
        environ: SecretMap([("A".into(), sealed)].into()),
        files: [("/run/secrets/tls/key".into(), file)].into(),
    }
}

fn whole_sandbox() -> Sandbox {
    let paths = |a: &str, b: &str| BTreeMap::from([(a.into(), b.into())]);
    let range = |first, last| Range { first, last };
    let map = |inside, outside, count| IdMap {
        inside,
        outside,
        count,
    };
    Sandbox {
        config_file: Some("other.yaml".into()),
        image_dir: "/images".into(),
        image_dir_levels: 2,
        used_images_list: Some("/images/used".into()),
        auto_clean: false,
        log_file: Some("shop.log".into()),
        log_level: Some(LogLevel::Off),
        readonly_paths: paths("/data", "/srv/data"),
        writable_paths: paths("/db", "/srv/db"),
        allow_users: vec![range(7, 7), range(1000, 2000)],
        allow_groups: vec![range(0, 0), range(100_000, 200_000)],
        default_user: Some(1000),
        default_group: 1001,
        allow_tcp_ports: vec![range(80, 80), range(8000, 8999)],
        limits: Limits {
            memory: Some(1 << 30),
            cpu: Some(Cores(2500)),
            pids: 100,
            cpu_shares: 2000,
            fileno: 1024,
            instances: 3,
            tmpfs: 64 << 20,
            kill_timeout: Duration::from_secs(90),
        },
        user_namespace: true,
        confinement: Confinement {
            capabilities: ["CHOWN", "SYS_CHROOT"].map(|c| c.parse().unwrap()).into(),
            seccomp: Seccomp::Allow(["ptrace", "chroot"].map(str::to_owned).into()),
            no_new_privileges: false,
            allow_exec_volumes: true,
            rlimits: [("nproc", Some(1000)), ("memlock", None)]
                .map(|(name, limit)| (name.parse().unwrap(), limit))
                .into(),
            landlock: false,
        },
        additional_hosts: [("db.internal".to_owned(), "10.0.0.7".parse().unwrap())].into(),
        uid_map: vec![map(0, 1000, 1), map(1, 100_000, 65536)],
        gid_map: vec![map(0, 2000, 10)],
        resolv_conf: "/srv/resolv.conf".into(),
        hosts_file: "/srv/hosts".into(),
        bridged_network: Some(BridgedNetwork {
            bridge: "br0".into(),
            network: IpNetwork {
                address: "10.1.0.0".parse().unwrap(),
                prefix: 16,
            },
            default_gateway: Some("10.1.0.1".parse().unwrap()),
            after_setup_command: vec!["/sbin/announce".into(), "@{container_ip}".into()],
        }),
        default_secrets: whole_defaults(),
        secrets_private_key: vec![
            "$CREDENTIALS_DIRECTORY/key".into(),
            "/etc/lithos/key".into(),
        ],
        allow_extra_secrets_namespaces: vec!["a.b".parse().unwrap()],
        secrets_namespaces: vec!["shop".parse().unwrap(), "".parse().unwrap()],
    }
}

#[test]
fn reads_every_key_of_a_process_config() {
    let text = "
web:
  kind: Command
  instances: 2
  image: shop/web.7
  config: /config/web.yaml
  variables:
    port: 8080
    version: 1.10
    debug: true
    name: x
  ip-addresses: [10.1.0.7, 'fd00::7']
  extra-secrets-namespaces: [web]
plain-one:
  image: shop
  config: /c.yaml
";
    let web = Process {
        kind: Kind::Command,
        instances: 2,
        image: "shop/web.7".into(),
        config: "/config/web.yaml".into(),
        variables: strings([
            ("port", "8080"),
            ("version", "1.10"),
            ("debug", "true"),
            ("name", "x"),
        ]),
        ip_addresses: vec!["10.1.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
        extra_secrets_namespaces: vec!["web".parse().unwrap()],
    };
    let plain = Process {
        kind: Kind::Daemon,
        instances: 1,
        image: "shop".into(),
        config: "/c.yaml".into(),
        variables: BTreeMap::new(),
        ip_addresses: Vec::new(),
        extra_secrets_namespaces: Vec::new(),
    };
    let names = ["web", "plain-one"].map(|name| name.parse().unwrap());
    let expected: BTreeMap<_, _> = names.into_iter().zip([Some(web), Some(plain)]).collect();
    assert_eq!(read(read_processes, text), expected);
    let snake = text.replace("ip-addresses", "ip_addresses");
    let snake = snake.replace("extra-secrets-namespaces", "extra_secrets_namespaces");
    assert_eq!(read(read_processes, &snake), expected);
}

#[test]
fn the_longest_wait_is_by_default_not_below_the_usual_one() {
    let container = read(read_container, "executable: /x\nrestart-timeout: 2m");
    assert_eq!(container.restart_timeout_max, Duration::from_secs(120));
}

#[test]
fn reads_a_secrets_file() {
    let secrets = read(read_secrets_file, "A: v2:a:b:c:d\nB: [x, y]\n");
    assert_eq!(secrets.0["A"].tokens, ["v2:a:b:c:d"]);
    assert_eq!(secrets.0["B"].tokens, ["x", "y"]);
}

#[test]
fn a_broken_entry_leaves_the_others_of_a_process_config() {
    let text = "
good: { image: a, config: /a }
bad: { image: a, config: relative }
twice: { image: a, config: /a }
twice: { image: b, config: /b }
inner: { image: a, image: b, config: /b }
'no name': { image: a, config: /a }
";
    let (processes, problems) = read_processes(&source(text));
    let processes = processes.unwrap();
    let whole: Vec<_> = processes.iter().filter(|(_, p)| p.is_some()).collect();
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].0.as_str(), "good");
    assert_eq!(processes.len(), 4);
    assert_eq!(problems.len(), 4);
}

mod container;
