use std::fs;

use crate::desk::{Desk, tokens};
use crate::support::{Run, key};

/// One file under two names, and another.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    desk.set("t.yaml", "B", "mGv7Qk2xWz9LrTb4");
    fs::hard_link(desk.path("s.yaml"), desk.path("other")).unwrap();
    desk
}

fn rekey(desk: &Desk, paths: &[&str]) -> Run {
    let (old, new) = (key("alpha"), key("beta.pub"));
    desk.run(&[&["rekey", "-i", &old, "-k", &new], paths].concat(), b"")
}

#[track_caller]
fn assert_refused(run: Run) {
    let run = run.expect_code(1);
    let said = "error: cannot change `s.yaml`: it has 2 names (hard links), and only one of them \
                would change\nhint: make it a file of its own with `cp -a FILE NEW && mv NEW FILE`";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
}

#[test]
fn and_all_names_stay_what_they_are() {
    let desk = desk();
    let before = (desk.read("s.yaml"), desk.read("t.yaml"));
    assert_refused(desk.run(&["rm", "s.yaml", "A"], b""));
    assert_refused(rekey(&desk, &[]));
    assert_eq!((desk.read("s.yaml"), desk.read("t.yaml")), before);
    assert_eq!(desk.read("other"), before.0);
    assert_eq!(desk.names(), ["other", "s.yaml", "t.yaml"]);
}

#[test]
fn before_a_value_is_typed_or_edited_in_vain() {
    let desk = desk();
    let set = ["set", "s.yaml", "A", "-k", &key("alpha.pub")];
    assert_refused(desk.run(&set, b"hunter2"));
    desk.write("editor", "#!/bin/sh\ntouch was-here\n");
    desk.call("chmod", &["+x", "editor"]);
    let mut command = desk.command();
    let command = command.env("EDITOR", desk.path("editor"));
    let arguments = ["edit", "-i", &key("alpha"), "s.yaml"];
    assert_refused(crate::support::feed(command.args(arguments), b""));
    assert!(!desk.path("was-here").exists());
}

#[test]
fn but_not_where_nothing_changes_or_once_there_is_one_name_only() {
    let desk = desk();
    rekey(&desk, &["t.yaml"]).expect_code(0);
    // It is sealed to another key.
    let run = desk.run(&["rekey", "-i", &key("gamma"), "-k", &key("beta.pub")], b"");
    run.expect_code(0);
    desk.call("sh", &["-c", "cp -a s.yaml new && mv new s.yaml"]);
    rekey(&desk, &[]).expect_code(0);
    assert_ne!(tokens(&desk.read("s.yaml")), tokens(&desk.read("other")));
}
