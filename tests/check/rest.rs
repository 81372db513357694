//! What is wrong in one file does not hide what is wrong in the others.

use std::fs;

use crate::stage::{Stage, run};

/// The titles of the problems.
fn told(stage: &Stage) -> Vec<String> {
    let outcome = stage.check(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let problems = json["problems"].as_array().unwrap().iter();
    let messages = problems.map(|problem| problem["message"].as_str().unwrap().to_owned());
    messages.collect()
}

/// Asserts that there are just these, in this order.
fn assert_told(stage: &Stage, expected: &[&str]) {
    let told = told(stage);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (message, expected) in told.iter().zip(expected) {
        assert!(message.contains(expected), "no {expected:?} in {told:#?}");
    }
}

const PROCESSES: &str = "web: { image: web, config: /config/web.yaml }\n\
    bad: { image: web, config: /config/web.yaml, instanecs: 2 }\n";

#[test]
fn every_file_is_told_of_in_one_run() {
    let stage = Stage::new();
    stage.add_to_sandbox("alow-users: [1]");
    stage.write("etc/processes/shop.yaml", PROCESSES);
    stage.container("memroy-limit: 1G\nsecret-environ-file: nowhere.yaml\n");
    let all = [
        "unknown key `alow-users`",
        "unknown key `instanecs`",
        "unknown key `memroy-limit`",
        "nowhere.yaml: there is no such file",
    ];
    assert_told(&stage, &all);
    stage.write("etc/sandboxes/shop.yaml", &stage.sandbox());
    assert_told(&stage, &all[1..]);
}

#[test]
fn a_broken_sandbox_config_keeps_all_of_it_from_starting() {
    let stage = Stage::new();
    for line in ["alow-users: [1]", "log-file: audit.log"] {
        stage.add_to_sandbox(line);
        let outcome = stage.refused("");
        let summary = "1 sandbox, 0 processes, 0 containers: 1 problem\n";
        assert_eq!(outcome.stdout, summary, "{}", outcome.stderr);
    }
}

#[test]
fn rules_of_a_sandbox_config_do_not_hide_those_of_the_others() {
    let stage = Stage::new();
    stage.add_to_sandbox("log-file: audit.log");
    stage.write("etc/processes/shop.yaml", PROCESSES);
    stage.container("arguments: ['@{port}']\n");
    assert_told(
        &stage,
        &["the audit log", "`instanecs`", "`port` is not declared"],
    );
    fs::remove_file(stage.path("etc/processes/shop.yaml")).unwrap();
    assert_told(&stage, &["the audit log", "there is no such file"]);
}

#[test]
fn what_only_follows_from_a_broken_sandbox_config_is_not_told() {
    let stage = Stage::new();
    let sandbox = stage.sandbox();
    for (key, wrong) in [("image-dir:", "imagedir:"), ("limits: {", "limits: [}")] {
        stage.write("etc/sandboxes/shop.yaml", &sandbox.replace(key, wrong));
        assert_eq!(told(&stage).len(), 1, "{wrong}");
    }
    let files = ["etc/processes/shop.yaml", "etc/processes/other.yaml"];
    fs::rename(stage.path(files[0]), stage.path(files[1])).unwrap();
    stage.add_to_sandbox("config-flie: other.yaml");
    assert_told(&stage, &["unknown key `config-flie`"]);
    fs::remove_file(stage.path("etc/sandboxes/shop.yaml")).unwrap();
    fs::create_dir(stage.path("etc/sandboxes/shop.yaml")).unwrap();
    assert_told(&stage, &["it is a directory"]);
}

#[test]
fn a_secrets_file_does_not_hide_the_rules_of_its_container_config() {
    let stage = Stage::new();
    let rule = "arguments: ['@{port}']\nsecret-environ-file: secrets.yaml\n";
    stage.container(rule);
    let rule = "`port` is not declared";
    assert_told(&stage, &["secrets.yaml: there is no such file", rule]);
    stage.write("images/web/config/secrets.yaml", "A: [\n");
    assert_told(&stage, &["not YAML", rule]);
    stage.write("images/web/config/secrets.yaml", "A: { valeu: x }\n");
    assert_told(&stage, &["`value` is missing", "unknown key", rule]);
}

#[test]
fn a_container_config_alone_is_told_of_with_its_secrets_file() {
    let stage = Stage::new();
    let file = stage.path("images/web/config/web.yaml");
    let check = || run(&["--check-container", file.to_str().unwrap()]).stderr;
    for line in ["arguments: ['@{port}']", "memroy-limit: 1G"] {
        stage.container(&format!("secret-environ-file: nowhere.yaml\n{line}\n"));
        let told = check();
        assert!(told.contains("web.yaml:4:22"), "{told}");
        assert!(told.contains("web.yaml:5:"), "{told}");
    }
}
