use std::path::Path;

use crate::ssh_keygen;
use crate::support::{Terminal, path_text, run, run_without_terminal};

/// A key with the passphrase `sesame`, and a token that it opens.
fn locked_key(directory: &Path) -> (String, String) {
    let path = ssh_keygen::make(directory, "key", &["-t", "ed25519", "-N", "sesame"]);
    let sealed = run(
        &["encrypt", "-k", &path_text(path.with_extension("pub"))],
        b"the value",
    );
    (
        path_text(path),
        sealed.expect_code(0).text().trim_end().to_owned(),
    )
}

#[test]
fn on_the_terminal_without_showing_it() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    let (key, token) = locked_key(directory.path());
    let mut terminal = Terminal::start(&["decrypt", "-i", &key, "-d", &token]);
    terminal.answer(&format!(" in {key}: "), "sesame");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.ends_with("the value"), "{screen}");
    assert!(!screen.contains("sesame"), "{screen}");
}

#[test]
fn and_says_when_it_is_wrong() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    let (key, token) = locked_key(directory.path());
    let mut terminal = Terminal::start(&["decrypt", "-i", &key, "-d", &token]);
    terminal.answer(": ", "barley");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("wrong passphrase"), "{screen}");
    assert!(!screen.contains("barley"), "{screen}");
}

#[test]
fn and_says_when_there_is_no_terminal() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    let (key, token) = locked_key(directory.path());
    let run = run_without_terminal(&["decrypt", "-i", &key], token.as_bytes()).expect_code(1);
    assert!(
        run.stderr.contains("cannot ask for the passphrase"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("there is no terminal\nhint: "),
        "{}",
        run.stderr
    );
}
