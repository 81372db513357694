use std::os::unix::fs::symlink;
use std::sync::OnceLock;

use crate::desk::Desk;
use crate::killing;
use crate::support::{Run, key, seal};

/// An image's secrets, sealed to a bootstrap key that lies beside them.
fn desk() -> Desk {
    static TOKENS: OnceLock<[String; 2]> = OnceLock::new();
    let desk = Desk::new();
    let [a, b] =
        TOKENS.get_or_init(|| [&b"value of a"[..], b"value of b"].map(|value| seal("shop", value)));
    desk.write("config/a.yaml", &format!("secret-environ:\n  A: {a}\n"));
    desk.write("config/b.yaml", &format!("secret-environ:\n  B: {b}\n"));
    std::fs::create_dir(desk.path("keys")).unwrap();
    std::fs::copy(key("alpha"), desk.path("keys/bootstrap")).unwrap();
    desk
}

const ARGUMENTS: [&str; 6] = [
    "firstboot",
    "-i",
    "keys/bootstrap",
    "-k",
    "keys/machine",
    "config",
];

fn firstboot(desk: &Desk) -> Run {
    desk.run(&ARGUMENTS, b"")
}

#[track_caller]
fn assert_done(desk: &Desk, when: &str) {
    let get = |file, name| {
        let arguments = ["get", "-i", "keys/machine", "-n", "shop", file, name];
        desk.run(&arguments, b"").expect_code(0).text().to_owned()
    };
    assert_eq!(get("config/a.yaml", "A"), "value of a", "{when}");
    assert_eq!(get("config/b.yaml", "B"), "value of b", "{when}");
    let names = |directory| {
        let entries = std::fs::read_dir(desk.path(directory)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("keys"), ["machine", "machine.pub"], "{when}");
    assert_eq!(names("config"), ["a.yaml", "b.yaml"], "{when}");
}

#[test]
fn seals_to_a_key_of_its_own_and_destroys_the_other() {
    let desk = desk();
    let run = firstboot(&desk).expect_code(0);
    assert!(run.text().contains("changed A in config/a.yaml"));
    assert_done(&desk, "once");
    let mode = std::fs::metadata(desk.path("keys/machine")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o600);
    let before = (desk.read("config/a.yaml"), desk.read("keys/machine"));
    let run = firstboot(&desk).expect_code(0);
    assert!(run.stderr.contains("gone already"), "{}", run.stderr);
    assert_eq!(
        (desk.read("config/a.yaml"), desk.read("keys/machine")),
        before
    );
}

#[test]
fn at_any_point() {
    if !killing::can_kill() {
        return;
    }
    let kills = killing::at_each_call(&ARGUMENTS, desk, |desk, when| {
        // Until the last step every secret can still be opened.
        for (file, name) in [("config/a.yaml", "A"), ("config/b.yaml", "B")] {
            let keys = ["keys/bootstrap", "keys/machine"];
            let there = keys.iter().filter(|path| desk.path(path).exists());
            let identities = there.flat_map(|path| ["-i", path]);
            let arguments: Vec<_> = ["get"].into_iter().chain(identities).collect();
            desk.run(&[&arguments[..], &[file, name]].concat(), b"")
                .expect_code(0);
        }
        firstboot(desk).expect_code(0);
        assert_done(desk, when);
    });
    assert!(kills > 20, "only {kills} points were seen");
}

#[test]
fn two_at_once() {
    let desk = desk();
    let start = || {
        let mut command = desk.command();
        command.args(ARGUMENTS).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let mut both = [start(), start()];
    for one in &mut both {
        assert!(one.wait().unwrap().success());
    }
    assert_done(&desk, "two");
}

#[test]
fn the_bootstrap_key_stays_while_anything_is_left_to_do() {
    let refused = |prepare: &dyn Fn(&Desk), said: &str| {
        let desk = desk();
        prepare(&desk);
        let run = firstboot(&desk).expect_code(1);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(desk.path("keys/bootstrap").exists(), "{said}");
    };
    refused(
        &|desk| desk.write("config/c.yaml", "C: [v2:\n"),
        "config/c.yaml",
    );
    refused(&|desk| desk.write("keys/machine", "no key"), "keys/machine");
    refused(
        &|desk| {
            std::fs::copy(key("alpha"), desk.path("keys/machine")).unwrap();
        },
        "the machine's own key",
    );
    refused(
        &|desk| {
            std::fs::copy(key("beta.pub"), desk.path("keys/machine.pub")).unwrap();
        },
        "another key's",
    );
    refused(
        &|desk| {
            std::fs::rename(desk.path("keys/bootstrap"), desk.path("keys/real")).unwrap();
            std::os::unix::fs::symlink("real", desk.path("keys/bootstrap")).unwrap();
        },
        "not a regular file",
    );
    let desk = desk();
    std::fs::remove_file(desk.path("keys/bootstrap")).unwrap();
    firstboot(&desk).expect_code(1);
    desk.run(&["firstboot", "-i", "x", "-k", "y"], b"")
        .expect_code(2);
    desk.run(&["firstboot", "-i", "x", "config"], b"")
        .expect_code(2);
}

#[test]
fn and_what_is_hidden_or_behind_a_link_is_sealed_anew() {
    let desk = desk();
    let token = seal("shop", b"hidden value");
    let files = ["config/.c.yaml", "config/.hid/c.yaml", "config/e.conf"];
    for file in files {
        desk.write(file, &format!("C: {token}\n"));
    }
    symlink("e.conf", desk.path("config/e.yaml")).unwrap();
    firstboot(&desk).expect_code(0);
    for file in files {
        let arguments = ["get", "-i", "keys/machine", file, "C"];
        let value = desk.run(&arguments, b"").expect_code(0);
        assert_eq!(value.text(), "hidden value", "{file}");
    }
    assert!(!desk.path("keys/bootstrap").exists());
}

#[test]
fn the_bootstrap_key_stays_while_any_file_has_a_token_of_it() {
    let token = seal("shop", b"left");
    let text = format!("# ours\n\nC: {token}\n");
    let aside = format!("# was {token}\nexecutable: /x\n");
    for (file, text, named) in [
        ("config/d.conf", &text, "line 3 of `config/d.conf`"),
        ("config/.hid/.d", &text, "line 3 of `config/.hid/.d`"),
        (
            "config/.git/d.yaml",
            &text,
            "line 3 of `config/.git/d.yaml`",
        ),
        ("config/c.yaml", &aside, "line 1 of `config/c.yaml`"),
        ("else/d.yaml", &text, "line 3 of `config/linked/d.yaml`"),
        ("else/d.conf", &text, "line 3 of `config/linked/d.conf`"),
        ("vars/env", &text, "line 3 of `config/../vars/env`"),
    ] {
        let desk = desk();
        desk.write(file, text);
        std::fs::create_dir_all(desk.path("else")).unwrap();
        symlink("../else", desk.path("config/linked")).unwrap();
        symlink("../config", desk.path("else/back")).unwrap();
        symlink("nowhere", desk.path("config/dangling")).unwrap();
        desk.call("mkfifo", &["config/pipe"]);
        desk.write(
            "config/web.yaml",
            "executable: /x\nsecret-environ-file: ../vars/env\n",
        );
        let run = firstboot(&desk).expect_code(1);
        assert!(run.stderr.contains(named), "{}", run.stderr);
        assert!(run.stderr.contains("\nhint: name that file"));
        assert!(!run.stderr.contains(&token), "{}", run.stderr);
        assert!(run.text().contains("changed A in config/a.yaml"));
        assert!(desk.path("keys/bootstrap").exists(), "{file}");
        std::fs::remove_file(desk.path(file)).unwrap();
        // All is sealed to the machine already.
        let run = firstboot(&desk).expect_code(0);
        assert!(!run.text().contains("changed"), "{}", run.text());
        assert!(!desk.path("keys/bootstrap").exists(), "{file}");
    }
}

#[test]
fn or_if_the_files_may_not_be_there_yet() {
    let desk = desk();
    std::fs::rename(desk.path("config"), desk.path("disk")).unwrap();
    std::fs::create_dir(desk.path("config")).unwrap();
    for others in [
        None,
        Some(seal("shop", b"x").replace("k/qSgp/F", "ok314Kuk")),
    ] {
        if let Some(token) = others {
            desk.write("config/others.yaml", &format!("C: {token}\n"));
        }
        let run = firstboot(&desk).expect_code(1);
        assert!(
            run.stderr.contains("nothing is sealed to it"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("\nhint: are the files there"));
        assert!(desk.path("keys/bootstrap").exists());
    }
    std::fs::remove_dir_all(desk.path("config")).unwrap();
    std::fs::rename(desk.path("disk"), desk.path("config")).unwrap();
    firstboot(&desk).expect_code(0);
    assert_done(&desk, "mounted");
}
