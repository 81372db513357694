use crate::desk::{Desk, tokens};
use crate::support::key;

fn desk() -> Desk {
    let desk = Desk::with_recipients();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    desk.set("t.yaml", "B", "mGv7Qk2xWz9LrTb5");
    desk
}

#[test]
fn granted_readers_are_listed_and_can_read() {
    let desk = desk();
    let list = desk.read("lithos-keys.yaml");
    let run = desk
        .run(&["grant", "-i", &key("alpha"), "gamma", "s.yaml"], b"")
        .expect_code(0);
    assert_eq!(
        run.text(),
        "gamma can read A in s.yaml\ngamma can read B in t.yaml\n"
    );
    assert_eq!(
        desk.read("lithos-keys.yaml"),
        list.replace("recipients: [prod]", "recipients: [prod, gamma]")
    );
    assert_eq!(
        desk.get("gamma", "s.yaml", "A").expect_code(0).text(),
        "mGv7Qk2xWz9LrTb4"
    );
    desk.run(&["check"], b"").expect_code(0);
    let before = desk.read("s.yaml");
    desk.run(&["grant", "-i", &key("alpha"), "gamma", "s.yaml"], b"")
        .expect_code(0);
    assert_eq!(desk.read("s.yaml"), before);
}

#[test]
fn a_new_key_is_listed_under_its_name() {
    let desk = desk();
    desk.run(&["keygen", "-C", "root@web3", "web3"], b"")
        .expect_code(0);
    let grant = [
        "grant",
        "-i",
        &key("beta"),
        "web3",
        "--key",
        "web3.pub",
        "t.yaml",
    ];
    desk.run(&grant, b"").expect_code(0);
    assert!(
        desk.read("lithos-keys.yaml")
            .contains("\n  web3: ssh-ed25519 AAAA")
    );
    let run = desk
        .run(&["get", "-i", "web3", "t.yaml", "B"], b"")
        .expect_code(0);
    assert_eq!(run.text(), "mGv7Qk2xWz9LrTb5");
    let before = (desk.read("lithos-keys.yaml"), desk.read("t.yaml"));
    desk.run(&grant, b"").expect_code(0);
    let after = (desk.read("lithos-keys.yaml"), desk.read("t.yaml"));
    assert!(before == after, "a second time changes nothing");
}

#[test]
fn what_a_merge_left_sealed_to_too_few_is_sealed_to_all() {
    let desk = desk();
    let before = desk.read("t.yaml");
    let alpha = key("alpha");
    desk.run(&["grant", "-i", &alpha, "gamma", "s.yaml"], b"")
        .expect_code(0);
    desk.write("t.yaml", &before);
    let run = desk.run(&["check"], b"").expect_code(1);
    assert!(
        run.text().contains("B: it is not sealed to gamma"),
        "{}",
        run.text()
    );
    desk.run(&["rekey", "-i", &alpha, "--keep-old"], b"")
        .expect_code(0);
    desk.run(&["check"], b"").expect_code(0);
    desk.get("gamma", "t.yaml", "B").expect_code(0);
}

#[test]
fn revoked_readers_lose_their_tokens_and_their_name() {
    let desk = desk();
    let run = desk.run(&["revoke", "beta"], b"").expect_code(0);
    assert!(run.text().contains("change their values"), "{}", run.text());
    assert!(
        run.text().contains("  A (s.yaml)\n  B (t.yaml)\n"),
        "{}",
        run.text()
    );
    desk.get("beta", "s.yaml", "A").expect_code(1);
    desk.get("alpha", "s.yaml", "A").expect_code(0);
    assert!(!desk.read("lithos-keys.yaml").contains("beta"));
    assert_eq!(tokens(&desk.read("t.yaml")).len(), 1);
    desk.run(&["check"], b"").expect_code(0);
}

#[test]
fn of_one_rule_only() {
    let desk = desk();
    desk.run(&["grant", "-i", &key("alpha"), "gamma", "s.yaml"], b"")
        .expect_code(0);
    desk.run(&["revoke", "prod", "s.yaml"], b"").expect_code(0);
    desk.get("gamma", "s.yaml", "A").expect_code(0);
    desk.get("alpha", "s.yaml", "A").expect_code(1);
    assert!(
        desk.read("lithos-keys.yaml")
            .contains("prod: [alpha, beta]")
    );
}

#[test]
fn nobody_is_said_to_be_revoked_who_still_reads() {
    let desk = desk();
    let list = desk.read("lithos-keys.yaml");
    let by_group = list.replace("recipients: [prod]", "recipients: [beta, prod]");
    let required =
        by_group.replace("[beta, prod]", "[beta, alpha]") + "required-recipients: [beta]\n";
    for (list, way) in [
        (by_group, "files.*.yaml.recipients names prod"),
        (required, "required-recipients names beta"),
    ] {
        desk.write("lithos-keys.yaml", &list);
        let before = desk.read("s.yaml");
        let run = desk.run(&["revoke", "beta", "s.yaml"], b"").expect_code(1);
        assert!(run.stderr.contains(way), "{}", run.stderr);
        assert!(
            run.stderr.contains("hint: revoke the group"),
            "{}",
            run.stderr
        );
        assert_eq!(desk.read("lithos-keys.yaml"), list);
        assert_eq!(desk.read("s.yaml"), before);
    }
    desk.run(&["revoke", "alpha", "s.yaml"], b"").expect_code(0);
}

#[test]
fn of_a_revoked_group_it_is_said_who_still_reads() {
    let desk = desk();
    let list = desk.read("lithos-keys.yaml");
    let list = list.replace("recipients: [prod]", "recipients: [beta, prod]");
    desk.write("lithos-keys.yaml", &list);
    let run = desk.run(&["revoke", "prod", "s.yaml"], b"").expect_code(0);
    let warning =
        "warning: beta can still read `s.yaml`, since files.*.yaml.recipients names beta\n";
    assert_eq!(run.stderr, warning);
    desk.get("beta", "s.yaml", "A").expect_code(0);
    desk.get("alpha", "s.yaml", "A").expect_code(1);
    // All of a group may be named besides.
    desk.write(
        "lithos-keys.yaml",
        &list.replace("[beta, prod]", "[alpha, beta, prod]"),
    );
    let run = desk.run(&["revoke", "prod", "s.yaml"], b"").expect_code(1);
    assert!(run.stderr.contains("cannot revoke prod"), "{}", run.stderr);
    let run = desk.run(&["revoke", "prod"], b"").expect_code(0);
    assert_eq!(run.stderr, "note: no token was taken out\n");
}

#[test]
fn files_for_which_a_nearer_recipients_file_counts_are_left_alone() {
    let desk = Desk::with_recipients();
    let list = desk.read("lithos-keys.yaml");
    let list = list.replace("\"*.yaml\"", "\"**/*.yaml\"");
    for name in ["lithos-keys.yaml", "inner/lithos-keys.yaml"] {
        desk.write(name, &list);
    }
    for name in ["s.yaml", "deep/s.yaml", "inner/s.yaml"] {
        desk.set(name, "A", "mGv7Qk2xWz9LrTb4");
    }
    let inner = desk.read("inner/s.yaml");
    let alpha = key("alpha");
    let run = desk.run(&["grant", "-i", &alpha, "gamma", "s.yaml"], b"");
    assert_eq!(
        run.expect_code(0).text(),
        "gamma can read A in deep/s.yaml\ngamma can read A in s.yaml\n"
    );
    assert_eq!(desk.read("inner/s.yaml"), inner);
    desk.run(&["revoke", "beta"], b"").expect_code(0);
    desk.get("beta", "deep/s.yaml", "A").expect_code(1);
    assert_eq!(desk.read("inner/s.yaml"), inner);
    let both = ["revoke", "gamma", "s.yaml", "inner/s.yaml"];
    let run = desk.run(&both, b"").expect_code(1);
    assert!(
        run.stderr.contains("does not count for it"),
        "{}",
        run.stderr
    );
    desk.get("gamma", "s.yaml", "A").expect_code(0);
}

#[test]
fn what_cannot_be_done_leaves_all_as_it_was() {
    let desk = desk();
    let alpha = key("alpha");
    let before = (desk.read("lithos-keys.yaml"), desk.read("s.yaml"));
    for (arguments, reason) in [
        (
            &["grant", "-i", &alpha, "nobody", "s.yaml"][..],
            "cannot find a key or group nobody",
        ),
        (
            &["grant", "-i", &key("gamma"), "gamma", "s.yaml"],
            "opens none of its tokens",
        ),
        (
            &["grant", "-i", &alpha, "gamma", "deep/s.yaml"],
            "no pattern",
        ),
        (&["revoke", "nobody"], "cannot find a key or group nobody"),
        (&["revoke", "prod"], "would name nobody"),
        (&["revoke", "gamma", "s.yaml"], "does not name it"),
    ] {
        std::fs::create_dir_all(desk.path("deep")).unwrap();
        let run = desk.run(arguments, b"").expect_code(1);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
        assert_eq!((desk.read("lithos-keys.yaml"), desk.read("s.yaml")), before);
    }
    let run = Desk::new().run(&["revoke", "alpha"], b"").expect_code(1);
    assert!(
        run.stderr.contains("cannot find lithos-keys.yaml"),
        "{}",
        run.stderr
    );
}
