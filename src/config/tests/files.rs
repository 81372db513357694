//! Paths that are not what they should be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::config::file;

/// A directory that is removed at the end of a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("lithos-config-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused(path: &std::path::Path) -> String {
    file::read(path).unwrap_err().to_string()
}

#[test]
fn reads_a_regular_file_also_through_a_symlink() {
    let dir = Scratch::new("regular");
    let path = dir.0.join("a.yaml");
    fs::write(&path, "\u{feff}a: 1\n").unwrap();
    let link = dir.0.join("link.yaml");
    symlink(&path, &link).unwrap();
    let source = file::read(&link).unwrap();
    assert_eq!(
        (source.text.as_str(), source.path.as_path()),
        ("a: 1\n", link.as_path())
    );
}

#[test]
fn refuses_what_is_no_regular_file() {
    let dir = Scratch::new("kinds");
    assert!(refused(&dir.0).ends_with("it is a directory, no regular file"));
    assert!(refused(&dir.0.join("none")).ends_with("there is no such file"));
    let fifo = dir.0.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(refused(&fifo).ends_with("it is a FIFO, no regular file"));
    let socket = dir.0.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(refused(&socket).contains("socket"));
    assert!(refused("/dev/zero".as_ref()).ends_with("it is a device, no regular file"));
}

#[test]
fn refuses_what_is_too_large_or_no_text() {
    let dir = Scratch::new("contents");
    let path = dir.0.join("a.yaml");
    let large = fs::File::create(&path).unwrap();
    large.set_len(1 << 30).unwrap();
    assert!(refused(&path).ends_with("it is larger than 1 MiB"));
    large.set_len(file::MAX_SIZE).unwrap();
    assert_eq!(file::read(&path).unwrap().text.len() as u64, file::MAX_SIZE);
    fs::write(&path, b"a: \xff").unwrap();
    assert!(refused(&path).ends_with("it is not UTF-8 text"));
}

#[test]
fn tells_where_a_file_is_not_text() {
    let dir = Scratch::new("latin");
    let path = dir.0.join("a.yaml");
    for (bytes, position, shown) in [
        (&b"a: 1\nb: \xc3\xa4\x1b\xff\n"[..], (2, 6), "b: ä"),
        (b"\xef\xbb\xbfa: \xff", (1, 4), "a: \u{fffd}"),
        (b"a: 1\xc3", (1, 5), "a: 1\u{fffd}"),
        (b"s\0e\0c\0r\0e\0t\0\xff", (1, 13), "…"),
        (b"secret-files: { a: b\xff }", (1, 21), "…"),
    ] {
        fs::write(&path, bytes).unwrap();
        let problem = file::read(&path).unwrap_err();
        assert_eq!(problem.position(), Some(position));
        let rendered = problem.render(false);
        assert!(rendered.contains(shown), "no {shown} in {rendered}");
        assert!(!rendered.contains('\x1b'), "{rendered:?}");
    }
    let secret = file::read_secret(&path).unwrap_err();
    assert!(secret.render(false).contains('…'));
}

#[test]
fn reads_a_file_that_does_not_tell_its_size() {
    let source = file::read("/proc/self/status".as_ref()).unwrap();
    assert!(source.text.starts_with("Name:"));
}
