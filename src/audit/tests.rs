use super::*;
use crate::resolve::plan::{Content, Owner, Piece, Sealed, SecretFile, Secrets};

const SEALED: &str = "MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";

fn token(label: &str) -> String {
    format!("v2:{label}:{SEALED}")
}

fn sealed(labels: &[&str]) -> Sealed {
    Sealed {
        tokens: labels.iter().map(|label| token(label)).collect(),
        ..Sealed::default()
    }
}

const ONE: &str = "k/qSgp/F:KqWSX0BY:8MtOoWUX";
const OTHER: &str = "AAAAAAAA:KqWSX0BY:8MtOoWUX";

/// A variable with two tokens, a file, and a template that asks for both.
fn plan() -> Plan {
    let mut plan = crate::resolve::fixture::Fixture::new().plan();
    let file = |path: &str, content| SecretFile {
        path: path.into(),
        owner: Owner {
            mode: 0o400,
            uid: 0,
            gid: 0,
        },
        content,
    };
    let piece = |name: &str, sealed| Piece::Secret {
        name: name.to_owned(),
        sealed,
    };
    let pieces = vec![
        piece("P", sealed(&[ONE, OTHER])),
        Piece::Text(" ".to_owned()),
        piece("P", sealed(&[ONE, OTHER])),
    ];
    plan.secrets = std::rc::Rc::new(Secrets {
        namespaces: vec!["myapp".to_owned()],
        environ: [("P".to_owned(), sealed(&[ONE, OTHER]))].into(),
        files: vec![
            file("/run/secrets/f", Content::Secret(sealed(&[ONE]))),
            file("/run/secrets/t", Content::Template(pieces)),
        ],
        ..Secrets::default()
    });
    plan
}

fn told(outcome: Outcome<'_>) -> Vec<Line> {
    let entries = lines(&plan(), "1a", Occasion::Start, outcome);
    let lines = entries.into_iter().map(|entry| match entry {
        Entry::Secret(line) => line,
        Entry::Gap(gap) => panic!("{gap:?}"),
    });
    lines.collect()
}

/// Secret, delivery, key and outcome.
fn short(lines: &[Line]) -> Vec<(&str, Form, Option<&str>, &str)> {
    lines
        .iter()
        .map(|line| {
            (
                line.secret.as_str(),
                line.delivery,
                line.key_hash.as_deref(),
                line.outcome.as_str(),
            )
        })
        .collect()
}

#[test]
fn each_place_has_a_line_with_the_token_that_was_opened() {
    let opened = [OTHER, ONE, OTHER, OTHER].map(str::to_owned);
    let lines = told(Outcome::Delivered {
        time: 0,
        opened: &opened,
    });
    let expected = [
        ("P", Form::Variable, Some("AAAAAAAA"), "delivered"),
        ("/run/secrets/f", Form::File, Some("k/qSgp/F"), "delivered"),
        ("P", Form::Template, Some("AAAAAAAA"), "delivered"),
    ];
    assert_eq!(short(&lines), expected);
    let first = &lines[0];
    assert_eq!(first.time, "1970-01-01T00:00:00Z");
    assert_eq!(first.namespace.as_deref(), Some("myapp"));
    assert_eq!(first.secret_hash.as_deref(), Some("8MtOoWUX"));
    assert_eq!(lines[2].path.as_deref(), Some("/run/secrets/t"));
}

#[test]
fn of_a_refused_secret_each_token_is_told_and_the_others_are_withheld() {
    let refused = [RefusedSecret {
        name: "P".to_owned(),
        outcomes: vec!["undecryptable".to_owned(), "key-mismatch".to_owned()],
    }];
    let expected = [
        ("P", Form::Variable, Some("k/qSgp/F"), "undecryptable"),
        ("P", Form::Variable, Some("AAAAAAAA"), "key-mismatch"),
        ("/run/secrets/f", Form::File, Some("k/qSgp/F"), "withheld"),
        ("P", Form::Template, Some("k/qSgp/F"), "undecryptable"),
        ("P", Form::Template, Some("AAAAAAAA"), "key-mismatch"),
    ];
    assert_eq!(short(&told(Outcome::Failed(&refused))), expected);
}

#[test]
fn where_nobody_can_tell_the_token_is_named_only_if_there_is_one() {
    let expected = [
        ("P", Form::Variable, None, "unknown"),
        ("/run/secrets/f", Form::File, Some("k/qSgp/F"), "unknown"),
        ("P", Form::Template, None, "unknown"),
    ];
    assert_eq!(short(&told(Outcome::Unknown)), expected);
}

#[test]
fn no_line_holds_a_token_and_each_is_read_back() {
    for outcome in [Outcome::Unknown, Outcome::Intended, Outcome::Failed(&[])] {
        for entry in lines(&plan(), "1a", Occasion::Exec, outcome) {
            let json = serde_json::to_string(&entry).unwrap();
            assert!(!json.contains(SEALED) && !json.contains('\n'), "{json}");
            assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        }
    }
}

#[test]
fn what_is_no_token_has_a_line_without_hashes() {
    let mut plan = plan();
    let secrets = Secrets {
        environ: [("P".to_owned(), sealed(&["hunter2"]))].into(),
        ..Secrets::default()
    };
    plan.secrets = std::rc::Rc::new(secrets);
    let entries = lines(&plan, "1a", Occasion::Start, Outcome::Unknown);
    let json = serde_json::to_string(&entries).unwrap();
    assert!(
        !json.contains("hunter2") && !json.contains("hash"),
        "{json}"
    );
}
