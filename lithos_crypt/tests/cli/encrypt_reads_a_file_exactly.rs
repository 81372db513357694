use crate::support::{key, path_text, run};

#[test]
fn a_file_is_sealed_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("value");
    for content in [&b"line\n"[..], b"", &[0, 255, 10, 13, 0], &vec![7; 100_000]] {
        std::fs::write(&path, content).unwrap();
        let path = path_text(path.clone());
        let sealed = run(
            &["encrypt", "-k", &key("alpha.pub"), "--data-file", &path],
            b"unread",
        );
        let opened = run(
            &["decrypt", "-i", &key("alpha")],
            &sealed.expect_code(0).stdout,
        );
        assert!(opened.expect_code(0).stdout == content);
    }
}

#[test]
fn the_command_line_is_sealed_exactly_too() {
    for value in ["a b", "", "-n", "--help", "x\n", "мир"] {
        let sealed = run(
            &["encrypt", "-k", &key("alpha.pub"), "-d", value],
            b"unread",
        );
        let opened = run(
            &["decrypt", "-i", &key("alpha")],
            &sealed.expect_code(0).stdout,
        );
        assert_eq!(opened.expect_code(0).text(), value);
    }
}

#[test]
fn a_missing_file_is_named() {
    let run = run(
        &[
            "encrypt",
            "-k",
            &key("alpha.pub"),
            "--data-file",
            "/nowhere/x",
        ],
        b"",
    );
    let run = run.expect_code(1);
    assert_eq!(
        run.stderr,
        "error: cannot read value `/nowhere/x`: no such file or directory\n"
    );
    assert_eq!(run.text(), "");
}
