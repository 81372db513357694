//! The unit `systemd/lithos.service` under the real systemd of Debian 13.

use std::path::Path;

use crate::probe::probe;
use crate::{boot, expect_success, needs_vm, programs};

#[test]
fn the_unit_survives_everything_but_a_stop_and_a_stop_leaves_nothing() {
    needs_vm!();
    let programs = programs();
    let mut files: Vec<&Path> = programs.iter().map(AsRef::as_ref).collect();
    files.push(probe());
    files.push(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/systemd/lithos.service"
    )));
    files.push(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vm/client.py"
    )));
    let output = boot(true, include_str!("service.sh"), &files);
    expect_success(&output);
}
