//! The four YAML documents: their names, types and defaults.
//!
//! What is here knows no rule that crosses two documents; those are in
//! [`crate::resolve`]. Values are kept as they were written: paths are not
//! joined, ids are not mapped, variables are not replaced.
//!
//! A document is read in three steps: [`mod@file`] gets the text, without ever
//! hanging; `node` makes a bounded tree of it; `reader` takes typed values out
//! of the tree and gathers every problem on the way.

pub mod confinement;
pub mod container;
pub mod file;
pub mod ip_network;
pub mod master;
mod node;
pub mod process;
mod reader;
pub mod sandbox;
pub mod secret;
pub mod units;
mod values;
mod way;

pub(crate) use reader::unknown;

#[cfg(test)]
mod tests;
