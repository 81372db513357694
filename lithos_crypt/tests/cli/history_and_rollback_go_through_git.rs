use crate::desk::{Desk, tokens};
use crate::repository::{commit, introduce, repository};
use crate::support::seal;

fn three_versions() -> Option<Desk> {
    let desk = repository()?;
    desk.set("s.yaml", "A", "first value");
    commit(&desk, "seal A");
    desk.set("s.yaml", "B", "of no interest");
    commit(&desk, "seal B");
    introduce(&desk, "Bob");
    desk.set("s.yaml", "A", "second value");
    commit(&desk, "change A");
    desk.call("git", &["mv", "s.yaml", "renamed.yaml"]);
    commit(&desk, "rename");
    Some(desk)
}

#[test]
fn history_lists_what_changed_by_whom_across_a_rename() {
    let Some(desk) = three_versions() else { return };
    let run = desk
        .run(&["history", "renamed.yaml", "A", "--json"], b"")
        .expect_code(0);
    let json: serde_json::Value = serde_json::from_str(run.text()).unwrap();
    let column = |key: &str| -> Vec<String> {
        let rows = json.as_array().unwrap().iter();
        rows.map(|row| row[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(column("author"), ["Bob", "Ada"]);
    assert_eq!(column("message"), ["change A", "seal A"]);
    assert_eq!(column("changed"), ["value", "added"]);
    let people = desk
        .run(&["history", "renamed.yaml", "A"], b"")
        .expect_code(0);
    assert!(people.text().contains("change A"), "{}", people.text());
}

#[test]
fn rollback_puts_the_old_token_back_as_a_change() {
    let Some(desk) = three_versions() else { return };
    let before = desk.read("renamed.yaml");
    // The file had another name then.
    let arguments = ["rollback", "renamed.yaml", "A", "HEAD~3"];
    let run = desk.run(&arguments, b"").expect_code(0);
    assert!(!run.text().contains("value"), "{}", run.text());
    let get = |identity, name| desk.get(identity, "renamed.yaml", name).text().to_owned();
    assert_eq!(get("alpha", "A"), "first value");
    assert_eq!(get("beta", "B"), "of no interest");
    assert_eq!(
        tokens(&desk.read("renamed.yaml"))[2..],
        tokens(&before)[2..]
    );
    let status = desk.call("git", &["status", "--short"]);
    assert_eq!(status, " M renamed.yaml\n");
}

#[test]
fn refuses_an_unknown_name_revision_or_repository() {
    let Some(desk) = three_versions() else { return };
    desk.run(&["history", "renamed.yaml", "C"], b"")
        .expect_code(1);
    let before = desk.read("renamed.yaml");
    for (name, revision, reason) in [
        ("A", "nowhere", "cannot find the revision"),
        ("C", "HEAD", "the secret is not in it"),
    ] {
        let run = desk
            .run(&["rollback", "renamed.yaml", name, revision], b"")
            .expect_code(1);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
    assert_eq!(desk.read("renamed.yaml"), before);
    desk.set("new.yaml", "A", "value");
    let run = desk.run(&["rollback", "new.yaml", "A", "HEAD"], b"");
    let said = run.expect_code(1).stderr;
    assert!(said.contains("the file is not in it"), "{said}");
    let elsewhere = Desk::new();
    elsewhere.set("s.yaml", "A", "x");
    let run = elsewhere
        .run(&["history", "s.yaml", "A"], b"")
        .expect_code(1);
    assert!(run.stderr.contains("cannot run `git`: "), "{}", run.stderr);
}

/// Columns of the history of A, the newest first.
fn history(desk: &Desk, more: &[&str], columns: [&str; 2]) -> Vec<String> {
    let arguments = [&["history", "s.yaml", "A", "--json"], more].concat();
    let run = desk.run(&arguments, b"").expect_code(0);
    let json: serde_json::Value = serde_json::from_str(run.text()).unwrap();
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = json.as_array().unwrap().iter();
    rows.map(|row| columns.map(|key| text(row, key)).join(": "))
        .collect()
}

#[test]
fn each_commit_is_compared_with_the_ones_before_it() {
    let Some(desk) = repository() else { return };
    desk.set("s.yaml", "A", "first");
    commit(&desk, "first");
    desk.call("git", &["checkout", "-q", "-b", "side"]);
    desk.set("s.yaml", "A", "of the side");
    commit(&desk, "side");
    desk.call("git", &["checkout", "-q", "main"]);
    desk.set("s.yaml", "B", "another");
    commit(&desk, "another");
    // One that takes a side's value is no change; one that has its own is.
    desk.call(
        "git",
        &["merge", "-q", "side", "-m", "clean", "-X", "theirs"],
    );
    assert_eq!(
        history(&desk, &[], ["message", "changed"]),
        ["side: value", "first: added"]
    );
    desk.call("git", &["checkout", "-q", "-b", "other", "HEAD~1"]);
    desk.set("s.yaml", "A", "of the other");
    commit(&desk, "other");
    let merge = ["merge", "-q", "main", "--no-commit", "-s", "ours"];
    desk.call("git", &merge);
    desk.set("s.yaml", "A", "decided");
    commit(&desk, "decided");
    let found = history(&desk, &[], ["message", "changed"]);
    assert_eq!(found[0], "decided: value", "{found:?}");
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[3], "first: added", "{found:?}");
}

#[test]
fn of_two_with_one_name_the_section_is_named() {
    let Some(desk) = repository() else { return };
    let [old, new, file] = ["old", "new", "file"].map(|value| seal("myapp", value.as_bytes()));
    let text =
        |token: &str| format!("secret-environ: {{ A: {token} }}\nsecret-files: {{ A: {file} }}\n");
    desk.write("s.yaml", &text(&old));
    commit(&desk, "first");
    desk.write("s.yaml", &text(&new));
    commit(&desk, "second");
    let run = desk.run(&["history", "s.yaml", "A"], b"").expect_code(1);
    assert!(
        run.stderr
            .contains("hint: name the section with `--in SECTION`"),
        "{}",
        run.stderr
    );
    let of = |section| history(&desk, &["--in", section], ["message", "changed"]);
    assert_eq!(of("secret-environ"), ["second: value", "first: added"]);
    assert_eq!(of("secret-files"), ["first: added"]);
    let arguments = [
        "rollback",
        "s.yaml",
        "A",
        "HEAD~1",
        "--in",
        "secret-environ",
    ];
    desk.run(&arguments, b"").expect_code(0);
    assert_eq!(desk.read("s.yaml"), text(&old));
}
