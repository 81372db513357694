use crate::support::{key, run};

/// Seals this input; the secret that is in the token, and what was said.
fn seal(input: &[u8], more: &[&str]) -> (Vec<u8>, String) {
    let public = key("alpha.pub");
    let sealed = run(&[&["encrypt", "-k", &public], more].concat(), input).expect_code(0);
    let opened = run(&["decrypt", "-i", &key("alpha")], &sealed.stdout).expect_code(0);
    (opened.stdout, sealed.stderr)
}

#[test]
fn one_newline_is_dropped_with_a_note() {
    for (input, secret) in [("mGv7Qk2xWz9LrTb4\n", "mGv7Qk2xWz9LrTb4"), ("a\n\n", "a\n")] {
        let (sealed, said) = seal(input.as_bytes(), &[]);
        assert_eq!(sealed, secret.as_bytes());
        assert!(said.starts_with("note: dropped the newline"), "{said}");
        assert!(said.contains("--exact"), "{said}");
    }
}

#[test]
fn without_a_newline_nothing_is_dropped_or_said() {
    let (sealed, said) = seal(b"mGv7Qk2xWz9LrTb4", &[]);
    assert_eq!(sealed, b"mGv7Qk2xWz9LrTb4");
    assert_eq!(said, "");
}

#[test]
fn exact_keeps_it() {
    let (sealed, said) = seal(b"mGv7Qk2xWz9LrTb4\n", &["--exact"]);
    assert_eq!(sealed, b"mGv7Qk2xWz9LrTb4\n");
    assert_eq!(said, "");
}
