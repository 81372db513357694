//! `lithos_ctl`: sees and steers what runs. All of it is in [`lithos::ctl`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::ctl::main()
}
