//! Whether a value is what its `type` says. No answer shows any of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{Decode, SecretDocument, Tag, Tagged};
use x509_cert::Certificate;

use super::doubts::thorough_bits;
use super::failure::Failure;
use super::report;
use crate::document::{Document, Entry, Section};
use crate::{SAFE_GUESS_BITS, SecretType};

/// The type that stands beside a secret; of a name that there is not, that.
pub fn of_entry(entry: &Entry<'_>) -> Result<Option<SecretType>, String> {
    let Some(name) = entry.extra("type") else {
        return Ok(None);
    };
    match SecretType::from_name(name) {
        Some(kind) => Ok(Some(kind)),
        None => Err(format!("its `type` is none of {}", names())),
    }
}

/// All of them, for people.
fn names() -> String {
    SecretType::ALL.map(SecretType::name).join(", ")
}

/// Reads a type on the command line.
pub fn parse(text: &str) -> Result<SecretType, String> {
    SecretType::from_name(text).ok_or_else(|| format!("it is none of {}", names()))
}

/// The type that stands beside the secret of this name.
pub fn noted(
    document: &Document,
    section: &Section,
    name: &str,
) -> Result<Option<SecretType>, Failure> {
    let entries = document.named(name);
    let entry = entries.iter().find(|entry| entry.section() == section);
    let kind = entry.map_or(Ok(None), of_entry);
    kind.map_err(|reason| refused(name, reason))
}

/// Refuses a value that is not of this type.
pub fn expect(kind: Option<SecretType>, name: &str, value: &[u8]) -> Result<(), Failure> {
    let fault = kind.and_then(|kind| Some((kind, fault(kind, value)?)));
    match fault {
        Some((kind, fault)) => Err(refused(name, format!("the value is no {kind}: {fault}"))),
        None => Ok(()),
    }
}

/// Warns of a value that is not of this type.
pub fn warn(kind: Option<SecretType>, name: &str, value: &[u8]) {
    if let Err(failure) = expect(kind, name, value) {
        report::warning(format_args!("{failure}"));
    }
}

fn refused(name: &str, reason: String) -> Failure {
    let what = format!("seal {name}");
    Failure::Refused { what, reason }
}

/// Why the value is not of this type, if it is not.
pub fn fault(kind: SecretType, value: &[u8]) -> Option<String> {
    fault_at(kind, value, SystemTime::now())
}

fn fault_at(kind: SecretType, value: &[u8], now: SystemTime) -> Option<String> {
    let checked = match kind {
        SecretType::Password => not_guessable(value),
        SecretType::ApiKey => one_word(value).and_then(|()| not_guessable(value)),
        SecretType::Certificate => certificates(value, now),
        SecretType::PrivateKey => private_key(value),
        SecretType::SshKey => ssh_key(value),
        SecretType::Text => text(value).map(drop),
        SecretType::Binary => Ok(()),
    };
    checked.err()
}

fn text(value: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(value).map_err(|_| "it is not UTF-8".to_owned())
}

fn not_guessable(value: &[u8]) -> Result<(), String> {
    match thorough_bits(value) {
        bits if bits < SAFE_GUESS_BITS => Err(format!(
            "it can be guessed, with about 2^{bits} tries, where 2^{SAFE_GUESS_BITS} would be safe"
        )),
        _ => Ok(()),
    }
}

fn one_word(value: &[u8]) -> Result<(), String> {
    match value.iter().all(u8::is_ascii_graphic) {
        true => Ok(()),
        false => Err("it has other characters than an API key, spaces perhaps".to_owned()),
    }
}

/// A chain in PEM, in whichever order; none past its end.
fn certificates(value: &[u8], now: SystemTime) -> Result<(), String> {
    let blocks = blocks(value)?;
    if blocks.iter().any(|block| block.label != "CERTIFICATE") {
        return Err("there is something else in it than certificates".to_owned());
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    for block in &blocks {
        let (der, number) = (block.decode()?, block.number);
        let certificate = Certificate::from_der(der.as_bytes());
        let certificate =
            certificate.map_err(|_| format!("its certificate {number} cannot be read as X.509"))?;
        let end = certificate.tbs_certificate.validity.not_after;
        if end.to_unix_duration() < now {
            let end = date(end.to_unix_duration());
            return Err(format!("its certificate {number} was good until {end}"));
        }
    }
    Ok(())
}

fn date(since_1970: Duration) -> String {
    crate::Day::of_unix(since_1970.as_secs()).to_string()
}

/// Whichever way it is encrypted (RFC 5958, section 3).
fn encrypted(der: &[u8]) -> bool {
    AnyRef::from_der(der).is_ok_and(|any| any.tag() == Tag::Sequence)
}

/// One private key in PEM, with whatever else is in the file: the parameters of
/// a curve, or certificates.
fn private_key(value: &[u8]) -> Result<(), String> {
    let mut keys = blocks(value)?;
    keys.retain(|block| block.label.ends_with("PRIVATE KEY"));
    let [key] = &keys[..] else {
        return Err(format!("there are {} private keys in it", keys.len()));
    };
    if key.label == "OPENSSH PRIVATE KEY" {
        return Err("it is an OpenSSH key, a `ssh-key`".to_owned());
    }
    let document = key.decode()?;
    let der = document.as_bytes();
    let is_key = match key.label {
        "PRIVATE KEY" => pkcs8::PrivateKeyInfo::from_der(der).is_ok(),
        "ENCRYPTED PRIVATE KEY" => encrypted(der),
        "RSA PRIVATE KEY" => pkcs1::RsaPrivateKey::from_der(der).is_ok(),
        "EC PRIVATE KEY" => sec1::EcPrivateKey::from_der(der).is_ok(),
        _ => return Err("it is a private key of an unknown kind".to_owned()),
    };
    match is_key {
        true => Ok(()),
        false => Err("it cannot be read as a private key".to_owned()),
    }
}

fn ssh_key(value: &[u8]) -> Result<(), String> {
    match ssh_key::PrivateKey::from_openssh(value) {
        Ok(_) => Ok(()),
        Err(_) => Err("it cannot be read as a private key of OpenSSH's".to_owned()),
    }
}

/// A block of a text in PEM (RFC 7468).
struct Block<'a> {
    number: usize,
    label: &'a str,
    text: &'a str,
}

/// The blocks of a text, whatever is between them.
fn blocks(value: &[u8]) -> Result<Vec<Block<'_>>, String> {
    const BEGIN: &str = "-----BEGIN ";
    let text = text(value)?;
    let mut starts: Vec<_> = text.match_indices(BEGIN).map(|(at, _)| at).collect();
    if starts.is_empty() {
        return Err("there is no PEM in it".to_owned());
    }
    starts.push(text.len());
    let blocks = starts.windows(2).zip(1..).map(|(range, number)| {
        let text = &text[range[0]..range[1]];
        let label = text[BEGIN.len()..].split("-----").next();
        let label = label.unwrap_or_default();
        let end = format!("-----END {label}-----");
        let end = text.find(&end).map(|at| at + end.len());
        Block {
            number,
            label,
            text: &text[..end.unwrap_or(text.len())],
        }
    });
    Ok(blocks.collect())
}

impl Block<'_> {
    /// What is in it, wiped when dropped.
    fn decode(&self) -> Result<SecretDocument, String> {
        let decoded = SecretDocument::from_pem(self.text);
        let decoded = decoded.map_err(|_| format!("its block {} is no PEM", self.number));
        Ok(decoded?.1)
    }
}

#[cfg(test)]
mod tests;
