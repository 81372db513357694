use crate::support::{key, run, seal};

#[test]
fn the_right_key_gives_0() {
    let token = seal("a", b"x");
    let arguments = ["check-key", "-k", &key("alpha.pub"), "-d", &token];
    let said = run(&arguments, b"").expect_code(0);
    assert!(said.text().contains("k/qSgp/F"), "{}", said.text());
    let from_stdin = run(
        &["check-key", "-k", &key("alpha.pub")],
        format!("{token}\n").as_bytes(),
    );
    from_stdin.expect_code(0);
}

#[test]
fn another_key_gives_1_and_both_hashes() {
    let token = seal("a", b"x");
    let run = run(&["check-key", "-k", &key("beta.pub"), "-d", &token], b"").expect_code(1);
    assert!(run.stderr.starts_with("error: cannot "), "{}", run.stderr);
    assert!(run.stderr.contains("k/qSgp/F"), "{}", run.stderr);
    assert!(run.stderr.contains("ok314Kuk"), "{}", run.stderr);
}

#[test]
fn what_is_no_token_is_not_shown() {
    let run = run(&["check-key", "-k", &key("beta.pub"), "-d", "hunter2"], b"").expect_code(1);
    assert!(run.stderr.contains("malformed"), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn several_tokens_are_refused() {
    let two = format!("{0}\n{0}\n", seal("a", b"x"));
    let run = run(&["check-key", "-k", &key("alpha.pub")], two.as_bytes()).expect_code(1);
    assert!(run.stderr.contains("there are 2"), "{}", run.stderr);
}
