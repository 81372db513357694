use crate::desk::Desk;
use crate::support::key;

#[test]
fn to_its_exact_bytes() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "two\nlines\n");
    assert_eq!(
        desk.get("alpha", "s.yaml", "A").expect_code(0).text(),
        "two\nlines\n"
    );
}

#[test]
fn refuses_another_key_another_namespace_and_another_name() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "hunter2");
    let run = desk.get("beta", "s.yaml", "A").expect_code(1);
    assert!(
        run.stderr
            .contains("error: cannot open A of `s.yaml`: the token "),
        "{}",
        run.stderr
    );
    desk.get("alpha", "s.yaml", "B").expect_code(1);
    let arguments = ["get", "-i", &key("alpha"), "-n", "shop", "s.yaml", "A"];
    let run = desk.run(&arguments, b"").expect_code(1);
    assert!(
        !run.stderr.contains("hunter2") && run.text().is_empty(),
        "{}",
        run.stderr
    );
    desk.run(&["get", "s.yaml", "A"], b"").expect_code(2);
}
