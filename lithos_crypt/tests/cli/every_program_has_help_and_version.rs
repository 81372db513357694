use crate::support::run;

#[test]
fn help_has_an_example_and_goes_to_standard_output() {
    for command in [
        &["--help"][..],
        &["encrypt", "--help"],
        &["decrypt", "--help"],
        &["check-key", "--help"],
    ] {
        let run = run(command, b"").expect_code(0);
        assert!(run.text().contains("Example"), "{}", run.text());
        assert!(run.text().contains("lithos_crypt "), "{}", run.text());
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn version_names_the_program() {
    let run = run(&["--version"], b"").expect_code(0);
    assert_eq!(
        run.text(),
        concat!("lithos_crypt ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn no_command_at_all_is_wrong_usage() {
    let run = run::<&str>(&[], b"").expect_code(2);
    assert!(run.stderr.contains("Usage: "), "{}", run.stderr);
    assert_eq!(run.text(), "");
}
