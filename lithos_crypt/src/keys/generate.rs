//! Making keys.

use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use zeroize::Zeroizing;

use super::{PublicKey, SealError};

/// A key pair just made. The private key is wiped when dropped.
pub struct NewKey {
    public: PublicKey,
    public_text: String,
    private_text: Zeroizing<String>,
}

impl NewKey {
    /// Makes a pair from the system's random bytes, with this comment.
    ///
    /// # Errors
    ///
    /// [`SealError::NoRandomness`].
    pub fn generate(comment: &str) -> Result<NewKey, SealError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut seed[..]).map_err(|cause| SealError::NoRandomness { cause })?;
        let pair = Ed25519Keypair::from(Ed25519PrivateKey::from_bytes(&seed));
        let comment = comment.replace(char::is_control, " ");
        let key = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), comment)
            .expect("the key data is complete");
        let text = key.to_openssh(ssh_key::LineEnding::LF);
        let public_text = key.public_key().to_openssh().expect("the key fits a line");
        Ok(NewKey {
            public: PublicKey::from_openssh(&public_text).expect("keys from a seed are safe"),
            public_text,
            private_text: text.expect("the key fits the format"),
        })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The public key's line, without its newline.
    pub fn public_text(&self) -> &str {
        &self.public_text
    }

    /// The private key in OpenSSH's format, unencrypted.
    pub fn private_text(&self) -> &str {
        &self.private_text
    }
}
