//! `lithos_check` as people run it: one module for each case.

mod containers;
mod explain;
mod hostile;
mod images;
mod keys;
mod program;
mod rest;
mod server;
mod stage;
mod tokens;
