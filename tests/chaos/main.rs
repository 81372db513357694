//! Much at once: random kills, many reloads, many containers.
//!
//! Root is needed; see `tests/containers`, whose ground these tests stand on.
//! `LITHOS_CHAOS_SECONDS` makes the chaos longer, `LITHOS_CHAOS_SEED` repeats
//! one (as far as the kernel's scheduling lets it).

#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../containers/ground.rs"]
mod ground;
#[path = "../probe/built.rs"]
mod probe;
#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../containers/tree.rs"]
mod tree;

mod audit;
mod chaos;
mod clients;
mod many;
mod random;
mod reloads;
mod scene;
