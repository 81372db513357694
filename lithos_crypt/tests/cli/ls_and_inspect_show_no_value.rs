use crate::desk::Desk;
use crate::support::seal;

#[test]
fn ls_names_recipients_and_namespaces() {
    let desk = Desk::with_recipients();
    desk.set("s.yaml", "A", "the_secret");
    let token = seal("", b"x");
    desk.write(
        "t.yaml",
        &format!("secret-files:\n  f: {{ value: {token}, type: text, expires: 2099-01-01 }}\n"),
    );
    let run = desk.run(&["ls"], b"").expect_code(0);
    let lines: Vec<Vec<&str>> = run
        .text()
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["NAME", "FILE", "TYPE", "EXPIRES", "NAMESPACE", "RECIPIENTS"]
    );
    assert_eq!(lines[1], ["A", "s.yaml", "-", "-", "myapp", "alpha,beta"]);
    assert_eq!(
        lines[2],
        ["f", "t.yaml", "text", "2099-01-01", "\"\"", "alpha"]
    );
    let json = desk.run(&["ls", "--json", "s.yaml"], b"").expect_code(0);
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json[0]["recipients"], serde_json::json!(["alpha", "beta"]));
}

#[test]
fn inspect_marks_equal_values_and_takes_tokens_too() {
    let desk = Desk::new();
    for (name, value) in [("A", "same"), ("B", "same"), ("C", "other")] {
        desk.set("s.yaml", name, value);
    }
    let run = desk.run(&["inspect", "s.yaml"], b"").expect_code(0);
    let marks: Vec<bool> = run
        .text()
        .lines()
        .skip(1)
        .map(|line| line.contains("=1"))
        .collect();
    assert_eq!(marks, [true, true, false], "{}", run.text());
    let token = seal("", b"the_secret");
    let json = desk.run(&["inspect", "--json", &token], b"").expect_code(0);
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json[0]["value"], "8MtOoWUX");
    desk.run(&["inspect", "v2:hunter2"], b"").expect_code(1);
}

#[test]
fn neither_shows_a_plaintext_in_the_wrong_place() {
    let desk = Desk::new();
    desk.write(
        "s.yaml",
        "secret-environ:\n  A: hunter2\n  B: { value: hunter2 }\n  C: [hunter2]\n",
    );
    for arguments in [
        &["ls"][..],
        &["ls", "--json"],
        &["inspect"],
        &["inspect", "--json"],
    ] {
        let run = desk.run(arguments, b"").expect_code(0);
        assert!(
            run.text().contains('A') && !run.text().contains("hunter2"),
            "{}",
            run.text()
        );
    }
    desk.run(&["ls", "absent"], b"").expect_code(1);
}
