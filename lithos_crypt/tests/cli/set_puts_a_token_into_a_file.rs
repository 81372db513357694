use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::desk::{Desk, tokens};
use crate::support::{Terminal, key};

const CONFIG: &str = "# the shop\nexecutable: /bin/shop   # static\nsecret-environ:\n  # see the wiki\n  A: !Old 'v2:x'\ntail: { a: !Tag b }\n";

#[test]
fn and_keeps_every_other_byte() {
    let desk = Desk::new();
    desk.write("web.yaml", CONFIG);
    let said = desk.set("web.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let new = desk.read("web.yaml");
    let [token] = &tokens(&new)[..] else {
        panic!("{new}")
    };
    assert_eq!(new, CONFIG.replace("v2:x", token));
    assert!(token.contains(said.split(' ').nth(1).unwrap()), "{said}");
    assert_eq!(
        desk.get("alpha", "web.yaml", "A").expect_code(0).text(),
        "mGv7Qk2xWz9LrTb4"
    );
}

#[test]
fn keeps_mode_and_owner_and_follows_a_symbolic_link() {
    let desk = Desk::new();
    desk.write("real.yaml", CONFIG);
    std::os::unix::fs::symlink("real.yaml", desk.path("web.yaml")).unwrap();
    let real = desk.path("real.yaml");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
    // Only root can give a file away.
    let given = std::os::unix::fs::chown(&real, Some(12), Some(34)).is_ok();
    desk.set("web.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let metadata = std::fs::metadata(&real).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o640);
    assert!(!given || (metadata.uid(), metadata.gid()) == (12, 34));
    assert!(desk.path("web.yaml").is_symlink());
    assert_eq!(desk.names(), ["real.yaml", "web.yaml"]);
}

#[test]
fn in_the_section_that_is_named_or_a_new_file() {
    let desk = Desk::new();
    desk.write("web.yaml", "executable: /x\n");
    let alpha = key("alpha.pub");
    let set = |arguments: &[&str]| {
        let all = [&["set", "-k", &alpha, "--generate", "9"], arguments].concat();
        desk.run(&all, b"").expect_code(0);
    };
    set(&["web.yaml", "tls.key", "--in", "secret-files"]);
    set(&["web.yaml", "B"]);
    set(&["new.yaml", "C"]);
    assert!(
        desk.read("web.yaml")
            .contains("\nsecret-files:\n  tls.key: v2:")
    );
    assert!(
        desk.read("web.yaml")
            .contains("\nsecret-environ:\n  B: v2:")
    );
    assert!(desk.read("new.yaml").starts_with("C: v2:"));
}

#[test]
fn list_add_keeps_the_old_ones_behind_it() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "old value");
    let old = tokens(&desk.read("s.yaml"));
    let arguments = ["set", "s.yaml", "A", "--list-add", "-k", &key("alpha.pub")];
    desk.run(&arguments, b"new value").expect_code(0);
    let both = tokens(&desk.read("s.yaml"));
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], old[0]);
    assert_eq!(desk.get("alpha", "s.yaml", "A").text(), "new value");
}

#[test]
fn of_a_value_from_a_file_or_typed_twice() {
    let desk = Desk::new();
    desk.write("value", "exact\n");
    let arguments = [
        "set",
        "s.yaml",
        "A",
        "-k",
        &key("alpha.pub"),
        "--data-file",
        "value",
    ];
    desk.run(&arguments, b"").expect_code(0);
    assert_eq!(desk.get("alpha", "s.yaml", "A").text(), "exact\n");

    let file = desk.text_path("s.yaml");
    let mut terminal = Terminal::start(&["set", &file, "B", "-k", &key("alpha.pub")]);
    terminal.answer("value (hidden): ", "pass phrase");
    terminal.answer("the same again: ", "pass phrase");
    let (code, screen) = terminal.finish();
    assert!(code == 0 && !screen.contains("pass phrase"), "{screen}");
    assert_eq!(desk.get("alpha", "s.yaml", "B").text(), "pass phrase");
}

#[test]
fn a_random_value_is_of_the_length_asked_for_and_another_each_time() {
    let desk = Desk::new();
    let mut values = Vec::new();
    for length in ["1", "32", "32", "4096"] {
        let arguments = [
            "set",
            "s.yaml",
            "A",
            "-k",
            &key("alpha.pub"),
            "--generate",
            length,
        ];
        desk.run(&arguments, b"").expect_code(0);
        let value = desk.get("alpha", "s.yaml", "A").text().to_owned();
        assert_eq!(value.len().to_string(), length);
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        values.push(value);
    }
    assert_ne!(values[1], values[2]);
}

#[test]
fn warns_of_what_zxcvbn_can_guess_without_showing_it() {
    let desk = Desk::new();
    let arguments = ["set", "s.yaml", "A", "-k", &key("alpha.pub")];
    let run = desk
        .run(&arguments, b"D0g.....................")
        .expect_code(0);
    assert!(
        run.stderr.contains("warning: the value can be guessed"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("--generate"), "{}", run.stderr);
    assert!(!run.stderr.contains("D0g") && !run.text().contains("D0g"));
}
