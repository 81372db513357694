//! A plaintext where a token should be never gets into an error.

use proptest::prelude::*;

use super::source;
use crate::config::container::{read_container, read_secrets_file};
use crate::problem::{Place, Problem, Severity, Source};

/// What must not be seen; also in parts, so the tests look for its middle.
const PLAINTEXT: &str = "hunter2";

fn all_forms(problems: &[Problem]) -> String {
    let forms = |p: &Problem| format!("{}\n{}\n{p}\n{p:?}\n", p.render(false), p.render(true));
    problems.iter().map(forms).collect()
}

/// Wrong ways to write a secret below `DB_PASSWORD`, at two spaces' indentation.
const VALUES: [&str; 34] = [
    "DB_PASSWORD: hunter2",
    "DB_PASSWORD: hunter2: x",
    "DB_PASSWORD: x: hunter2",
    "DB_PASSWORD: \"hunter2",
    "DB_PASSWORD: 'hunter2",
    "DB_PASSWORD: 'hunter2' hunter2",
    "DB_PASSWORD: [hunter2",
    "DB_PASSWORD: {hunter2",
    "DB_PASSWORD: {hunter2}",
    "DB_PASSWORD: {hunter2: hunter2}",
    "DB_PASSWORD: [{hunter2: hunter2}]",
    "DB_PASSWORD: [[hunter2]]",
    "DB_PASSWORD: !hunter2",
    "DB_PASSWORD: !hunter2 hunter2",
    "DB_PASSWORD: !!int hunter2",
    "DB_PASSWORD: !!bool hunter2",
    "DB_PASSWORD: !!hunter2 {}",
    "DB_PASSWORD: !h!hunter2 x",
    "DB_PASSWORD: *hunter2",
    "DB_PASSWORD: &hunter2",
    "DB_PASSWORD: @hunter2",
    "DB_PASSWORD: `hunter2`",
    "DB_PASSWORD: %hunter2",
    "DB_PASSWORD: |\n    hunter2",
    "DB_PASSWORD: |\n   x\n  hunter2",
    "DB_PASSWORD:\n    hunter2: hunter2",
    "DB_PASSWORD:\n    - hunter2: hunter2",
    "DB_PASSWORD:\n  - hunter2\n hunter2",
    "DB_PASSWORD:\n\thunter2",
    "DB_PASSWORD: x\n   DB_PASSWORD: hunter2",
    "DB_PASSWORD: hunter2\n  DB_PASSWORD: hunter2",
    "- DB_PASSWORD: hunter2",
    "DB_PASSWORD=hunter2: x",
    "? [hunter2]\n  : hunter2",
];

#[test]
fn shows_no_plaintext_below_a_secret_key() {
    for key in [
        "secret-environ",
        "secret_environ",
        "secrets-environ",
        "secrt-environ",
    ] {
        for value in VALUES {
            for rest in ["", "user-id: x\n", "user-id: [\n"] {
                let text = format!("executable: 7\n{key}:\n  {value}\n{rest}");
                let (_, problems) = read_container(&source(&text));
                assert!(!problems.is_empty(), "{text}");
                let shown = all_forms(&problems);
                assert!(!shown.contains(PLAINTEXT), "{text}\nshows\n{shown}");
            }
        }
    }
}

#[test]
fn shows_no_plaintext_that_lost_its_indentation() {
    for between in ["", " # sealed", " ~", "\n\n# ours"] {
        let text = format!("executable: 7\nsecret-environ:{between}\nA: 7\nDB_PASSWORD: hunter2\n");
        let (_, problems) = read_container(&source(&text));
        let shown = all_forms(&problems);
        assert!(!shown.contains(PLAINTEXT), "{text}\nshows\n{shown}");
        assert!(shown.contains(" | DB_PASSWORD: …"), "{shown}");
    }
    let (_, problems) = read_container(&source("secret-environ:\nuser-id: x\nunknwn: 1\n"));
    assert!(all_forms(&problems).contains("2 | user-id: x"));
}

#[test]
fn shows_no_plaintext_of_a_flow_mapping() {
    for text in [
        "{executable: 7, secret-environ: {A: hunter2}}",
        "{secret-environ: {A: hunter2}, executable: 7}",
        "{secret-environ: {A: [hunter2, 7]}, executable: 7}",
        "{secret-environ: {\nA: hunter2, B: 7}, executable: 7}",
        "{secret-environ: {A: \"\nhunter2\"}, executable: 7}",
        "{secret-environ: {A: \"\nhunter2\"}, unknown: 7}",
        "secret-environ: hunter2",
        "secret-environ: [hunter2]",
        "secret-environ: {hunter2}",
        "secret-environ: \"hunter2",
        "secret-environ: {A: hunter2",
        "sceret-environ: {A: hunter2}",
        "Secret-Environ: {A: hunter2}",
        "\"secret-environ\": {A: [hunter2, 7]}",
        "\"secret\\x2denviron\": {A: [hunter2, 7]}",
        "? secret-environ\n: {A: [hunter2, 7]}",
        "metadata: &x [hunter2]\nsecret-environ: {A: *x}",
        "metadata: &x {hunter2: hunter2}\nsecret-environ: {A: *x}",
        "secret-environ-file: [hunter2]",
        "secret-environ: {A: x}\nsecret-environ-file: hunter2",
    ] {
        let (_, problems) = read_container(&source(text));
        assert!(!problems.is_empty(), "{text}");
        let shown = all_forms(&problems);
        assert!(!shown.contains(PLAINTEXT), "{text}\nshows\n{shown}");
    }
}

#[test]
fn shows_no_plaintext_of_a_secrets_file() {
    for value in VALUES {
        let text = format!("  {value}\n");
        let source = std::sync::Arc::new(Source {
            path: "secrets.yaml".into(),
            text: text.clone(),
            secret: true,
        });
        let (_, problems) = read_secrets_file(&source);
        let shown = all_forms(&problems);
        assert!(!shown.contains(PLAINTEXT), "{text}\nshows\n{shown}");
    }
    for text in [
        "hunter2",
        "- hunter2",
        "A: {x: hunter2}",
        "\"hunter2\": 7",
        "hunter2: 7",
        "!hunter2 x",
    ] {
        let source = std::sync::Arc::new(Source {
            path: "secrets.yaml".into(),
            text: text.to_owned(),
            secret: true,
        });
        let (_, problems) = read_secrets_file(&source);
        assert!(!problems.is_empty(), "{text}");
        let shown = all_forms(&problems);
        assert!(!shown.contains(PLAINTEXT), "{text}\nshows\n{shown}");
    }
}

#[test]
fn shows_no_private_key_written_in_place_of_its_path() {
    let text = "secrets-private-key: \"-----BEGIN hunter2\"\n";
    let (_, problems) = crate::config::sandbox::read_sandbox(&source(text));
    let shown = all_forms(&problems);
    assert!(shown.contains("secrets-private-key: …"), "{shown}");
    assert!(!shown.contains(PLAINTEXT), "{shown}");
}

#[test]
fn a_rule_of_another_module_shows_no_plaintext_either() {
    let text = "executable: /x\nsecret-environ:\n  DB_PASSWORD: hunter2\n  B:\n    - hunter2\n";
    let steps = |steps: &[&str]| steps.iter().map(|&step| step.into()).collect::<Vec<_>>();
    let mut list = steps(&["secret-environ", "B"]);
    list.push(0.into());
    for place in [
        Place::Value(steps(&["secret-environ", "DB_PASSWORD"])),
        Place::Key(steps(&["secret-environ", "DB_PASSWORD"])),
        Place::Value(list),
        Place::Position {
            line: 3,
            column: 16,
        },
        Place::Position { line: 5, column: 7 },
    ] {
        let problem = Problem {
            severity: Severity::Error,
            source: Some(source(text)),
            place,
            subject: "shop/web".into(),
            message: "malformed token".into(),
            hint: None,
            status: None,
        };
        let shown = all_forms(&[problem]);
        assert!(!shown.contains(PLAINTEXT) && shown.contains('…'), "{shown}");
    }
}

#[test]
fn the_debug_form_of_a_container_shows_no_secret() {
    let text = "executable: /x\nsecret-environ: { DB_PASSWORD: hunter2 }\n";
    let container = read_container(&source(text)).0.unwrap();
    let shown = format!("{container:?}");
    assert!(shown.contains("DB_PASSWORD") && !shown.contains(PLAINTEXT));
}

/// Lines in which the plaintext stands below a secret key, in pieces of YAML.
fn piece() -> impl Strategy<Value = String> {
    "( |  |   |\t|)(A: |A:|B: |- |\\? |: |\\{A: |\\[|\"|'|\\||>|&a |\\*a|!t |!!int |, |\\}|\\]|#|)\
     (hunter2|\"hunter2\"|'hunter2|\\[hunter2|hunter2: 1|)(\\}|\\]|,|\"|'|:| |)"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn shows_no_plaintext_however_it_is_written(
        before in prop::sample::select(vec!["", "executable: 7\n", "{", "{executable: 7, "]),
        key in prop::sample::select(vec!["secret-environ:", "secret_environ: {", "sercet-environ: [", "secret-environ: |"]),
        pieces in prop::collection::vec(piece(), 1..5),
        after in prop::sample::select(vec!["", "\nuser-id: me", "\n  user-id: me", "}, user-id: me}", "]", "\"\nuser-id: [x"]),
    ) {
        let text = format!("{before}{key}\n  {}{after}\n", pieces.join("\n  "));
        let (_, problems) = read_container(&source(&text));
        let shown = all_forms(&problems);
        prop_assert!(!shown.contains(PLAINTEXT), "{text}\nshows\n{shown}");
        let secrets = std::sync::Arc::new(Source {
            path: "secrets.yaml".into(),
            text: pieces.join("\n"),
            secret: true,
        });
        let shown = all_forms(&read_secrets_file(&secrets).1);
        prop_assert!(!shown.contains(PLAINTEXT), "{}\nshows\n{shown}", secrets.text);
    }
}
