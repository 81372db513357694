use std::os::unix::fs::{chown, lchown};

use crate::desk::{Desk, tokens};
use crate::support::key;

/// A recipients file for all files below it.
fn with_deep_recipients() -> Desk {
    let desk = Desk::with_recipients();
    let list = desk.read("lithos-keys.yaml");
    let deep = list.replace("\"*.yaml\"", "\"**/*.yaml\"");
    desk.write("lithos-keys.yaml", &deep);
    desk
}

#[test]
fn from_the_directory_or_above() {
    let desk = with_deep_recipients();
    desk.write("deep/er/s.yaml", "");
    desk.set("deep/er/s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    assert_eq!(tokens(&desk.read("deep/er/s.yaml")).len(), 2);
    for identity in ["alpha", "beta"] {
        let run = desk.get(identity, "deep/er/s.yaml", "A").expect_code(0);
        assert_eq!(run.text(), "mGv7Qk2xWz9LrTb4");
    }
    let namespace = [
        "get",
        "-n",
        "myapp",
        "-i",
        &key("alpha"),
        "deep/er/s.yaml",
        "A",
    ];
    desk.run(&namespace, b"").expect_code(0);
}

#[test]
fn not_from_above_the_repository() {
    for git in ["repository/.git/HEAD", "repository/.git"] {
        let desk = with_deep_recipients();
        desk.write(git, "");
        desk.write("repository/deep/s.yaml", "");
        let set = ["set", "repository/deep/s.yaml", "A", "--generate", "20"];
        let run = desk.run(&set, b"").expect_code(1);
        assert!(run.stderr.contains("no public key"), "{}", run.stderr);
        let list = desk.read("lithos-keys.yaml");
        desk.write("repository/lithos-keys.yaml", &list);
        desk.run(&set, b"").expect_code(0);
    }
}

#[test]
fn not_from_above_if_it_is_a_strangers() {
    let desk = with_deep_recipients();
    desk.write("deep/s.yaml", "");
    let list = desk.path("lithos-keys.yaml");
    if chown(&list, Some(12), None).is_err() {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(!must, "root is needed");
        println!("SKIP: root is needed");
        return;
    }
    let set = ["set", "deep/s.yaml", "A", "--generate", "20"];
    let refused = || {
        let run = desk.run(&set, b"").expect_code(1);
        assert!(run.stderr.contains("user 12"), "{}", run.stderr);
        assert_eq!(desk.read("deep/s.yaml"), "");
    };
    refused();
    // Neither through a link.
    std::fs::rename(&list, desk.path("elsewhere.yaml")).unwrap();
    std::os::unix::fs::symlink("elsewhere.yaml", &list).unwrap();
    refused();
    chown(desk.path("elsewhere.yaml"), Some(0), None).unwrap();
    lchown(&list, Some(12), None).unwrap();
    refused();
    // Whoever has the directory may have it above, or beside the file.
    chown(desk.path("deep"), Some(12), None).unwrap();
    desk.run(&set, b"").expect_code(0);
    chown(desk.path("deep"), Some(0), None).unwrap();
    let beside = ["set", "s.yaml", "A", "--generate", "20"];
    desk.run(&beside, b"").expect_code(0);
}

#[test]
fn keys_and_groups_can_be_named() {
    let desk = Desk::with_recipients();
    let set = |name| desk.run(&["set", "s.yaml", "A", "-k", name, "--generate", "20"], b"");
    assert!(set("gamma").expect_code(0).text().contains(" gamma\n"));
    assert_eq!(set("prod").expect_code(0).text().lines().count(), 2);
    let run = set("nobody").expect_code(1);
    assert!(
        run.stderr.contains("cannot find a key or group nobody"),
        "{}",
        run.stderr
    );
}

#[test]
fn nothing_is_sealed_to_an_unlisted_key_or_for_another_namespace() {
    let desk = Desk::with_recipients();
    desk.run(&["keygen", "stranger"], b"").expect_code(0);
    let run = desk
        .run(&["set", "s.yaml", "A", "-k", "stranger.pub"], b"x")
        .expect_code(1);
    assert!(run.stderr.contains("does not list it"), "{}", run.stderr);
    let run = desk
        .run(&["set", "s.yaml", "A", "-n", "shop"], b"x")
        .expect_code(1);
    assert!(
        run.stderr.contains("cannot seal for the namespace `shop`"),
        "{}",
        run.stderr
    );
    desk.run(
        &["set", "s.yaml", "A", "-n", "other", "--generate", "20"],
        b"",
    )
    .expect_code(0);
    assert!(!desk.names().contains(&"hunter2".to_owned()));
}

#[test]
fn a_mistake_in_it_is_named_by_its_line() {
    for (text, reason) in [
        ("kyes: {}\n", "line 1: unknown key `kyes`"),
        (
            "keys:\n  a: ssh-rsa AAAA\n",
            "line 2: the key is of type ssh-rsa",
        ),
        (
            "groups:\n  g: [nobody]\n",
            "there is no key or group nobody",
        ),
        (
            "files:\n  x: { recipients: [g] }\n",
            "there is no key or group g",
        ),
        (
            "files:\n  x: { namespaces: ['a b'] }\n",
            "line 2: character 2",
        ),
        ("files: [x]\n", "line 1: a map belongs here"),
        ("groups: { g: x }\n", "line 1: a list belongs here"),
        ("files: { '***': {} }\n", "line 1:"),
        ("keys: [\n", "not well-formed"),
    ] {
        let desk = Desk::new();
        desk.write("lithos-keys.yaml", text);
        desk.write("s.yaml", "secret-environ: {}\n");
        for arguments in [&["set", "s.yaml", "A", "--generate", "9"][..], &["ls"]] {
            let run = desk.run(arguments, b"").expect_code(1);
            assert!(run.stderr.contains(reason), "{}", run.stderr);
        }
    }
}
