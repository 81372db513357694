use crate::desk::Desk;

#[test]
fn with_their_groups() {
    let desk = Desk::with_recipients();
    desk.set("s.yaml", "A", "x");
    let run = desk.run(&["who-can-read", "A"], b"").expect_code(0);
    let lines: Vec<Vec<&str>> = run
        .text()
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1][..3], ["s.yaml", "alpha", "prod"]);
    assert_eq!(lines[2][..3], ["s.yaml", "beta", "prod"]);
    let json = desk
        .run(&["who-can-read", "A", "--json"], b"")
        .expect_code(0);
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json[1]["reader"], "beta");
    let run = desk.run(&["who-can-read", "B"], b"").expect_code(1);
    assert!(
        run.stderr.contains("cannot find the secret B"),
        "{}",
        run.stderr
    );
}
