use crate::desk::{Desk, tokens};
use crate::repository::{commit, introduce, repository};

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
    desk.call("git", &["mv", "renamed.yaml", "s.yaml"]);
    commit(&desk, "back");
    let run = desk
        .run(&["rollback", "s.yaml", "A", "HEAD~4"], b"")
        .expect_code(0);
    assert!(!run.text().contains("value"), "{}", run.text());
    assert_eq!(desk.get("alpha", "s.yaml", "A").text(), "first value");
    assert_eq!(desk.get("beta", "s.yaml", "B").text(), "of no interest");
    assert_eq!(tokens(&desk.read("s.yaml"))[2..], tokens(&before)[2..]);
    assert!(
        desk.call("git", &["status", "--short"])
            .contains(" M s.yaml")
    );
}

#[test]
fn refuses_an_unknown_name_revision_or_repository() {
    let Some(desk) = three_versions() else { return };
    desk.run(&["history", "renamed.yaml", "C"], b"")
        .expect_code(1);
    let before = desk.read("renamed.yaml");
    for (name, revision, reason) in [
        ("A", "nowhere", "cannot find the revision"),
        ("A", "HEAD~1", "the file is not in it"),
        ("C", "HEAD", "the secret is not in it"),
    ] {
        let run = desk
            .run(&["rollback", "renamed.yaml", name, revision], b"")
            .expect_code(1);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
    assert_eq!(desk.read("renamed.yaml"), before);
    let elsewhere = Desk::new();
    elsewhere.set("s.yaml", "A", "x");
    let run = elsewhere
        .run(&["history", "s.yaml", "A"], b"")
        .expect_code(1);
    assert!(run.stderr.contains("cannot run `git`: "), "{}", run.stderr);
}
