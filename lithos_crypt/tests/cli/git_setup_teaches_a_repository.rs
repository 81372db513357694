use std::process::Command;

use crate::desk::{Desk, tokens};
use crate::repository::{commit, introduce, repository};
use crate::support::{feed, key};

/// A repository with secrets of three keys' files, and the setup done.
fn set_up() -> Option<Desk> {
    let desk = repository()?;
    desk.write(
        "web.yaml",
        "# the shop\nexecutable: /bin/shop\nsecret-environ:\n  A: ~\n  B: ~\ntail: 1\n",
    );
    desk.set("web.yaml", "A", "mGv7Qk2xWz9LrTb4");
    desk.set("web.yaml", "B", "mGv7Qk2xWz9LrTb5");
    desk.run(&["git-setup"], b"").expect_code(0);
    commit(&desk, "first");
    Some(desk)
}

/// Another user's clone, with the setup done too.
fn clone(desk: &Desk) -> Desk {
    let other = Desk::new();
    let from = desk.root().to_str().unwrap();
    other.call("git", &["clone", "-q", from, "."]);
    introduce(&other, "Bob");
    other.run(&["git-setup"], b"").expect_code(0);
    other
}

/// Merges Bob's work into Ada's; whether git was content, and what it said.
fn pull(desk: &Desk, other: &Desk) -> (bool, String) {
    let mut command = Command::new("git");
    let from = other.root().to_str().unwrap();
    command
        .current_dir(desk.root())
        .args(["pull", "-q", "--no-rebase", "--no-edit", from, "main"]);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn diff_shows_labels_and_never_a_plaintext() {
    let Some(desk) = set_up() else { return };
    desk.set("web.yaml", "A", "mGv7Qk2xWz9LrTb6");
    desk.write("plain.yaml", "secret-environ: { P: hunter2 }\n");
    desk.call("git", &["add", "-N", "plain.yaml"]);
    let diff = desk.call("git", &["diff"]);
    assert!(diff.contains("\n-  A: [v2:k/qSgp/F:KqWSX0BY:"), "{diff}");
    assert!(!diff.contains("==") && !diff.contains("hunter2"), "{diff}");
    assert!(diff.contains("P: …"), "{diff}");
    assert_eq!(
        desk.call("git", &["config", "diff.lithos_crypt.cachetextconv"]),
        "false\n"
    );
}

#[test]
fn a_commit_with_a_plaintext_is_refused() {
    let Some(desk) = set_up() else { return };
    desk.write("plain.yaml", "secret-environ: { P: hunter2 }\n");
    desk.call("git", &["add", "-A"]);
    // What is checked is what would be committed.
    desk.write("plain.yaml", "secret-environ: {}\n");
    let mut command = Command::new("git");
    let output = command
        .current_dir(desk.root())
        .args(["commit", "-q", "-m", "x"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        said.contains("plain.yaml:1:") && !said.contains("hunter2"),
        "{said}"
    );
    desk.call("git", &["add", "-A"]);
    desk.call("git", &["commit", "-q", "-m", "x"]);
}

#[test]
fn also_in_a_file_that_only_a_config_calls_one_of_secrets() {
    let Some(desk) = set_up() else { return };
    desk.write(
        "shop/config/web.yaml",
        "executable: /x\nsecret_environ_file: ../env/vars.yaml\n",
    );
    commit(&desk, "a config");
    desk.write("shop/env/vars.yaml", "A: hunter2\n");
    desk.call("git", &["add", "-A"]);
    let run = desk.run(&["check", "--staged"], b"").expect_code(1);
    let found = "shop/env/vars.yaml:1:4: error: A: a plaintext stands where a token belongs";
    assert!(run.text().starts_with(found), "{}", run.text());
}

#[test]
fn a_commit_fits_the_recipients_that_are_committed() {
    let Some(desk) = set_up() else { return };
    desk.set("new.yaml", "N", "Qk2xWz9LrTb4mGv7");
    commit(&desk, "more secrets");
    desk.run(&["grant", "-i", &key("alpha"), "gamma", "new.yaml"], b"")
        .expect_code(0);
    let check = |code| {
        let run = desk.run(&["check", "--staged"], b"").expect_code(code);
        run.text().to_owned()
    };
    // The files without the list, and the list without the files.
    desk.call("git", &["add", "new.yaml"]);
    assert!(check(1).contains("it is still sealed to gamma, which is no recipient"));
    desk.call("git", &["reset", "-q"]);
    desk.call("git", &["add", "lithos-keys.yaml"]);
    assert!(check(1).contains("it is not sealed to gamma"));
    desk.call("git", &["add", "-A"]);
    assert!(check(0).contains("no problems"));
}

#[test]
fn everything_is_checked_if_the_recipients_file_goes_away() {
    let Some(desk) = set_up() else { return };
    let check = || {
        let run = desk.run(&["check", "--staged"], b"").expect_code(0);
        run.text().to_owned()
    };
    desk.call("git", &["rm", "-q", "-f", "lithos-keys.yaml"]);
    assert_eq!(check(), "2 secrets, 1 file: no problems\n");
    desk.call("git", &["reset", "-q", "--hard"]);
    desk.call("git", &["mv", "lithos-keys.yaml", "other.yaml"]);
    assert_eq!(check(), "2 secrets, 1 file: no problems\n");
    desk.call("git", &["reset", "-q", "--hard"]);
    desk.call("git", &["rm", "-q", "web.yaml"]);
    assert_eq!(check(), "0 secrets, 0 files: no problems\n");
}

#[test]
fn the_whole_repository_is_checked_from_anywhere_in_it() {
    let Some(desk) = set_up() else { return };
    for name in ["p.yaml", "shop/q.yaml", "other/r.yaml"] {
        desk.write(name, "secret-environ: { P: hunter2 }\n");
    }
    desk.write("other/web.yaml", "secret-environ-file: vars.yaml\n");
    desk.write("other/vars.yaml", "A: hunter2\n");
    desk.call("git", &["add", "-A"]);
    let mut command = desk.command();
    command
        .current_dir(desk.path("shop"))
        .args(["check", "--staged"]);
    let run = feed(&mut command, b"").expect_code(1);
    let places = run.text().lines().filter_map(|line| line.split(':').next());
    let places: Vec<_> = places.collect();
    let summary = "4 secrets, 5 files";
    assert_eq!(
        places,
        [
            "../other/r.yaml",
            "../other/vars.yaml",
            "../p.yaml",
            "q.yaml",
            summary
        ],
        "{}",
        run.text()
    );
}

#[test]
fn two_users_changes_to_different_secrets_merge() {
    let Some(desk) = set_up() else { return };
    let bob = clone(&desk);
    desk.set("web.yaml", "A", "Qk2xWz9LrTb4mGv7");
    desk.set("web.yaml", "C", "Qk2xWz9LrTb4mGv8");
    commit(&desk, "Ada changes A and adds C");
    bob.set("web.yaml", "B", "Wz9LrTb4mGv7Qk2x");
    bob.set("web.yaml", "D", "Wz9LrTb4mGv7Qk2y");
    bob.write(
        "web.yaml",
        &bob.read("web.yaml").replace("tail: 1", "tail: 2"),
    );
    commit(&bob, "Bob changes B and adds D");
    let (content, said) = pull(&desk, &bob);
    assert!(content, "{said}");
    for (name, value) in [
        ("A", "Qk2xWz9LrTb4mGv7"),
        ("B", "Wz9LrTb4mGv7Qk2x"),
        ("C", "Qk2xWz9LrTb4mGv8"),
        ("D", "Wz9LrTb4mGv7Qk2y"),
    ] {
        assert_eq!(
            desk.get("beta", "web.yaml", name).expect_code(0).text(),
            value
        );
    }
    let text = desk.read("web.yaml");
    assert!(
        text.starts_with("# the shop\n") && text.ends_with("tail: 2\n"),
        "{text}"
    );
}

#[test]
fn a_file_that_both_made_merges_and_stays_in_lines() {
    let Some(desk) = set_up() else { return };
    let bob = clone(&desk);
    desk.set("new.yaml", "A", "Qk2xWz9LrTb4mGv7");
    commit(&desk, "Ada makes it");
    bob.set("new.yaml", "B", "Wz9LrTb4mGv7Qk2x");
    commit(&bob, "Bob makes it");
    let (content, said) = pull(&desk, &bob);
    assert!(content, "{said}");
    for name in ["A", "B"] {
        desk.get("beta", "new.yaml", name).expect_code(0);
    }
    let text = desk.read("new.yaml");
    assert!(!text.contains('{') && text.lines().count() > 2, "{text}");
}

#[test]
fn a_merge_that_check_does_not_accept_is_not_committed() {
    let Some(desk) = set_up() else { return };
    let bob = clone(&desk);
    desk.run(&["grant", "-i", &key("alpha"), "gamma", "web.yaml"], b"")
        .expect_code(0);
    commit(&desk, "Ada lets gamma read");
    let before = desk.call("git", &["rev-parse", "HEAD"]);
    bob.set("web.yaml", "C", "Qk2xWz9LrTb4mGv8");
    commit(&bob, "Bob adds C");
    let (content, said) = pull(&desk, &bob);
    assert!(
        !content && said.contains("C: it is not sealed to gamma"),
        "{said}"
    );
    assert_eq!(desk.call("git", &["rev-parse", "HEAD"]), before);
    desk.run(&["rekey", "-i", &key("alpha"), "--keep-old"], b"")
        .expect_code(0);
    desk.call("git", &["commit", "-q", "-a", "--no-edit"]);
    desk.get("gamma", "web.yaml", "C").expect_code(0);
}

#[test]
fn sealing_one_secret_to_different_keys_is_no_conflict() {
    let Some(desk) = set_up() else { return };
    let bob = clone(&desk);
    let list = desk.read("lithos-keys.yaml") + "required-recipients: [gamma]\n";
    desk.write("lithos-keys.yaml", &list);
    desk.run(&["rekey", "-i", &key("alpha"), "--keep-old"], b"")
        .expect_code(0);
    commit(&desk, "Ada seals to gamma too");
    let list = bob
        .read("lithos-keys.yaml")
        .replace("prod: [alpha, beta]", "prod: [alpha]");
    bob.write("lithos-keys.yaml", &list);
    let prune = ["rekey", "-i", &key("beta.pub"), "--prune"];
    bob.run(&prune, b"").expect_code(0);
    commit(&bob, "Bob takes beta out");
    let (content, said) = pull(&desk, &bob);
    assert!(content, "{said}");
    for (identity, code) in [("alpha", 0), ("gamma", 0), ("beta", 1)] {
        desk.get(identity, "web.yaml", "A").expect_code(code);
    }
}

#[test]
fn a_reader_that_one_side_revoked_gets_no_new_value_of_the_other() {
    for revokes in ["Ada", "Bob"] {
        let Some(desk) = set_up() else { return };
        let bob = clone(&desk);
        let (revoking, setting) = match revokes {
            "Ada" => (&desk, &bob),
            _ => (&bob, &desk),
        };
        revoking.run(&["revoke", "beta"], b"").expect_code(0);
        commit(revoking, "beta has left");
        setting.set("web.yaml", "A", "Qk2xWz9LrTb4mGv7");
        commit(setting, "a new value");
        let (content, said) = pull(&desk, &bob);
        let conflict = "cannot merge `web.yaml`: both sides changed A;";
        assert!(!content && said.contains(conflict), "{said}");
        let text = desk.read("web.yaml");
        let around = text.split_once("<<<<<<<").unwrap().0.to_owned()
            + text.split_once(">>>>>>>").unwrap().1;
        // Only alpha's of B.
        assert_eq!(tokens(&around).len(), 1, "{text}");
    }
}

#[test]
fn one_secret_changed_by_both_is_a_conflict_around_it_alone() {
    let Some(desk) = set_up() else { return };
    let bob = clone(&desk);
    desk.set("web.yaml", "A", "Qk2xWz9LrTb4mGv7");
    commit(&desk, "Ada changes A");
    bob.set("web.yaml", "A", "Wz9LrTb4mGv7Qk2x");
    bob.set("web.yaml", "B", "Wz9LrTb4mGv7Qk2y");
    commit(&bob, "Bob changes A and B");
    let (content, said) = pull(&desk, &bob);
    assert!(!content && said.contains("CONFLICT"), "{said}");
    let text = desk.read("web.yaml");
    assert_eq!(text.matches("<<<<<<<").count(), 1, "{text}");
    // Ada's two tokens and Bob's of A, and Bob's two of B.
    assert_eq!(tokens(&text).len(), 6, "{text}");
    assert_eq!(desk.run(&["check"], b"").code, 1, "marks are no YAML");
    // Resolved by taking one side whole.
    desk.call("git", &["checkout", "--theirs", "web.yaml"]);
    desk.call("git", &["add", "web.yaml"]);
    desk.call("git", &["commit", "-q", "--no-edit"]);
    assert_eq!(
        desk.get("alpha", "web.yaml", "A").text(),
        "Wz9LrTb4mGv7Qk2x"
    );
}

#[test]
fn once_more_changes_nothing_and_a_foreign_hook_is_kept() {
    let Some(desk) = set_up() else { return };
    let all = || {
        let files = [
            "config",
            "info/attributes",
            "hooks/pre-commit",
            "hooks/pre-merge-commit",
        ];
        files.map(|name| desk.read(&format!(".git/{name}")))
    };
    let before = all();
    desk.run(&["git-setup"], b"").expect_code(0);
    assert_eq!(all(), before);
    let foreign = "#!/bin/sh\n# mine\n";
    for (theirs, ours) in [
        ("pre-merge-commit", "pre-commit"),
        ("pre-commit", "pre-merge-commit"),
    ] {
        let hook = |name| format!(".git/hooks/{name}");
        desk.write(&hook(theirs), foreign);
        std::fs::remove_file(desk.path(&hook(ours))).unwrap();
        let run = desk.run(&["git-setup"], b"").expect_code(1);
        assert!(
            run.stderr.contains("there is one already"),
            "{}",
            run.stderr
        );
        assert_eq!(desk.read(&hook(theirs)), foreign);
        assert!(!desk.path(&hook(ours)).exists());
        std::fs::remove_file(desk.path(&hook(theirs))).unwrap();
        desk.run(&["git-setup"], b"").expect_code(0);
    }
    std::fs::write(desk.path(".git/hooks/pre-commit"), b"#!/bin/sh\n# \xff\n").unwrap();
    let run = desk.run(&["git-setup"], b"").expect_code(1);
    assert!(run.stderr.contains("cannot read file"), "{}", run.stderr);
    let run = Desk::new().run(&["git-setup"], b"").expect_code(1);
    assert!(
        run.stderr.contains("not a git repository"),
        "{}",
        run.stderr
    );
}
