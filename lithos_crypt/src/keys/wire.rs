//! Finding out the type of an OpenSSH key whatever it is, so that an error can
//! name it. Reading keys that we can use is `ssh-key`'s work.

/// First bytes of a private key file, within its base64 (PROTOCOL.key).
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The key type named by a public key's blob, if it is presentable.
pub(super) fn type_of_public(blob: &[u8]) -> Option<&str> {
    presentable_type(std::str::from_utf8(take_string(blob)?.0).ok()?)
}

/// The first public key's blob within a private key file's bytes: there in the
/// clear even if the private key has a passphrase.
pub(super) fn public_of_private(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (_cipher, rest) = take_string(rest)?;
    let (_kdf, rest) = take_string(rest)?;
    let (_kdf_options, rest) = take_string(rest)?;
    let (_count, rest) = rest.split_first_chunk::<4>()?;
    Some(take_string(rest)?.0)
}

/// The type, if it looks like one. What does not is not shown, since it may be
/// anything.
pub(super) fn presentable_type(text: &str) -> Option<&str> {
    let known = ["ssh-", "sk-", "ecdsa-", "rsa-"]
        .iter()
        .any(|start| text.starts_with(start));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-@._".contains(&byte);
    (known && text.len() <= 64 && text.bytes().all(plain)).then_some(text)
}

/// One length-prefixed string (RFC 4251, section 5) and what follows it.
fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}
