//! `lithos_switch`: puts a new process config in place. All of it is in [`lithos::switch`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::switch::main()
}
