//! Why a command failed. No variant can hold a plaintext.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::cause::Cause;
use crate::document::{DocumentError, EditError};
use crate::{KeyError, Namespace, OpenError, Refusal, SealError, ShortHash};
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
        /// A file is no document with secrets.
        Document { path: PathBuf, cause: DocumentError } {
            display("cannot read `{}`: {}", path.display(), cause)
            source(cause)
        }
        /// A file cannot be changed without losing something.
        Edit { path: PathBuf, cause: EditError } {
            display("cannot change `{}`: {}", path.display(), cause)
            source(cause)
        }
        /// A file cannot be written.
        WriteFile { path: PathBuf, cause: io::Error } {
            display("cannot write `{}`: {}", path.display(), Cause(cause))
            source(cause)
        }
        /// A file that would no longer be the same under all of its names.
        HardLinks { path: PathBuf, names: u64 } {
            display("cannot change `{}`: it has {} names (hard links), and only one of them would change",
                path.display(), names)
        }
        /// Somebody else changed the file at the same time.
        Meanwhile { path: PathBuf } {
            display("cannot write `{}`: it was changed by somebody else meanwhile", path.display())
        }
        /// A change of several files was interrupted, and cannot be brought to its end.
        Unfinished { path: PathBuf, cause: io::Error } {
            display("cannot finish the change of `{}` that was interrupted: {}", path.display(), Cause(cause))
            source(cause)
        }
        /// The same, since somebody else changed `other`; those that were `done` stay changed.
        Torn { done: Vec<PathBuf>, other: PathBuf } {
            display("cannot finish the change that was interrupted: `{}` was changed by somebody else meanwhile, \
                and these are changed already: {}", other.display(), Paths(done))
        }
        /// A note of such a change that was not written here.
        ForeignJournal { path: PathBuf } {
            display("cannot use `{}`: it was not made in this place", path.display())
        }
        /// A file that must not be there already.
        Exists { path: PathBuf } {
            display("cannot make `{}`: it is there already", path.display())
        }
        /// A key that is not to be destroyed yet: a token there is sealed to it.
        StillSealed { key: PathBuf, path: PathBuf, line: usize } {
            display("cannot destroy `{}`: a token is sealed to it in line {} of `{}`",
                key.display(), line, path.display())
        }
        /// The same: nothing shows that its secrets were there at all.
        NothingSealed { key: PathBuf } {
            display("cannot destroy `{}`: in the given paths nothing is sealed to it, nor to the machine's key",
                key.display())
        }
        /// A secret that is not there.
        NoSecret { name: String, path: PathBuf } {
            display("cannot find the secret {} in `{}`", name, path.display())
        }
        /// A name that stands in several sections.
        SeveralSections { name: String, path: PathBuf } {
            display("cannot tell which {} of `{}` is meant: several sections have it", name, path.display())
        }
        /// A new name, and a file that does not show where it belongs.
        NoSection { name: String, path: PathBuf } {
            display("cannot tell where {} belongs in `{}`: it has no secrets yet", name, path.display())
        }
        /// Nobody to seal to.
        NoKeys { path: PathBuf } {
            display("cannot seal for `{}`: no public key is given or listed", path.display())
        }
        /// The recipients file says otherwise.
        Recipients { path: PathBuf, line: usize, reason: String } {
            display("cannot use `{}`: line {}: {}", path.display(), line, reason)
        }
        /// A recipients file above the file in question that somebody else put there.
        ForeignRecipients { path: PathBuf, owner: u32 } {
            display("cannot trust `{}`: it belongs to the user {}, who would decide whom secrets are sealed to",
                path.display(), owner)
        }
        /// A key or a group that the recipients file does not know.
        UnknownName { name: String, path: PathBuf } {
            display("cannot find a key or group {} in `{}`", name, path.display())
        }
        /// A key that the recipients file does not list.
        UnlistedKey { key: ShortHash, path: PathBuf } {
            display("cannot seal to the key {}: `{}` does not list it, so nobody may hold it",
                key, path.display())
        }
        /// A namespace that the recipients file does not give the file.
        OtherNamespace { namespace: Namespace, path: PathBuf } {
            display("cannot seal for the namespace `{}`: it is not one of the file's in `{}`",
                namespace, path.display())
        }
        /// Whom a revocation would leave what it shall take.
        StillReads { who: String, path: PathBuf, ways: String } {
            display("cannot revoke {}: it could still read `{}`, since {}", who, path.display(), ways)
        }
        /// A secret that must stay for a namespace of which only the hash is known.
        UnknownNamespace { name: String, namespace: ShortHash } {
            display("cannot seal {} anew: it is for a namespace of which only the hash {} is known",
                name, namespace)
        }
        /// A command needs a recipients file and there is none.
        NoRecipientsFile { path: PathBuf } {
            display("cannot find lithos-keys.yaml in the directory of `{}` or above, up to its repository's root",
                path.display())
        }
        /// A secret of a file that cannot be opened.
        OpenNamed { name: String, path: PathBuf, refusals: Vec<Refusal> } {
            display("cannot open {} of `{}`: {}", name, path.display(), Outcomes(refusals))
        }
        /// `check` found problems, and has printed them.
        Found { problems: usize } {
            display("cannot accept the secrets: {} problem{}", problems, if *problems == 1 { "" } else { "s" })
        }
        /// A program that is needed failed; `said` is its own message.
        Program { program: String, said: String } {
            display("cannot run `{}`: {}", program, said)
        }
        /// The program that shall take our place cannot.
        Execute { program: OsString, cause: io::Error } {
            display("cannot run `{}`: {}", program.display(), Cause(cause))
            source(cause)
        }
        /// What the command was asked makes no sense in this situation.
        Refused { what: String, reason: String } {
            display("cannot {}: {}", what, reason)
        }
        /// The result cannot be written.
        Write { cause: io::Error } {
            display("cannot write to standard output: {}", Cause(cause))
            source(cause)
        }
    }
}

/// A file that cannot be read.
pub fn unreadable(path: &Path, cause: io::Error) -> Failure {
    Failure::ReadFile {
        what: "file",
        path: path.to_owned(),
        cause,
    }
}

impl Failure {
    /// The program's exit code for it; for a program that cannot be run, the
    /// codes that shells have.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Execute { cause, .. } if cause.kind() == io::ErrorKind::NotFound => 127,
            Failure::Execute { .. } => 126,
            _ => 1,
        }
    }

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
            Failure::Open { refusals } | Failure::OpenNamed { refusals, .. } => {
                let mut hints = refusals.iter().map(|refusal| open_hint(&refusal.error));
                let first = hints.next()?;
                first.filter(|_| hints.all(|hint| hint == first))
            }
            Failure::Edit { cause, .. } => cause.hint(),
            Failure::HardLinks { .. } => Some(
                "make it a file of its own with `cp -a FILE NEW && mv NEW FILE`, \
                 or have symbolic links for the other names",
            ),
            Failure::Meanwhile { .. } => Some("nothing was changed; try again"),
            Failure::Unfinished { .. } => Some("run this as somebody who may write there"),
            Failure::Torn { .. } => {
                Some("all are left as they are; compare them with git, and make the change again")
            }
            Failure::ForeignJournal { .. } => {
                Some("it came with a copy or a repository; remove it if nobody is at work there")
            }
            Failure::StillSealed { .. } => Some(
                "name that file, too, and the token is sealed anew if it stands where a secret belongs; \
                 else take it out",
            ),
            Failure::NothingSealed { .. } => Some(
                "are the files there, and their directory mounted? \
                 A key that nothing needs is destroyed with `shred -u`",
            ),
            Failure::SeveralSections { .. } => Some("name the section with `--in SECTION`"),
            Failure::NoSection { .. } => Some(
                "name the section with `--in SECTION`; `top` is that of a file with nothing else",
            ),
            Failure::NoKeys { .. } => {
                Some("name a public key with `-k FILE.pub`, or list the file in lithos-keys.yaml")
            }
            Failure::NoRecipientsFile { .. } => {
                Some("see `lithos_crypt grant --help` for its form")
            }
            Failure::ForeignRecipients { .. } => {
                Some("remove it; if you trust what it says, make it yours with `chown`")
            }
            Failure::UnlistedKey { .. } => Some("add it under `keys` there, with a name"),
            Failure::OtherNamespace { .. } => Some("add it to the file's `namespaces` there"),
            Failure::StillReads { .. } => Some(
                "revoke the group that is named for it, or revoke without naming files, \
                 which takes a name out of every list",
            ),
            Failure::UnknownNamespace { .. } => Some(
                "name it with `-n NS` or for the file in lithos-keys.yaml, \
                 or a key that opens the secret with `-i KEY`",
            ),
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

/// Names of files, in one line.
struct Paths<'a>(&'a [PathBuf]);

impl fmt::Display for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .0
            .iter()
            .map(|path| format!("`{}`", path.display()))
            .collect();
        f.write_str(&names.join(", "))
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
        lines(self.0, f)
    }
}

/// The same for the tokens of one secret.
struct Outcomes<'a>(&'a [Refusal]);

impl fmt::Display for Outcomes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Refusal { label, error }] = self.0 {
            return match label {
                Some(label) => write!(f, "the token {label}: {error}"),
                None => write!(f, "{error}"),
            };
        }
        write!(f, "none of its {} tokens opens:", self.0.len())?;
        lines(self.0, f)
    }
}

fn lines(refusals: &[Refusal], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    refusals
        .iter()
        .try_for_each(|refusal| write!(f, "\n  {refusal}"))
}
