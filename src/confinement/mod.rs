//! What a process cannot do although the kernel would let it: the system calls
//! it may make, the capabilities it may be given, the files and ports Landlock
//! leaves it, the resources it may use.
//!
//! The modules turn data into what the kernel takes; they decide nothing by
//! configuration, which is `resolve`'s, and restrict nobody but their caller.
//! Read [`seccomp`] first; the knot's `confine` brings them all to a process.

pub mod bpf;
pub mod capability;
pub mod landlock;
pub mod rlimit;
pub mod seccomp;
mod syscalls;
