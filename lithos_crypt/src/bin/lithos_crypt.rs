//! `lithos_crypt`: secrets for a public repository. All of it is in
//! [`lithos_crypt::program`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// musl's own allocator maps and unmaps for every few blocks.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    lithos_crypt::program::main()
}
