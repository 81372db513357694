use crate::support::{key, run};

#[test]
fn whatever_is_wrong_with_the_command_line() {
    let public = key("alpha.pub");
    let wrong: &[&[&str]] = &[
        &["hunter2"],
        &["encrypt", "hunter2", "-k", &public],
        &["encrypt", "-k", &public, "--", "hunter2"],
        &["encrypt", "-d", "hunter2"],
        &[
            "encrypt",
            "-k",
            &public,
            "-d",
            "hunter2",
            "--data-file",
            "hunter2",
        ],
        &["encrypt", "-k", &public, "-d", "hunter2", "-d", "hunter2"],
        &["encrypt", "-k", &public, "--dta=hunter2"],
        &["encrypt", "-k", &public, "--exact=hunter2"],
        &["encrypt", "-k", &public, "-n", "hunter2 hunter2"],
        &["encrypt", "-k", &public, "-zhunter2"],
        &["decrypt", "-i", &public, "hunter2"],
        &["decrypt", "--hunter2"],
        &["check-key", "-k", &public, "hunter2"],
    ];
    for arguments in wrong {
        let run = run(arguments, b"").expect_code(2);
        assert!(
            run.stderr
                .starts_with("error: cannot understand the command line: ")
        );
        assert!(run.stderr.contains("\nhint: "), "{}", run.stderr);
        assert!(
            !run.stderr.contains("hunter2"),
            "{arguments:?}: {}",
            run.stderr
        );
        assert_eq!(run.text(), "");
    }
}

#[test]
fn an_option_that_is_nearly_right_is_named() {
    let run = run(&["encrypt", "--key-fiel", "x"], b"").expect_code(2);
    assert!(run.stderr.contains("`--key-fiel`"), "{}", run.stderr);
    assert!(
        run.stderr.contains("hint: there is `--key-file`"),
        "{}",
        run.stderr
    );
}
