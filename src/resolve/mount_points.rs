//! Where the system mounts by itself, so that nobody else may.
//!
//! For volumes and for the files of secrets alike; it needs neither of them.

use std::path::Path;

/// What the system mounts itself: a volume may not cover it, nor lie below the
/// first two.
const SYSTEM: [&str; 4] = ["/proc", "/sys", "/dev", "/dev/pts"];

/// Why no volume may be mounted at this path.
pub(super) fn forbidden(target: &Path) -> Option<String> {
    if target == Path::new("/") {
        return Some("it would cover the image".to_owned());
    }
    let covers = SYSTEM.iter().find(|&&system| target == Path::new(system));
    let within = ["/proc", "/sys"]
        .iter()
        .find(|&&system| target.starts_with(system));
    if let Some(system) = covers.or(within) {
        return Some(format!("{system} is mounted by lithos itself"));
    }
    None
}
