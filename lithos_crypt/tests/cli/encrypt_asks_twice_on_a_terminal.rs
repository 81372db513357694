use crate::support::{Terminal, key, run};

#[test]
fn the_value_is_asked_for_twice_and_never_shown() {
    let mut terminal = Terminal::start(&["encrypt", "-n", "myapp", "-k", &key("alpha.pub")]);
    terminal.answer("value (hidden): ", "pass phrase");
    terminal.answer("the same again: ", "pass phrase");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("pass phrase"), "{screen}");
    let token = screen.lines().find(|line| line.starts_with("v2:")).unwrap();
    let opened = run(&["decrypt", "-i", &key("alpha"), "-d", token], b"").expect_code(0);
    assert_eq!(opened.text(), "pass phrase");
}

#[test]
fn two_different_entries_are_refused() {
    let mut terminal = Terminal::start(&["encrypt", "-k", &key("alpha.pub")]);
    terminal.answer("value (hidden): ", "hunter2");
    terminal.answer("the same again: ", "hunter3");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 1, "{screen}");
    assert!(
        screen.contains("error: cannot take the value: "),
        "{screen}"
    );
    assert!(
        !screen.contains("v2:") && !screen.contains("hunter"),
        "{screen}"
    );
}
