//! The Debian package and its unit, under the real systemd of Debian 13.

use std::path::Path;

use tempfile::TempDir;

use crate::built::{QUICK, package};
use crate::credentials::Credentials;
use crate::probe::probe;
use crate::{boot, expect_success, needs_vm};

#[test]
fn the_package_upgrades_and_the_unit_survives_everything_but_a_stop_which_leaves_nothing() {
    needs_vm!();
    let ground = TempDir::new().unwrap();
    let versions = ["0.1.0-1", "0.1.1-1"];
    let [first, second] = versions.map(|version| package(version, ground.path(), &QUICK));
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/client.py");
    let credentials = Credentials::new();
    let mut files = vec![first.as_path(), &second, probe(), Path::new(client)];
    files.extend(credentials.files());
    let output = boot(&["--tpm", "--systemd"], include_str!("service.sh"), &files);
    expect_success(&output);
}
