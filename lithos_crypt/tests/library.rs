//! The library as other programs use it.

use std::path::PathBuf;

use lithos_crypt::{Namespace, PrivateKey, PublicKey, Secrets, read_private_keys};

fn keys(name: &str) -> Vec<PrivateKey> {
    let path = format!("{}/tests/vectors/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    read_private_keys(&std::fs::read(path).unwrap()).unwrap()
}

fn token(value: &[u8]) -> String {
    let key = PublicKey::from_openssh(include_str!("vectors/keys/alpha.pub")).unwrap();
    let token = key.seal(&"shop".parse().unwrap(), value).unwrap();
    token.to_string()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yaml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn refusal(text: &str, keys: &[PrivateKey]) -> String {
    let (_directory, path) = file(text);
    let error = Secrets::open(path, keys).err().unwrap();
    format!("{error} {error:?}")
}

#[test]
fn every_secret_of_a_config_is_opened_by_its_name() {
    let text = format!(
        "executable: /x\nsecret-environ: {{ A: {} }}\nsecret-files: {{ /f: [{}] }}\n",
        token(b"first"),
        token(b"\0\xff")
    );
    let (_directory, path) = file(&text);
    let secrets = Secrets::open(&path, &keys("alpha")).unwrap();
    assert_eq!(secrets.get("A").unwrap().expose(), b"first");
    assert_eq!(secrets.get("/f").unwrap().expose(), b"\0\xff");
    assert!(secrets.get("B").is_none());
    assert_eq!(secrets.names().count(), 2);
}

#[test]
fn only_for_the_namespaces_that_are_allowed() {
    let (_directory, path) = file(&format!("A: {}\n", token(b"first")));
    let [shop, other] = ["shop", "other"].map(|name| name.parse::<Namespace>().unwrap());
    assert!(Secrets::open_for(&path, &keys("alpha"), &[shop]).is_ok());
    assert!(Secrets::open_for(&path, &keys("alpha"), &[other]).is_err());
}

#[test]
fn no_error_shows_a_value() {
    let alpha = keys("alpha");
    for (text, said) in [
        ("A: hunter2\nB: v2:a:b:c:d\n".to_owned(), "cannot open A"),
        ("A: [hunter2\n".to_owned(), "well-formed"),
        (
            format!("A: {0}\nA: {0}\n", token(b"hunter2")),
            "more than once",
        ),
    ] {
        let error = refusal(&text, &alpha);
        assert!(
            error.contains(said) && !error.contains("hunter2"),
            "{error}"
        );
    }
    let sealed = format!("A: {}\n", token(b"hunter2"));
    assert!(refusal(&sealed, &keys("beta")).contains("cannot open A"));
    assert!(Secrets::open("/no/such/file.yaml", &alpha).is_err());
}
