//! The probe, built for a test program that includes this file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The static probe, built once for all tests of this run. It has a target
/// directory of its own: the flags that make it static are not those of
/// the programs under test.
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package",
                "probe",
                "--target",
                &triple,
            ])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env(
                "RUSTFLAGS",
                "-C target-feature=+crt-static -C strip=symbols",
            )
            .status();
        assert!(status.unwrap().success(), "cannot build the probe");
        target.join(triple).join("debug/probe")
    })
}
