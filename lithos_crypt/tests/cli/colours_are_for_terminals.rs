use crate::desk::Desk;
use crate::support::Terminal;

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
