//! `--explain`: what would run.

use crate::stage::Stage;

#[test]
fn prints_every_mount_id_limit_variable_secret_and_socket() {
    let stage = Stage::new();
    stage.key("alpha", true);
    let token = stage.token("alpha", "");
    stage.container(&format!(
        "arguments: ['--name', '@{{lithos:name}}', 'two words']\n\
         environ: {{ MODE: fast, PID: '@{{lithos:pid}}' }}\n\
         secret-environ: {{ PASSWORD: '{token}' }}\n\
         volumes: {{ /data: !Readonly /data }}\n\
         tcp-ports: {{ 8000: {{ fd: 3 }} }}\nkill-timeout: 7\n"
    ));
    let outcome = stage.check(&["--explain", "shop/web"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let label = token
        .strip_prefix("v2:")
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .0;
    for shown in [
        "shop/web: a daemon, 2 containers, shop/web.0 to shop/web.1",
        "/bin/web --name shop/web.0 'two words'",
        "no new ones",
        "none",
        "the default profile",
        "auto: landlock",
        "TCP ports to bind: 0, 8000",
        "/proc  the container's processes, without acpi asound",
        "; read-only bus fs irq sys sysrq-trigger",
        "without firmware devices/virtual/powercap",
        "RLIMIT_CORE 1",
        &format!(
            "/data  {} of the host, read-only",
            stage.path("data").display()
        ),
        "MODE=fast",
        "PID=<the process's pid>",
        &format!("PASSWORD  {label} "),
        "0.0.0.0:8000 as fd 3",
        "1024 open files",
        "SIGKILL 7s after SIGTERM",
    ] {
        assert!(
            outcome.stdout.contains(shown),
            "no {shown:?} in {}",
            outcome.stdout
        );
    }
    let sealed = token.rsplit_once(':').unwrap().1;
    assert!(
        !outcome.stdout.contains(sealed),
        "the token itself says nothing to people"
    );
}

#[test]
fn shows_and_warns_of_every_loosening() {
    let stage = Stage::new();
    stage.add_to_sandbox(
        "user-namespace: false\ncapabilities: [NET_RAW]\nseccomp: { allow: [ptrace] }\n\
         no-new-privileges: false\nallow-exec-volumes: true\n\
         rlimits: { core: unlimited }\nlandlock: off\n",
    );
    let outcome = stage.check(&["--explain", "shop/web"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    for shown in [
        "those of the host: no user namespace",
        "new ones, but set-user-id programs of the image do not work",
        "NET_RAW",
        "the default profile, and ptrace",
        "landlock      off\n",
        "RLIMIT_CORE unlimited",
    ] {
        let stdout = &outcome.stdout;
        assert!(stdout.contains(shown), "no {shown:?} in {stdout}");
    }
    for warned in [
        "run in the host's user namespace",
        "`capabilities` grants NET_RAW",
        "`seccomp` allows more calls: ptrace",
        "`no-new-privileges: false`",
        "`allow-exec-volumes`",
        "`rlimits: { core }`",
        "`landlock: off`",
    ] {
        let stderr = &outcome.stderr;
        assert!(stderr.contains(warned), "no {warned:?} in {stderr}");
    }
}

#[test]
fn explains_all_or_one() {
    let stage = Stage::new();
    stage.write(
        "etc/processes/shop.yaml",
        "web: { image: web, config: /config/web.yaml }\n\
         api: { image: web, config: /config/web.yaml }\n",
    );
    let explained = |args: &[&str]| {
        let stdout = stage.check(args).stdout;
        stdout.matches(": a daemon").count()
    };
    assert_eq!(explained(&["--explain"]), 2);
    assert_eq!(explained(&["--explain", "shop"]), 2);
    assert_eq!(explained(&["--explain", "shop/api"]), 1);
    assert_eq!(explained(&[]), 0);
}

#[test]
fn prints_plans_as_json() {
    let stage = Stage::new();
    let outcome = stage.check(&["--json", "--explain"]);
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["plans"][1]["name"], "shop/web.1");
}

#[test]
fn prints_the_limits_of_the_cgroup() {
    let stage = Stage::new();
    stage.write("etc/master.yaml", "");
    stage.container(
        "memory-limit: 64Mi\nmemory-high: 48Mi\ncpu-limit: 1.5\ncpu-shares: 512\npids-limit: 20\n",
    );
    let outcome = stage.check(&["--explain", "shop/web"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    for shown in [
        "64Mi of memory, no swap",
        "slowed down above 48Mi of memory",
        "1.5 CPU cores",
        "512 CPU shares",
        "20 tasks",
        "lithos.slice/shop:web.0",
    ] {
        assert!(
            outcome.stdout.contains(shown),
            "no {shown:?} in {}",
            outcome.stdout
        );
    }
    assert!(
        !outcome.stderr.contains("has no effect"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn warns_of_limits_where_cgroups_are_off() {
    let stage = Stage::new();
    stage.container("pids-limit: 20\n");
    let outcome = stage.check(&[]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("`pids-limit` has no effect: `cgroup-name: null` turns cgroups off"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn says_what_a_commands_number_is() {
    let stage = Stage::new();
    stage.container("kind: Command\n");
    stage.write(
        "etc/processes/shop.yaml",
        "web: { kind: Command, image: web, config: /config/web.yaml }\n",
    );
    let outcome = stage.check(&["--explain"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let title = "shop/web: a command, shop/cmd.web.0 with the pid of lithos_cmd for its number\n";
    assert!(outcome.stdout.starts_with(title), "{}", outcome.stdout);
}

#[test]
fn says_where_each_secret_comes_from() {
    let stage = Stage::new();
    stage.key("alpha", true);
    let token = stage.token("alpha", "");
    let key = stage.path("shop.key");
    stage.add_to_sandbox(&format!(
        "secrets-private-key: {}\n\
         default-secrets: {{ environ: {{ DSN: '{token}', MINE: '{token}' }}, files: {{ /etc/ca.pem: '{token}' }} }}",
        key.display()
    ));
    for file in ["ca.pem", "app.conf"] {
        stage.write(&format!("images/web/etc/{file}"), "");
    }
    stage.container(&format!(
        "secret-environ: {{ MINE: '{token}' }}\n\
         secret-templates: {{ /etc/app.conf: '@{{secret:DSN}}' }}\n"
    ));
    let outcome = stage.check(&["--explain", "shop/web"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    for (name, origin) in [
        ("DSN", "`default-secrets` of the sandbox"),
        ("MINE", "`secret-environ` of the container config"),
        ("/etc/ca.pem", "`default-secrets` of the sandbox"),
        (
            "/etc/app.conf",
            "`secret-templates` of the container config",
        ),
    ] {
        let shown = |line: &&str| line.contains(name) && line.contains(&format!("from {origin}"));
        assert!(
            outcome.stdout.lines().any(|line| shown(&line)),
            "{name}: {}",
            outcome.stdout
        );
    }
}
