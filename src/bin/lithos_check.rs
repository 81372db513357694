//! `lithos_check`: says whether the configs will work. All of it is in [`lithos::check`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::check::main()
}
