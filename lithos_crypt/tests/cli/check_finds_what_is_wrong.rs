use crate::desk::{Desk, tokens};
use crate::support::{Run, key, seal};

/// The kinds that `check --json` finds.
fn kinds(run: &Run) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(run.text()).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn finds(desk: &Desk, text: &str, expected: &[&str]) {
    desk.write("s.yaml", text);
    let run = desk.run(&["check", "--json"], b"").expect_code(1);
    assert_eq!(kinds(&run), expected, "{}", run.text());
    let people = desk.run(&["check"], b"").expect_code(1);
    assert!(people.text().contains("s.yaml:"), "{}", people.text());
    for shown in [run.text(), people.text(), &people.stderr] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn of_form_without_any_recipients_file() {
    let (desk, token) = (Desk::new(), seal("", b"x"));
    let damaged = token.replace("v2:", "v2:x");
    finds(&desk, "secret-environ:\n  A: hunter2\n", &["plaintext"]);
    finds(
        &desk,
        &format!("secret-environ:\n  A: {damaged}\n"),
        &["malformed"],
    );
    finds(&desk, "secret-environ:\n  A: v1:a:b:c:d\n", &["malformed"]);
    finds(
        &desk,
        "secret-environ:\n  A:\n  B: []\n",
        &["malformed", "empty"],
    );
    finds(&desk, &format!("A: {token}\nA: {token}\n"), &["duplicate"]);
    finds(&desk, &format!("A: [{token}, {token}]\n"), &["duplicate"]);
    finds(
        &desk,
        "secret-files: { A: { value: [hunter2, hunter2] } }\n",
        &["plaintext", "plaintext", "plaintext"],
    );
    finds(
        &desk,
        &format!("A: {{value: {token}, expires: 2001-01-01}}\n"),
        &["expired"],
    );
    finds(
        &desk,
        &format!("A: {{value: {token}, expires: soon}}\n"),
        &["malformed"],
    );
}

#[test]
fn what_is_there_twice_in_one_line() {
    let (desk, token) = (Desk::new(), seal("", b"x"));
    for text in [
        format!("secret-environ: {{ A: {token}, A: {} }}\n", seal("", b"y")),
        format!("secret-files: {{ A: {{ value: {token}, value: hunter2 }} }}\n"),
        format!("{{ A: {{ value: {token}, expires: 2999-01-31, expires: 2001-01-31 }} }}\n"),
    ] {
        finds(&desk, &text, &["duplicate"]);
        let verify = ["verify", "-i", &key("alpha"), "--json"];
        let run = desk.run(&verify, b"").expect_code(1);
        assert_eq!(kinds(&run)[0], "duplicate", "{}", run.text());
    }
}

#[test]
fn of_keys_and_namespaces_as_the_recipients_file_says() {
    let desk = Desk::with_recipients();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let both = tokens(&desk.read("s.yaml"));
    desk.run(&["check"], b"").expect_code(0);
    desk.run(&["set", "s.yaml", "A", "-k", "gamma"], b"mGv7Qk2xWz9LrTb4")
        .expect_code(0);
    let gamma = tokens(&desk.read("s.yaml")).remove(0);
    let list = |tokens: &[&String]| {
        let items: String = tokens.iter().map(|token| format!("- {token}\n")).collect();
        format!("A:\n{items}")
    };
    finds(&desk, &list(&[&both[0]]), &["too-few-recipients"]);
    finds(&desk, &list(&[&both[0], &both[1], &gamma]), &["stale-key"]);
    finds(
        &desk,
        &list(&[&both[0], &both[1], &both[0]]),
        &["duplicate"],
    );
    let (alpha, other) = (key("alpha.pub"), seal("shop", b"x"));
    finds(&desk, &list(&[&both[0], &both[1], &other]), &["namespace"]);
    let stranger = desk.read("lithos-keys.yaml");
    let without = stranger.replace(
        &format!("  gamma: {}\n", crate::desk::public_text("gamma")),
        "",
    );
    desk.write("lithos-keys.yaml", &without);
    finds(
        &desk,
        &list(&[&both[0], &both[1], &gamma]),
        &["unknown-key"],
    );
    let run = desk.run(&["check", "-k", &alpha], b"").expect_code(1);
    assert!(run.text().contains("unknown key"), "{}", run.text());
}

#[test]
fn what_is_required_and_what_keys_are_given() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let run = desk
        .run(&["check", "--require", "A", "--require", "B"], b"")
        .expect_code(1);
    assert!(
        run.text().contains("error: B: it is required"),
        "{}",
        run.text()
    );
    assert!(!run.text().contains("error: A: "), "{}", run.text());
    desk.run(&["check", "-k", &key("alpha.pub")], b"")
        .expect_code(0);
    desk.run(&["check", "-k", &key("beta.pub")], b"")
        .expect_code(1);
    desk.run(&["check", "-n", "shop"], b"").expect_code(1);
    desk.run(&["check", "absent.yaml"], b"").expect_code(1);
}

#[test]
fn a_secrets_file_without_a_single_token_is_known_by_its_config() {
    let desk = Desk::new();
    desk.write(
        "config/web.yaml",
        "executable: /x\nsecret-environ-file: env/secrets.yaml\n",
    );
    desk.write("config/env/secrets.yaml", "A: hunter2\n");
    let run = desk.run(&["check", "--json"], b"").expect_code(1);
    assert_eq!(kinds(&run), ["plaintext"]);
}

#[test]
fn a_section_that_hides_what_stands_in_it() {
    let desk = Desk::new();
    let token = seal("", b"x");
    for (text, expected) in [
        (
            format!("secret-environ:\n  A: {token}\nsecret_environ:\n  B: hunter2\n"),
            &["section", "plaintext"][..],
        ),
        (
            "executable: /x\nsecret-environ: hunter2\n".to_owned(),
            &["section"],
        ),
        (
            "executable: /x\nsecret-files: [hunter2]\n".to_owned(),
            &["section"],
        ),
        (
            format!("x: &a {{ A: {token} }}\ndefault-secrets: *a\n"),
            &["section"],
        ),
        ("secret-environ:\n".to_owned(), &[]),
    ] {
        desk.write("s.yaml", &text);
        let run = desk.run(&["check", "--json"], b"");
        assert_eq!(kinds(&run), expected, "{text}");
        assert_eq!(run.code, i32::from(!expected.is_empty()));
        assert!(!run.text().contains("hunter2"));
    }
}

#[test]
fn but_no_config_leads_to_files_elsewhere() {
    let desk = Desk::new();
    desk.write("private/x.yaml", "A: hunter2\n");
    for named in [
        "../../private/x.yaml",
        &desk.text_path("private/x.yaml"),
        "link.yaml",
    ] {
        desk.write(
            "repo/config/web.yaml",
            &format!("executable: /x\nsecret-environ-file: {named}\n"),
        );
        let link = desk.path("repo/config/link.yaml");
        let _ = std::os::unix::fs::symlink(desk.path("private/x.yaml"), link);
        let run = desk.run(&["ls", "repo"], b"").expect_code(0);
        assert!(!run.text().contains("A "), "{named}: {}", run.text());
        let run = desk
            .run(&["check", "repo/config/web.yaml"], b"")
            .expect_code(0);
        assert!(
            run.text().starts_with("0 secrets, 1 file"),
            "{named}: {}",
            run.text()
        );
    }
}

#[test]
fn nothing_in_files_that_are_not_ours() {
    let desk = Desk::new();
    desk.write("other.yaml", "A: 1\n---\nB: 2\n");
    desk.write(".git/s.yaml", "secret-environ: { A: hunter2 }\n");
    let run = desk.run(&["check"], b"").expect_code(0);
    assert_eq!(run.text(), "0 secrets, 0 files: no problems\n");
    desk.write("ours.yaml", "secret-environ: [\n");
    desk.run(&["check"], b"").expect_code(1);
}

#[test]
fn many_secrets_are_checked_quickly() {
    let desk = Desk::new();
    let token = seal("", b"x");
    let text: String = (0..10_000).map(|n| format!("S{n}: {token}\n")).collect();
    desk.write("s.yaml", &text);
    let run = desk.run(&["check"], b"").expect_code(0);
    assert_eq!(run.text(), "10000 secrets, 1 file: no problems\n");
    desk.run(&["rm", "s.yaml", "S5000"], b"").expect_code(0);
}
