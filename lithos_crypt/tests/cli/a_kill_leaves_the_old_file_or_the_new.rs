use std::process::Stdio;
use std::time::Duration;

use crate::desk::{Desk, tokens};
use crate::support::key;

#[test]
fn whenever_it_comes() {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "the first value");
    for round in 0..40 {
        let before = desk.read("s.yaml");
        let mut command = desk.command();
        command.args([
            "set",
            "s.yaml",
            "A",
            "--generate",
            "20",
            "-k",
            &key("alpha.pub"),
        ]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At a different point each time; where does not matter.
        std::thread::sleep(Duration::from_micros(500 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = desk.read("s.yaml");
        assert!(after == before || tokens(&after).len() == 1 && after.starts_with("A: v2:"));
    }
    // What a killed one left behind is in nobody's way, and goes with the next.
    desk.set("s.yaml", "A", "the last value");
    assert_eq!(desk.get("alpha", "s.yaml", "A").text(), "the last value");
    assert_eq!(desk.names(), ["s.yaml"]);
}

#[test]
fn and_so_does_a_full_disk() {
    let desk = Desk::new();
    desk.write(
        "s.yaml",
        &format!("A: {}\n", crate::support::seal("", b"x")),
    );
    let before = desk.read("s.yaml");
    let script = "ulimit -f 0; trap '' XFSZ; exec \"$0\" set s.yaml A --generate 9 -k \"$1\"";
    let output = std::process::Command::new("sh")
        .args(["-c", script, crate::support::PROGRAM, &key("alpha.pub")])
        .current_dir(desk.root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write `s.yaml`"), "{said}");
    assert_eq!(desk.read("s.yaml"), before);
    assert_eq!(desk.names(), ["s.yaml"]);
}
