//! The supervisor: which containers run, since when, and what happens next.
//!
//! Crash-only: starting and recovering are one code path. [`machine`] decides
//! and does nothing; [`run`] does and decides nothing; [`records`] is what a
//! later supervisor knows of an earlier one. Nothing here opens a secret or
//! reads YAML: plans come from [`crate::load`]. Read [`machine`] first.

pub mod auditing;
pub mod backoff;
pub mod clients;
pub mod commands;
pub mod ending;
pub mod heritage;
pub mod holds;
pub mod launch;
pub mod loading;
pub mod log;
pub mod machine;
pub mod metrics;
pub mod past;
pub mod pid_file;
pub mod poll;
pub mod program;
pub mod records;
pub mod recovery;
pub mod reports;
pub mod run;
pub mod running;
#[cfg(test)]
pub(crate) mod scratch;
pub mod service;
pub mod signals;
pub mod sockets;
pub mod tally;
