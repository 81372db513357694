//! A git repository to work in.

use std::process::Command;

use crate::desk::Desk;

/// A desk that is a repository, if git is installed. Else says SKIP, which is a
/// failure where `LITHOS_TEST_ROOT=1`.
pub fn repository() -> Option<Desk> {
    if Command::new("git").arg("--version").output().is_err() {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(!must, "git is not installed");
        println!("SKIP: git is not installed");
        return None;
    }
    let desk = Desk::with_recipients();
    desk.call("git", &["init", "-q", "-b", "main"]);
    introduce(&desk, "Ada");
    Some(desk)
}

/// Gives the repository's user a name.
pub fn introduce(desk: &Desk, name: &str) {
    desk.call("git", &["config", "user.name", name]);
    desk.call("git", &["config", "user.email", "user@example.org"]);
    desk.call("git", &["config", "commit.gpgsign", "false"]);
}

/// Commits everything.
pub fn commit(desk: &Desk, message: &str) {
    desk.call("git", &["add", "-A"]);
    desk.call("git", &["commit", "-q", "-m", message]);
}

/// Merges ours and theirs, of which the base comes first; the exit code and
/// what it makes of ours.
pub fn merge(desk: &Desk, versions: [&str; 3]) -> (i32, String) {
    for (name, text) in ["o", "a", "b"].iter().zip(versions) {
        desk.write(name, text);
    }
    let run = desk.run(&["merge", "o", "a", "b", "x.yaml"], b"");
    (run.code, desk.read("a"))
}
