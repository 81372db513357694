//! Private keys: what opens tokens. A file may hold several, one after the
//! other, some of them with a passphrase.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::MontgomeryPoint;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::public::KEY_TYPE;
use super::wire::{public_of_private, type_of_public};
use super::{KeyError, PublicKey};
use crate::stack::wiping_stack;
use crate::{ShortHash, sealed_box};

/// The PEM label of OpenSSH's private key format.
const PEM_LABEL: &str = "OPENSSH PRIVATE KEY";

/// An OpenSSH Ed25519 private key. Wiped from memory when dropped; has neither
/// `Clone` nor `Debug`.
pub struct PrivateKey {
    public: PublicKey,
    /// The X25519 key, before clamping. Boxed, so that moving this leaves no copy.
    x25519: Box<Zeroizing<[u8; 32]>>,
}

impl PrivateKey {
    /// The X25519 key as libsodium's `crypto_sign_ed25519_sk_to_curve25519`
    /// derives it: the first half of SHA-512 of the seed, clamped when used.
    fn from_ed25519(pair: &ssh_key::private::Ed25519Keypair, comment: &str) -> Option<PrivateKey> {
        // `ssh-key` has derived the public half from the private one, and compared.
        let public = PublicKey::of_private(&pair.public.0, comment)?;
        let mut hash = Sha512::digest(pair.private.as_ref());
        let mut x25519 = Box::new(Zeroizing::new([0; 32]));
        x25519.copy_from_slice(&hash[..32]);
        hash.as_mut_slice().zeroize();
        Some(PrivateKey { public, x25519 })
    }

    /// The short hash of the public key: the key column of the tokens that
    /// this key opens.
    pub fn hash(&self) -> ShortHash {
        self.public.hash()
    }

    /// The public key, with the private key's comment.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// The plaintext of a sealed box, if this key opens it.
    pub(crate) fn unseal(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let public: &MontgomeryPoint = self.public.x25519();
        sealed_box::open(&self.x25519, public, sealed)
    }
}

/// Reads every private key of one file's text.
///
/// # Errors
///
/// [`KeyError`], if any of the keys cannot be used, or there is none. A key
/// with a passphrase is [`KeyError::Encrypted`].
pub fn read_private_keys(text: &[u8]) -> Result<Vec<PrivateKey>, KeyError> {
    read(text, None)
}

/// Reads every private key of one file's text; `passphrase` is asked for the
/// passphrase of each key that has one, and told the key's short hash.
///
/// # Errors
///
/// [`KeyError`], if any of the keys cannot be used, or there is none.
pub fn read_private_keys_with(
    text: &[u8],
    passphrase: &mut dyn FnMut(ShortHash) -> io::Result<Zeroizing<String>>,
) -> Result<Vec<PrivateKey>, KeyError> {
    read(text, Some(passphrase))
}

/// Whoever is asked for passphrases, if anybody is.
type Ask<'a> = Option<&'a mut dyn FnMut(ShortHash) -> io::Result<Zeroizing<String>>>;

fn read(text: &[u8], ask: Ask<'_>) -> Result<Vec<PrivateKey>, KeyError> {
    wiping_stack(|| read_blocks(text, ask))
}

fn read_blocks(text: &[u8], mut ask: Ask<'_>) -> Result<Vec<PrivateKey>, KeyError> {
    let blocks = pem_blocks(text);
    if blocks.is_empty() {
        return Err(no_private_key(text));
    }
    let read_block = |(index, block): (usize, PemBlock<'_>)| {
        let position = index + 1;
        let found = foreign_type(block.label);
        if let Some(found) = found {
            return Err(KeyError::WrongType {
                found: found.to_owned(),
            });
        }
        let body = block.body.ok_or(KeyError::Damaged {
            position,
            reason: "its end is missing",
        })?;
        let bytes = decode_body(body).ok_or(KeyError::Damaged {
            position,
            reason: "it is not base64",
        })?;
        read_one(&bytes, position, &mut ask)
    };
    blocks.into_iter().enumerate().map(read_block).collect()
}

/// One key, from the bytes within its PEM block.
fn read_one(bytes: &[u8], position: usize, ask: &mut Ask<'_>) -> Result<PrivateKey, KeyError> {
    let damaged = |reason| KeyError::Damaged { position, reason };
    let public = public_of_private(bytes).ok_or(damaged("it is not in OpenSSH's format"))?;
    match type_of_public(public) {
        Some(KEY_TYPE) => {}
        Some(other) => {
            return Err(KeyError::WrongType {
                found: other.to_owned(),
            });
        }
        None => return Err(damaged("it names no key type")),
    }
    let key = ssh_key::PrivateKey::from_bytes(bytes)
        .map_err(|_| damaged("its parts do not fit together"))?;
    let key = if key.is_encrypted() {
        decrypt(&key, ask)?
    } else {
        key
    };
    let pair = key
        .key_data()
        .ed25519()
        .ok_or(damaged("it holds no Ed25519 key"))?;
    PrivateKey::from_ed25519(pair, key.comment()).ok_or(damaged("its public key is not safe"))
}

fn decrypt(key: &ssh_key::PrivateKey, ask: &mut Ask<'_>) -> Result<ssh_key::PrivateKey, KeyError> {
    let bytes = key
        .public_key()
        .key_data()
        .ed25519()
        .map(|ed25519| ed25519.0);
    let hash = ShortHash::of(&bytes.unwrap_or_default());
    let ask = ask.as_mut().ok_or(KeyError::Encrypted { key: hash })?;
    let passphrase = ask(hash).map_err(|cause| KeyError::Ask { key: hash, cause })?;
    key.decrypt(passphrase.as_bytes())
        .map_err(|_| KeyError::WrongPassphrase { key: hash })
}

/// One `-----BEGIN label-----` block.
struct PemBlock<'a> {
    label: &'a str,
    /// The lines up to its end; `None` if it has no end.
    body: Option<&'a [u8]>,
}

/// The private key blocks of a file. What is outside of them is skipped.
fn pem_blocks(text: &[u8]) -> Vec<PemBlock<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = take_line(rest) {
        rest = after;
        let Some(label) =
            marker(line, "-----BEGIN ").filter(|label| label.ends_with("PRIVATE KEY"))
        else {
            continue;
        };
        let body = body_before_end(after, label);
        if let Some(body) = body {
            rest = &after[body.len()..];
        }
        blocks.push(PemBlock { label, body });
    }
    blocks
}

/// The lines before the block's end, unless another block begins earlier.
fn body_before_end<'a>(text: &'a [u8], label: &str) -> Option<&'a [u8]> {
    let mut rest = text;
    while let Some((line, after)) = take_line(rest) {
        if marker(line, "-----END ") == Some(label) {
            return Some(&text[..text.len() - rest.len()]);
        }
        if marker(line, "-----BEGIN ").is_some() {
            return None;
        }
        rest = after;
    }
    None
}

fn take_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

/// The label, if the line is such a marker.
fn marker<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    std::str::from_utf8(line)
        .ok()?
        .trim()
        .strip_prefix(start)?
        .strip_suffix("-----")
}

/// The type to name for a block that is not in OpenSSH's own format. The label
/// is compared, not shown.
fn foreign_type(label: &str) -> Option<&'static str> {
    match label {
        PEM_LABEL => None,
        "RSA PRIVATE KEY" => Some("ssh-rsa (PEM)"),
        "EC PRIVATE KEY" => Some("ecdsa (PEM)"),
        "DSA PRIVATE KEY" => Some("ssh-dss (PEM)"),
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => Some("PKCS #8"),
        _ => Some("unknown"),
    }
}

/// The bytes of a block's base64, whatever its line length.
fn decode_body(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut packed = Zeroizing::new(Vec::with_capacity(body.len()));
    packed.extend(
        body.iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace()),
    );
    let mut bytes = Zeroizing::new(vec![0; packed.len()]);
    let length = STANDARD.decode_slice(&*packed, &mut bytes[..]).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

fn no_private_key(text: &[u8]) -> KeyError {
    let text = text.trim_ascii_start();
    if text.starts_with(b"PuTTY-User-Key-File") {
        KeyError::WrongType {
            found: "PuTTY".to_owned(),
        }
    } else if [&b"ssh-"[..], b"ecdsa-", b"sk-"]
        .iter()
        .any(|start| text.starts_with(start))
    {
        KeyError::PublicNotPrivate
    } else {
        KeyError::NoPrivateKey
    }
}
