use crate::desk::{Desk, tokens};
use crate::support::{key, seal};

fn desk() -> Desk {
    let desk = Desk::new();
    desk.set("a/s.yaml", "A", "first value");
    let of_shop = seal("shop", b"second value");
    desk.write(
        "b/web.yaml",
        &format!("# ours\nsecret-environ:\n  B: [{of_shop}] # n\n"),
    );
    desk.run(
        &["set", "a/s.yaml", "C", "-k", &key("gamma.pub"), "--exact"],
        b"other",
    )
    .expect_code(0);
    desk
}

fn rekey(desk: &Desk, more: &[&str]) -> crate::support::Run {
    let (old, new) = (key("alpha"), key("beta.pub"));
    desk.run(&[&["rekey", "-i", &old, "-k", &new], more].concat(), b"")
}

#[test]
fn and_lists_the_values_that_must_be_changed() {
    let desk = desk();
    let gamma = tokens(&desk.read("a/s.yaml")).remove(1);
    let run = rekey(&desk, &[]).expect_code(0);
    assert!(run.text().contains("change their values"), "{}", run.text());
    for line in [
        "changed A in a/s.yaml",
        "changed B in b/web.yaml",
        "  A (a/s.yaml)",
    ] {
        assert!(run.text().contains(line), "{}", run.text());
    }
    assert!(!run.text().contains("value\n") && !run.text().contains(" C "));
    assert_eq!(
        desk.get("beta", "a/s.yaml", "A").expect_code(0).text(),
        "first value"
    );
    desk.get("alpha", "a/s.yaml", "A").expect_code(1);
    assert_eq!(tokens(&desk.read("a/s.yaml"))[1], gamma);
    assert!(desk.read("b/web.yaml").starts_with("# ours\n"));
    // The namespace stays what it was.
    let shop = ["get", "-i", &key("beta"), "-n", "shop", "b/web.yaml", "B"];
    assert_eq!(desk.run(&shop, b"").expect_code(0).text(), "second value");
}

#[test]
fn keep_old_for_an_overlap_and_prune_after() {
    let desk = desk();
    rekey(&desk, &["--keep-old"]).expect_code(0);
    for identity in ["alpha", "beta"] {
        desk.get(identity, "a/s.yaml", "A").expect_code(0);
    }
    let twice = desk.read("a/s.yaml");
    rekey(&desk, &["--keep-old"]).expect_code(0);
    assert_eq!(
        desk.read("a/s.yaml"),
        twice,
        "a second time changes nothing"
    );
    let (old, new) = (key("alpha.pub"), key("beta.pub"));
    desk.run(&["rekey", "-i", &old, "-k", &new, "--prune"], b"")
        .expect_code(0);
    desk.get("beta", "a/s.yaml", "A").expect_code(0);
    desk.get("alpha", "a/s.yaml", "A").expect_code(1);
}

#[test]
fn prune_takes_nothing_that_is_not_sealed_to_the_new_key() {
    let desk = desk();
    let before = desk.read("a/s.yaml");
    rekey(&desk, &["--prune"]).expect_code(0);
    assert_eq!(desk.read("a/s.yaml"), before);
}

#[test]
fn dry_run_writes_nothing() {
    let desk = desk();
    let before = (desk.read("a/s.yaml"), desk.read("b/web.yaml"));
    let run = rekey(&desk, &["--dry-run"]).expect_code(0);
    assert!(
        run.text().contains("would change A in a/s.yaml"),
        "{}",
        run.text()
    );
    let json = rekey(&desk, &["--dry-run", "--json"]).expect_code(0);
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json["values-to-change"].as_array().unwrap().len(), 2);
    assert_eq!((desk.read("a/s.yaml"), desk.read("b/web.yaml")), before);
}

#[test]
fn one_that_cannot_be_changed_leaves_all_as_they_were() {
    let damaged = {
        let token = seal("", b"x");
        let sealed = token.rsplit_once(':').unwrap();
        format!(
            "{}:{}",
            sealed.0,
            sealed.1.replace(['A', 'B', 'C', 'D'], "E")
        )
    };
    let anchored = format!("secret-environ:\n  Z: &a {}\nx: *a\n", seal("", b"x"));
    for last in [format!("Z: {damaged}\n"), anchored] {
        let desk = desk();
        desk.write("z.yaml", &last);
        let before = (desk.read("a/s.yaml"), desk.read("b/web.yaml"));
        let run = rekey(&desk, &[]).expect_code(1);
        assert!(run.stderr.contains("z.yaml"), "{}", run.stderr);
        assert_eq!((desk.read("a/s.yaml"), desk.read("b/web.yaml")), before);
        assert_eq!(desk.names(), ["a", "b", "z.yaml"]);
    }
}

#[test]
fn wrong_keys_and_options() {
    let desk = desk();
    let (alpha, public) = (key("alpha"), key("alpha.pub"));
    desk.run(&["rekey", "-i", &public, "-k", &public], b"")
        .expect_code(1);
    let run = desk.run(&["rekey", "-i", &alpha], b"").expect_code(1);
    assert!(
        run.stderr.contains("no public key is given"),
        "{}",
        run.stderr
    );
    rekey(&desk, &["--keep-old", "--prune"]).expect_code(2);
    desk.run(&["rekey", "-k", &public], b"").expect_code(2);
    let run = desk
        .run(&["rekey", "-i", &key("beta"), "-k", &public], b"")
        .expect_code(0);
    assert!(
        run.stderr.contains("nothing is sealed to it"),
        "{}",
        run.stderr
    );
}

#[test]
fn in_more_directories_than_files_may_be_open() {
    let desk = Desk::new();
    let text = format!("A: {}\n", seal("", b"x"));
    for number in 0..200 {
        desk.write(&format!("d{number}/s.yaml"), &text);
    }
    let script = "ulimit -Sn 100; exec \"$0\" rekey -i \"$1\" -k \"$2\"";
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        script,
        crate::support::PROGRAM,
        &key("alpha"),
        &key("beta.pub"),
    ]);
    crate::support::feed(shell.current_dir(desk.root()), b"").expect_code(0);
    for number in [0, 199] {
        desk.get("beta", &format!("d{number}/s.yaml"), "A")
            .expect_code(0);
    }
}
