//! How a problem looks.

use super::source;
use crate::config::container::read_container;
use crate::config::master::read_master;
use crate::problem::{Place, Problem, Severity};

fn rendered(text: &str) -> String {
    let (_, problems) = read_container(&source(text));
    let rendered: Vec<_> = problems.iter().map(|p| p.render(false)).collect();
    rendered.join("\n")
}

#[test]
fn an_unknown_key_comes_with_its_line_and_a_suggestion() {
    assert_eq!(
        rendered("executable: /x\n\nmemroy-limit: 1Gi  # much\n"),
        "\
error: unknown key `memroy-limit`, did you mean `memory-limit`?
 --> test.yaml:3:1
  |
3 | memroy-limit: 1Gi  # much
  | ^^^^^^^^^^^^"
    );
}

#[test]
fn a_wrong_value_is_marked_and_comes_with_a_hint() {
    assert_eq!(
        rendered("executable: /x\nmemory-limit: 1GB  # much\n"),
        "\
error: expected an integer, but its unit is unknown
 --> test.yaml:2:15
  |
2 | memory-limit: 1GB  # much
  |               ^^^
  |
  = hint: sizes take k, M, G, T (powers of 1000), Ki, Mi, Gi, Ti (powers of 1024); durations ms, s, m, h, d"
    );
}

#[test]
fn a_secret_value_is_not_shown_and_its_variable_is() {
    assert_eq!(
        rendered("executable: /x\nsecret-environ:\n  DB_PASSWORD: 4711\n"),
        "\
error: expected a token or a list of tokens, found a number or truth value
 --> test.yaml:3:16
  |
3 |   DB_PASSWORD: …
  |                ^"
    );
}

#[test]
fn lines_outside_a_secret_block_are_still_shown() {
    let rendered = rendered(
        "executable: x/y\nsecret-environ:\n  A: b\nuser-id: me\nnormal-exit-codes: [1, 300]\n",
    );
    for line in [
        "1 | executable: x/y\n",
        "4 | user-id: me\n",
        "5 | normal-exit-codes: [1, 300]\n",
    ] {
        assert!(rendered.contains(line), "{rendered}");
    }
}

#[test]
fn a_syntax_error_is_shown_at_its_place() {
    assert_eq!(
        rendered("executable: /x\narguments: [a\nuser-id: 7\n"),
        "\
error: not YAML: did not find expected ',' or ']'
 --> test.yaml:3:8
  |
3 | user-id: 7
  |        ^
  |
  = hint: a list in brackets is `[a, b]`"
    );
}

#[test]
fn a_problem_names_its_subject_and_one_line_is_enough_for_logs() {
    let mut problem = Problem {
        severity: Severity::Warning,
        source: Some(source("a:\n  - x\n  - y\n")),
        place: Place::Value(vec!["a".into(), 1.into()]),
        subject: "shop/web".into(),
        message: "this is\nodd \u{1b}[31m\u{202e}".into(),
        hint: Some("leave it".into()),
        status: None,
    };
    assert_eq!(
        problem.to_string(),
        "test.yaml:3:5: shop/web: this is\\nodd \\u{1b}[31m\\u{202e} (leave it)"
    );
    assert!(
        problem
            .render(false)
            .starts_with("warning: shop/web: this is\\nodd")
    );
    assert!(problem.render(true).contains("\u{1b}["));
    problem.source = None;
    assert_eq!(problem.render(false).lines().count(), 3);
    problem.source = Some(source("a: 1"));
    problem.place = Place::Whole;
    assert!(problem.to_string().starts_with("test.yaml: shop/web: "));
}

#[test]
fn places_are_found_in_either_spelling_and_the_nearest_if_they_are_not_there() {
    let text = "a_b:\n  c: 1\n  d: [x, y]\na_b: 2\nt: !Tag { e: f }\n";
    let at = |steps: Vec<crate::problem::Step>, key: bool| {
        let place = if key {
            Place::Key(steps)
        } else {
            Place::Value(steps)
        };
        crate::problem::place::locate(text, &place)
    };
    assert_eq!(at(vec!["a-b".into(), "c".into()], false), Some((2, 6)));
    assert_eq!(
        at(vec!["a-b".into(), "d".into(), 1.into()], false),
        Some((3, 10))
    );
    assert_eq!(at(vec!["a-b".into()], false), Some((1, 1)));
    assert_eq!(at(vec!["a-b".into()], true), Some((1, 1)));
    let second = Place::SecondKey(vec!["a-b".into()]);
    assert_eq!(crate::problem::place::locate(text, &second), Some((4, 1)));
    assert_eq!(
        at(vec!["a_b".into(), "none".into(), 7.into()], false),
        Some((1, 1))
    );
    assert_eq!(at(vec!["t".into(), "e".into()], true), Some((5, 11)));
    assert_eq!(at(vec!["none".into()], false), Some((1, 1)));
    assert_eq!(crate::problem::place::locate(text, &Place::Whole), None);
    assert_eq!(
        crate::problem::place::locate("", &Place::Value(vec![])),
        Some((1, 1))
    );
}

#[test]
fn a_very_long_line_is_cut_around_the_place() {
    let text = format!(
        "log-file: {}\nlog-level: [{}]\n",
        "x".repeat(5000),
        "y, ".repeat(3000)
    );
    let (_, problems) = read_master(&source(&text));
    let rendered = problems[0].render(false);
    assert!(rendered.chars().count() < 1000, "{rendered}");
}
