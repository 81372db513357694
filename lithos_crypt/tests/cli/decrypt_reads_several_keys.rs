use crate::support::{key, path_text, run, seal};
use crate::vector_file::key_path;

#[test]
fn of_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let text = ["gamma", "beta", "alpha"].map(|name| std::fs::read(key_path(name)).unwrap());
    std::fs::write(&path, text.concat()).unwrap();
    let run = run(
        &["decrypt", "-i", &path_text(path)],
        seal("", b"x").as_bytes(),
    );
    assert_eq!(run.expect_code(0).text(), "x");
}

#[test]
fn of_several_files() {
    let arguments = ["decrypt", "-i", &key("beta"), "-k", &key("alpha")];
    let run = run(&arguments, seal("", b"x").as_bytes());
    assert_eq!(run.expect_code(0).text(), "x");
}

#[test]
fn a_public_key_in_place_of_the_private_one() {
    let run = run(
        &["decrypt", "-i", &key("alpha.pub")],
        seal("", b"x").as_bytes(),
    );
    let run = run.expect_code(1);
    assert!(
        run.stderr.contains("this is a public key"),
        "{}",
        run.stderr
    );
}
