//! Secrets sealed for a public repository.
//!
//! A [`Token`] is one secret value, sealed so that only holders of a private
//! key can open it, and labelled so that people can debug it without opening
//! it. It is one line of ASCII:
//!
//! ```text
//! v2:<key-hash>:<namespace-hash>:<secret-hash>:<sealed>
//! ```
//!
//! Which call to use:
//!
//! * to use the secrets of a file: [`Secrets::open`], then [`Secrets::get`];
//! * to seal a value: [`PublicKey::from_openssh`], then [`PublicKey::seal`];
//! * to open one: [`read_private_keys`], then [`Token::open`], or
//!   [`open_first`] where a value is a list of tokens;
//! * to check a token without any private key: [`Token::check`], and
//!   [`Token::label`] for its columns.
//!
//! What is promised: a plaintext or a private key is never part of an error
//! message, of `Debug` or of `Display`, and is wiped from memory when dropped.
//! Nothing else in lithos reads tokens. Only [`program`], which is the program
//! `lithos_crypt`, and [`Secrets`] do any IO; [`document`] finds and changes the secrets of a
//! YAML text. The rest knows nothing of Linux, of configs or of terminals.
//!
//! # Example
//!
//! ```
//! use lithos_crypt::{Delivery, Namespace, PublicKey, Token, read_private_keys};
//!
//! # let public_text = include_str!("../tests/vectors/keys/alpha.pub");
//! # let private_text = include_bytes!("../tests/vectors/keys/alpha");
//! let namespace: Namespace = "myapp".parse()?;
//! let token = PublicKey::from_openssh(public_text)?.seal(&namespace, b"the_secret")?;
//! assert!(token.to_string().starts_with("v2:k/qSgp/F:KqWSX0BY:8MtOoWUX:"));
//!
//! let keys = read_private_keys(private_text)?;
//! let secret = token.open(&keys, &[namespace], Delivery::Env)?;
//! assert_eq!(secret.expose(), b"the_secret");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![recursion_limit = "512"] // long error enums of quick-error

pub mod cause;
mod date;
pub mod document;
mod guessing;
mod keys;
mod namespace;
mod open;
mod open_error;
pub mod program;
mod sealed_box;
mod secret_type;
mod secrets;
mod short_hash;
mod stack;
mod token;

pub use date::Day;
pub use guessing::{SAFE_GUESS_BITS, guess_bits};
pub use keys::{
    KeyError, NewKey, PrivateKey, PublicKey, SealError, read_private_keys, read_private_keys_with,
};
pub use namespace::{Namespace, NamespaceError};
pub use open::{Allowed, Delivery, Secret, open_first};
pub use open_error::{FoundNamespace, OpenError, Refusal};
pub use secret_type::SecretType;
pub use secrets::{Secrets, SecretsError};
pub use short_hash::{ShortHash, ShortHashError};
pub use token::{Label, Token};
