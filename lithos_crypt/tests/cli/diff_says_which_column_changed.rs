use crate::desk::Desk;
use crate::repository::{commit, repository};
use crate::support::key;

#[test]
fn between_two_files() {
    let desk = Desk::new();
    for (name, value) in [
        ("A", "same"),
        ("B", "old"),
        ("C", "gone"),
        ("D", "x"),
        ("E", "kept"),
    ] {
        desk.set("old.yaml", name, value);
    }
    desk.write("new.yaml", &desk.read("old.yaml"));
    desk.set("new.yaml", "A", "same");
    desk.set("new.yaml", "B", "new");
    desk.run(&["rm", "new.yaml", "C"], b"").expect_code(0);
    desk.run(
        &[
            "set",
            "new.yaml",
            "D",
            "-n",
            "shop",
            "-k",
            &key("beta.pub"),
            "--exact",
        ],
        b"x",
    )
    .expect_code(0);
    desk.set("new.yaml", "F", "added");
    let run = desk
        .run(&["diff", "old.yaml", "new.yaml"], b"")
        .expect_code(0);
    assert_eq!(
        run.text(),
        "~ A: re-sealed\n~ B: value\n- C: removed\n~ D: key, namespace\n+ F: added\n"
    );
    desk.run(&["diff", "--exit-code", "old.yaml", "new.yaml"], b"")
        .expect_code(1);
    desk.run(&["diff", "--exit-code", "old.yaml", "old.yaml"], b"")
        .expect_code(0);
    let json = desk
        .run(&["diff", "--json", "old.yaml", "new.yaml"], b"")
        .expect_code(0);
    assert!(
        serde_json::from_str::<serde_json::Value>(json.text()).unwrap()[1]["changed"] == "value"
    );
}

#[test]
fn between_directories_and_revisions() {
    let Some(desk) = repository() else { return };
    desk.write("one/s.yaml", "secret-environ:\n  P: hunter2\n");
    desk.set("s.yaml", "A", "old");
    commit(&desk, "first");
    desk.write("two/s.yaml", "secret-environ:\n  P: hunter3\n");
    let run = desk.run(&["diff", "one", "two"], b"").expect_code(0);
    assert_eq!(run.text(), "~ P s.yaml: not a token\n");
    desk.set("s.yaml", "A", "new");
    let run = desk.run(&["diff", "HEAD", "."], b"").expect_code(0);
    assert_eq!(run.text(), "~ A s.yaml: value\n+ P two/s.yaml: added\n");
    let run = desk
        .run(&["diff", "HEAD:s.yaml", "s.yaml"], b"")
        .expect_code(0);
    assert_eq!(run.text(), "~ A: value\n");
}

#[test]
fn refuses_what_is_neither_file_nor_revision() {
    let Some(desk) = repository() else { return };
    desk.set("s.yaml", "A", "x");
    commit(&desk, "first");
    let run = desk.run(&["diff", "nowhere", "s.yaml"], b"").expect_code(1);
    assert!(
        run.stderr.contains("cannot find the revision `nowhere`"),
        "{}",
        run.stderr
    );
    let run = desk
        .run(&["diff", "HEAD:absent", "s.yaml"], b"")
        .expect_code(1);
    assert!(
        run.stderr.contains("not a file of the revision"),
        "{}",
        run.stderr
    );
    desk.run(&["diff", "--", "--output=x", "s.yaml"], b"")
        .expect_code(1);
    assert!(!desk.path("x").exists());
}
