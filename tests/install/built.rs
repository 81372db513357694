//! The static programs as `scripts/install` builds them, for a test program that includes
//! this file. Those in `LITHOS_PROGRAMS`, if that names a directory; else they are optimised
//! less, which would take minutes, and all else is as people have it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The directory that the programs are in, built once for all tests of this run.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        if let Some(built) = std::env::var_os("LITHOS_PROGRAMS") {
            return PathBuf::from(built);
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
        let output = Command::new(Path::new(ROOT).join("scripts/install"))
            .arg("--build")
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
    })
}

/// For a package that is made and unpacked in less time than others.
pub const QUICK: [(&str, &str); 2] = [
    ("DPKG_DEB_COMPRESSOR_TYPE", "gzip"),
    ("DPKG_DEB_COMPRESSOR_LEVEL", "1"),
];

/// Makes a package of these programs, with this environment, and returns its path.
pub fn package(version: &str, directory: &Path, environ: &[(&str, &str)]) -> PathBuf {
    let output = Command::new(Path::new(ROOT).join("scripts/package-deb"))
        .envs(environ.iter().copied())
        .args(["--version", version, "--programs"])
        .arg(programs())
        .arg("--output")
        .arg(directory)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}
