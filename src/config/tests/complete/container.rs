//! Container configs.

use super::*;

#[test]
fn a_container_config_has_the_documented_defaults() {
    let expected = Container {
        kind: ContainerKind::Daemon,
        executable: "/x".into(),
        arguments: Vec::new(),
        environ: BTreeMap::new(),
        secret_environ: SecretMap::default(),
        secret_environ_file: None,
        secret_files: Default::default(),
        secret_templates: Default::default(),
        no_default_secrets: false,
        workdir: "/".into(),
        user_id: None,
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
        restart_timeout: Duration::from_secs(1),
        restart_timeout_max: Duration::from_secs(60),
        kill_timeout: None,
        restart_process_only: false,
        normal_exit_codes: Vec::new(),
        interactive: false,
        stdout_stderr_file: None,
        resolv_conf: ResolvConf {
            mount: Choice::Auto,
            copy_from_host: true,
        },
        hosts_file: HostsFile {
            mount: Choice::Auto,
            copy_from_host: true,
            localhost: Choice::Auto,
            public_hostname: Choice::Auto,
        },
        tcp_ports: BTreeMap::new(),
        variables: BTreeMap::new(),
    };
    assert_eq!(read(read_container, "executable: /x"), expected);
}

#[test]
fn reads_every_key_of_a_container_config() {
    let text = "
kind: CommandOrDaemon
executable: /bin/server
arguments: [--port, '@{port}', 7]
environ:
  LANG: C.UTF-8
  VERSION: 1.10
secret-files:
  plain: v2:a:b:c:d
  /etc/all:
    value: [v2:a:b:c:d, v2:e:f:g:h]
    description: of the database
    type: password
    expires: 2027-01-31
    transform: yescrypt
    user: 7
    group: 8
    mode: 0o440
secret-templates:
  app.conf: 'password @{secret: ONE } $HOME @{x}'
no-default-secrets: true
secret-environ:
  ONE: v2:a:b:c:d
  TWO:
    - v2:e:f:g:h
    - v2:i:j:k:l
workdir: /srv
user-id: 1000
group-id: 1001
uid-map: [{ inside: 0, outside: 1000, count: 1 }]
gid-map: [{ inside: 0, outside: 2000, count: 10 }]
volumes:
  /ro: !Readonly /data
  /db: !Persistent /db/main
  /made: !Persistent { path: /db/made, mkdir: true, mode: 0o750, user: 5, group: 6 }
  /tmp: !Tmpfs { size: 10Mi, mode: 0o1777 }
  /tmp/more: !Tmpfs
  /state: !Statedir { path: /sub, mode: 0o700, user: 1, group: 2 }
  /bare: !Statedir
memory-limit: 512Mi
memory-high: 400Mi
cpu-limit: 1.5
pids-limit: 64
cpu-shares: 512
fileno-limit: 2k
restart-timeout: 2.5
restart-timeout-max: 10m
kill-timeout: 250ms
restart-process-only: true
normal-exit-codes: [0, 137]
interactive: true
stdout-stderr-file: /db/log
resolv-conf:
  mount: true
  copy-from-host: false
hosts-file:
  mount: false
  copy-from-host: false
  localhost: true
  public-hostname: false
tcp-ports:
  8080: { fd: 0 }
  '@{port}':
    fd: 5
    host: '::1'
    listen-backlog: 7
    reuse-addr: false
    reuse-port: true
    set-non-block: true
    external: true
variables:
  port: !TcpPort
  http: !TcpPort { activation: systemd }
  mode: !Choice [a, b]
  name: !Name
  host: !DottedName
metadata: { anything: [goes, { here: !Odd 7 }] }
";
    in_both_spellings(read_container, text, whole_container());
    let file = "executable: /x\nsecret-environ-file: secrets/x.yaml";
    let file = read(read_container, file).secret_environ_file;
    assert_eq!(file, Some("secrets/x.yaml".into()));
}

fn whole_container() -> Container {
    let tokens =
        |tokens: &[&str]| -> Vec<String> { tokens.iter().map(|&t| t.to_owned()).collect() };
    let secrets = [
        ("ONE".to_owned(), tokens(&["v2:a:b:c:d"]).into()),
        (
            "TWO".to_owned(),
            tokens(&["v2:e:f:g:h", "v2:i:j:k:l"]).into(),
        ),
    ];
    let map = |inside, outside, count| IdMap {
        inside,
        outside,
        count,
    };
    Container {
        kind: ContainerKind::CommandOrDaemon,
        executable: "/bin/server".into(),
        arguments: tokens(&["--port", "@{port}", "7"]),
        environ: strings([("LANG", "C.UTF-8"), ("VERSION", "1.10")]),
        secret_environ: SecretMap(secrets.into()),
        secret_environ_file: None,
        secret_files: whole_secret_files(),
        secret_templates: whole_templates(),
        no_default_secrets: true,
        workdir: "/srv".into(),
        user_id: Some(1000),
        group_id: Some(1001),
        uid_map: vec![map(0, 1000, 1)],
        gid_map: vec![map(0, 2000, 10)],
        volumes: whole_volumes(),
        memory_limit: Some(512 << 20),
        memory_high: Some(400 << 20),
        cpu_limit: Some(Cores(1500)),
        pids_limit: Some(64),
        cpu_shares: Some(512),
        fileno_limit: Some(2000),
        restart_timeout: Duration::from_millis(2500),
        restart_timeout_max: Duration::from_secs(600),
        kill_timeout: Some(Duration::from_millis(250)),
        restart_process_only: true,
        normal_exit_codes: vec![0, 137],
        interactive: true,
        stdout_stderr_file: Some("/db/log".into()),
        resolv_conf: ResolvConf {
            mount: Choice::Yes,
            copy_from_host: false,
        },
        hosts_file: HostsFile {
            mount: Choice::No,
            copy_from_host: false,
            localhost: Choice::Yes,
            public_hostname: Choice::No,
        },
        tcp_ports: whole_ports(),
        variables: whole_variables(),
    }
}

fn whole_secret_files() -> SecretFiles {
    let file = |written: &str, sealed, owner| SecretFile {
        written: written.into(),
        sealed,
        owner,
    };
    let all = Sealed {
        tokens: vec!["v2:a:b:c:d".into(), "v2:e:f:g:h".into()],
        in_map: true,
        kind: Some(SecretType::Password),
        expires: Day::parse("2027-01-31"),
        transform: Some(Transform::Yescrypt),
    };
    let owner = FileOwner {
        user: Some(7),
        group: Some(8),
        mode: 0o440,
    };
    let plain = Sealed::from(vec!["v2:a:b:c:d".to_owned()]);
    [
        (
            "/run/secrets/plain".into(),
            file("plain", plain, FileOwner::default()),
        ),
        ("/etc/all".into(), file("/etc/all", all, owner)),
    ]
    .into()
}

fn whole_templates() -> SecretTemplates {
    let template = SecretTemplate {
        written: "app.conf".into(),
        pieces: vec![
            Piece::Text("password ".into()),
            Piece::Secret("ONE".into()),
            Piece::Text(" $HOME @{x}".into()),
        ],
        owner: FileOwner::default(),
    };
    [("/run/secrets/app.conf".into(), template)].into()
}

fn whole_volumes() -> BTreeMap<std::path::PathBuf, Volume> {
    let persistent = |path: &str, mkdir, mode, user, group| Volume::Persistent {
        path: path.into(),
        mkdir,
        mode,
        user,
        group,
    };
    let tmpfs = |size, mode| Volume::Tmpfs { size, mode };
    let statedir = |path: &str, mode, user, group| Volume::Statedir {
        path: path.into(),
        mode,
        user,
        group,
    };
    [
        (
            "/ro".into(),
            Volume::Readonly {
                path: "/data".into(),
            },
        ),
        ("/db".into(), persistent("/db/main", false, 0o777, 0, 0)),
        ("/made".into(), persistent("/db/made", true, 0o750, 5, 6)),
        ("/tmp".into(), tmpfs(Some(10 << 20), 0o1777)),
        ("/tmp/more".into(), tmpfs(None, 0o777)),
        ("/state".into(), statedir("/sub", 0o700, 1, 2)),
        ("/bare".into(), statedir("/", 0o777, 0, 0)),
    ]
    .into()
}

fn whole_ports() -> BTreeMap<String, TcpPort> {
    let default = TcpPort {
        fd: 0,
        host: "0.0.0.0".parse().unwrap(),
        listen_backlog: 128,
        reuse_addr: true,
        reuse_port: false,
        set_non_block: false,
        external: false,
    };
    let other = TcpPort {
        fd: 5,
        host: "::1".parse().unwrap(),
        listen_backlog: 7,
        reuse_addr: false,
        reuse_port: true,
        set_non_block: true,
        external: true,
    };
    [("8080".into(), default), ("@{port}".into(), other)].into()
}

fn whole_variables() -> BTreeMap<String, Variable> {
    let port = |systemd_activation| Variable::TcpPort { systemd_activation };
    [
        ("port".into(), port(false)),
        ("http".into(), port(true)),
        (
            "mode".into(),
            Variable::Choice(vec!["a".into(), "b".into()]),
        ),
        ("name".into(), Variable::Name),
        ("host".into(), Variable::DottedName),
    ]
    .into()
}
