use crate::desk::Desk;
use crate::support::{Terminal, key, seal};

fn screen(no_color: &str, term: &str) -> String {
    let variables = [("NO_COLOR", no_color), ("TERM", term)];
    let (code, screen) = Terminal::start_with(&["ls", "/absent"], &variables).finish();
    assert_eq!(code, 1, "{screen}");
    screen
}

#[test]
fn that_have_them_and_for_users_who_want_them() {
    assert!(screen("", "xterm").contains("\x1b[1;31merror\x1b[0m: "));
    assert!(!screen("1", "xterm").contains('\x1b'));
    assert!(!screen("", "dumb").contains('\x1b'));
    let run = Desk::new().run(&["ls", "/absent"], b"").expect_code(1);
    assert!(!run.stderr.contains('\x1b'));
}

#[test]
fn in_results_too() {
    let desk = Desk::new();
    desk.write("s.yaml", &format!("A: {}\n", seal("", b"x")));
    desk.write("t.yaml", &format!("B: {}\n", seal("", b"x")));
    let (s, t) = (desk.text_path("s.yaml"), desk.text_path("t.yaml"));
    let check = ["check", "-n", "other", &s];
    let diff = ["diff", &s, &t];
    for (arguments, painted) in [
        (&check[..], &["\x1b[1;31merror\x1b[0m: A: "][..]),
        (&diff, &["\x1b[1;31m-\x1b[0m A", "\x1b[1;32m+\x1b[0m B"]),
    ] {
        let with = |no_color| {
            let variables = [("NO_COLOR", no_color), ("TERM", "xterm")];
            Terminal::start_with(arguments, &variables).finish().1
        };
        let shown = with("");
        assert!(painted.iter().all(|part| shown.contains(part)), "{shown:?}");
        assert!(!with("1").contains('\x1b'));
        assert!(!desk.run(arguments, b"").text().contains('\x1b'));
    }
}

#[test]
fn and_so_is_the_progress_of_long_work() {
    let desk = Desk::new();
    let text: String = (0..4)
        .map(|n| format!("S{n}: {}\n", seal("", b"x")))
        .collect();
    for number in 0..400 {
        desk.write(&format!("{number}.yaml"), &text);
    }
    let (alpha, root) = (key("alpha"), desk.text_path("."));
    let arguments = ["check", "-i", &alpha, &root];
    let variables = [("NO_COLOR", "1"), ("TERM", "xterm")];
    let shown = Terminal::start_with(&arguments, &variables).finish().1;
    assert!(shown.contains(" of 400 files"), "{shown:?}");
    // It is wiped away before anything else is said.
    assert!(shown.contains("\r\x1b[K"), "{shown:?}");
    let run = desk.run(&arguments, b"");
    assert!(!format!("{}{}", run.text(), run.stderr).contains(" of 400"));
}
