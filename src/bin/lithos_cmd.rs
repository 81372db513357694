//! `lithos_cmd`: runs a command in the foreground. All of it is in [`lithos::cmd`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::cmd::main()
}
