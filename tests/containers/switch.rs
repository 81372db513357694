//! `lithos_switch`, and what `lithos_check --diff` foretells: checked first, whole,
//! and only what changed is restarted.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::ground::Ground;

const OLD: &str = "web: { image: probe, config: /config/web.yaml, instances: 2 }\n\
                   gone: { image: probe, config: /config/web.yaml }\n";
const NEW: &str = "web: { image: probe, config: /config/web.yaml }\n\
                   new: { image: probe, config: /config/web.yaml }\n";

fn ground() -> Option<Ground> {
    let ground = Ground::new()?;
    ground.container("arguments: [list=/bin, sleep]");
    ground.processes(OLD);
    Some(ground)
}

fn run(program: &str, ground: &Ground, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.arg("--master").arg(ground.path("master.yaml"));
    command.args(arguments).output().unwrap()
}

fn switch(ground: &Ground, arguments: &[&str], new: &str) -> Output {
    let new = ground.write("new.yaml", new);
    let mut all = arguments.to_vec();
    all.extend(["shop", new.to_str().unwrap()]);
    run(env!("CARGO_BIN_EXE_lithos_switch"), ground, &all)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn in_place(ground: &Ground) -> String {
    fs::read_to_string(ground.path("processes/shop.yaml")).unwrap()
}

#[test]
fn switches_and_restarts_only_what_changed() {
    let Some(ground) = ground() else { return };
    let mut tree = ground.start();
    for name in ["shop/web.0", "shop/web.1", "shop/gone.0"] {
        tree.result(name, "list=/bin");
    }
    let kept = tree.process("shop/web.0");
    let output = switch(&ground, &[], NEW);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("reloads"), "{}", stdout(&output));
    tree.result("shop/new.0", "list=/bin");
    tree.wait("end of what is gone", || {
        let gone = ["shop/web.1", "shop/gone.0"];
        gone.iter()
            .all(|name| ground.knot(name).is_none())
            .then_some(())
    });
    assert_eq!(tree.process("shop/web.0"), kept);
    assert_eq!(in_place(&ground), NEW);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn a_dry_run_says_what_would_happen_and_why_and_changes_nothing() {
    let Some(ground) = ground() else { return };
    let mut tree = ground.start();
    for name in ["shop/web.0", "shop/web.1", "shop/gone.0"] {
        tree.result(name, "list=/bin");
    }
    ground.container("arguments: [list=/bin, sleep]\nfileno-limit: 99");
    let output = switch(&ground, &["--dry-run"], NEW);
    assert_eq!(
        stdout(&output),
        "stop     shop/gone.0\nstart    shop/new.0\n\
         restart  shop/web.0\n           limits.fileno: 1024 → 99\n\
         stop     shop/web.1\n"
    );
    assert_eq!(in_place(&ground), OLD);
    let json = switch(&ground, &["--dry-run", "--json"], NEW);
    let json: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json[2]["fate"], "restart");
    assert_eq!(json[2]["changes"][0]["field"], "limits.fileno");
    let diff = run(env!("CARGO_BIN_EXE_lithos_check"), &ground, &["--diff"]);
    assert!(stdout(&diff).contains("restart  shop/gone.0\n"));
    assert!(tree.stop().success());
}

#[test]
fn check_foretells_the_end_of_a_sandbox_that_is_gone() {
    let Some(ground) = ground() else { return };
    ground.sandbox_named("other", "");
    ground.write(
        "processes/other.yaml",
        "one: { image: probe, config: /config/web.yaml }",
    );
    let mut tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    tree.result("other/one.0", "list=/bin");
    fs::remove_file(ground.path("sandboxes/other.yaml")).unwrap();
    let diff = run(env!("CARGO_BIN_EXE_lithos_check"), &ground, &["--diff"]);
    assert!(diff.status.success());
    assert!(
        stdout(&diff).contains("stop     other/one.0\n"),
        "{}",
        stdout(&diff)
    );
    assert!(
        stdout(&diff).contains("keep     shop/web.0\n"),
        "{}",
        stdout(&diff)
    );
    assert!(tree.stop().success());
}

#[test]
fn refuses_a_config_with_problems_and_changes_nothing() {
    let Some(ground) = ground() else { return };
    let cases = [
        (
            "web: { image: missing, config: /config/web.yaml }",
            "shop/web",
        ),
        (
            "web: { image: probe, confg: /config/web.yaml }",
            "did you mean `config`",
        ),
        ("web: [", "new.yaml"),
    ];
    for (new, told) in cases {
        let output = switch(&ground, &[], new);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
        assert!(stderr(&output).contains("nothing was changed"));
        assert_eq!(in_place(&ground), OLD);
    }
}

#[test]
fn refuses_a_file_that_is_not_there_an_unknown_sandbox_and_wrong_usage() {
    let Some(ground) = ground() else { return };
    let program = env!("CARGO_BIN_EXE_lithos_switch");
    let missing = run(program, &ground, &["shop", "/missing.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/missing.yaml"));
    let unknown = run(program, &ground, &["shoe", "/missing.yaml"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("there is no such sandbox"));
    assert_eq!(run(program, &ground, &["shop"]).status.code(), Some(2));
    assert_eq!(
        run(program, &ground, &["../shop", "x"]).status.code(),
        Some(2)
    );
    assert_eq!(in_place(&ground), OLD);
}

#[test]
fn works_without_a_supervisor_and_says_so() {
    let Some(ground) = ground() else { return };
    let output = switch(&ground, &[], NEW);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("no lithos_tree runs"));
    assert_eq!(in_place(&ground), NEW);
}

#[test]
fn two_at_once_leave_one_of_the_two_whole() {
    let Some(ground) = ground() else { return };
    let tree = ground.start();
    tree.result("shop/web.0", "list=/bin");
    let kept = tree.process("shop/web.0");
    let files = [("old.yaml", OLD), ("new.yaml", NEW)];
    let files = files.map(|(name, text)| ground.write(name, text));
    let switch = |file: &std::path::Path| {
        run(
            env!("CARGO_BIN_EXE_lithos_switch"),
            &ground,
            &["shop", file.to_str().unwrap()],
        )
    };
    std::thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| {
                for _ in 0..8 {
                    let output = switch(file);
                    assert!(output.status.success(), "{}", stderr(&output));
                    assert!([OLD, NEW].contains(&in_place(&ground).as_str()));
                }
            });
        }
    });
    assert!(switch(&files[1]).status.success());
    tree.result("shop/new.0", "list=/bin");
    tree.wait("end of what is gone", || {
        ground.knot("shop/gone.0").is_none().then_some(())
    });
    assert_eq!(tree.process("shop/web.0"), kept);
    assert_eq!(fs::read_dir(ground.path("processes")).unwrap().count(), 1);
}
