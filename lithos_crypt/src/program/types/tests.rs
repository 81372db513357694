//! Values of every type, and such that are not quite.

use super::*;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/types/", $name)).as_slice()
    };
}

const CERTIFICATE: &[u8] = sample!("certificate.pem");
const PKCS8: &[u8] = sample!("pkcs8.pem");

fn is(kind: SecretType, value: &[u8]) {
    assert_eq!(fault(kind, value), None, "{kind}");
}

fn is_not(kind: SecretType, value: &[u8], why: &str) {
    let fault = fault(kind, value).unwrap_or_else(|| panic!("it is a {kind}"));
    assert!(fault.contains(why), "{kind}: {fault}");
}

/// The middle of it left out.
fn torn(value: &[u8]) -> Vec<u8> {
    [&value[..value.len() / 2], &value[value.len() / 2 + 4..]].concat()
}

#[test]
fn a_certificate_is_a_chain_that_is_read_and_not_past_its_end() {
    let kind = SecretType::Certificate;
    is(kind, CERTIFICATE);
    is(
        kind,
        &[
            b"the leaf:\n",
            CERTIFICATE,
            b"\nits issuer:\n",
            CERTIFICATE,
            b"\n",
        ]
        .concat(),
    );
    let expired = sample!("expired.pem");
    is_not(kind, expired, "its certificate 1 was good until 2020-01-31");
    is_not(
        kind,
        &[CERTIFICATE, expired].concat(),
        "its certificate 2 was good until",
    );
    let later = UNIX_EPOCH + Duration::from_secs(6_000_000_000);
    assert!(fault_at(kind, CERTIFICATE, later).is_some());
    is_not(kind, b"", "there is no PEM in it");
    is_not(kind, b"\xff", "it is not UTF-8");
    is_not(kind, PKCS8, "something else in it");
    is_not(kind, &[CERTIFICATE, PKCS8].concat(), "something else in it");
    is_not(kind, &torn(CERTIFICATE), "its block 1 is no PEM");
    let other = String::from_utf8(PKCS8.to_vec()).unwrap();
    let other = other.replace("PRIVATE KEY", "CERTIFICATE");
    is_not(kind, other.as_bytes(), "cannot be read as X.509");
}

#[test]
fn a_private_key_is_one_of_the_usual_formats() {
    let kind = SecretType::PrivateKey;
    for value in [
        PKCS8,
        sample!("pkcs8-encrypted.pem"),
        sample!("pkcs1.pem"),
        sample!("sec1.pem"),
        sample!("ec-parameters.pem"),
    ] {
        is(kind, value);
    }
    is(kind, &[CERTIFICATE, PKCS8].concat());
    is_not(kind, CERTIFICATE, "there are 0 private keys in it");
    is_not(
        kind,
        &[PKCS8, PKCS8].concat(),
        "there are 2 private keys in it",
    );
    is_not(kind, &torn(PKCS8), "its block 1 is no PEM");
    is_not(kind, sample!("ssh-ed25519"), "a `ssh-key`");
    let other = String::from_utf8(PKCS8.to_vec()).unwrap();
    let other = other.replace("PRIVATE", "RSA PRIVATE");
    is_not(kind, other.as_bytes(), "cannot be read as a private key");
}

#[test]
fn an_ssh_key_is_one_of_openssh_encrypted_or_not() {
    let kind = SecretType::SshKey;
    for value in [
        sample!("ssh-ed25519"),
        sample!("ssh-ecdsa"),
        sample!("ssh-rsa"),
        sample!("ssh-encrypted"),
    ] {
        is(kind, value);
    }
    is_not(kind, PKCS8, "cannot be read");
    is_not(kind, &torn(sample!("ssh-ed25519")), "cannot be read");
    is_not(kind, b"ssh-ed25519 AAAA", "cannot be read");
}

#[test]
fn a_password_is_not_guessable_and_an_api_key_is_one_word_besides() {
    for kind in [SecretType::Password, SecretType::ApiKey] {
        is(kind, b"mGv7Qk2xWz9LrTb4");
        is_not(kind, b"hunter2", "it can be guessed");
        is_not(kind, b"", "it can be guessed");
    }
    is(SecretType::Password, b"mGv7Qk2xWz9L rTb4");
    is_not(
        SecretType::ApiKey,
        b"mGv7Qk2xWz9LrTb4\n",
        "other characters",
    );
}

#[test]
fn a_text_is_utf_8_and_binary_anything() {
    is(SecretType::Text, "größer".as_bytes());
    is_not(SecretType::Text, b"\xff\xfe", "it is not UTF-8");
    is(SecretType::Binary, b"\xff\xfe");
}

#[test]
fn no_fault_shows_a_value() {
    for kind in SecretType::ALL {
        for value in [&b"hunter2"[..], b"-----BEGIN hunter2-----", b"hunter2\xff"] {
            let fault = fault(kind, value).unwrap_or_default();
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }
}
