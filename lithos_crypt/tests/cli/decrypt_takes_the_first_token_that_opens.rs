use crate::support::{Terminal, key, run, seal};

#[test]
fn of_several_on_standard_input() {
    let (one, two) = (seal("a", b"one"), seal("b", b"two"));
    let list = format!("hunter2\n\n{one}\r\n{two}\n");
    let run = run(&["decrypt", "-i", &key("alpha")], list.as_bytes()).expect_code(0);
    assert_eq!(run.text(), "one");
    assert_eq!(run.stderr, "a:\n");
}

#[test]
fn of_those_for_the_allowed_namespaces() {
    let (one, two) = (seal("a", b"one"), seal("b", b"two"));
    let arguments = [
        "decrypt",
        "-i",
        &key("alpha"),
        "-d",
        &one,
        "-d",
        &two,
        "-n",
        "c",
        "-n",
        "b",
    ];
    assert_eq!(run(&arguments, b"").expect_code(0).text(), "two");
}

#[test]
fn if_none_opens_each_is_listed_with_its_label() {
    let token = seal("a", b"one");
    let label = token[3..].rsplit_once(':').unwrap().0;
    let list = format!("{token}\nhunter2\n");
    let run = run(
        &["decrypt", "-i", &key("beta"), "-i", &key("gamma")],
        list.as_bytes(),
    );
    let run = run.expect_code(1);
    assert_eq!(run.text(), "");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines[0], "error: cannot open any of 2 tokens:");
    assert_eq!(
        lines[1],
        format!(
            "  {label}: key-mismatch: the token is sealed to the key k/qSgp/F, \
             tried ok314Kuk, BIDE5hjF"
        )
    );
    assert!(lines[2].starts_with("  …: malformed: "), "{}", lines[2]);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn none_at_all_is_an_error() {
    let run = run(&["decrypt", "-i", &key("alpha")], b"\n").expect_code(1);
    assert!(
        run.stderr.starts_with("error: cannot open a token: "),
        "{}",
        run.stderr
    );
}

#[test]
fn a_token_is_asked_for_on_a_terminal() {
    let mut terminal = Terminal::start(&["decrypt", "-i", &key("alpha")]);
    terminal.answer("token (hidden): ", &seal("myapp", b"the value"));
    let (code, screen) = terminal.finish();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.ends_with("myapp:\r\nthe value"), "{screen}");
}
