use crate::desk::{Desk, tokens};
use crate::support::{Run, key};

fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/types/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn set(desk: &Desk, arguments: &[&str], value: &[u8]) -> Run {
    let alpha = key("alpha.pub");
    desk.run(
        &[&["set", "-k", &alpha, "s.yaml"], arguments].concat(),
        value,
    )
}

#[test]
fn and_the_type_is_noted_beside_the_value() {
    let desk = Desk::new();
    desk.write("s.yaml", "# ours\nB: v2:x # old\n");
    set(
        &desk,
        &["A", "--in", "top", "--type", "certificate", "--exact"],
        &sample("certificate.pem"),
    )
    .expect_code(0);
    set(&desk, &["B", "--type", "password"], b"mGv7Qk2xWz9LrTb4").expect_code(0);
    let text = desk.read("s.yaml");
    let [b, a] = &tokens(&text)[..] else {
        panic!("{text}")
    };
    let expected = format!(
        "# ours\nB: {{ value: {b}, type: password }} # old\nA: {{ value: {a}, type: certificate }}\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn and_what_is_not_is_refused_and_nothing_is_changed() {
    let desk = Desk::new();
    let noted = "A: { value: v2:a:b:c:d, type: ssh-key }\n";
    desk.write("s.yaml", noted);
    for (arguments, value, why) in [
        (
            &["A"][..],
            &b"mGv7Qk2xWz9LrTb4"[..],
            "no ssh-key: it cannot be read",
        ),
        (
            &["A", "--type", "password"],
            b"hunter2",
            "no password: it can be guessed",
        ),
        (
            &["B", "--type", "certificate"],
            &sample("expired.pem"),
            "was good until 2020-01-31",
        ),
    ] {
        let run = set(&desk, arguments, value).expect_code(1);
        assert!(run.stderr.contains(why), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        assert_eq!(desk.read("s.yaml"), noted);
    }
    set(&desk, &["B", "--type", "secret"], b"x").expect_code(2);
}

#[test]
fn or_check_and_verify_with_a_key_say_so() {
    let desk = Desk::new();
    let all = [
        "password",
        "api-key",
        "certificate",
        "private-key",
        "ssh-key",
        "text",
        "binary",
    ];
    for kind in all {
        // Any bytes pass as binary, and are of no other type.
        set(
            &desk,
            &[kind, "--type", "binary", "--in", "secret-files"],
            b"\xffhunter2",
        )
        .expect_code(0);
    }
    let mut text = desk.read("s.yaml");
    for kind in all {
        let line = text
            .lines()
            .find(|line| line.contains(&format!("{kind}:")))
            .unwrap()
            .to_owned();
        text = text.replace(
            &line,
            &line.replace("type: binary", &format!("type: {kind}")),
        );
    }
    desk.write("s.yaml", &text);
    desk.run(&["check"], b"").expect_code(0);
    for command in ["check", "verify"] {
        let run = desk
            .run(&[command, "-i", &key("alpha")], b"")
            .expect_code(1);
        for kind in &all[..6] {
            let message = format!("error: {kind}: the value is no {kind}: ");
            assert!(run.text().contains(&message), "{}", run.text());
        }
        assert!(!run.text().contains("no binary") && !run.text().contains("hunter2"));
        assert!(
            run.text().contains("7 secrets, 1 file: 6 problems"),
            "{}",
            run.text()
        );
    }
}

#[test]
fn or_the_type_is_none_that_there_is() {
    let desk = Desk::new();
    set(&desk, &["A", "--type", "text"], b"a text of some length").expect_code(0);
    desk.write(
        "s.yaml",
        &desk.read("s.yaml").replace("type: text", "type: texts"),
    );
    let run = desk.run(&["check"], b"").expect_code(1);
    let message = "its `type` is none of password, api-key, certificate";
    assert!(run.text().contains(message), "{}", run.text());
    set(&desk, &["A"], b"a text of some length").expect_code(1);
}
