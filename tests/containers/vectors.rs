//! Every token vector, through a container of its own.

use std::collections::BTreeMap;

use lithos_crypt::ShortHash;
use serde_json::Value;

use crate::ground::{Ground, KEYS};

/// The vectors that share a sandbox: the same keys and allowed namespaces.
fn groups() -> Vec<Vec<Value>> {
    let text = std::fs::read_to_string(format!("{KEYS}/../v2.json")).unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    let mut groups = BTreeMap::<String, Vec<Value>>::new();
    for vector in all["vectors"].as_array_mut().unwrap() {
        // Containers have their secrets in variables only.
        if vector["delivery"] == "env" {
            let group = format!("{}{}", vector["private_keys"], vector["allowed_namespaces"]);
            groups.entry(group).or_default().push(vector.take());
        }
    }
    groups.into_values().collect()
}

/// A sandbox with a process for each vector.
fn lay(ground: &Ground, sandbox: &str, vectors: &[Value]) {
    let keys: Vec<_> = vectors[0]["private_keys"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let keys: Vec<_> = keys
        .iter()
        .map(|key| ground.key(key.as_str().unwrap(), 0o600))
        .collect();
    let namespaces = &vectors[0]["allowed_namespaces"];
    ground.sandbox_named(
        sandbox,
        &format!("secrets-private-key: {keys:?}\nsecrets-namespaces: {namespaces}"),
    );
    let mut processes = String::new();
    for (number, vector) in vectors.iter().enumerate() {
        let config = format!("{sandbox}-{number}");
        processes += &format!("v{number}: {{ image: probe, config: /config/{config}.yaml }}\n");
        ground.container_named(
            &config,
            &format!(
                "arguments: [report, sleep]\nrestart-timeout: 60\nsecret-environ: {{ SECRET: {} }}",
                vector["token"]
            ),
        );
    }
    ground.write(&format!("processes/{sandbox}.yaml"), processes);
}

#[test]
fn every_vector_has_its_outcome_in_a_container() {
    let Some(ground) = Ground::new() else { return };
    std::fs::remove_file(ground.path("sandboxes/shop.yaml")).unwrap();
    let groups = groups();
    for (number, vectors) in groups.iter().enumerate() {
        lay(&ground, &format!("g{number}"), vectors);
    }
    let tree = ground.start();
    for (group, vectors) in groups.iter().enumerate() {
        for (number, vector) in vectors.iter().enumerate() {
            let process = format!("g{group}/v{number}");
            let outcome = vector["outcome"].as_str().unwrap();
            if outcome == "ok" {
                let report = tree.result(&format!("{process}.0"), "report");
                let secret = report["environ"]["SECRET"].as_str().unwrap();
                let column = vector["token"].as_str().unwrap().split(':').nth(3).unwrap();
                let hash = ShortHash::of(secret.as_bytes()).to_string();
                assert_eq!(hash, column, "{}", vector["name"]);
            } else {
                tree.wait(
                    &format!("{outcome} of {process}, {}", vector["name"]),
                    || {
                        let log = tree.log();
                        let of_process = |line: &&str| {
                            let after = line.split_once(&process).map(|(_, rest)| rest);
                            after.is_some_and(|rest| rest.starts_with([':', '.']))
                        };
                        let mut lines = log.lines().filter(of_process);
                        lines.any(|line| line.contains(outcome)).then_some(())
                    },
                );
                assert!(tree.lines(&format!("{process}.0"), "report").is_empty());
            }
        }
    }
}
