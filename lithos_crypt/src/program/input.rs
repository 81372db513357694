//! Reading values and tokens: from an option, a file, standard input, or a
//! hidden prompt. Everything read is wiped from memory.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::failure::Failure;
use super::report;

/// Bytes that wipe themselves.
pub type Bytes = Zeroizing<Vec<u8>>;

/// The value to seal.
pub fn value(data: Option<OsString>, file: Option<PathBuf>, exact: bool) -> Result<Bytes, Failure> {
    if let Some(data) = data {
        return Ok(Zeroizing::new(data.into_encoded_bytes()));
    }
    if let Some(path) = file {
        return read_file("value", &path);
    }
    if io::stdin().is_terminal() {
        return ask_twice();
    }
    let mut value = read_stdin()?;
    if !exact && value.last() == Some(&b'\n') {
        value.pop();
        report::note("dropped the newline at the end of the value; `--exact` keeps it");
    }
    Ok(value)
}

/// A random value of letters and digits, each equally likely.
pub fn generated(length: u16) -> Result<Bytes, Failure> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut value = Zeroizing::new(Vec::with_capacity(length.into()));
    let mut random = Zeroizing::new([0; 64]);
    while value.len() < length.into() {
        getrandom::fill(&mut random[..]).map_err(|cause| Failure::Seal {
            cause: crate::SealError::NoRandomness { cause },
        })?;
        // 248 is the largest multiple of 62 that a byte can count to.
        let fair = random.iter().filter(|byte| **byte < 248);
        let missing = usize::from(length) - value.len();
        value.extend(
            fair.take(missing)
                .map(|byte| ALPHABET[usize::from(byte % 62)]),
        );
    }
    Ok(value)
}

/// The tokens given, exactly as they are; from standard input, one a line, and
/// empty lines skipped.
pub fn tokens(data: Vec<OsString>) -> Result<Vec<String>, Failure> {
    if !data.is_empty() {
        return Ok(data
            .iter()
            .map(|token| token.to_string_lossy().into_owned())
            .collect());
    }
    let text = if io::stdin().is_terminal() {
        let typed = ask("token (hidden): ");
        let typed = typed.map_err(|cause| Failure::Prompt {
            what: "the token",
            cause,
        })?;
        Zeroizing::new(typed.as_bytes().to_vec())
    } else {
        read_stdin()?
    };
    let text = Zeroizing::new(String::from_utf8_lossy(&text).into_owned());
    let tokens: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if tokens.is_empty() {
        Err(Failure::NoToken)
    } else {
        Ok(tokens)
    }
}

/// Asks on the terminal, without showing what is typed.
pub fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    if cfg!(unix)
        && File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .is_err()
    {
        return Err(io::Error::other("there is no terminal"));
    }
    rpassword::prompt_password(prompt).map(Zeroizing::new)
}

fn ask_twice() -> Result<Bytes, Failure> {
    let ask = |prompt| {
        ask(prompt).map_err(|cause| Failure::Prompt {
            what: "the value",
            cause,
        })
    };
    let first = ask("value (hidden): ")?;
    let second = ask("the same again: ")?;
    if *first != *second {
        return Err(Failure::EntriesDiffer);
    }
    Ok(Zeroizing::new(first.as_bytes().to_vec()))
}

/// Reads a whole file; `what` it should hold is for the error.
pub fn read_file(what: &'static str, path: &Path) -> Result<Bytes, Failure> {
    let read = File::open(path).and_then(|mut file| read_to_end(&mut file));
    read.map_err(|cause| Failure::ReadFile {
        what,
        path: path.to_owned(),
        cause,
    })
}

fn read_stdin() -> Result<Bytes, Failure> {
    #[cfg(unix)] // without the buffer of `Stdin`, which is never wiped
    let source = std::os::fd::AsFd::as_fd(&io::stdin())
        .try_clone_to_owned()
        .map(File::from);
    #[cfg(not(unix))]
    let source = Ok(io::stdin());
    source
        .and_then(|mut source| read_to_end(&mut source))
        .map_err(|cause| Failure::ReadInput { cause })
}

/// Reads to the end, and wipes what growing buffers leave behind.
fn read_to_end(source: &mut impl Read) -> io::Result<Bytes> {
    let mut bytes = Zeroizing::new(vec![0; 16 * 1024]);
    let mut length = 0;
    loop {
        if length == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; 2 * length]);
            larger[..length].copy_from_slice(&bytes);
            bytes = larger;
        }
        match source.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
