use super::*;

mod brackets;

/// The label columns and box of a token that parses; told apart by their
/// second column.
fn token(n: u8) -> String {
    let sealed = "MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";
    format!(
        "v2:k/qSgp/F:cUBqq0X{}:vmA62CsX:{sealed}",
        char::from(b'A' + n)
    )
}

/// `A`, `B`… in the text become tokens.
fn written(text: &str) -> String {
    (0..5).fold(text.to_owned(), |text, n| {
        text.replace(&format!("<{}>", char::from(b'a' + n)), &token(n))
    })
}

fn document(text: &str) -> Document {
    Document::parse(written(text).into_bytes()).unwrap()
}

fn change(section: Section, name: &str, tokens: &[u8]) -> Change {
    let tokens = tokens.iter().copied().map(token).collect();
    Change {
        section,
        name: name.to_owned(),
        tokens,
    }
}

#[track_caller]
fn becomes(old: &str, change: Change, new: &str) {
    let edited = document(old).edited(&[change]).unwrap();
    assert_eq!(edited.text(), written(new));
}

#[track_caller]
fn is_refused(old: &str, change: Change, line: &str) {
    let error = document(old).edited(&[change]).unwrap_err().to_string();
    assert!(error.contains(line), "{error}");
}

use Section::{Defaults, Environ, Files, Whole};

#[test]
fn finds_the_secrets_of_every_section_in_every_form() {
    let text = "\
executable: /bin/server  # ours
secret_environ:
  A: <a>
  B: [<a>, '<b>']
secret-files:
  /run/secrets/c: { value: <c>, type: certificate, expires: 2027-01-31 }
default-secrets:
  D: <d>
  files:
    e:
      value:
      - <d>
      - <e>
";
    let document = document(text);
    let entries = document.entries();
    let found: Vec<_> = entries
        .iter()
        .map(|e| {
            (
                e.section().to_string(),
                e.name(),
                e.values().len(),
                e.is_variable(),
            )
        })
        .collect();
    let expected = [
        ("secret-environ", "A", 1, true),
        ("secret-environ", "B", 2, true),
        ("secret-files", "/run/secrets/c", 1, false),
        ("default-secrets", "D", 1, true),
        ("default-secrets.files", "e", 2, false),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(s, n, c, v)| ((*s).to_owned(), *n, *c, *v))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(entries[2].extra("expires"), Some("2027-01-31"));
    assert_eq!(
        entries[1].values()[1].place,
        Place {
            line: 4,
            column: 9 + token(0).len()
        }
    );
}

#[test]
fn a_file_of_nothing_but_secrets_is_known_by_its_tokens() {
    assert_eq!(document("A: <a>\nB: plain\n").entries().len(), 2);
    assert_eq!(document("A: plain\nB: text\n").entries().len(), 0);
    assert_eq!(document("A: plain\n").as_secrets_file().entries().len(), 1);
    assert_eq!(
        document("executable: /x\nA: <a>\n")
            .as_secrets_file()
            .entries()
            .len(),
        0
    );
}

#[test]
fn changes_a_token_and_not_a_byte_besides() {
    let old = "# ä\r\nsecret-environ: # here\r\n  A:   !Tag   <a>   # note\r\n  \"B\" : '<b>' \r\n\r\ntail: [x,  y ]\r\n";
    let new = old.replace("<a>", "<c>");
    becomes(old, change(Environ, "A", &[2]), &new);
    becomes(old, change(Environ, "B", &[2]), &old.replace("<b>", "<c>"));
}

#[test]
fn a_map_keeps_its_extras() {
    for old in [
        "secret-environ:\n  A: { type: text, value: <a>, expires: 2027-01-01 } # n\n",
        "secret-environ:\n  A:\n    # why\n    value: \"<a>\"\n    type: text\n",
        "secret-environ: {A: {value: [<a>]}}",
    ] {
        becomes(old, change(Environ, "A", &[1]), &old.replace("<a>", "<b>"));
    }
}

#[test]
fn a_lone_token_becomes_a_list() {
    becomes(
        "A: <a>  # n\nB: <b>\n",
        change(Whole, "A", &[2, 0]),
        "A:\n  - <c>\n  - <a>  # n\nB: <b>\n",
    );
    becomes(
        "{A: <a>}\n",
        change(Whole, "A", &[2, 0]),
        "{A: [<c>, <a>]}\n",
    );
    becomes(
        "secret-files:\n  x:\n    value: <a>\n    type: text\n",
        change(Files, "x", &[0, 1]),
        "secret-files:\n  x:\n    value:\n      - <a>\n      - <b>\n    type: text\n",
    );
}

#[test]
fn a_list_grows_at_either_end_and_shrinks_anywhere() {
    let block = "A:\n- <a> # one\n- <b>\nB: <c>\n";
    becomes(
        block,
        change(Whole, "A", &[3, 0, 1]),
        "A:\n- <d>\n- <a> # one\n- <b>\nB: <c>\n",
    );
    becomes(
        block,
        change(Whole, "A", &[0, 1, 3]),
        "A:\n- <a> # one\n- <b>\n- <d>\nB: <c>\n",
    );
    becomes(block, change(Whole, "A", &[1]), "A:\n- <b>\nB: <c>\n");
    becomes(
        block,
        change(Whole, "A", &[3, 1]),
        "A:\n- <d> # one\n- <b>\nB: <c>\n",
    );
    becomes(block, change(Whole, "A", &[4]), "A:\n- <e> # one\nB: <c>\n");
    let flow = "A: [ <a>, '<b>' ]\n";
    becomes(
        flow,
        change(Whole, "A", &[3, 0, 1]),
        "A: [ <d>, <a>, '<b>' ]\n",
    );
    becomes(
        flow,
        change(Whole, "A", &[0, 1, 3]),
        "A: [ <a>, '<b>', <d> ]\n",
    );
    becomes(flow, change(Whole, "A", &[0]), "A: [ <a> ]\n");
    becomes(flow, change(Whole, "A", &[1]), "A: [ '<b>' ]\n");
    becomes(
        "A: []\nB: <b>",
        change(Whole, "A", &[0]),
        "A: [<a>]\nB: <b>",
    );
}

#[test]
fn a_secret_without_a_value_gets_one() {
    becomes(
        "A: <a>\nB:  # later\n",
        change(Whole, "B", &[1]),
        "A: <a>\nB: <b>  # later\n",
    );
    becomes(
        "A: <a>\nB: ~\n",
        change(Whole, "B", &[1]),
        "A: <a>\nB: <b>\n",
    );
}

#[test]
fn a_comment_after_a_quoted_token_stays() {
    for quoted in ["\"<a>\"", "'<a>'", "!x \"<a>\""] {
        let old = format!("secret-environ:\n  A: {quoted} # \"mine\"\n  B: <b>\n");
        becomes(&old, change(Environ, "A", &[2]), &old.replace("<a>", "<c>"));
    }
    becomes(
        "secret-environ:\n  A: [\"<a>\", '<b>'] # ours\n",
        change(Environ, "A", &[2, 3]),
        "secret-environ:\n  A: [\"<c>\", '<d>'] # ours\n",
    );
    becomes(
        "secret-environ:\n  A: \"<a>\" # mine\n",
        change(Environ, "A", &[2, 3]),
        "secret-environ:\n  A:\n    - <c>\n    - <d> # mine\n",
    );
    becomes(
        "secret-environ:\n  A: 'it''s' # mine\n",
        change(Environ, "A", &[1]),
        "secret-environ:\n  A: '<b>' # mine\n",
    );
    becomes(
        "secret-environ:\n  A: \"a\\\"b\" # mine\n",
        change(Environ, "A", &[1]),
        "secret-environ:\n  A: \"<b>\" # mine\n",
    );
    let old = "secret-environ:\n  A: \"<a>\" # mine\n  B: <b>\n";
    becomes(
        old,
        change(Environ, "A", &[]),
        "secret-environ:\n  B: <b>\n",
    );
}

#[test]
fn a_new_secret_comes_after_the_last() {
    let b = || change(Environ, "B", &[1]);
    becomes(
        "secret-environ:\n    A: <a> # n\n\n# end\nx: y\n",
        b(),
        "secret-environ:\n    A: <a> # n\n    B: <b>\n\n# end\nx: y\n",
    );
    becomes(
        "secret_environ: {A: <a>,}\n",
        b(),
        "secret_environ: {A: <a>, B: <b>,}\n",
    );
    becomes(
        "secret-environ: {}\nx: y\n",
        b(),
        "secret-environ: { B: <b> }\nx: y\n",
    );
    // An empty map with a line of its own has no layout to keep.
    becomes(
        "secret-environ:\n  {}\nx: y\n",
        b(),
        "secret-environ:\n  B: <b>\nx: y\n",
    );
    becomes(
        "# ours\n{}\n",
        change(Whole, "B", &[1, 2]),
        "# ours\nB:\n  - <b>\n  - <c>\n",
    );
    becomes(
        "{ secret-environ:\n  {}\n}\n",
        b(),
        "{ secret-environ:\n  { B: <b> }\n}\n",
    );
    becomes(
        "secret-environ: # none\nx: y\n",
        b(),
        "secret-environ: # none\n  B: <b>\nx: y\n",
    );
    becomes(
        "secret-environ:\nx: y",
        b(),
        "secret-environ:\n  B: <b>\nx: y",
    );
    becomes(
        "executable: /x",
        b(),
        "executable: /x\nsecret-environ:\n  B: <b>",
    );
    becomes(
        "{executable: /x}",
        b(),
        "{executable: /x, secret-environ: { B: <b> }}",
    );
    becomes(
        "A: <a>\r\n...\r\n",
        change(Whole, "B", &[1]),
        "A: <a>\r\nB: <b>\r\n...\r\n",
    );
    becomes("", change(Whole, "B", &[1]), "B: <b>\n");
    becomes(
        "# nothing yet",
        change(Whole, "B", &[1, 2]),
        "# nothing yet\nB:\n  - <b>\n  - <c>\n",
    );
    becomes(
        "allow-users: [1]\n",
        change(Defaults(Some("files".to_owned())), "B", &[1]),
        "allow-users: [1]\ndefault-secrets:\n  files:\n    B: <b>\n",
    );
}

#[test]
fn names_that_yaml_would_take_for_something_else_are_quoted() {
    for name in ["no", "1", "-x", "value"] {
        becomes(
            "A: <a>\n",
            change(Whole, name, &[1]),
            &format!("A: <a>\n\"{name}\": <b>\n"),
        );
    }
    for name in ["", "a b", "a: b", "ä", "a\nb"] {
        is_refused("A: <a>\n", change(Whole, name, &[1]), "other characters");
    }
}

#[test]
fn a_removed_secret_takes_its_lines_along() {
    let gone = |name| change(Environ, name, &[]);
    let old = "secret-environ:\n  A: <a> # n\n  # b\n  B:\n    - <b>\n    - <c>\n  C:\nx: y\n";
    becomes(
        old,
        gone("B"),
        "secret-environ:\n  A: <a> # n\n  # b\n  C:\nx: y\n",
    );
    becomes(
        old,
        gone("A"),
        "secret-environ:\n  # b\n  B:\n    - <b>\n    - <c>\n  C:\nx: y\n",
    );
    becomes(old, gone("C"), &old.replace("  C:\n", ""));
    becomes(
        "secret-environ:\n  A: <a>\nx: y\n",
        gone("A"),
        "secret-environ:\n  {}\nx: y\n",
    );
    becomes(
        "secret-environ: { A: <a>, B: <b> }\n",
        gone("A"),
        "secret-environ: { B: <b> }\n",
    );
    becomes(
        "secret-environ: { A: <a>, B: <b> }\n",
        gone("B"),
        "secret-environ: { A: <a> }\n",
    );
    becomes("A: <a>", change(Whole, "A", &[]), "{}");
}

#[test]
fn a_tag_on_nothing_is_never_lost() {
    for text in [
        "!t#",
        "!t ~\n",
        "secret-environ: !t\n",
        "secret-environ: !t ~\n",
        "secret-environ:\n  A: !t\n",
        "secret-environ:\n  A: !t ~\n",
    ] {
        if let Ok(edited) = document(text).edited(&[change(Environ, "A", &[0])]) {
            assert!(edited.text().contains("!t"), "{text}: {}", edited.text());
        }
    }
    let new = "\nsecret-environ:\n  A: <a>\n";
    becomes("~\n", change(Environ, "A", &[0]), new);
}

#[test]
fn a_file_of_nothing_but_secrets_gets_no_section() {
    let old = document("B: <b>\n");
    let error = old.edited(&[change(Environ, "A", &[0])]).unwrap_err();
    assert!(matches!(error, EditError::NotKept), "{error}");
    becomes("B: <b>\n", change(Whole, "A", &[0]), "B: <b>\nA: <a>\n");
}

#[test]
fn a_section_that_is_there_twice_is_not_changed() {
    for old in [
        "secret-environ:\n  A: <a>\nsecret-environ:\n  B: <b>\n",
        "secret_environ:\n  A: <a>\nsecret-environ:\n  B: <b>\n",
    ] {
        let document = document(old);
        for (name, tokens) in [("A", &[2][..]), ("B", &[2]), ("C", &[2]), ("A", &[])] {
            let refused = document
                .edited(&[change(Environ, name, tokens)])
                .unwrap_err();
            let (name, line) = ("secret-environ".to_owned(), 3);
            assert_eq!(refused, EditError::Duplicate { name, line });
        }
    }
}

#[test]
fn several_changes_are_made_at_once_or_not_at_all() {
    let old = document("secret-environ:\n  A: <a>\n  B: <b>\n  C: <c>\n");
    let changes = [
        change(Environ, "A", &[3]),
        change(Environ, "B", &[]),
        change(Environ, "D", &[4]),
        change(Files, "f", &[0]),
    ];
    let new = "secret-environ:\n  A: <d>\n  C: <c>\n  D: <e>\nsecret-files:\n  f: <a>\n";
    assert_eq!(old.edited(&changes).unwrap().text(), written(new));
    let all = ["A", "B", "C"].map(|name| change(Environ, name, &[]));
    assert_eq!(old.edited(&all).unwrap().text(), "secret-environ:\n  {}\n");
    let wrong = [change(Environ, "A", &[3]), change(Environ, "X", &[])];
    assert_eq!(
        old.edited(&wrong).unwrap_err(),
        EditError::NoSecret {
            name: "X".to_owned()
        }
    );
}

#[test]
fn what_cannot_be_changed_without_loss_is_refused() {
    let a = || change(Environ, "A", &[3]);
    for (old, reason) in [
        (
            "secret-environ:\n  A: &x <a>\n  B: *x\n",
            "line 2: an anchor",
        ),
        (
            "secret-environ:\n  B: &x <a>\n  A: *x\n",
            "line 3: an anchor",
        ),
        ("secret-environ: &x\n  A: <a>\ny: *x\n", "line 2: an anchor"),
        ("x: &x {A: <a>}\nsecret-environ: *x\n", "an anchor"),
        (
            "secret-environ:\n  A: >-\n    <a>\n",
            "not written in one line",
        ),
        (
            "secret-environ:\n  A: |\n    <a>\n",
            "not written in one line",
        ),
        (
            "secret-environ:\n  A: one\n    two\n",
            "not written in one line",
        ),
        (
            "secret-environ:\n  A: <a>\n  A: <b>\n",
            "line 3: A is there more than once",
        ),
        ("secret-environ:\n  A: {type: text}\n", "no token, list"),
        ("secret-environ:\n  A: [[<a>]]\n", "no token, list"),
        ("secret-environ: text\n", "laid out"),
        ("- a\n- b\n", "laid out"),
    ] {
        is_refused(old, a(), reason);
    }
}

#[test]
fn errors_show_nothing_of_the_text() {
    for (text, reason) in [
        ("A: 'hunter2", "line"),
        ("A: hunter2\n---\nB: hunter2\n", "more than one document"),
        (&"[".repeat(100), "nested too deep"),
        (&"[".repeat(100_000), "line"),
    ] {
        let error = Document::parse(text.into()).unwrap_err().to_string();
        assert!(
            error.contains(reason) && !error.contains("hunter2"),
            "{error}"
        );
    }
    assert_eq!(
        Document::parse(vec![0xff]).unwrap_err(),
        DocumentError::NotUtf8
    );
}

#[test]
fn only_what_looks_like_a_token_is_taken_for_one() {
    let like = |text| {
        Value {
            text: Some(text),
            place: Place { line: 1, column: 1 },
        }
        .is_like_a_token()
    };
    assert!(like("v2:a:b:c:d") && like("v1:a:b:c:d"));
    assert!(!like("v2:a") && !like("vx:a:b:c:d") && !like("hunter2") && !like(""));
}
