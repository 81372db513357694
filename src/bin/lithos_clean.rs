//! `lithos_clean`: finds and removes images that nothing uses. All of it is in
//! [`lithos::clean`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    lithos::clean::main()
}
