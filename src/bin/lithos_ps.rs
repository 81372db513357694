//! `lithos_ps`: shows what runs. All of it is in [`lithos::ps`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::ps::main()
}
