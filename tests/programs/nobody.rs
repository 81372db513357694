//! The operator's programs, started by somebody who is not root.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::cmd::ground_with;
use crate::ground::Ground;

/// What an unknown user's program says, and exits with.
fn say(ground: &Ground, program: &str, args: &[&str]) -> (Option<i32>, String) {
    // It is taken from a place that everybody can reach.
    let name = Path::new(program).file_name().unwrap();
    let reached = ground.path("bin").join(name);
    if !reached.exists() {
        fs::create_dir_all(ground.path("bin")).unwrap();
        fs::copy(program, &reached).unwrap();
    }
    let output = Command::new(&reached)
        .arg("-C")
        .arg(ground.path("master.yaml"))
        .args(args)
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn who_is_not_root_hears_so_in_one_error_and_changes_nothing() {
    let Some(ground) = ground_with("true", "") else {
        return;
    };
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let process = tree.process("shop/web.0");
    let ctl = env!("CARGO_BIN_EXE_lithos_ctl");
    for (program, args, status) in [
        (ctl, &["restart", "shop"][..], 1),
        (ctl, &["logs", "shop"], 1),
        (ctl, &["exec", "shop/web.0", "--", "/bin/probe"], 125),
        (env!("CARGO_BIN_EXE_lithos_ps"), &[], 1),
        (env!("CARGO_BIN_EXE_lithos_cmd"), &["shop", "job"], 125),
        (env!("CARGO_BIN_EXE_lithos_tree"), &[], 1),
    ] {
        let (code, said) = say(&ground, program, args);
        assert_eq!(code, Some(status), "{program} {args:?}: {said}");
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
        assert!(said.ends_with("hint: only root may\n"), "{said}");
    }
    assert_eq!(tree.process("shop/web.0"), process);
}
