//! `lithos_ps`: shows what runs. All of it is in [`lithos::ps`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lithos::ps::main()
}
