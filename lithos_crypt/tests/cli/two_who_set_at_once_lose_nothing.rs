use std::process::{Child, Stdio};

use crate::desk::Desk;
use crate::support::key;

#[test]
fn in_one_file() {
    let desk = Desk::new();
    desk.write("s.yaml", "# all of ours\n");
    let start = |number: usize| -> Child {
        let mut command = desk.command();
        command.args([
            "set",
            "s.yaml",
            &format!("S{number}"),
            "-k",
            &key("alpha.pub"),
        ]);
        command
            .args(["--generate", "20"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..16).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = desk.read("s.yaml");
    assert!(text.starts_with("# all of ours\n"));
    for number in 0..16 {
        assert!(text.contains(&format!("\nS{number}: v2:")), "{text}");
    }
    assert_eq!(desk.names(), ["s.yaml"]);
}
