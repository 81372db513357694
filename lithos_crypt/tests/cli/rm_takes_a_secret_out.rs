use crate::desk::Desk;

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
