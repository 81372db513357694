use std::fs::File;
use std::process::Command;

use crate::support::{Run, key, seal};

#[test]
fn of_a_token_and_of_a_secret() {
    let (public, private, token) = (key("alpha.pub"), key("alpha"), seal("", b"x"));
    for arguments in [
        ["encrypt", "-d", "mGv7Qk2xWz9LrTb4", "-k", &public],
        ["decrypt", "-d", &token, "-i", &private],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_lithos_crypt"))
            .args(arguments)
            .stdout(full)
            .output()
            .unwrap();
        let run = Run::from(output).expect_code(1);
        assert!(
            run.stderr
                .contains("error: cannot write to standard output: "),
            "{}",
            run.stderr
        );
    }
}
