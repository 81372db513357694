use crate::ssh_keygen;
use crate::support::{key, path_text, run};

#[test]
fn a_key_of_another_type_is_named_with_how_to_make_the_right_one() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    let options = ["-t", "rsa", "-b", "2048", "-N", ""];
    let path = ssh_keygen::make(directory.path(), "rsa", &options).with_extension("pub");
    let run = run(&["encrypt", "-k", &path_text(path)], b"x").expect_code(1);
    assert!(run.stderr.contains("ssh-rsa"), "{}", run.stderr);
    assert!(
        run.stderr.contains("\nhint: `ssh-keygen -t ed25519"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_private_key_in_place_of_the_public_one() {
    let run = run(&["encrypt", "-k", &key("alpha")], b"x").expect_code(1);
    assert!(
        run.stderr.contains("this is a private key"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("\nhint: "), "{}", run.stderr);
}

#[test]
fn a_low_order_public_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zero.pub");
    let zero = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    std::fs::write(&path, format!("ssh-ed25519 {zero} zero\n")).unwrap();
    let run = run(&["encrypt", "-k", &path_text(path)], b"x").expect_code(1);
    assert!(run.stderr.contains("low order"), "{}", run.stderr);
}
