//! OpenSSH Ed25519 keys and the X25519 keys derived from them.
//!
//! Private key material is wiped when dropped and is in no error message.

mod error;
mod generate;
mod private;
mod public;
mod wire;

pub use error::{KeyError, SealError};
pub use generate::NewKey;
pub use private::{PrivateKey, read_private_keys, read_private_keys_with};
pub use public::PublicKey;
