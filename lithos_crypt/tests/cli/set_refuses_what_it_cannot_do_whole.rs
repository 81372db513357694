use crate::desk::Desk;
use crate::support::{key, seal};

#[track_caller]
fn refused(desk: &Desk, arguments: &[&str], reason: &str) {
    let all = [&["set"], arguments].concat();
    let run = desk.run(&all, b"hunter2").expect_code(1);
    assert!(run.stderr.contains(reason), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    assert_eq!(run.text(), "");
}

#[test]
fn and_leaves_the_file_untouched() {
    let alpha = key("alpha.pub");
    for (text, reason) in [
        ("A: &x v2:a:b:c:d\nB: *x\n", "anchor"),
        ("A: |\n  v2:a:b:c:d\n", "not written in one line"),
        (
            "A: v2:a:b:c:d\nA: v2:a:b:c:d\n",
            "line 2: A is there more than once",
        ),
        ("A: v2:a:b:c:d\n---\nB: 1\n", "more than one document"),
        ("A: [hunter2\n", "not well-formed"),
        ("- hunter2\n", "cannot tell where A belongs"),
        ("secret-environ: [hunter2]\n", "laid out"),
        (
            "secret-environ: {A: v2:x}\nsecret-files: {A: v2:x}\n",
            "--in SECTION",
        ),
    ] {
        let desk = Desk::new();
        desk.write("s.yaml", text);
        refused(&desk, &["s.yaml", "A", "-k", &alpha], reason);
        assert_eq!(desk.read("s.yaml"), text);
        assert_eq!(desk.names(), ["s.yaml"]);
    }
}

#[test]
fn a_bad_name_a_directory_a_fifo_or_no_key() {
    let (desk, alpha) = (Desk::new(), key("alpha.pub"));
    refused(&desk, &["s.yaml", "a: b", "-k", &alpha], "other characters");
    refused(&desk, &["s.yaml", "A"], "no public key is given");
    refused(&desk, &[".", "A", "-k", &alpha], "not a regular file");
    refused(&desk, &["no/such.yaml", "A", "-k", &alpha], "no such file");
    desk.call("mkfifo", &["pipe"]);
    refused(&desk, &["pipe", "A", "-k", &alpha], "not a regular file");
    refused(
        &desk,
        &["s.yaml", "A", "-k", &alpha, "--data-file", "absent"],
        "cannot read value",
    );
    assert_eq!(desk.names(), ["pipe"]);
}

#[test]
fn wrong_options() {
    let desk = Desk::new();
    for wrong in [
        &["--generate", "0"][..],
        &["--generate", "5000"],
        &["--generate", "9", "--data-file", "x"],
        &["--in", "hunter2"],
        &["-n", "hunter2 hunter2"],
    ] {
        let all = [&["set", "s.yaml", "A", "-k", "k.pub"], wrong].concat();
        let run = desk.run(&all, b"").expect_code(2);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

#[test]
fn before_a_value_is_typed_in_vain() {
    let desk = Desk::new();
    let anchored = format!("secret-environ:\n  A: &a {}\nx: *a\n", seal("", b"x"));
    desk.write("anchored.yaml", &anchored);
    for (file, name) in [("new.yaml", "A B"), ("anchored.yaml", "A")] {
        let arguments = ["set", file, name, "-k", &key("alpha.pub")];
        let run = desk.run(&arguments, b"hunter2").expect_code(1);
        // The value would be warned of as soon as it is known.
        assert!(
            run.stderr.starts_with("error: cannot change `"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(desk.names(), ["anchored.yaml"]);
    assert_eq!(desk.read("anchored.yaml"), anchored);
}

#[test]
fn nor_puts_it_where_it_does_not_belong() {
    let desk = Desk::new();
    let token = seal("", b"x");
    let set = |file: &str, name: &str, more: &[&str]| {
        let arguments = [
            "set",
            file,
            name,
            "-k",
            &key("alpha.pub"),
            "--generate",
            "24",
        ];
        desk.run(&[&arguments[..], more].concat(), b"")
    };
    desk.write(
        "elsewhere.yaml",
        "executable: /x\nsecret-environ-file: vars.yaml\n",
    );
    let run = set("elsewhere.yaml", "A", &[]).expect_code(1);
    assert!(
        run.stderr.contains("its variables stand in `vars.yaml`"),
        "{}",
        run.stderr
    );
    set("elsewhere.yaml", "f", &["--in", "secret-files"]).expect_code(0);
    desk.write("unknown.yaml", "allow-users: {}\n");
    let run = set("unknown.yaml", "A", &[]).expect_code(1);
    assert!(
        run.stderr.contains("hint: name the section"),
        "{}",
        run.stderr
    );
    assert_eq!(desk.read("unknown.yaml"), "allow-users: {}\n");
    // A sandbox config's variables.
    desk.write(
        "sandbox.yaml",
        &format!("default-secrets:\n  files: {{ f: {token} }}\n"),
    );
    set("sandbox.yaml", "A", &[]).expect_code(0);
    assert!(desk.read("sandbox.yaml").contains("  environ:\n    A: v2:"));
}
