//! What the fuzzers have in common.

pub mod configs;
pub mod facts;
pub mod plans;
