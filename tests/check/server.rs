//! Whole servers: what is counted, and what does not concern the others.

use std::fs;

use crate::stage::{Stage, run};

#[test]
fn says_in_one_line_that_nothing_is_wrong() {
    let outcome = Stage::new().accepted();
    assert_eq!(
        outcome.stdout,
        "1 sandbox, 1 process, 2 containers: no problems\n"
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn names_file_line_container_and_hint() {
    let stage = Stage::new();
    stage.container("tcp-ports: { 22: { fd: 3 } }\n");
    let outcome = stage.refused("shop/web: port 22 is not among the `allow-tcp-ports`");
    assert!(outcome.stderr.contains("web.yaml:4:"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("add 22 to `allow-tcp-ports`"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stdout.ends_with("0 containers: 1 problem\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        !outcome.stderr.contains('\x1b'),
        "colours without a terminal"
    );
}

#[test]
fn a_broken_process_does_not_keep_the_others() {
    let stage = Stage::new();
    stage.write(
        "etc/processes/shop.yaml",
        "web: { image: web, config: /config/web.yaml }\n\
         bad: { image: none, config: /config/web.yaml }\nworse: { image: [] }\n",
    );
    let outcome = stage.refused("shop/bad: cannot read");
    assert!(
        outcome.stdout.contains("3 processes, 1 container: "),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_broken_sandbox_does_not_keep_the_others() {
    let stage = Stage::new();
    stage.write("etc/sandboxes/bad.yaml", "imagedir: /x\n");
    let outcome = stage.refused("bad: ");
    assert!(
        outcome
            .stdout
            .starts_with("2 sandboxes, 1 process, 2 containers: ")
    );
    assert_eq!(stage.check(&["--sandbox", "shop"]).status, 0);
}

#[test]
fn refuses_a_port_of_another_sandbox() {
    let stage = Stage::new();
    stage.container("tcp-ports: { 8000: { fd: 3 } }\n");
    stage.accepted();
    stage.write("etc/sandboxes/zoo.yaml", &stage.sandbox());
    let processes = stage.path("etc/processes");
    fs::copy(processes.join("shop.yaml"), processes.join("zoo.yaml")).unwrap();
    stage.refused("zoo/web: 0.0.0.0:8000 belongs to another sandbox: shop/web");
}

#[test]
fn a_conflict_is_told_at_the_port_that_is_asked_for() {
    for (ports, place) in [
        (
            "tcp-ports:\n  9000: { fd: 4 }\n  8000: { fd: 3 }\n",
            "web.yaml:6:3",
        ),
        (
            "tcp-ports:\n  9000: { fd: 4 }\n  '@{port}': { fd: 3 }\nvariables: { port: !TcpPort }\n",
            "web.yaml:6:3",
        ),
        (
            "variables:\n  port: !TcpPort { activation: systemd }\n",
            "web.yaml:5:3",
        ),
    ] {
        let stage = Stage::new();
        stage.container(ports);
        let sandbox = stage.sandbox().replace("8000-8999", "8000-9000");
        stage.write("etc/sandboxes/shop.yaml", &sandbox);
        let port = match ports.contains("port:") {
            true => ", variables: { port: 8000 }",
            false => "",
        };
        let processes = format!("web: {{ image: web, config: /config/web.yaml{port} }}\n");
        stage.write("etc/processes/shop.yaml", &processes);
        stage.accepted();
        stage.write("etc/sandboxes/zoo.yaml", &sandbox);
        stage.write("etc/processes/zoo.yaml", &processes);
        let told = stage.refused("zoo/web: 0.0.0.0:8000 belongs to another sandbox: shop/web");
        let (_, told) = told.stderr.split_once("0.0.0.0:8000 belongs").unwrap();
        let first = told.split("\n\n").next().unwrap();
        assert!(first.contains(place), "no {place} in {told}");
    }
}

#[test]
fn a_conflict_is_told_at_the_address_that_is_asked_for() {
    let stage = Stage::new();
    let network = "bridged-network: { bridge: br-none, network: 10.0.0.0/24 }\n";
    let sandbox = format!("{}{network}", stage.sandbox());
    let processes = |addresses: &str| {
        format!(
            "web:\n  image: web\n  config: /config/web.yaml\n  instances: 2\n  \
             ip-addresses: {addresses}\n"
        )
    };
    stage.write("etc/sandboxes/shop.yaml", &sandbox);
    stage.write("etc/sandboxes/zoo.yaml", &sandbox);
    stage.write(
        "etc/processes/shop.yaml",
        &processes("[10.0.0.2, 10.0.0.3]"),
    );
    stage.write("etc/processes/zoo.yaml", &processes("[10.0.0.4, 10.0.0.3]"));
    let told = stage.refused("zoo/web: 10.0.0.3 on `br-none` is the address of shop/web.1");
    assert!(
        told.stderr.contains("processes/zoo.yaml:5:28"),
        "{}",
        told.stderr
    );
}

#[test]
fn refuses_the_address_of_the_metrics() {
    let stage = Stage::new();
    stage.container("tcp-ports: { 8000: { fd: 3, host: 127.0.0.1 } }\n");
    stage.accepted();
    let master = stage.path("etc/master.yaml");
    let text = fs::read_to_string(&master).unwrap();
    fs::write(&master, text + "metrics-listen: '[::]:8000'\n").unwrap();
    let outcome = stage.refused("shop/web: 127.0.0.1:8000 cannot be bound: the supervisor listens");
    let hint = format!("or `metrics-listen` in {}", master.display());
    assert!(outcome.stderr.contains(&hint), "{}", outcome.stderr);
}

#[test]
fn refuses_a_sandbox_whose_log_would_be_the_audit_log() {
    let stage = Stage::new();
    let sandboxes = stage.path("etc/sandboxes");
    fs::copy(sandboxes.join("shop.yaml"), sandboxes.join("audit.yaml")).unwrap();
    stage.refused("audit: the sandbox would log to /var/log/lithos/audit.log, the audit log");
    stage.add_to_sandbox("log-file: audit.log");
    stage.refused("shop: the sandbox would log to /var/log/lithos/audit.log, the audit log");
}

#[test]
fn missing_files_are_clear_errors() {
    let stage = Stage::new();
    fs::remove_file(stage.path("etc/processes/shop.yaml")).unwrap();
    stage.refused("cannot read");
    fs::remove_dir_all(stage.path("etc/sandboxes")).unwrap();
    stage.refused("cannot list the sandboxes in");
    fs::remove_file(stage.path("etc/master.yaml")).unwrap();
    stage.refused("master.yaml");
}

#[test]
fn refuses_a_sandbox_that_has_no_name() {
    let stage = Stage::new();
    stage.write("etc/sandboxes/a b.yaml", "");
    stage.refused("a b.yaml is no sandbox's config");
    stage.write("etc/sandboxes/readme.txt", "not read");
}

#[test]
fn checks_a_process_config_before_it_is_switched_to() {
    let stage = Stage::new();
    stage.write(
        "next.yaml",
        "web: { image: next, config: /config/web.yaml }\n",
    );
    let next = stage.path("next.yaml");
    let args = [
        "--sandbox",
        "shop",
        "--alternate-config",
        next.to_str().unwrap(),
    ];
    let outcome = stage.check(&args);
    assert_eq!(outcome.status, 1);
    assert!(outcome.stderr.contains("images/next"), "{}", outcome.stderr);
    stage.accepted();
}

#[test]
fn warns_where_memory_has_no_ceiling() {
    let stage = Stage::new();
    let sandbox = stage.sandbox().replace("limits: { memory: 1Gi }\n", "");
    stage.write("etc/sandboxes/shop.yaml", &sandbox);
    let outcome = stage.accepted();
    assert!(
        outcome.stderr.contains("no ceiling for `memory`"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stdout.ends_with("no problems, 1 warning\n"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn lists_what_is_fine_if_asked() {
    let outcome = Stage::new().check(&["-v"]);
    assert!(
        outcome.stdout.contains("shop/web (2 containers): fine\n"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn takes_the_master_config_under_three_names() {
    let stage = Stage::new();
    let master = stage.path("etc/master.yaml");
    for option in ["-C", "--config", "--master"] {
        assert_eq!(
            run(&[option, master.to_str().unwrap()]).status,
            0,
            "{option}"
        );
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [
        &["--what"][..],
        &["--alternate-config", "/x"],
        &["--sandbox", "../x"],
        &["--explain", "a/b/c"],
    ] {
        assert_eq!(run(args).status, 2, "{args:?}");
    }
    assert_eq!(run(&["--help"]).status, 0);
    assert_eq!(run(&["--version"]).status, 0);
}

#[test]
fn refuses_names_that_there_are_not() {
    let stage = Stage::new();
    for args in [
        ["--sandbox", "x"],
        ["--explain", "x"],
        ["--explain", "shop/x"],
    ] {
        let outcome = stage.check(&args);
        assert_eq!(outcome.status, 1, "{args:?}");
        assert!(
            outcome.stderr.contains("there is no "),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn prints_problems_as_json() {
    let stage = Stage::new();
    stage.container("user-id: 0\n".replace("user-id", "group_id").as_str());
    let outcome = stage.check(&["--json"]);
    assert_eq!(outcome.status, 1);
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["problems"][0]["severity"], "error");
    assert_eq!(json["problems"][0]["line"], 4);
}
