use crate::desk::{Desk, tokens};
use crate::support::{Run, key, seal};

/// A config of three secrets, of which one is a file.
fn desk() -> Desk {
    let desk = Desk::new();
    let [a, b, c] = [&b"value of a"[..], b"value of b", b"value of c"].map(|v| seal("shop", v));
    desk.write(
        "web.yaml",
        &format!("secret-environ:\n  A: {a}\n  B: {b}\nsecret-files:\n  /tls.key: {c}\n"),
    );
    desk
}

fn export(desk: &Desk, more: &[&str]) -> Run {
    let (alpha, gamma) = (key("alpha"), key("gamma.pub"));
    let first = ["export", "-i", &alpha, "--to", &gamma];
    desk.run(&[&first, more].concat(), b"")
}

#[test]
fn to_somebody_elses_key_and_into_another_file() {
    let desk = desk();
    let bundle = export(&desk, &["web.yaml", "A", "/tls.key", "A"]).expect_code(0);
    assert_eq!(tokens(bundle.text()).len(), 2);
    assert!(!bundle.text().contains("value of"), "{}", bundle.text());
    desk.write("theirs.yaml", "# theirs\nexecutable: /bin/x\n");
    let run = desk.run(&["import", "theirs.yaml"], &bundle.stdout);
    assert_eq!(run.expect_code(0).text().lines().count(), 2);
    for (name, value) in [("A", "value of a"), ("/tls.key", "value of c")] {
        let run = desk.get("gamma", "theirs.yaml", name).expect_code(0);
        assert_eq!(run.text(), value);
    }
    assert!(desk.read("theirs.yaml").starts_with("# theirs\n"));
    // The namespace went with it.
    let other = ["get", "-i", &key("gamma"), "-n", "x", "theirs.yaml", "A"];
    desk.run(&other, b"").expect_code(1);
    // Once more changes nothing.
    let before = desk.read("theirs.yaml");
    desk.write("bundle.yaml", bundle.text());
    let run = desk.run(&["import", "theirs.yaml", "bundle.yaml"], b"");
    assert!(run.expect_code(0).stderr.contains("there already"));
    assert_eq!(desk.read("theirs.yaml"), before);
}

#[test]
fn a_further_key_comes_beside_and_another_value_is_refused() {
    let desk = desk();
    let bundle = export(&desk, &["web.yaml", "A", "B"]).expect_code(0);
    desk.run(&["import", "web.yaml"], &bundle.stdout)
        .expect_code(0);
    for identity in ["alpha", "gamma"] {
        let run = desk.get(identity, "web.yaml", "A").expect_code(0);
        assert_eq!(run.text(), "value of a");
    }
    let other = seal("shop", b"another value");
    desk.write("web.yaml", &format!("secret-environ:\n  A: {other}\n"));
    let before = desk.read("web.yaml");
    let run = desk.run(&["import", "web.yaml"], &bundle.stdout);
    assert!(run.expect_code(1).stderr.contains("has another value"));
    assert_eq!(desk.read("web.yaml"), before, "all or nothing");
    desk.run(&["import", "--replace", "web.yaml"], &bundle.stdout)
        .expect_code(0);
    desk.get("gamma", "web.yaml", "A").expect_code(0);
    desk.get("alpha", "web.yaml", "A").expect_code(1);
}

#[test]
fn what_is_wrong_with_a_bundle_is_said_without_its_values() {
    let desk = desk();
    let before = desk.read("web.yaml");
    for bundle in [
        "A: hunter2\n",
        "",
        "secret-environ: { A: hunter2 }\n",
        "secret-environ: { A: [] }\n",
        "secret-environ: [hunter2\n",
    ] {
        let run = desk.run(&["import", "web.yaml"], bundle.as_bytes());
        assert!(!run.expect_code(1).stderr.contains("hunter2"), "{bundle}");
    }
    desk.run(&["import", "web.yaml", "none.yaml"], b"")
        .expect_code(1);
    desk.run(&["import"], b"").expect_code(2);
    assert_eq!(desk.read("web.yaml"), before);
}

#[test]
fn what_cannot_be_exported() {
    let desk = desk();
    export(&desk, &["web.yaml", "NONE"]).expect_code(1);
    export(&desk, &["web.yaml"]).expect_code(2);
    export(&desk, &["--in", "secret-files", "web.yaml", "A"]).expect_code(1);
    let (beta, gamma) = (key("beta"), key("gamma.pub"));
    let run = desk.run(
        &["export", "-i", &beta, "--to", &gamma, "web.yaml", "A"],
        b"",
    );
    assert!(run.expect_code(1).stderr.contains("A of `web.yaml`"));
    for to in [key("gamma"), "none.pub".to_owned()] {
        let run = desk.run(
            &["export", "-i", &key("alpha"), "--to", &to, "web.yaml", "A"],
            b"",
        );
        assert!(run.expect_code(1).text().is_empty());
    }
}

#[test]
fn into_a_file_whose_recipients_are_known_come_no_others() {
    let desk = Desk::with_recipients();
    let alpha = seal("shop", b"value");
    let run = desk.run(&["import", "s.yaml"], format!("A: {alpha}\n").as_bytes());
    assert!(run.expect_code(1).stderr.contains("namespace"));
    assert_eq!(desk.names(), ["lithos-keys.yaml"]);
    let list = desk.read("lithos-keys.yaml");
    let list = list.lines().filter(|line| !line.starts_with("  alpha:"));
    let list = list.collect::<Vec<_>>().join("\n");
    desk.write("lithos-keys.yaml", &list.replace("[alpha, beta]", "[beta]"));
    let alpha = seal("myapp", b"value");
    let run = desk.run(&["import", "s.yaml"], format!("A: {alpha}\n").as_bytes());
    assert!(run.expect_code(1).stderr.contains("does not list it"));
}

#[test]
fn into_a_config_that_has_no_secrets_yet() {
    let desk = Desk::new();
    desk.write(
        "bundle.yaml",
        &format!(
            "secret-environ: {{ A: {} }}\n",
            crate::support::seal("", b"x")
        ),
    );
    desk.write("web.yaml", "# ours\nstart: /x\n");
    desk.run(&["import", "web.yaml", "bundle.yaml"], b"")
        .expect_code(0);
    assert!(
        desk.read("web.yaml")
            .starts_with("# ours\nstart: /x\nsecret-environ:\n  A: v2:")
    );
}
