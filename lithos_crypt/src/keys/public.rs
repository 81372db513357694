//! Public keys: what secrets are sealed to.

use curve25519_dalek::MontgomeryPoint;
use curve25519_dalek::Scalar;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use zeroize::Zeroizing;

use super::wire::presentable_type;
use super::{KeyError, SealError};
use crate::token::{Label, Token};
use crate::{Namespace, ShortHash, sealed_box};

/// The one key type that can seal and open.
pub(super) const KEY_TYPE: &str = "ssh-ed25519";

/// An OpenSSH Ed25519 public key, checked to be safe to seal to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    hash: ShortHash,
    ed25519: [u8; 32],
    x25519: MontgomeryPoint,
    comment: String,
}

impl PublicKey {
    /// The key's line in OpenSSH's form, without its comment.
    pub fn to_openssh(&self) -> String {
        let key = ssh_key::public::Ed25519PublicKey(self.ed25519);
        let key = ssh_key::PublicKey::from(key);
        key.to_openssh().expect("the key fits a line")
    }

    /// Reads one line `ssh-ed25519 AAAA… comment`. Empty lines and lines that
    /// start with `#` are skipped.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if it is another type of key, several keys, no public key
    /// at all, or a key that is not safe to seal to.
    pub fn from_openssh(text: &str) -> Result<PublicKey, KeyError> {
        if text.contains("PRIVATE KEY-----") || text.contains("PuTTY-User-Key-File") {
            return Err(KeyError::PrivateNotPublic);
        }
        let not_a_key = |reason| KeyError::NotAPublicKey { reason };
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let line = lines.next().ok_or(not_a_key("it is empty"))?;
        if lines.next().is_some() {
            return Err(not_a_key("it has more than one line"));
        }
        match line
            .split(char::is_whitespace)
            .next()
            .and_then(presentable_type)
        {
            Some(KEY_TYPE) => {}
            Some(other) => {
                return Err(KeyError::WrongType {
                    found: other.to_owned(),
                });
            }
            None => return Err(not_a_key("it does not start with a key type")),
        }
        let damaged = not_a_key("what follows the key type is damaged");
        let Ok(key) = ssh_key::PublicKey::from_openssh(line) else {
            return Err(damaged);
        };
        let Some(ed25519) = key.key_data().ed25519() else {
            return Err(damaged);
        };
        PublicKey::from_ed25519(&ed25519.0, key.comment())
    }

    /// The key of these 32 bytes, with the checks that libsodium's
    /// `crypto_sign_ed25519_pk_to_curve25519` makes: on the curve, not of low
    /// order, in the main subgroup; and in its canonical encoding, since the
    /// short hash is one of the bytes.
    pub(super) fn from_ed25519(bytes: &[u8; 32], comment: &str) -> Result<PublicKey, KeyError> {
        let encoded = CompressedEdwardsY(*bytes);
        let point = encoded.decompress().ok_or(KeyError::UnsafePoint)?;
        if point.is_small_order() || !is_torsion_free(&point) || point.compress() != encoded {
            return Err(KeyError::UnsafePoint);
        }
        Ok(Self::of_point(&point, bytes, comment))
    }

    /// The key of these 32 bytes, which are known to be the public half of a private key:
    /// a multiple of the base point, in its canonical encoding.
    pub(super) fn of_private(bytes: &[u8; 32], comment: &str) -> Option<PublicKey> {
        let point = CompressedEdwardsY(*bytes).decompress()?;
        Some(Self::of_point(&point, bytes, comment))
    }

    fn of_point(point: &EdwardsPoint, bytes: &[u8; 32], comment: &str) -> PublicKey {
        PublicKey {
            hash: ShortHash::of(bytes),
            ed25519: *bytes,
            x25519: point.to_montgomery(),
            comment: comment.to_owned(),
        }
    }

    /// The short hash of the raw Ed25519 key: the key column of its tokens.
    pub fn hash(&self) -> ShortHash {
        self.hash
    }

    /// The comment at the end of the key's line, possibly empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    pub(crate) fn x25519(&self) -> &MontgomeryPoint {
        &self.x25519
    }

    /// Seals a secret, with a new ephemeral key every time: the same secret
    /// sealed twice gives two tokens, equally right.
    ///
    /// # Errors
    ///
    /// [`SealError`], if the system has no random bytes.
    pub fn seal(&self, namespace: &Namespace, secret: &[u8]) -> Result<Token, SealError> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *ephemeral).map_err(|cause| SealError::NoRandomness { cause })?;
        let name = namespace.as_str().as_bytes();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(name.len() + 1 + secret.len()));
        plaintext.extend_from_slice(name);
        plaintext.push(b':');
        plaintext.extend_from_slice(secret);
        let label = Label {
            key: self.hash,
            namespace: namespace.hash(),
            secret: ShortHash::of(secret),
        };
        Ok(Token::new(
            label,
            sealed_box::seal(&self.x25519, &ephemeral, &plaintext),
        ))
    }
}

/// Whether the point is in the main subgroup: whether the group's order times it is
/// zero. The library's own check takes time that does not depend on the point, which is
/// twice as long; public keys are public.
fn is_torsion_free(point: &EdwardsPoint) -> bool {
    let order_less_one = -Scalar::ONE;
    let product =
        EdwardsPoint::vartime_double_scalar_mul_basepoint(&order_less_one, point, &Scalar::ZERO);
    product == -point
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

    const ALPHA: &str = include_str!("../../tests/vectors/keys/alpha.pub");

    fn refusal(text: &str) -> KeyError {
        PublicKey::from_openssh(text).unwrap_err()
    }

    #[test]
    fn reads_hash_and_comment() {
        let key = PublicKey::from_openssh(ALPHA).unwrap();
        assert_eq!(key.hash().to_string(), "k/qSgp/F");
        assert_eq!(key.comment(), "alpha");
    }

    #[test]
    fn reads_a_key_among_empty_lines_and_comments() {
        let key = PublicKey::from_openssh(&format!("\n# ours\r\n{ALPHA}\r\n\n")).unwrap();
        assert_eq!(key.hash().to_string(), "k/qSgp/F");
    }

    #[test]
    fn refuses_low_order_points() {
        for point in EIGHT_TORSION {
            let refused = PublicKey::from_ed25519(point.compress().as_bytes(), "");
            assert!(matches!(refused, Err(KeyError::UnsafePoint)));
        }
    }

    #[test]
    fn refuses_points_outside_the_main_subgroup() {
        let mixed = ED25519_BASEPOINT_POINT + EIGHT_TORSION[1];
        let refused = PublicKey::from_ed25519(mixed.compress().as_bytes(), "");
        assert!(matches!(refused, Err(KeyError::UnsafePoint)));
        let clean = PublicKey::from_ed25519(ED25519_BASEPOINT_POINT.compress().as_bytes(), "");
        assert!(clean.is_ok());
    }

    #[test]
    fn refuses_encodings_that_are_not_canonical_or_not_on_the_curve() {
        // y = p + 1, that is 1, and y = 2, which is on no point of the curve.
        let mut not_canonical = [0xff; 32];
        (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        for bytes in [not_canonical, off_curve] {
            let refused = PublicKey::from_ed25519(&bytes, "");
            assert!(matches!(refused, Err(KeyError::UnsafePoint)));
        }
    }

    #[test]
    fn names_the_type_of_other_keys() {
        for found in [
            "ssh-rsa",
            "ecdsa-sha2-nistp256",
            "sk-ssh-ed25519@openssh.com",
            "ssh-dss",
        ] {
            let error = refusal(&format!("{found} AAAAB3NzaC1yc2E= someone"));
            assert!(error.to_string().contains(found), "{error}");
            assert!(error.hint().unwrap().contains("ssh-keygen -t ed25519"));
        }
    }

    #[test]
    fn shows_nothing_of_what_is_no_key() {
        for text in [
            "hunter2",
            "hunter2 ssh-ed25519",
            "ssh-ed25519 hunter2",
            "ssh-hunter2!",
        ] {
            let error = refusal(text);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(matches!(refusal(""), KeyError::NotAPublicKey { .. }));
        assert!(matches!(
            refusal(&ALPHA.repeat(2)),
            KeyError::NotAPublicKey { .. }
        ));
    }

    #[test]
    fn says_when_the_key_is_a_private_one() {
        let private = include_str!("../../tests/vectors/keys/alpha");
        assert!(matches!(refusal(private), KeyError::PrivateNotPublic));
    }
}
