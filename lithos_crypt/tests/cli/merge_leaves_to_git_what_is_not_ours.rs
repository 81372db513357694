use crate::repository::{merge, repository};

#[test]
fn texts_that_are_no_yaml_or_cannot_be_kept() {
    let Some(desk) = repository() else { return };
    let texts = [
        "x: [\ny\nz\n1\n2\n",
        "X: [\ny\nz\n1\n2\n",
        "x: [\ny\nz\n1\nB\n",
    ];
    assert_eq!(merge(&desk, texts), (0, "X: [\ny\nz\n1\nB\n".to_owned()));
    let anchored = "secret-environ:\n  A: &a v2:a:b:c:d\nq: 1\nr: 2\ns: 3\nx: *a\n";
    let ours = anchored.replace("v2:a", "v2:o");
    let theirs = anchored.replace("s: 3", "s: 4");
    let (code, text) = merge(&desk, [anchored, &ours, &theirs]);
    assert_eq!((code, text), (0, ours.replace("s: 3", "s: 4")));
    let (code, text) = merge(&desk, ["a: 1\n", "a: 2\n", "a: 3\n"]);
    assert!(code == 1 && text.contains("<<<<<<< ours\na: 2\n"), "{text}");
    let run = desk
        .run(&["merge", "o", "a", "absent", "x.yaml"], b"")
        .expect_code(1);
    assert!(
        run.stderr.contains("cannot read version `absent`"),
        "{}",
        run.stderr
    );
}
