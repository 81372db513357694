//! The operator's programs, and containers on bridges: the real binaries over
//! real containers, a file per subject.
//!
//! The ground and the supervisor are those of `tests/containers`, the network
//! in place of the host's is that of `tests/bridge`. Root is needed; without it
//! each test prints SKIP.

#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../containers/ground.rs"]
mod ground;
#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../bridge/ground.rs"]
mod network;
#[path = "../probe/built.rs"]
mod probe;
#[allow(dead_code, reason = "shared with tests/containers")]
#[path = "../containers/tree.rs"]
mod tree;

mod alike;
mod audit;
mod bridged;
mod clean;
mod cmd;
mod control;
mod ctl;
mod exec;
mod exec_hostile;
mod expired;
mod help;
mod loosened;
mod metrics;
mod nobody;
mod ps;
mod terminal;
