//! lithos runs services in container sandboxes, with encrypted values kept
//! right in their configs.
//!
//! One way through the house:
//!
//! ```text
//! YAML files ──config──▶ Documents ─┐
//! host, image ──facts──▶ Facts ─────┴─▶ resolve() ─▶ Plan, or every Problem
//!                                           │
//!      lithos_check prints either    lithos_tree: sockets, timing, who must (re)start
//!                                           │ plan, sealed, by file descriptor
//!                                    lithos_knot: opens secrets, executes the plan, execs
//! ```
//!
//! Read ARCHITECTURE.md first; then [`resolve::plan`], which everything meets in.

pub mod audit;
pub mod bridge;
pub mod changes;
pub mod check;
pub mod clean;
pub mod cmd;
pub mod config;
pub mod config_log;
pub mod confinement;
pub mod control;
pub mod ctl;
pub mod facts;
pub mod foreground;
pub mod knot;
pub mod load;
pub mod master_option;
pub mod name;
pub mod privileged;
pub mod problem;
pub mod programs;
pub mod ps;
pub mod report;
pub mod resolve;
pub mod selection;
pub mod switch;
#[allow(unsafe_code)]
pub mod sys;
pub mod tree;

pub use lithos_crypt::cause;
