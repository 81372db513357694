//! What goes wrong around a supervisor: full disks, exhausted tables, things
//! removed or stopped behind its back. See docs/faults.md, which has a line for
//! each of these files' tests. Whatever happens, no container that runs is lost
//! and none is started twice.
//!
//! Root is needed; see `tests/containers`, whose ground these tests stand on.

#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../containers/ground.rs"]
mod ground;
#[path = "../probe/built.rs"]
mod probe;
#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../containers/tree.rs"]
mod tree;

mod clock;
mod disks;
mod hands;
mod records;
mod scene;
mod tables;
