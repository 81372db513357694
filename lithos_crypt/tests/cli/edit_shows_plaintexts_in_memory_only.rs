use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::desk::{Desk, tokens};
use crate::support::{Run, feed, key, seal, seal_to};

fn desk() -> Desk {
    let desk = Desk::new();
    let [a, b, c] = [&b"value of a"[..], b"two\nlines\n", b"\xff\0"].map(|v| seal("shop", v));
    desk.write(
        "web.yaml",
        &format!("# ours\nsecret-environ:\n  A: {a} # mine\n  B: {b}\nsecret-files:\n  /c: {c}\n"),
    );
    desk
}

/// The program, with this shell script as the editor of `$1`.
fn edit(desk: &Desk, script: &str, more: &[&str]) -> Command {
    desk.write("editor", &format!("#!/bin/sh\nset -e\n{script}\n"));
    let path = desk.path("editor");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = desk.command();
    command
        .env_remove("VISUAL")
        .env("EDITOR", &path)
        .arg("edit")
        .args(more)
        .arg("web.yaml");
    command
}

fn edited(desk: &Desk, script: &str, more: &[&str]) -> Run {
    feed(&mut edit(desk, script, more), b"")
}

fn with_alpha(alpha: &str) -> [&str; 2] {
    ["-i", alpha]
}

/// Where the editor said that its file is.
fn told(desk: &Desk, name: &str) -> PathBuf {
    PathBuf::from(desk.read(name).trim_end())
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn only_what_was_changed_gets_a_new_token() {
    let desk = desk();
    let before = tokens(&desk.read("web.yaml"));
    let script = "cp \"$1\" seen\n\
        sed -i 's/value of a/mGv7Qk2xWz9LrTb4mGv7/; /^  B:/i \\  D: \"wP7mQk2xWz9LrTb4mGv7\"' \"$1\"";
    let run = edited(&desk, script, &with_alpha(&key("alpha"))).expect_code(0);
    assert_eq!(run.text(), "changed A\nadded D\n");
    let seen = desk.read("seen");
    assert!(seen.contains("A: \"value of a\"\n"), "{seen}");
    assert!(seen.contains("B: |\n    two\n    lines\n"), "{seen}");
    assert!(seen.contains("/c: <sealed "), "no text: {seen}");
    let after = tokens(&desk.read("web.yaml"));
    assert!(!after.contains(&before[0]), "A has another");
    assert!(after.contains(&before[1]) && after.contains(&before[2]));
    assert!(desk.read("web.yaml").starts_with("# ours\n"));
    assert!(desk.read("web.yaml").contains(" # mine\n"));
    let get = ["get", "-i", &key("alpha"), "-n", "shop", "web.yaml", "A"];
    let value = desk.run(&get, b"").expect_code(0);
    assert_eq!(value.text(), "mGv7Qk2xWz9LrTb4mGv7");
    desk.get("alpha", "web.yaml", "D").expect_code(0);
}

#[test]
fn an_edited_secret_lies_in_memory_for_its_owner_alone() {
    let desk = desk();
    let script = "stat -c '%a %U' \"$1\" \"${1%/*}\" > modes; stat -fc %T \"$1\" > kind\n\
        id -un >> modes; echo \"$1\" > where";
    edited(&desk, script, &with_alpha(&key("alpha")));
    let modes = desk.read("modes");
    let user = modes.lines().last().unwrap();
    assert_eq!(modes, format!("600 {user}\n700 {user}\n{user}\n"));
    assert_eq!(desk.read("kind"), "tmpfs\n");
    assert!(!told(&desk, "where").parent().unwrap().exists());
}

#[test]
fn a_line_that_is_removed_removes_the_secret() {
    let desk = desk();
    let run = edited(
        &desk,
        "sed -i '/^  A:/d' \"$1\"",
        &with_alpha(&key("alpha")),
    );
    assert_eq!(run.expect_code(0).text(), "removed A\n");
    desk.get("alpha", "web.yaml", "A").expect_code(1);
    desk.get("alpha", "web.yaml", "B").expect_code(0);
}

#[test]
fn without_a_key_placeholders_stand_for_values() {
    let desk = desk();
    let beta = key("beta.pub");
    let script = "cp \"$1\" seen; sed -i 's/A: <.*/A: \"mGv7Qk2xWz9LrTb4mGv7\"/' \"$1\"";
    let run = edited(&desk, script, &["-k", &beta, "-n", "shop"]).expect_code(0);
    assert_eq!(run.text(), "changed A\n");
    assert!(!desk.read("seen").contains("value of"));
    let get = ["get", "-i", &key("beta"), "-n", "shop", "web.yaml", "A"];
    desk.run(&get, b"").expect_code(0);
    desk.get("alpha", "web.yaml", "B").expect_code(0);
    // What stands for one value cannot be put elsewhere.
    let before = desk.read("web.yaml");
    let script = "sed -n 's/^  B:/  E:/p' \"$1\" > line; sed -i '/^  B:/r line' \"$1\"";
    let run = edited(&desk, script, &["-k", &beta]).expect_code(1);
    assert!(
        run.stderr.contains("a placeholder stands there"),
        "{}",
        run.stderr
    );
    assert_eq!(desk.read("web.yaml"), before);
}

#[test]
fn nothing_is_changed_when_nothing_was_or_the_editor_failed_or_the_text_is_broken() {
    let desk = desk();
    let before = desk.read("web.yaml");
    for (script, code) in [
        ("true", 0),
        ("sed -i s/value/hunter/ \"$1\"; exit 1", 1),
        ("echo 'A: [hunter2' >> \"$1\"", 1),
        ("echo '  /c: hunter2' >> \"$1\"", 1),
        (
            "echo '  /d: [hunter2]' >> \"$1\"; echo '  /e:' >> \"$1\"",
            1,
        ),
        ("rm \"$1\"", 1),
        ("kill -9 $$", 1),
    ] {
        let script = format!("echo \"$1\" > where\n{script}");
        let run = edited(&desk, &script, &with_alpha(&key("alpha")));
        let run = run.expect_code(code);
        assert!(!run.stderr.contains("hunter"), "{}", run.stderr);
        assert_eq!(desk.read("web.yaml"), before, "{script}");
        assert!(!told(&desk, "where").parent().unwrap().exists());
    }
    let mut command = edit(&desk, "", &with_alpha(&key("alpha")));
    let run = feed(command.env("EDITOR", "./no-such-editor"), b"");
    assert!(run.stderr.contains("./no-such-editor"), "{}", run.stderr);
    assert_eq!(run.code, 127);
}

#[test]
fn who_else_reads_a_secret_is_not_lost() {
    let desk = desk();
    let more = [
        "rekey",
        "-i",
        &key("alpha"),
        "-k",
        &key("beta.pub"),
        "--keep-old",
        "web.yaml",
    ];
    desk.run(&more, b"").expect_code(0);
    let before = desk.read("web.yaml");
    let script = "sed -i 's/value of a/mGv7Qk2xWz9LrTb4mGv7/' \"$1\"";
    let run = edited(&desk, script, &with_alpha(&key("alpha"))).expect_code(1);
    assert!(
        run.stderr.contains("name all its public keys"),
        "{}",
        run.stderr
    );
    assert_eq!(desk.read("web.yaml"), before);
}

#[test]
fn each_key_keeps_the_namespaces_that_it_had() {
    let desk = desk();
    let [alpha, beta] = ["alpha", "beta"];
    let of = |who: &str, namespace: &str| seal_to(who, namespace, b"value of a");
    let all = [of(alpha, "shop"), of(alpha, "blog"), of(beta, "blog")];
    desk.write("web.yaml", &format!("A: [{}]\n", all.join(", ")));
    let script = "sed -i 's/value of a/mGv7Qk2xWz9LrTb4mGv7/' \"$1\"";
    let (public, identity) = (
        [alpha, beta, "gamma"].map(|name| key(&format!("{name}.pub"))),
        key(alpha),
    );
    let [a, b, c] = &public;
    edited(&desk, script, &["-i", &identity, "-k", a, "-k", b, "-k", c]).expect_code(0);
    assert_eq!(tokens(&desk.read("web.yaml")).len(), 5, "gamma has both");
    for (who, namespace, code) in [
        (alpha, "shop", 0),
        (alpha, "blog", 0),
        (beta, "blog", 0),
        (beta, "shop", 1),
        ("gamma", "shop", 0),
        ("gamma", "blog", 0),
    ] {
        let get = ["get", "-i", &key(who), "-n", namespace, "web.yaml", "A"];
        desk.run(&get, b"").expect_code(code);
    }
}

const TYPE_OVER_A: &str = "sed -i 's/A: <.*/A: \"mGv7Qk2xWz9LrTb4mGv7\"/' \"$1\"";

#[test]
fn what_is_typed_over_a_placeholder_keeps_its_namespace() {
    // `other` is the second of the two that the recipients file names.
    for namespace in ["myapp", "other", ""] {
        let desk = Desk::with_recipients();
        desk.write(
            "web.yaml",
            &format!("A: {}\n", seal(namespace, b"value of a")),
        );
        edited(&desk, TYPE_OVER_A, &[]).expect_code(0);
        let get = ["get", "-i", &key("alpha"), "-n", namespace, "web.yaml", "A"];
        let run = desk.run(&get, b"").expect_code(0);
        assert_eq!(run.text(), "mGv7Qk2xWz9LrTb4mGv7");
    }
    // One that a key opens and that is no text is a placeholder, too.
    let desk = desk();
    let script = "sed -i 's/c: <.*/c: \"mGv7Qk2xWz9LrTb4mGv7\"/' \"$1\"";
    edited(&desk, script, &with_alpha(&key("alpha"))).expect_code(0);
    let get = ["get", "-i", &key("alpha"), "-n", "shop", "web.yaml", "/c"];
    desk.run(&get, b"").expect_code(0);
}

#[test]
fn a_namespace_of_which_only_the_hash_is_known_is_not_replaced() {
    let alpha = key("alpha.pub");
    let unlisted = Desk::with_recipients();
    unlisted.write("web.yaml", &format!("A: {}\n", seal("shop", b"value of a")));
    for (desk, more) in [
        (desk(), &["-k", &alpha][..]),
        (desk(), &["-k", &alpha, "-n", "blog"]),
        (unlisted, &[]),
    ] {
        let before = desk.read("web.yaml");
        let run = edited(&desk, TYPE_OVER_A, more).expect_code(1);
        let reason = "cannot seal A anew: it is for a namespace of which only the hash";
        assert!(run.stderr.contains(reason), "{}", run.stderr);
        assert!(
            run.stderr.contains("hint: name it with `-n NS`"),
            "{}",
            run.stderr
        );
        assert_eq!(desk.read("web.yaml"), before);
    }
}

#[test]
fn another_name_alone_keeps_all_that_a_secret_has() {
    let alpha = key("alpha");
    for (more, shown) in [(&["-i", &alpha][..], "value of a"), (&[], "<sealed ")] {
        let desk = desk();
        let [a, b] = [&b"value of a"[..], b"value of b"].map(|v| seal("shop", v));
        let text = format!(
            "secret-environ:\n  OLD_A: {{ value: {a}, expires: 2030-01-31 }} # of a\n  \
             B: x\n  OLD_B:\n    # why\n    value: {b} # of b\n    transform: yescrypt\n"
        );
        desk.write("web.yaml", &text);
        let script = format!("grep -q '{shown}' \"$1\"; sed -i s/OLD_/NEW_/ \"$1\"");
        let run = edited(&desk, &script, more).expect_code(0);
        assert_eq!(
            run.text(),
            "renamed OLD_A to NEW_A\nrenamed OLD_B to NEW_B\n"
        );
        assert!(!run.stderr.contains("beside its value"), "{}", run.stderr);
        assert_eq!(desk.read("web.yaml"), text.replace("OLD_", "NEW_"));
    }
}

#[test]
fn what_is_removed_with_its_extras_is_warned_of() {
    let [a, b] = [&b"value of a"[..], b"value of a"].map(|v| seal("shop", v));
    let warning = "warning: A is removed with what stands beside its value\nhint: to rename";
    for script in [
        "sed -i '/^  A:/d' \"$1\"",
        // Neither can be told which of two it is, nor that another value is the same.
        "sed -i 's/^  A:/  D:/; s/^  B:/  E:/' \"$1\"",
        "sed -i 's/^  A:.*/  D: mGv7Qk2xWz9LrTb4mGv7/' \"$1\"",
    ] {
        let desk = desk();
        let text = format!("secret-environ:\n  A: {{ value: {a}, type: text }}\n  B: {b}\n");
        desk.write("web.yaml", &text);
        let run = edited(&desk, script, &with_alpha(&key("alpha"))).expect_code(0);
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        assert!(run.text().contains("removed A\n"), "{}", run.text());
        assert!(!run.stderr.contains("B is removed"), "{}", run.stderr);
    }
}

#[test]
fn a_name_that_somebody_else_took_meanwhile_stays() {
    let desk = desk();
    let other = seal("shop", b"set meanwhile");
    let script =
        format!("sed -i 's/^  A:/  D:/' \"$1\"; sed -i 's|^  B:|  D: {other}\\n&|' web.yaml");
    let run = edited(&desk, &script, &with_alpha(&key("alpha"))).expect_code(1);
    assert!(run.stderr.contains("by somebody else"), "{}", run.stderr);
    assert!(desk.read("web.yaml").contains(&format!("  D: {other}\n")));
    assert!(desk.read("web.yaml").contains("  A: "));
}

#[test]
fn what_somebody_else_set_meanwhile_stays() {
    let desk = desk();
    let other = seal("shop", b"set meanwhile");
    let script = format!(
        "sed -i 's/value of a/mGv7Qk2xWz9LrTb4mGv7/' \"$1\"\n\
         sed -i 's|A: v2[^ ]*|A: {other}|' web.yaml"
    );
    let run = edited(&desk, &script, &with_alpha(&key("alpha"))).expect_code(1);
    assert!(run.stderr.contains("by somebody else"), "{}", run.stderr);
    let get = ["get", "-i", &key("alpha"), "web.yaml", "A"];
    assert_eq!(desk.run(&get, b"").text(), "set meanwhile");
}

/// Starts an editor that waits, and says where its file is.
fn waiting(desk: &Desk) -> (Child, PathBuf) {
    let script = "echo $$ > pid; echo \"$1\" > where.new; mv where.new where; exec sleep 600";
    let child = edit(desk, script, &with_alpha(&key("alpha")))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the editor", || desk.path("where").exists());
    (child, told(desk, "where"))
}

#[test]
fn the_file_is_gone_after_every_signal() {
    for signal in ["TERM", "HUP", "KILL"] {
        let desk = desk();
        let before = desk.read("web.yaml");
        let (mut child, file) = waiting(&desk);
        assert!(file.exists());
        desk.call("kill", &[&format!("-{signal}"), &child.id().to_string()]);
        let status = child.wait().unwrap();
        assert!(!status.success(), "{signal}");
        wait_until(signal, || !file.parent().unwrap().exists());
        assert_eq!(desk.read("web.yaml"), before);
        // Of a killed one the editor stays; it is ours to end.
        let _ = Command::new("kill")
            .arg(desk.read("pid").trim_end())
            .output();
    }
}

#[test]
fn a_terminals_interrupt_is_the_editors_own() {
    let desk = desk();
    let (mut child, file) = waiting(&desk);
    for signal in ["-INT", "-QUIT"] {
        desk.call("kill", &[signal, &child.id().to_string()]);
    }
    // It is still there to see an end in order.
    desk.call("kill", &["-TERM", &child.id().to_string()]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(!file.exists());
}

#[test]
fn the_guard_removes_nothing_else() {
    let desk = Desk::new();
    desk.write("precious/file", "");
    desk.run(&["edit-guard", "precious"], b"").expect_code(1);
    assert!(desk.path("precious/file").exists());
}

#[test]
fn on_a_disk_only_when_told() {
    let desk = desk();
    let alpha = key("alpha");
    let mut command = edit(&desk, "echo \"$1\" > where", &["-i", &alpha, "--on-disk"]);
    feed(command.env("TMPDIR", desk.root()), b"").expect_code(0);
    let directory = told(&desk, "where").parent().unwrap().to_owned();
    assert_eq!(directory.parent().unwrap(), desk.root());
    assert!(!directory.exists());
}
