//! The Debian package in Debian 13: installed, upgraded under load, removed, purged.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::built;
use crate::probe::probe;
use crate::{boot, expect_success, needs_vm};

/// A package of the programs, which are other files in each version: what is at
/// the end of an ELF file changes nothing but its hash.
fn package(version: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("package-{version}"));
    let programs = directory.join("programs");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&programs).unwrap();
    for name in built::names() {
        let copy = programs.join(&name);
        fs::copy(built::programs().join(&name), &copy).unwrap();
        let mut file = fs::File::options().append(true).open(&copy).unwrap();
        file.write_all(version.as_bytes()).unwrap();
    }
    built::package(&programs, version, &directory)
}

#[test]
fn the_package_upgrades_by_reload_and_stops_only_when_it_is_removed() {
    needs_vm!();
    let (first, second) = (package("0.1.0-1"), package("0.2.0-1"));
    let client = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/client.py"));
    let files = [&first, &second, probe(), client];
    let script = concat!(include_str!("unit.sh"), include_str!("package.sh"));
    expect_success(&boot(true, script, &files));
}
