//! Every outcome of every token vector, in every form in which a secret is delivered.

use std::fs;

use serde_json::Value;

use super::*;
use crate::report::{RefusedSecret, Report};
use crate::resolve::plan::Owner;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lithos_crypt/tests/vectors");

fn vectors() -> Vec<Value> {
    let text = fs::read_to_string(format!("{VECTORS}/v2.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all["vectors"].as_array().unwrap().clone()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_str().unwrap())
}

fn keys(vector: &Value) -> Vec<PrivateKey> {
    let keys = texts(&vector["private_keys"]).flat_map(|name| {
        let text = fs::read(format!("{VECTORS}/keys/{name}")).unwrap();
        read_private_keys(&text).unwrap()
    });
    keys.collect()
}

/// A form of delivery, and what the secret is called in it.
const FORMS: [(&str, &str); 6] = [
    ("variable", "P"),
    ("variable of several", "P"),
    ("hashed variable", "P"),
    ("dotenv", "P"),
    ("file", "/run/secrets/f"),
    ("template", "P"),
];

fn secrets(form: &str, vector: &Value) -> Secrets {
    let token = vector["token"].as_str().unwrap().to_owned();
    let mut sealed = Sealed {
        tokens: vec![token.clone()],
        ..Sealed::default()
    };
    match form {
        "variable of several" => sealed.tokens.push(token),
        "hashed variable" => sealed.transform = Some(Transform::Yescrypt),
        "dotenv" => sealed.transform = Some(Transform::Dotenv(vec!["A".to_owned()])),
        _ => {}
    }
    let name = "P".to_owned();
    let content = match form {
        "file" => Some(Content::Secret(sealed.clone())),
        "template" => {
            let sealed = sealed.clone();
            Some(Content::Template(vec![Piece::Secret { name, sealed }]))
        }
        _ => None,
    };
    let namespaces = texts(&vector["allowed_namespaces"]).map(str::to_owned);
    let mut secrets = Secrets {
        namespaces: namespaces.collect(),
        ..Secrets::default()
    };
    match content {
        None => _ = secrets.environ.insert("P".to_owned(), sealed),
        Some(content) => secrets.files.push(SecretFile {
            path: "/run/secrets/f".into(),
            owner: Owner {
                mode: 0o400,
                uid: 0,
                gid: 0,
            },
            content,
        }),
    }
    secrets
}

/// What the report says of it; none: it opens.
fn refused(form: &str, vector: &Value) -> Option<Vec<RefusedSecret>> {
    let failure = open_with(&keys(vector), &secrets(form, vector)).err()?;
    match failure.report() {
        Report::Failed { refused, .. } => Some(refused),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_bad_outcome_is_told_by_its_name_in_every_form() {
    let mut seen = std::collections::BTreeSet::new();
    for vector in vectors() {
        let outcome = vector["outcome"].as_str().unwrap();
        // Whether a variable can hold it matters to variables only.
        if ["ok", "not-env-safe"].contains(&outcome) {
            continue;
        }
        seen.insert(outcome.to_owned());
        for (form, name) in FORMS {
            let tokens = if form == "variable of several" { 2 } else { 1 };
            let expected = RefusedSecret {
                name: name.to_owned(),
                outcomes: vec![outcome.to_owned(); tokens],
            };
            let found = refused(form, &vector);
            assert_eq!(found, Some(vec![expected]), "{form}, {}", vector["name"]);
        }
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn of_many_refused_secrets_a_few_are_told_in_words_and_all_by_their_outcomes() {
    let sealed = Sealed {
        tokens: vec!["no token".to_owned(); 100],
        ..Sealed::default()
    };
    let name = |number: usize| format!("SECRET_{number:04}");
    let secrets = Secrets {
        environ: (0..1000).map(|n| (name(n), sealed.clone())).collect(),
        ..Secrets::default()
    };
    let failure = open_with(&[], &secrets).err().unwrap();
    let Report::Failed {
        reason,
        hint,
        refused,
        ..
    } = failure.report()
    else {
        panic!("{failure}");
    };
    let lines: Vec<_> = reason.lines().collect();
    assert_eq!(lines.len(), 11, "{reason}");
    assert!(lines[9].starts_with("cannot open the secret SECRET_0009: "));
    assert!(lines[9].ends_with("; and 90 more"), "{reason}");
    assert_eq!(lines[10], "cannot deliver 990 more of the secrets");
    assert!(hint.unwrap().contains("lithos_ctl audit"));
    assert_eq!(refused.len(), 1000);
    assert!(refused.iter().all(|one| one.outcomes.len() == 100));
}

#[test]
fn what_no_variable_can_hold_is_refused_as_a_variable_only() {
    let vectors = vectors();
    let unsafe_ones = vectors.iter().filter(|v| v["outcome"] == "not-env-safe");
    for vector in unsafe_ones.clone() {
        let outcome = refused("variable", vector).unwrap()[0].outcomes.clone();
        assert_eq!(outcome, ["not-env-safe"]);
        for form in ["file", "template"] {
            assert_eq!(refused(form, vector), None, "{form}");
        }
    }
    assert!(unsafe_ones.count() > 0);
}

#[test]
fn the_labels_are_told_in_the_order_of_the_places() {
    let vectors = vectors();
    let of = |key: &str| {
        let sealed = vectors.iter().filter(|v| v["outcome"] == "ok");
        let mut sealed = sealed.filter(|v| v["private_keys"][0] == key);
        sealed.next().unwrap()
    };
    let (one, other) = (of("alpha"), of("beta"));
    let mut all = secrets("variable", one);
    all.files = secrets("file", other).files;
    all.files.extend(secrets("template", one).files);
    all.namespaces.extend(secrets("file", other).namespaces);
    let keys: Vec<_> = keys(one).into_iter().chain(keys(other)).collect();
    let opened = open_with(&keys, &all).ok().unwrap();
    let told: Vec<_> = opened.labels.iter().map(Label::to_string).collect();
    let places = all.places().into_iter().map(|place| {
        let token: lithos_crypt::Token = place.sealed.tokens[0].parse().unwrap();
        token.label().to_string()
    });
    assert_eq!(told, places.collect::<Vec<_>>());
    assert_ne!(told[0], told[1]);
}

#[test]
fn every_fault_of_a_value_has_a_name_of_its_own() {
    let faults = [
        transform::ValueError::Nul,
        transform::ValueError::TooLong,
        transform::ValueError::Hash,
        transform::ValueError::Line(1),
        transform::ValueError::Undeclared(1),
        transform::ValueError::Twice(1),
        transform::ValueError::Missing("A".to_owned()),
    ];
    let names: std::collections::BTreeSet<_> = faults.iter().map(|f| f.outcome()).collect();
    assert_eq!(names.len(), faults.len());
}
