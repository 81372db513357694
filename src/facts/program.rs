//! What executing a file begins with: itself, or the interpreters it names.
//!
//! It reads the first bytes of programs, the way the kernel does (`binfmt_script.c`,
//! `binfmt_elf.c`, elf(5)), and runs nothing. A file that cannot be read tells nothing.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

use super::Sight;
use super::view::View;

/// The kernel looks at so many bytes of a script's first line.
const SCRIPT_HEAD: usize = 256;
/// As many interpreters as the kernel goes through, one naming the next.
const DEPTH: usize = 5;
/// The type of the program header that names the dynamic linker.
const PT_INTERP: u64 = 3;

/// What a file is to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// That is not known.
    Unknown,
    /// A program for this machine, or a script.
    Runs,
    /// A program for another kind of machine.
    Foreign,
    /// Neither a program nor a script.
    None,
}

/// An executable, and what is needed to execute it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is itself.
    pub format: Format,
    /// The interpreters: the first is its own, the next that one's.
    pub interpreters: Vec<Interpreter>,
}

/// A script's interpreter, or a program's dynamic linker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// As it is named.
    pub path: PathBuf,
    /// What is there.
    pub sight: Sight,
    /// What it is.
    pub format: Format,
}

impl Program {
    /// Nothing is known of it.
    pub const UNKNOWN: Self = Self {
        format: Format::Unknown,
        interpreters: Vec::new(),
    };
}

/// Looks at an executable inside the container.
pub fn look(view: &View, executable: &Path) -> Program {
    let (_, fd) = view.open(executable);
    let (format, mut next) = examine(fd);
    let mut interpreters = Vec::new();
    while let Some(path) = next.filter(|path| path.is_absolute() && interpreters.len() < DEPTH) {
        let (sight, fd) = view.open(&path);
        let (format, more) = examine(fd);
        interpreters.push(Interpreter {
            path,
            sight,
            format,
        });
        next = more;
    }
    Program {
        format,
        interpreters,
    }
}

/// What an opened path holds, and the interpreter it names.
fn examine(fd: Option<OwnedFd>) -> (Format, Option<PathBuf>) {
    let Some(fd) = fd else {
        return (Format::Unknown, None);
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let again = format!("/proc/self/fd/{}", fd.as_raw_fd());
    match open(again, flags, Mode::empty()) {
        Ok(file) => read(&File::from(file)),
        Err(_) => (Format::Unknown, None),
    }
}

fn read(file: &File) -> (Format, Option<PathBuf>) {
    let mut head = [0; SCRIPT_HEAD];
    let Ok(length) = file.read_at(&mut head, 0) else {
        return (Format::Unknown, None);
    };
    let head = &head[..length];
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(line);
    }
    elf(file, head).unwrap_or((Format::None, None))
}

fn script(line: &[u8]) -> (Format, Option<PathBuf>) {
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | 0));
    match words.find(|word| !word.is_empty()) {
        Some(path) => (Format::Runs, Some(as_path(path))),
        None => (Format::None, None),
    }
}

/// None: it is no program.
fn elf(file: &File, head: &[u8]) -> Option<(Format, Option<PathBuf>)> {
    let wide = match head.get(..5)? {
        b"\x7fELF\x01" => false,
        b"\x7fELF\x02" => true,
        _ => return None,
    };
    let number = |bytes: &[u8]| {
        let digits = bytes.iter().rev();
        digits.fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte))
    };
    let at = |from: usize, length: usize| head.get(from..from + length).map(number);
    // Only little-endian machines run lithos.
    if head.get(5)? != &1 {
        return Some((Format::Foreign, None));
    }
    let (kind, machine) = (at(16, 2)?, at(18, 2)?);
    if !matches!(kind, 2 | 3) {
        return None;
    }
    if !native().contains(&machine) {
        return Some((Format::Foreign, None));
    }
    let (offset, size, count) = match wide {
        true => (at(32, 8)?, at(54, 2)?, at(56, 2)?),
        false => (at(28, 4)?, at(42, 2)?, at(44, 2)?),
    };
    let mut headers = vec![0; usize::try_from(size * count).ok()?];
    file.read_exact_at(&mut headers, offset).ok()?;
    let mut each = headers.chunks_exact(usize::try_from(size.max(1)).ok()?);
    let Some(found) = each.find(|header| header.get(..4).map(number) == Some(PT_INTERP)) else {
        return Some((Format::Runs, None));
    };
    let (from, length) = match wide {
        true => (number(found.get(8..16)?), number(found.get(32..40)?)),
        false => (number(found.get(4..8)?), number(found.get(16..20)?)),
    };
    // PATH_MAX, as in the kernel.
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= 4096)?;
    let mut path = vec![0; length];
    file.read_exact_at(&mut path, from).ok()?;
    let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
    Some((Format::Runs, Some(as_path(path))))
}

/// The machines (`e_machine`) whose programs this one runs.
fn native() -> [u64; 2] {
    match std::env::consts::ARCH {
        "aarch64" => [183, 40],
        _ => [62, 3],
    }
}

fn as_path(bytes: &[u8]) -> PathBuf {
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn program(text: &[u8]) -> Program {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("run"), text).unwrap();
        fs::write(dir.path().join("sh"), "#!/elsewhere -x\n").unwrap();
        let root = open(dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        look(&View::new(Some(root)), Path::new("/run"))
    }

    #[test]
    fn a_script_names_its_interpreter_and_that_one_its_own() {
        let program = program(b"#! /sh -e\necho\n");
        assert_eq!(program.format, Format::Runs);
        let paths: Vec<_> = program.interpreters.iter().map(|i| &i.path).collect();
        assert_eq!(paths, [Path::new("/sh"), Path::new("/elsewhere")]);
        assert_eq!(
            program.interpreters[1].sight.seen,
            super::super::Seen::Missing
        );
    }

    #[test]
    fn a_script_that_names_itself_comes_to_an_end() {
        assert_eq!(program(b"#!/run\n").interpreters.len(), DEPTH);
    }

    #[test]
    fn a_program_of_this_machine_names_its_dynamic_linker() {
        let program = program(&fs::read(std::env::current_exe().unwrap()).unwrap());
        assert_eq!(program.format, Format::Runs);
        let linker = &program.interpreters[0].path;
        assert!(linker.to_string_lossy().contains("/ld-linux"), "{linker:?}");
    }

    #[test]
    fn what_is_neither_program_nor_script_does_not_run() {
        for text in [
            &b""[..],
            b"hello",
            b"#!",
            b"#!\nx",
            b"\x7fELF",
            b"\x7fELF\x02\x01",
        ] {
            assert_eq!(program(text).format, Format::None, "{text:?}");
        }
        let mut other = fs::read(std::env::current_exe().unwrap()).unwrap();
        other[18] = 243; // RISC-V
        assert_eq!(program(&other).format, Format::Foreign);
    }
}
