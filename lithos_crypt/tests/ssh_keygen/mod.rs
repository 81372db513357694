//! Keys made by OpenSSH itself.
#![allow(dead_code)] // each test program uses its part

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of the test's own, if `ssh-keygen` is installed. Else says SKIP,
/// which is a failure where `LITHOS_TEST_ROOT=1`.
pub fn directory() -> Option<tempfile::TempDir> {
    let found = Command::new("ssh-keygen").arg("-?").output().is_ok();
    if found {
        return Some(tempfile::tempdir().unwrap());
    }
    let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
    assert!(!must, "ssh-keygen is not installed");
    println!("SKIP: ssh-keygen is not installed");
    None
}

/// Makes a key pair with these options; the private key's path.
pub fn make(directory: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let output = Command::new("ssh-keygen")
        .args(["-q", "-a", "1", "-C", "somebody", "-f"])
        .arg(&path)
        .args(options)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    path
}
