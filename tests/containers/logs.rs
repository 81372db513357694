//! What the supervisor writes: its own log, one for each sandbox, and the log
//! of loaded process configs.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::ground::Ground;
use crate::tree::{Tree, files_below};

/// A supervisor that logs as the configs say.
fn start(ground: &Ground) -> Tree<'_> {
    Tree::start_with(ground, Command::new(env!("CARGO_BIN_EXE_lithos_tree")), &[])
}

fn read(ground: &Ground, below: &str) -> String {
    fs::read_to_string(ground.path(below)).unwrap_or_default()
}

fn loads(text: &str) -> usize {
    text.matches("loaded; supervising").count()
}

#[test]
fn each_sandbox_has_its_own_log_at_its_own_level() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    ground.master("log-level: info");
    ground.sandbox("log-level: error");
    for (name, lines) in [
        ("lab", ""),
        ("den", "log-file: other/den.log\nlog-level: debug"),
    ] {
        ground.sandbox_named(name, lines);
        let text = "web: { image: probe, config: /config/web.yaml }";
        ground.write(&format!("processes/{name}.yaml"), text);
    }
    let mut tree = start(&ground);
    for name in ["shop", "lab", "den"] {
        tree.result(&format!("{name}/web.0"), "list=/bin");
    }
    tree.wait("log", || {
        (loads(&read(&ground, "log/master.log")) == 1).then_some(())
    });
    assert!(tree.stop().success());
    assert_eq!(read(&ground, "log/shop.log"), "");
    for (name, file) in [("lab", "log/lab.log"), ("den", "log/other/den.log")] {
        let text = read(&ground, file);
        assert!(
            text.contains(&format!(" INFO  {name}/web.0: started, pid ")),
            "{text}"
        );
    }
    let own = read(&ground, "log/master.log");
    assert!(
        !own.contains("web.0") && own.contains(" INFO  stopped"),
        "{own}"
    );
    assert_eq!(tree.log(), "", "something went to stderr");
}

#[test]
fn syslog_without_a_daemon_stops_nothing_and_writes_no_files() {
    let Some(ground) = Ground::new() else { return };
    if fs::exists("/dev/log").unwrap() {
        return eprintln!("there is a daemon: tests/vm/service.rs looks at what it gets");
    }
    ground.container("arguments: [list=/bin, sleep]");
    ground.master("syslog-facility: local3\nsyslog-app-name: rocks\nlog-level: info");
    let mut tree = start(&ground);
    tree.result("shop/web.0", "list=/bin");
    assert!(tree.stop().success());
    assert_eq!(tree.log().matches("cannot write /dev/log").count(), 1);
    let files = files_below(&ground.path("log"));
    assert!(
        !files
            .iter()
            .any(|file| file.ends_with("master.log") || file.ends_with("log/shop.log")),
        "{files:?}"
    );
}

#[test]
fn each_load_of_a_process_config_is_noted() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let expected = r#"{"web":{"config":"/config/web.yaml","image":"probe"}}"#;
    let configs = || {
        let text = read(&ground, "log/config/shop.log");
        let lines = text
            .lines()
            .map(|line| line.split_once("Z ").unwrap().1.to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!(configs(), [expected]);
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    tree.signal(Signal::SIGHUP);
    tree.wait("reload", || (loads(&tree.log()) == 2).then_some(()));
    assert_eq!(configs().len(), 2);
    assert!(configs()[1].contains(r#""instances":2"#), "{:?}", configs());
    // A broken one is not loaded.
    ground.processes("web: [");
    tree.signal(Signal::SIGHUP);
    tree.wait("reload", || (loads(&tree.log()) == 3).then_some(()));
    assert_eq!(configs().len(), 2);
}

/// The master config, with this as `config-log-dir`.
fn config_log_dir(ground: &Ground, dir: &str) {
    ground.master("");
    let text = read(ground, "master.yaml");
    let lines = text
        .lines()
        .map(|line| match line.starts_with("config-log-dir") {
            true => format!("config-log-dir: {dir}\n"),
            false => format!("{line}\n"),
        });
    ground.write("master.yaml", lines.collect::<String>());
}

#[test]
fn null_turns_the_config_log_off() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    config_log_dir(&ground, "null");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let files = files_below(&ground.path("log"));
    assert!(
        !files.iter().any(|file| file.contains("config")),
        "{files:?}"
    );
    assert!(!tree.log().contains("config log"), "{}", tree.log());
}

#[test]
fn a_config_log_that_cannot_be_written_is_one_warning_and_stops_nothing() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [list=/bin, sleep]");
    ground.sandbox_named("lab", "");
    ground.write(
        "processes/lab.yaml",
        "web: { image: probe, config: /config/web.yaml }",
    );
    config_log_dir(&ground, "/dev/null/config");
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    tree.result("lab/web.0", "list=/bin");
    let log = tree.wait_for_log(&["loaded; supervising"]);
    let warning = " WARN  cannot write the config log in /dev/null/config: ";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
}
