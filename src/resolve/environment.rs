//! The names of environment variables that are not a config's to set.
//!
//! For `environ` and for secrets alike; it needs neither of them.

use super::problems::{Problems, Spot};

/// Set by lithos itself, besides `TERM`, which `environ` may replace.
pub(super) const OURS: [&str; 2] = ["LITHOS_NAME", "LITHOS_CONFIG"];

/// Refuses the name of a variable that is ours.
pub(super) fn check_name(name: &str, spot: Spot, problems: &mut Problems) {
    if OURS.contains(&name) {
        problems.error(spot, format!("`{name}` is set by lithos itself"));
    }
}
