//! The container's own init; see [`lithos::knot`].

use std::process::ExitCode;

lithos_musl::for_one_thread!();

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    lithos::knot::run(arguments.map(|argument| argument.to_string_lossy().into_owned()))
}
