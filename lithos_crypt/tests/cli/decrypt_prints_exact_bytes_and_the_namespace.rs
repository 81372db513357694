use crate::support::{key, run, seal};

#[test]
fn the_secret_on_standard_output_and_the_namespace_on_standard_error() {
    let token = seal("myapp", b"no newline \0\xff");
    let run = run(&["decrypt", "-i", &key("alpha"), "-d", &token], b"").expect_code(0);
    assert_eq!(run.stdout, b"no newline \0\xff");
    assert_eq!(run.stderr, "myapp:\n");
}

#[test]
fn the_empty_namespace_is_shown_as_well() {
    let token = seal("", b"x");
    let run = run(
        &["decrypt", "--key-file", &key("alpha"), "--data", &token],
        b"",
    );
    assert_eq!(run.expect_code(0).stderr, ":\n");
}
