use crate::desk::Desk;
use crate::support::seal;

#[test]
fn with_its_line_and_nothing_else() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "x");
    desk.set("s.yaml", "B", "y");
    let text = format!("# ours\n{}", desk.read("s.yaml"));
    desk.write("s.yaml", &text);
    desk.run(&["rm", "s.yaml", "B"], b"").expect_code(0);
    let line = text.lines().nth(1).unwrap();
    assert_eq!(desk.read("s.yaml"), format!("# ours\n{line}\n"));
}

#[test]
fn refuses_what_is_not_there() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "x");
    let run = desk.run(&["rm", "s.yaml", "B"], b"").expect_code(1);
    assert!(
        run.stderr.contains("cannot find the secret B in `s.yaml`"),
        "{}",
        run.stderr
    );
    let run = desk
        .run(&["rm", "s.yaml", "A", "--in", "secret-files"], b"")
        .expect_code(1);
    assert!(
        run.stderr.contains("cannot find the secret A"),
        "{}",
        run.stderr
    );
    desk.run(&["rm", "absent.yaml", "A"], b"").expect_code(1);
    assert_eq!(desk.names(), ["s.yaml"]);
}

#[test]
fn from_brackets_with_its_own_comment_and_no_other() {
    let desk = Desk::new();
    let [a, b] = [&b"x"[..], b"y"].map(|value| seal("", value));
    let first = format!("  k1: {a}, # rotate in May\n");
    let second = format!("  k2: {b}, # rotate in June\n");
    for (name, left) in [("k1", &second), ("k2", &first)] {
        desk.write(
            "flow.yaml",
            &format!("secret-files: {{\n{first}{second}}}\n"),
        );
        desk.run(&["rm", "flow.yaml", name], b"").expect_code(0);
        assert_eq!(
            desk.read("flow.yaml"),
            format!("secret-files: {{\n{left}}}\n")
        );
    }
    let shared = format!("secret-files: {{ k1: {a}, # rotate in May\n  k2: {b} }}\n");
    desk.write("flow.yaml", &shared);
    let run = desk.run(&["rm", "flow.yaml", "k2"], b"").expect_code(1);
    assert!(run.stderr.contains("laid out"), "{}", run.stderr);
    assert_eq!(desk.read("flow.yaml"), shared);
}
