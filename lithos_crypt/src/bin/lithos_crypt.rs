//! `lithos_crypt`: secrets for a public repository. All of it is in
//! [`lithos_crypt::program`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_env = "musl")]
lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos_crypt::program::main()
}
