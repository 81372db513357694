//! What can be wrong with keys, and with sealing.

use std::io;

use quick_error::quick_error;

use crate::ShortHash;
use crate::cause::Cause;

quick_error! {
    /// Why a key cannot be used. No message shows anything of a private key.
    #[derive(Debug)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum KeyError {
        /// The text is no OpenSSH public key, for this `reason`.
        NotAPublicKey {
            reason: &'static str
        } {
            display("not an OpenSSH public key: {}", reason)
        }
        /// A private key where a public key belongs.
        PrivateNotPublic {
            display("this is a private key, not a public one")
        }
        /// A public key where private keys belong.
        PublicNotPrivate {
            display("this is a public key, not a private one")
        }
        /// A key of a type other than Ed25519; `found` is what OpenSSH calls it.
        WrongType {
            found: String
        } {
            display("the key is of type {}, and only ssh-ed25519 keys can seal and open", found)
        }
        /// A public key that is not a point of the group of prime order, so
        /// that anybody could open what is sealed to it.
        UnsafePoint {
            display("the public key is of low order or not canonical, \
                     so what is sealed to it would not be secret")
        }
        /// No private key in the text.
        NoPrivateKey {
            display("no OpenSSH private key in it")
        }
        /// The private key with the short hash `key` has a passphrase, and there
        /// is nobody to ask for it.
        Encrypted {
            key: ShortHash
        } {
            display("the private key {} has a passphrase", key)
        }
        /// The passphrase of `key` could not be asked for, for this `cause`.
        Ask {
            key: ShortHash,
            cause: io::Error
        } {
            display("cannot ask for the passphrase of the private key {}: {}", key, Cause(cause))
            source(cause)
        }
        /// The passphrase does not open the private key `key`.
        WrongPassphrase {
            key: ShortHash
        } {
            display("wrong passphrase for the private key {}", key)
        }
        /// A private key that cannot be read: its `position` in the file, the
        /// first being 1, and the `reason`.
        Damaged {
            position: usize,
            reason: &'static str
        } {
            display("private key {} of the file is damaged: {}", position, reason)
        }
    }
}

impl KeyError {
    /// The one thing to do about it, if there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            KeyError::WrongType { .. } | KeyError::NoPrivateKey => {
                Some("`ssh-keygen -t ed25519 -f FILE` makes a key of the right type")
            }
            KeyError::PrivateNotPublic => Some("name the public key's file, FILE.pub"),
            KeyError::PublicNotPrivate => Some("name the private key's file, without `.pub`"),
            KeyError::Encrypted { .. } => Some(
                "`ssh-keygen -p -N '' -f FILE` takes the passphrase off; \
                 protect the file by its owner and mode",
            ),
            _ => None,
        }
    }
}

quick_error! {
    /// Why a secret cannot be sealed.
    #[derive(Debug)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum SealError {
        /// The system gave no random bytes for the ephemeral key.
        NoRandomness {
            cause: getrandom::Error
        } {
            display("no random bytes from the system: {}", cause)
            source(cause)
        }
    }
}
