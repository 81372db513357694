use crate::desk::{Desk, tokens};
use crate::support::{key, seal};

#[test]
fn every_secret_must_open_with_a_given_key() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let alpha = ["verify", "-i", &key("alpha")];
    let run = desk.run(&alpha, b"").expect_code(0);
    assert!(!run.text().contains("mGv7"), "{}", run.text());
    let run = desk
        .run(&["verify", "-i", &key("beta")], b"")
        .expect_code(1);
    assert!(
        run.text().contains("sealed to none of the given keys"),
        "{}",
        run.text()
    );
    desk.run(&["check", "-i", &key("beta")], b"").expect_code(0);
    desk.run(&["verify"], b"").expect_code(2);
}

#[test]
fn labels_that_lie_and_values_that_no_variable_can_have() {
    let desk = Desk::new();
    let (one, other) = (seal("", b"one-value-here"), seal("", b"the-other-value"));
    let column = |token: &str, n: usize| token.split(':').nth(n).unwrap().to_owned();
    let lie = one.replace(&column(&one, 3), &column(&other, 3));
    desk.write("s.yaml", &format!("A: {lie}\nB: {}\n", seal("", b"a\0b")));
    assert_eq!(tokens(&desk.read("s.yaml")).len(), 2);
    desk.run(&["check"], b"").expect_code(0);
    let run = desk
        .run(&["verify", "-i", &key("alpha"), "--json"], b"")
        .expect_code(1);
    for kind in ["secret-hash-mismatch", "not-env-safe"] {
        assert!(run.text().contains(kind), "{}", run.text());
    }
}

#[test]
fn a_guessable_value_is_warned_of_and_accepted() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "hunter2");
    let run = desk
        .run(&["check", "-i", &key("alpha")], b"")
        .expect_code(0);
    assert!(
        run.text().contains("warning: A: the value can be guessed"),
        "{}",
        run.text()
    );
    assert!(run.text().contains("--generate") && !run.text().contains("hunter2"));
}
