use std::process::Command;

use crate::desk::Desk;
use crate::killing::can_kill;
use crate::repository;
use crate::support::{PROGRAM, feed, key};

const VALUE: &str = "Qk2xWz9LrTb4mGv7";
const OTHER: &str = "Wz9LrTb4mGv7Qk2x";

/// All that a command and its children write, and with which words they are
/// started.
fn traced(desk: &Desk, arguments: &[&str], stdin: &[u8]) -> Vec<String> {
    let log = desk.text_path(".trace");
    let mut command = Command::new("strace");
    let calls = "trace=write,pwrite64,writev,sendto,sendmsg,execve";
    command.args(["-f", "-s", "65536", "-y", "-o", &log, "-e", calls, PROGRAM]);
    command.args(arguments).current_dir(desk.root());
    command.env("EDITOR", format!("sed -i -f {}", desk.text_path(".edit")));
    command.env_remove("XDG_RUNTIME_DIR").env_remove("VISUAL");
    feed(&mut command, stdin).expect_code(0);
    let log = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    assert!(log.contains("execve("), "{log}");
    log.lines().map(str::to_owned).collect()
}

/// The calls that show a value.
fn showing(calls: &[String]) -> Vec<&String> {
    let shows = |call: &&String| call.contains(VALUE) || call.contains(OTHER);
    calls.iter().filter(shows).collect()
}

#[test]
fn by_any_command_but_those_that_print_it() {
    let Some(desk) = repository::repository().filter(|_| can_kill()) else {
        return;
    };
    desk.write(".edit", &format!("s/{VALUE}/{OTHER}/\n"));
    let alpha = key("alpha");
    let gamma = key("gamma.pub");
    for (arguments, stdin) in [
        (&["set", "s.yaml", "A", "--exact"][..], VALUE),
        (&["set", "t.yaml", "B", "--exact"], VALUE),
        (&["grant", "-i", &alpha, "gamma", "s.yaml"], ""),
        (&["rekey", "-i", &alpha, "-k", &gamma, "--keep-old"], ""),
        (&["check", "-i", &alpha], ""),
        (&["verify", "-i", &alpha], ""),
        (&["export", "-i", &alpha, "--to", &gamma, "s.yaml", "A"], ""),
        (&["inspect"], ""),
        (
            &["exec", "-i", &alpha, "-n", "myapp", "s.yaml", "--", "true"],
            "",
        ),
    ] {
        let calls = traced(&desk, arguments, stdin.as_bytes());
        assert!(
            showing(&calls).is_empty(),
            "{arguments:?}: {:?}",
            showing(&calls)
        );
    }
    // What must show it does, so it would have been seen above.
    let calls = traced(&desk, &["get", "-i", &alpha, "s.yaml", "A"], b"");
    assert_eq!(showing(&calls).len(), 1);
    let calls = traced(&desk, &["edit", "-i", &alpha, "s.yaml"], b"");
    let shown = showing(&calls);
    assert!(!shown.is_empty());
    for call in shown {
        assert!(call.contains("</dev/shm/lithos_crypt-edit."), "{call}");
    }
    assert_eq!(desk.get("alpha", "s.yaml", "A").text(), OTHER);
}

#[test]
fn to_a_disk_by_a_merge_of_what_is_not_sealed_yet() {
    let Some(desk) = repository::repository().filter(|_| can_kill()) else {
        return;
    };
    let token = crate::support::seal("myapp", b"x");
    let text = |value: &str| format!("secret-environ:\n  A: {value}\n  B: {token}\ntail: 1\n");
    for (name, value) in [("base", "old"), ("ours", VALUE), ("theirs", "old")] {
        desk.write(name, &text(value));
    }
    let theirs = desk.read("theirs").replace("tail: 1", "tail: 2");
    desk.write("theirs", &theirs);
    let calls = traced(&desk, &["merge", "base", "ours", "theirs", "s.yaml"], b"");
    let ours = format!("{}>", desk.text_path("ours"));
    let shown = showing(&calls);
    assert!(
        shown.iter().any(|call| call.contains("</dev/shm/")),
        "{calls:?}"
    );
    for call in shown {
        // What is ours already, and what git tells us through a pipe.
        let is_meant =
            call.contains("</dev/shm/") || call.contains(&ours) || call.contains("<pipe:");
        assert!(is_meant, "{call}");
    }
    assert_eq!(desk.read("ours"), text(VALUE).replace("tail: 1", "tail: 2"));
}
