use crate::desk::{Desk, tokens};
use crate::support::{key, seal};

/// A config whose variables are in a file that is found by itself, too.
fn put_config(desk: &Desk) {
    desk.write(
        "t/x/c.yaml",
        "executable: /x\nsecret-environ-file: ../y/s.yaml\n",
    );
}

fn desk() -> Desk {
    let desk = Desk::new();
    put_config(&desk);
    desk.write("t/y/s.yaml", &format!("A: {}\n", seal("", b"value")));
    desk
}

#[test]
fn for_ls_and_check() {
    let desk = desk();
    let run = desk.run(&["ls", "t"], b"").expect_code(0);
    assert_eq!(run.text().lines().count(), 2, "{}", run.text());
    assert!(run.text().contains(" t/y/s.yaml "), "{}", run.text());
    for paths in [
        &["t"][..],
        &["t", "t/y", "./t/y/s.yaml"],
        &["t/x/c.yaml", "t/x/../y/s.yaml", "t/y"],
    ] {
        let run = desk.run(&[&["check"], paths].concat(), b"").expect_code(0);
        let counted = "1 secret, 2 files: no problems\n";
        assert_eq!(run.text(), counted, "{paths:?}");
    }
}

#[test]
fn and_one_that_is_named_is_read_even_if_it_was_found_before() {
    let desk = Desk::new();
    desk.write("t/plain.yaml", "A: 1\n");
    let run = desk.run(&["check", "t", "./t/plain.yaml"], b"");
    assert_eq!(
        run.expect_code(0).text(),
        "0 secrets, 1 file: no problems\n"
    );
}

#[test]
fn for_rekey() {
    for paths in [
        &["t"][..],
        &["t/y/s.yaml", "./t/y/s.yaml"],
        &["t/x", "t/y", "t"],
    ] {
        let desk = desk();
        let (alpha, beta) = (key("alpha"), key("beta.pub"));
        let arguments = [&["rekey", "-i", &alpha, "-k", &beta], paths].concat();
        let run = desk.run(&arguments, b"").expect_code(0);
        assert_eq!(run.text().matches("changed A").count(), 1, "{paths:?}");
        let value = desk.get("beta", "t/y/s.yaml", "A").expect_code(0);
        assert_eq!(value.text(), "value");
        desk.get("alpha", "t/y/s.yaml", "A").expect_code(1);
    }
}

#[test]
fn for_grant_and_revoke() {
    let desk = Desk::with_recipients();
    let rules = desk.read("lithos-keys.yaml").replace("*.yaml", "**/*.yaml");
    desk.write("lithos-keys.yaml", &rules);
    put_config(&desk);
    desk.set("t/y/s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let grant = ["grant", "-i", &key("alpha"), "gamma", "t/y/s.yaml"];
    let run = desk.run(&grant, b"").expect_code(0);
    assert_eq!(run.text(), "gamma can read A in t/y/s.yaml\n");
    assert_eq!(tokens(&desk.read("t/y/s.yaml")).len(), 3);
    let run = desk.run(&["revoke", "gamma"], b"").expect_code(0);
    assert!(run.text().ends_with(":\n  A (t/y/s.yaml)\n"));
    assert_eq!(tokens(&desk.read("t/y/s.yaml")).len(), 2);
}

#[test]
fn for_firstboot() {
    let desk = desk();
    std::fs::copy(key("alpha"), desk.path("bootstrap")).unwrap();
    let arguments = ["firstboot", "-i", "bootstrap", "-k", "machine", "t"];
    let run = desk.run(&arguments, b"").expect_code(0);
    assert_eq!(run.text().matches("changed A").count(), 1);
    let arguments = ["get", "-i", "machine", "t/y/s.yaml", "A"];
    assert_eq!(desk.run(&arguments, b"").expect_code(0).text(), "value");
    assert!(!desk.path("bootstrap").exists());
}
