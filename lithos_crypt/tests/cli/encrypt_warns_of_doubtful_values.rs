use crate::support::{key, run, seal};

fn said(value: &str) -> String {
    run(&["encrypt", "-k", &key("alpha.pub"), "-d", value], b"")
        .expect_code(0)
        .stderr
}

#[test]
fn a_value_that_can_be_guessed() {
    let said = said("hunter2");
    assert!(
        said.starts_with("warning: the value can be guessed"),
        "{said}"
    );
    assert!(said.contains("\nhint: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn an_empty_value_a_token_and_a_carriage_return() {
    assert_eq!(said(""), "warning: the value is empty\n");
    assert_eq!(
        said(&seal("", b"x")),
        "warning: the value is itself a token\n"
    );
    assert_eq!(
        said("mGv7Qk2xWz9LrTb4\r"),
        "warning: the value ends in a carriage return\n"
    );
}

#[test]
fn a_random_value_is_sealed_in_silence() {
    assert_eq!(said("mGv7Qk2xWz9LrTb4"), "");
}
