//! Why a command failed. No variant can hold a plaintext.

use std::fmt;
use std::io;
use std::path::PathBuf;

use lithos_crypt::cause::Cause;
use lithos_crypt::{KeyError, OpenError, Refusal, SealError, ShortHash};
use quick_error::quick_error;

quick_error! {
    /// Why a command failed.
    #[derive(Debug)]
    pub enum Failure {
        /// A file cannot be read; `what` it should hold.
        ReadFile { what: &'static str, path: PathBuf, cause: io::Error } {
            display("cannot read {} `{}`: {}", what, path.display(), Cause(cause))
            source(cause)
        }
        /// A key file cannot be used; `what` it should hold.
        Key { what: &'static str, path: PathBuf, cause: KeyError } {
            display("cannot use {} `{}`: {}", what, path.display(), cause)
            source(cause)
        }
        /// Standard input cannot be read.
        ReadInput { cause: io::Error } {
            display("cannot read standard input: {}", Cause(cause))
            source(cause)
        }
        /// The prompt for `what` failed.
        Prompt { what: &'static str, cause: io::Error } {
            display("cannot ask for {}: {}", what, Cause(cause))
            source(cause)
        }
        /// What was typed twice is not the same.
        EntriesDiffer {
            display("cannot take the value: what was typed first and second differs")
        }
        /// Nothing to decrypt.
        NoToken {
            display("cannot open a token: there is none in the input")
        }
        /// More than one token, where one is expected.
        SeveralTokens { count: usize } {
            display("cannot check the token: there are {} in the input", count)
        }
        /// No token could be opened.
        Open { refusals: Vec<Refusal> } {
            display("{}", Refusals(refusals))
        }
        /// A token that cannot be read.
        ReadToken { cause: OpenError } {
            display("cannot read the token: {}", cause)
            source(cause)
        }
        /// A token that is sealed to another key.
        OtherKey { token: ShortHash, key: ShortHash } {
            display(
                "cannot open the token with this key: \
                 it is sealed to the key {}, and this is the key {}",
                token, key,
            )
        }
        /// The value cannot be sealed.
        Seal { cause: SealError } {
            display("cannot seal the value: {}", cause)
            source(cause)
        }
        /// The result cannot be written.
        Write { cause: io::Error } {
            display("cannot write to standard output: {}", Cause(cause))
            source(cause)
        }
    }
}

impl Failure {
    /// The one thing to do about it, if there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Failure::Key {
                cause: KeyError::Ask { .. },
                ..
            } => Some(
                "run this on a terminal, \
                 or take the passphrase off a copy with `ssh-keygen -p -N '' -f FILE`",
            ),
            Failure::Key { cause, .. } => cause.hint(),
            Failure::Open { refusals } => refusals
                .iter()
                .find_map(|refusal| open_hint(&refusal.error)),
            Failure::NoToken => {
                Some("give tokens with `-d TOKEN`, or one a line on standard input")
            }
            _ => None,
        }
    }
}

fn open_hint(error: &OpenError) -> Option<&'static str> {
    match error {
        OpenError::KeyMismatch { .. } => Some("name the private key of that hash with `-i FILE`"),
        OpenError::NotEnvSafe => Some("without `--env` any bytes can be decrypted"),
        _ => None,
    }
}

/// The outcomes of tokens, one line each if there are several.
struct Refusals<'a>(&'a [Refusal]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Refusal { label, error }] = self.0 {
            return match label {
                Some(label) => write!(f, "cannot open the token {label}: {error}"),
                None => write!(f, "cannot open the token: {error}"),
            };
        }
        write!(f, "cannot open any of {} tokens:", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|refusal| write!(f, "\n  {refusal}"))
    }
}
