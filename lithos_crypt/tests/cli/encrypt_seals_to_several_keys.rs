use crate::support::{key, run};

#[test]
fn each_key_gives_a_token_on_a_line_of_its_own() {
    let (alpha, beta) = (key("alpha.pub"), key("beta.pub"));
    let sealed = run(
        &["encrypt", "-k", &alpha, "--key-file", &beta, "-n", "myapp"],
        b"s3cr3t",
    );
    let sealed = sealed.expect_code(0);
    let lines: Vec<&str> = sealed.text().lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("v2:k/qSgp/F:KqWSX0BY:"),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with("v2:ok314Kuk:KqWSX0BY:"),
        "{}",
        lines[1]
    );
    for (name, line) in [("alpha", lines[0]), ("beta", lines[1])] {
        let opened = run(&["decrypt", "-k", &key(name), "-d", line], b"").expect_code(0);
        assert_eq!(opened.text(), "s3cr3t");
        assert_eq!(opened.stderr, "myapp:\n");
    }
}

#[test]
fn nothing_is_printed_if_one_key_is_bad() {
    let run = run(
        &["encrypt", "-k", &key("alpha.pub"), "-k", "/nowhere.pub"],
        b"s3cr3t",
    );
    let run = run.expect_code(1);
    assert_eq!(run.text(), "");
    assert!(
        run.stderr.contains("cannot read public key `/nowhere.pub`"),
        "{}",
        run.stderr
    );
}
