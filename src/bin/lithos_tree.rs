//! The supervisor. All of it is in [`lithos::tree`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::tree::program::main()
}
