//! `quickstart-proof NONCE`: what the server must answer, with the secret's
//! exact bytes on standard input.

use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut secret = Vec::new();
    let nonce = std::env::args().nth(1).unwrap_or_default();
    let read = std::io::stdin().read_to_end(&mut secret);
    match read
        .ok()
        .and_then(|_| quickstart_server::proof(&secret, &nonce))
    {
        Some(proof) => {
            println!("{proof}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("error: cannot read a secret of 1 to 64 bytes from standard input");
            ExitCode::FAILURE
        }
    }
}
