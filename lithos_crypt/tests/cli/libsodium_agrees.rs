use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::support::{feed, key};

/// A Python with PyNaCl: the one that `.ci/run` makes, or any.
fn python() -> Option<&'static str> {
    let has_nacl = |python: &&str| {
        let mut command = Command::new(python);
        let command = command.args(["-c", "import nacl.bindings, nacl.public"]);
        let status = command.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let ours = concat!(env!("CARGO_TARGET_TMPDIR"), "/../pynacl/bin/python3");
    let known = [ours, "python3", "/usr/bin/python3"];
    let found = known.into_iter().find(has_nacl);
    if found.is_none() {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(!must, "LITHOS_TEST_ROOT=1, but PyNaCl is missing");
        println!("SKIP: PyNaCl is missing");
    }
    found
}

fn ask(python: &str, cases: &Value) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/libsodium.py");
    let run = feed(
        Command::new(python).arg(script),
        cases.to_string().as_bytes(),
    );
    serde_json::from_slice(&run.expect_code(0).stdout).unwrap()
}

/// Keys of the vectors, and new ones: each is another point of the curve.
fn keys(desk: &Desk) -> Vec<String> {
    let new = (0..8).map(|number| {
        let path = desk.text_path(&format!("key{number}"));
        desk.run(&["keygen", "-C", "a comment", &path], b"")
            .expect_code(0);
        path
    });
    let new: Vec<_> = new.collect();
    ["alpha", "beta", "gamma"]
        .map(key)
        .into_iter()
        .chain(new)
        .collect()
}

fn secrets() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("", Vec::new()),
        ("", b":".to_vec()),
        ("shop", b"a:b:c\n".to_vec()),
        ("My_App-2.x", (0..=255).collect()),
        ("shop", vec![b'x'; 100_000]),
    ]
}

#[test]
fn in_both_directions_and_for_every_key() {
    let Some(python) = python() else {
        return;
    };
    let desk = Desk::new();
    let (mut to_seal, mut to_open, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let keys = keys(&desk);
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    for (number, path) in keys.iter().enumerate() {
        let secrets = secrets();
        // All secrets with the first key, one with each other key.
        let some = if number == 0 {
            &secrets[..]
        } else {
            &secrets[number % 4..][..1]
        };
        for (namespace, secret) in some {
            let public = format!("{path}.pub");
            let arguments = ["encrypt", "--exact", "-k", &public, "-n", namespace];
            let token = desk.run(&arguments, secret).expect_code(0);
            let encoded = STANDARD.encode(secret);
            to_seal.push(
                json!({ "public": read(&public), "namespace": namespace, "secret": encoded }),
            );
            to_open.push(json!({ "private": read(path), "token": token.text().trim_end() }));
            expected.push((path, *namespace, secret.clone(), encoded));
        }
    }
    let answer = ask(python, &json!({ "seal": to_seal, "open": to_open }));
    assert_eq!(answer["open"].as_array().unwrap().len(), expected.len());
    for (index, (path, namespace, secret, encoded)) in expected.iter().enumerate() {
        let opened = json!({ "namespace": namespace, "secret": encoded });
        assert_eq!(
            answer["open"][index], opened,
            "{path}: ours is not opened by libsodium"
        );
        let token = answer["seal"][index].as_str().unwrap();
        let arguments = ["decrypt", "-i", path];
        let run = desk.run(&arguments, token.as_bytes()).expect_code(0);
        assert_eq!(
            run.stdout, *secret,
            "{path}: libsodium's is not opened by us"
        );
        assert!(
            run.stderr.contains(&format!("{namespace}:")),
            "{}",
            run.stderr
        );
        // The same labels, from either.
        let ours = to_open[index]["token"].as_str().unwrap();
        assert_eq!(
            ours.rsplit_once(':').unwrap().0,
            token.rsplit_once(':').unwrap().0
        );
    }
}

#[test]
fn on_what_is_refused() {
    let Some(python) = python() else {
        return;
    };
    let desk = Desk::new();
    let token = crate::support::seal("shop", b"value");
    let (label, sealed) = token.rsplit_once(':').unwrap();
    let mut bytes = STANDARD.decode(sealed).unwrap();
    bytes[50] ^= 1;
    let damaged = format!("{label}:{}", STANDARD.encode(&bytes));
    let relabelled = {
        let other = crate::support::seal("other", b"value");
        format!("{}:{sealed}", other.rsplit_once(':').unwrap().0)
    };
    let private = std::fs::read_to_string(key("alpha")).unwrap();
    let cases = [(damaged, "box"), (relabelled, "label")];
    let open: Vec<_> = cases
        .iter()
        .map(|(token, _)| json!({ "private": private, "token": token }))
        .collect();
    let answer = ask(python, &json!({ "seal": [], "open": open }));
    for (index, (token, why)) in cases.iter().enumerate() {
        assert_eq!(answer["open"][index]["refused"], *why);
        desk.run(&["decrypt", "-i", &key("alpha")], token.as_bytes())
            .expect_code(1);
    }
}
