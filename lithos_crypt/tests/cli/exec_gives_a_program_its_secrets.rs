use crate::desk::Desk;
use crate::support::{Run, key, seal};

fn desk() -> Desk {
    let desk = Desk::new();
    let [a, b] = [&b"first value"[..], b"zweiter Wert: \xc3\xa4\n"].map(|v| seal("shop", v));
    let file = seal("shop", b"\0\xff");
    desk.write(
        "web.yaml",
        &format!("secret-environ:\n  A: {a}\n  B: [{b}]\nsecret-files:\n  /f: {file}\n"),
    );
    desk
}

fn exec(desk: &Desk, more: &[&str]) -> Run {
    let alpha = key("alpha");
    desk.run(&[&["exec", "-i", &alpha], more].concat(), b"")
}

#[test]
fn in_its_environment_and_nowhere_else() {
    let desk = desk();
    let script = "printf '%s|%s|' \"$A\" \"$B\"; tr '\\0' ' ' < /proc/$$/cmdline; exit 42";
    let run = exec(
        &desk,
        &["-n", "shop", "web.yaml", "--", "sh", "-c", script, "-x"],
    )
    .expect_code(42);
    let expected = "first value|zweiter Wert: ä\n|sh -c ";
    assert!(run.text().starts_with(expected), "{}", run.text());
    assert_eq!(run.text().matches("first value").count(), 1);
    assert_eq!(run.stderr, "");
}

#[test]
fn the_program_takes_the_place_of_this_one() {
    let desk = desk();
    let mut command = desk.command();
    let child = command
        .args(["exec", "-i", &key("alpha"), "-n", "shop", "web.yaml"])
        .args(["--", "sh", "-c", "echo $$"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(output, format!("{pid}\n"));
}

#[test]
fn all_must_open_or_nothing_is_run() {
    let desk = desk();
    let touch = ["--", "touch", "ran"];
    let run = |more: &[&str]| exec(&desk, &[more, &touch].concat()).expect_code(1);
    assert!(run(&["-n", "other", "web.yaml"]).stderr.contains("A of"));
    assert!(run(&["web.yaml"]).stderr.contains("no namespace is given"));
    assert!(
        run(&["-n", "shop", "none.yaml"])
            .stderr
            .contains("none.yaml")
    );
    let beta = key("beta");
    let arguments = ["exec", "-i", &beta, "-n", "shop", "web.yaml"];
    desk.run(&[&arguments[..], &touch].concat(), b"")
        .expect_code(1);
    let binary = seal("shop", b"nul\0");
    for text in [
        format!("secret-environ: {{ A: {binary} }}\n"),
        format!("secret-environ: {{ A=B: {} }}\n", seal("shop", b"x")),
        "secret-environ: { A: hunter2 }\n".to_owned(),
    ] {
        desk.write("web.yaml", &text);
        let said = run(&["-n", "shop", "web.yaml"]).stderr;
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(desk.names(), ["web.yaml"]);
}

#[test]
fn the_namespaces_may_be_listed() {
    let desk = Desk::with_recipients();
    desk.set("s.yaml", "A", "listed");
    let run = exec(&desk, &["s.yaml", "--", "sh", "-c", "printf %s \"$A\""]);
    assert_eq!(run.expect_code(0).text(), "listed");
}

#[test]
fn a_program_that_cannot_be_run_has_the_codes_of_shells() {
    let desk = desk();
    desk.write("plain", "");
    let with = |program| exec(&desk, &["-n", "shop", "web.yaml", "--", program]);
    with("./none").expect_code(127);
    let said = with("./plain").expect_code(126).stderr;
    assert!(said.contains("cannot run `./plain`"), "{said}");
    exec(&desk, &["-n", "shop", "web.yaml"]).expect_code(2);
}
