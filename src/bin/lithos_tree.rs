//! The supervisor. All of it is in [`lithos::tree`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lithos::tree::program::main()
}
