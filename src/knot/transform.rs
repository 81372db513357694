//! What is made of a secret's value before it is delivered.
//!
//! No error holds any part of a value: a line is told by its number, a variable
//! only if the config declares it.

use quick_error::quick_error;
use yescrypt::{PasswordHasher, Yescrypt};
use zeroize::Zeroizing;

use super::secrets::Bytes;
use crate::config::secret::is_dotenv_name;

/// The longest password that crypt(3) takes, in bytes
/// (`CRYPT_MAX_PASSPHRASE_SIZE`, its NUL included).
const LONGEST_PASSWORD: usize = 511;

/// How many random bytes a salt has: as many as crypt_gensalt(3) takes.
const SALT: usize = 16;

quick_error! {
    /// Why a value cannot be delivered the way that is asked for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum ValueError {
        /// crypt(3) would see only what comes before a NUL.
        Nul {
            display("a password with a NUL in it cannot be hashed for crypt(3)")
        }
        /// crypt(3) refuses it.
        TooLong {
            display("a password of more than {} bytes cannot be hashed for crypt(3)", LONGEST_PASSWORD)
        }
        /// There is no randomness, or no memory.
        Hash {
            display("it cannot be hashed")
        }
        /// This line of it, counted from one, is no `KEY=VALUE`.
        Line(number: usize) {
            display("its line {} is no `KEY=VALUE`", number)
        }
        /// This line of it is about a variable that is not declared.
        Undeclared(number: usize) {
            display("its line {} sets a variable that is not among the `variables`", number)
        }
        /// This line of it is about a variable that was set before.
        Twice(number: usize) {
            display("its line {} sets a variable for the second time", number)
        }
        /// It has no line for this variable, which is declared.
        Missing(name: String) {
            display("it has no line for the variable {}", name)
        }
    }
}

impl ValueError {
    /// Its name in the audit log.
    pub fn outcome(&self) -> &'static str {
        match self {
            ValueError::Nul => "password-has-nul",
            ValueError::TooLong => "password-too-long",
            ValueError::Hash => "not-hashable",
            ValueError::Line(_) => "dotenv-bad-line",
            ValueError::Undeclared(_) => "dotenv-undeclared",
            ValueError::Twice(_) => "dotenv-twice",
            ValueError::Missing(_) => "dotenv-missing",
        }
    }
}

/// The password's hash, `$y$…`, with a new salt.
pub fn yescrypt(password: &[u8]) -> Result<Bytes, ValueError> {
    if password.contains(&0) {
        return Err(ValueError::Nul);
    }
    if password.len() > LONGEST_PASSWORD {
        return Err(ValueError::TooLong);
    }
    let mut salt = [0; SALT];
    let flags = rustix::rand::GetRandomFlags::empty();
    match rustix::rand::getrandom(&mut salt, flags) {
        Ok(SALT) => {}
        _ => return Err(ValueError::Hash),
    }
    let hash = Yescrypt::default().hash_password_with_salt(password, &salt);
    let hash = hash.map_err(|_| ValueError::Hash)?;
    Ok(Zeroizing::new(hash.as_str().as_bytes().to_vec()))
}

/// The variables that the lines of `value` set: exactly `names`, each once.
/// Empty lines and such that begin with `#` mean nothing; whatever follows the
/// first `=` is the value as it is.
pub fn dotenv(value: &[u8], names: &[String]) -> Result<Vec<(String, Bytes)>, ValueError> {
    let mut found: Vec<(String, Bytes)> = Vec::with_capacity(names.len());
    for (number, line) in (1..).zip(value.split(|byte| *byte == b'\n')) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (name, value) = assignment(line).ok_or(ValueError::Line(number))?;
        if !names.iter().any(|declared| declared == name) {
            return Err(ValueError::Undeclared(number));
        }
        if found.iter().any(|(before, _)| before == name) {
            return Err(ValueError::Twice(number));
        }
        found.push((name.to_owned(), Zeroizing::new(value.to_vec())));
    }
    let missing = |name: &&String| !found.iter().any(|(there, _)| there == *name);
    match names.iter().find(missing) {
        Some(name) => Err(ValueError::Missing(name.clone())),
        None => Ok(found),
    }
}

/// The name and the value of a `KEY=VALUE`, which a file with line ends of
/// another system has none of.
fn assignment(line: &[u8]) -> Option<(&str, &[u8])> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let name = std::str::from_utf8(&line[..at]).ok()?;
    let good = is_dotenv_name(name) && !line.ends_with(b"\r");
    good.then_some((name, &line[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Vec<(String, String)>, ValueError> {
        let found = dotenv(value.as_bytes(), &["A".into(), "B".into()])?;
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(found
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn lines_become_variables_and_nothing_in_them_is_expanded() {
        let found = read("# both\nB=$A=\"${HOME}\" # no comment\n\nA=");
        let expected = pairs(&[("B", "$A=\"${HOME}\" # no comment"), ("A", "")]);
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn what_is_not_exactly_the_declared_variables_is_refused() {
        for (value, fault) in [
            ("A=1", ValueError::Missing("B".into())),
            ("", ValueError::Missing("A".into())),
            ("A=1\nB=2\nHUNTER2=3", ValueError::Undeclared(3)),
            ("A=1\nB=2\nA=3", ValueError::Twice(3)),
            ("A=1\nhunter2\nB=2", ValueError::Line(2)),
            ("A=1\nB =2", ValueError::Line(2)),
            ("export A=1\nB=2", ValueError::Line(1)),
            ("A=1\r\nB=2\r\n", ValueError::Line(1)),
            ("1=1\nA=1\nB=2", ValueError::Line(1)),
            ("=1\nA=1\nB=2", ValueError::Line(1)),
        ] {
            assert_eq!(read(value), Err(fault.clone()), "{value:?}");
            assert!(!fault.to_string().to_lowercase().contains("hunter2"));
        }
    }

    #[test]
    fn a_password_that_crypt_cannot_take_is_refused() {
        assert_eq!(yescrypt(b"a\0b").unwrap_err(), ValueError::Nul);
        assert_eq!(yescrypt(&[b'a'; 512]).unwrap_err(), ValueError::TooLong);
    }

    #[test]
    fn each_hash_has_a_salt_of_its_own() {
        assert_ne!(
            yescrypt(b"the_secret").unwrap(),
            yescrypt(b"the_secret").unwrap()
        );
    }

    /// By way of Python, which has the system's libcrypt at hand.
    #[test]
    fn the_systems_crypt_accepts_a_hash_and_no_other_password() {
        let hashed = |password: &[u8], hash: &[u8]| {
            let script = "import ctypes,sys\n\
                c=ctypes.CDLL('libcrypt.so.1').crypt\n\
                c.restype=ctypes.c_char_p\n\
                p,h=[bytes.fromhex(x) for x in sys.argv[1:]]\n\
                sys.stdout.buffer.write(c(p,h) or b'')";
            let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
            let run = std::process::Command::new("python3")
                .args(["-c", script, &hex(password), &hex(hash)])
                .output();
            let output = run.expect("python3 is there");
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        for password in [
            &b"the_secret"[..],
            b"",
            "pässword \u{1f511}".as_bytes(),
            &[b'x'; 511],
        ] {
            let hash = yescrypt(password).unwrap();
            assert!(hash.starts_with(b"$y$j9T$"));
            assert_eq!(hashed(password, &hash), *hash);
            assert_ne!(hashed(b"another", &hash), *hash);
        }
    }
}
