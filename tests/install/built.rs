//! The static programs as `scripts/install` builds them, for a test program that includes
//! this file. They are optimised less, which would take minutes; all else is as people have it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The directory that the programs are in, built once for all tests of this run.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
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

/// Makes a package of these programs and returns its path.
pub fn package(programs: &Path, version: &str, directory: &Path) -> PathBuf {
    let output = Command::new(Path::new(ROOT).join("scripts/package-deb"))
        .args(["--version", version, "--programs"])
        .arg(programs)
        .arg("--output")
        .arg(directory)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}
