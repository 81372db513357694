use std::process::Stdio;
use std::time::Duration;

use crate::desk::{Desk, tokens};
use crate::killing;
use crate::repository;
use crate::support::{key, seal};

#[test]
fn whenever_it_comes() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "the first value");
    for round in 0..40 {
        let before = desk.read("s.yaml");
        let mut command = desk.command();
        command.args([
            "set",
            "s.yaml",
            "A",
            "--generate",
            "20",
            "-k",
            &key("alpha.pub"),
        ]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At a different point each time; where does not matter.
        std::thread::sleep(Duration::from_micros(500 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = desk.read("s.yaml");
        assert!(after == before || tokens(&after).len() == 1 && after.starts_with("A: v2:"));
    }
    // What a killed one left behind is in nobody's way, and goes with the next.
    desk.set("s.yaml", "A", "the last value");
    assert_eq!(desk.get("alpha", "s.yaml", "A").text(), "the last value");
    assert_eq!(desk.names(), ["s.yaml"]);
}

#[test]
fn at_each_system_call() {
    if !killing::can_kill() {
        return;
    }
    let fresh = || {
        let desk = Desk::new();
        desk.write(
            "s.yaml",
            &format!("# ours\nA: {} # mine\n", seal("", b"old")),
        );
        desk
    };
    let alpha = key("alpha.pub");
    let set = ["set", "s.yaml", "A", "--generate", "20", "-k", &alpha];
    let kills = killing::at_each_call(&set, fresh, |desk, when| {
        let text = desk.read("s.yaml");
        assert!(
            text.starts_with("# ours\nA: v2:") && text.ends_with(" # mine\n"),
            "{when}"
        );
        let value = desk.get("alpha", "s.yaml", "A").expect_code(0);
        assert!(value.text() == "old" || value.text().len() == 20, "{when}");
        desk.set("s.yaml", "A", "the last value");
        assert_eq!(desk.names(), ["s.yaml"], "{when}");
    });
    assert!(kills > 4, "only {kills} points were seen");
}

#[test]
fn and_so_does_a_full_disk() {
    let desk = Desk::new();
    desk.write("s.yaml", &format!("A: {}\n", seal("", b"x")));
    let before = desk.read("s.yaml");
    let script = "ulimit -f 0; trap '' XFSZ; exec \"$0\" set s.yaml A --generate 9 -k \"$1\"";
    let output = std::process::Command::new("sh")
        .args(["-c", script, crate::support::PROGRAM, &key("alpha.pub")])
        .current_dir(desk.root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write `s.yaml`"), "{said}");
    assert_eq!(desk.read("s.yaml"), before);
    assert_eq!(desk.names(), ["s.yaml"]);
}

#[test]
fn of_git_too() {
    let Some(first) = repository::repository().filter(|_| killing::can_kill()) else {
        return;
    };
    drop(first);
    let theirs = "*.png binary\n";
    let fresh = || {
        let desk = repository::repository().unwrap();
        desk.write(".git/info/attributes", theirs);
        desk
    };
    let kills = killing::at_each_call(&["git-setup"], fresh, |desk, when| {
        let text = desk.read(".git/info/attributes");
        let is_new = text.starts_with(theirs) && text.contains("*.yml diff=lithos_crypt");
        assert!(text == theirs || is_new, "{when}: {text}");
        for hook in ["pre-commit", "pre-merge-commit"] {
            let hook = std::fs::read_to_string(desk.path(&format!(".git/hooks/{hook}")));
            assert!(
                hook.is_err() || hook.unwrap().ends_with("check --staged\n"),
                "{when}"
            );
        }
        desk.run(&["git-setup"], b"").expect_code(0);
        let text = desk.read(".git/info/attributes");
        assert_eq!(text.matches("*.yml").count(), 1, "{when}");
    });
    assert!(kills > 4, "only {kills} points were seen");
}
