//! Private key files, as OpenSSH makes them and as people leave them.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lithos_crypt::{
    Allowed, Delivery, KeyError, Namespace, PrivateKey, PublicKey, read_private_keys,
    read_private_keys_with,
};
use zeroize::Zeroizing;

mod ssh_keygen;

const ALPHA: &str = include_str!("vectors/keys/alpha");
const BETA: &str = include_str!("vectors/keys/beta");

fn hashes(text: &str) -> Vec<String> {
    let keys = read_private_keys(text.as_bytes()).unwrap();
    keys.iter().map(|key| key.hash().to_string()).collect()
}

fn refusal(text: &[u8]) -> KeyError {
    read_private_keys(text).err().expect("a refusal")
}

fn read_with(path: &Path, passphrase: &str) -> Result<Vec<PrivateKey>, KeyError> {
    let text = std::fs::read(path).unwrap();
    read_private_keys_with(&text, &mut |_| Ok(Zeroizing::new(passphrase.to_owned())))
}

fn assert_opens_what_its_public_key_seals(keys: &[PrivateKey], private_path: &Path) {
    let public = std::fs::read_to_string(private_path.with_extension("pub")).unwrap();
    let public = PublicKey::from_openssh(&public).unwrap();
    assert_eq!(public.comment(), "somebody");
    assert_eq!(public, keys[0].public());
    let token = public.seal(&Namespace::default(), b"the secret").unwrap();
    let secret = token.open(keys, Allowed::Any, Delivery::Env).ok().unwrap();
    assert_eq!(secret.expose(), b"the secret");
}

#[test]
fn reads_several_keys_one_after_the_other() {
    assert_eq!(hashes(&format!("{ALPHA}{BETA}")), ["k/qSgp/F", "ok314Kuk"]);
    let spaced = format!("# old\n{BETA}\n\n# new, since May\n{ALPHA}\n");
    assert_eq!(hashes(&spaced), ["ok314Kuk", "k/qSgp/F"]);
}

#[test]
fn reads_keys_with_other_line_ends_and_line_lengths() {
    assert_eq!(hashes(&ALPHA.replace('\n', "\r\n")), ["k/qSgp/F"]);
    assert_eq!(hashes(ALPHA.trim_end()), ["k/qSgp/F"]);
    let lines: Vec<&str> = ALPHA.lines().collect();
    let (first, body, last) = (
        lines[0],
        lines[1..lines.len() - 1].concat(),
        lines[lines.len() - 1],
    );
    assert_eq!(
        hashes(&format!("  {first}\n{body}\n  {last}\n")),
        ["k/qSgp/F"]
    );
}

#[test]
fn says_which_key_of_a_file_is_damaged() {
    let cut = ALPHA.replace("-----END OPENSSH PRIVATE KEY-----", "");
    for damaged in [
        format!("{ALPHA}{}", BETA.replace("b3BlbnNza", "b3BlbnNzb")),
        format!("{BETA}{cut}"),
        format!("{BETA}{cut}{ALPHA}"),
        format!("{BETA}{}", ALPHA.replace("AAAA", "!!!!")),
    ] {
        let error = refusal(damaged.as_bytes());
        assert!(
            matches!(error, KeyError::Damaged { position: 2, .. }),
            "{error}"
        );
    }
}

#[test]
fn refuses_a_file_without_a_private_key() {
    let public = include_bytes!("vectors/keys/alpha.pub");
    assert!(matches!(refusal(public), KeyError::PublicNotPrivate));
    for text in [
        &b""[..],
        b"hunter2",
        b"\xff\xfe",
        b"-----BEGIN CERTIFICATE-----\n",
    ] {
        assert!(matches!(refusal(text), KeyError::NoPrivateKey));
    }
    let putty = refusal(b"PuTTY-User-Key-File-3: ssh-ed25519\n");
    assert!(putty.to_string().contains("PuTTY"), "{putty}");
}

#[test]
fn refuses_a_key_whose_halves_do_not_belong_together() {
    let body: String = ALPHA
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let mut bytes = STANDARD.decode(body).unwrap();
    let wrap = |bytes: &[u8]| {
        let body = STANDARD.encode(bytes);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
    };
    assert_eq!(hashes(&wrap(&bytes)), ["k/qSgp/F"]);
    // The public key is there three times; the seed stands before the last.
    let line = include_str!("vectors/keys/alpha.pub");
    let blob = STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap();
    let public = &blob[blob.len() - 32..];
    let last = bytes
        .windows(32)
        .rposition(|window| window == public)
        .unwrap();
    bytes[last - 1] ^= 1;
    assert!(matches!(
        refusal(wrap(&bytes).as_bytes()),
        KeyError::Damaged { position: 1, .. }
    ));
}

#[test]
fn reads_a_key_that_ssh_keygen_made() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    let path = ssh_keygen::make(directory.path(), "key", &["-t", "ed25519", "-N", ""]);
    let keys = read_private_keys(&std::fs::read(&path).unwrap()).unwrap();
    assert_opens_what_its_public_key_seals(&keys, &path);
}

#[test]
fn reads_keys_with_a_passphrase_in_every_cipher_of_openssh() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    for cipher in [
        "aes256-ctr",
        "aes128-ctr",
        "aes256-cbc",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ] {
        let options = ["-t", "ed25519", "-N", "open sesame", "-Z", cipher];
        let path = ssh_keygen::make(
            directory.path(),
            cipher.split('@').next().unwrap(),
            &options,
        );
        let keys = read_with(&path, "open sesame").unwrap_or_else(|e| panic!("{cipher}: {e}"));
        assert_opens_what_its_public_key_seals(&keys, &path);
        let wrong = read_with(&path, "open barley").err().unwrap();
        assert!(
            matches!(wrong, KeyError::WrongPassphrase { .. }),
            "{cipher}: {wrong}"
        );
    }
}

#[test]
fn asks_with_the_hash_of_the_key_whose_passphrase_is_needed() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    let path = ssh_keygen::make(directory.path(), "key", &["-t", "ed25519", "-N", "sesame"]);
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    let hash = PublicKey::from_openssh(&public).unwrap().hash();
    let both = format!("{ALPHA}{}", std::fs::read_to_string(&path).unwrap());

    let mut asked = Vec::new();
    let keys = read_private_keys_with(both.as_bytes(), &mut |key| {
        asked.push(key);
        Ok(Zeroizing::new("sesame".to_owned()))
    });
    assert_eq!(keys.ok().unwrap().len(), 2);
    assert_eq!(asked, [hash]);

    let error = refusal(both.as_bytes());
    assert!(
        matches!(error, KeyError::Encrypted { key } if key == hash),
        "{error}"
    );
    assert!(
        error.hint().unwrap().contains("ssh-keygen -p"),
        "{:?}",
        error.hint()
    );
}

#[test]
fn names_the_type_of_keys_that_cannot_be_used() {
    let Some(directory) = ssh_keygen::directory() else {
        return;
    };
    for (name, options, found) in [
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""][..], "ssh-rsa"),
        (
            "rsa-locked",
            &["-t", "rsa", "-b", "2048", "-N", "sesame"],
            "ssh-rsa",
        ),
        (
            "rsa-pem",
            &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"],
            "ssh-rsa",
        ),
        (
            "rsa-pkcs8",
            &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PKCS8"],
            "PKCS #8",
        ),
        ("ecdsa", &["-t", "ecdsa", "-N", ""], "ecdsa-sha2-nistp256"),
        (
            "ecdsa-pem",
            &["-t", "ecdsa", "-N", "", "-m", "PEM"],
            "ecdsa",
        ),
    ] {
        let path = ssh_keygen::make(directory.path(), name, options);
        let private = refusal(&std::fs::read(&path).unwrap());
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let public = PublicKey::from_openssh(&public).unwrap_err();
        for error in [&private, &public] {
            assert!(
                matches!(error, KeyError::WrongType { .. }),
                "{name}: {error}"
            );
            assert!(error.hint().unwrap().contains("ssh-keygen -t ed25519"));
        }
        assert!(private.to_string().contains(found), "{name}: {private}");
    }
}
