//! Configs that are written to cost: each ends soon and within bounds, whatever is
//! said of it. The documents are as large as they may be, 1 MiB.

use std::fmt::Write as _;
use std::process::{Command, Output};

use crate::stage::Stage;

/// Far above what any of them takes, even without optimisation: KiB of memory, and
/// seconds of processor time.
const MEMORY: u32 = 2_000_000;
const TIME: u32 = 60;

/// Checks the stage within those bounds; it must end by itself.
fn check(stage: &Stage) -> Output {
    let script = format!("ulimit -v {MEMORY} && ulimit -t {TIME} && exec \"$@\"");
    let output = Command::new("sh")
        .args([
            "-c",
            &script,
            "sh",
            env!("CARGO_BIN_EXE_lithos_check"),
            "-C",
        ])
        .arg(stage.path("etc/master.yaml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let begin: String = said.chars().take(400).collect();
    assert!(
        output.status.code().is_some_and(|status| status <= 1),
        "{:?}: {begin}",
        output.status
    );
    assert!(
        said.len() < 1 << 20,
        "{} bytes are said: {begin}",
        said.len()
    );
    output
}

fn refused(stage: &Stage, message: &str) {
    let output = check(stage);
    let said = String::from_utf8_lossy(&output.stderr);
    let begin: String = said.chars().take(2000).collect();
    assert_eq!(output.status.code(), Some(1), "{begin}");
    assert!(said.contains(message), "no {message:?} in {begin}");
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", line(number)).unwrap();
        text
    })
}

#[test]
fn what_is_compared_with_each_other_is_few() {
    let stage = Stage::new();
    for (key, line) in [
        ("volumes", "  /v#: !Tmpfs"),
        ("tcp-ports", "  '@{x}#': { fd: # }"),
        ("variables", "  x#: !Name"),
        ("secret-templates", "  f#: text"),
        ("secret-files", "  f#: x"),
    ] {
        let list = |count| lines(count, |n| line.replace('#', &n.to_string()));
        stage.container(&format!("{key}:\n{}", list(1001)));
        refused(&stage, "there are more than 1000 of them");
        stage.container(&format!("{key}:\n{}", list(1000)));
        check(&stage);
    }
    stage.container("");
    let process = |n| format!("p{n}: {{ image: web, config: /config/web.yaml, instances: 0 }}");
    stage.write("etc/processes/shop.yaml", &lines(1001, process));
    refused(&stage, "there are more than 1000 of them");
    stage.write("etc/processes/shop.yaml", &lines(1000, process));
    assert!(check(&stage).status.success());
}

#[test]
fn deep_paths_of_many_volumes_are_looked_at_soon() {
    let stage = Stage::new();
    let volume = |n| format!("  /v{n}{}: !Tmpfs", "/a".repeat(400));
    stage.container(&format!("volumes:\n{}", lines(1000, volume)));
    refused(&stage, "does not exist in the image");
}

/// Each of the values would remember the key on its way.
#[test]
fn many_values_below_a_long_key_take_no_more_than_others() {
    let stage = Stage::new();
    let (key, values) = ("k".repeat(300_000), "    - a\n".repeat(80_000));
    stage.container(&format!("variables:\n  ? '{key}'\n  : !Choice\n{values}"));
    check(&stage);
}

#[test]
fn texts_that_grow_by_their_variables_are_refused_before_they_do() {
    let stage = Stage::new();
    let argument = format!("- '{}'\n", "@{x}".repeat(4));
    let arguments = argument.repeat(2500);
    stage.container(&format!(
        "variables: {{ x: !Name }}\narguments:\n{arguments}"
    ));
    let value = "v".repeat(900_000);
    stage.write(
        "etc/processes/shop.yaml",
        &format!("web: {{ image: web, config: /config/web.yaml, variables: {{ x: {value} }} }}"),
    );
    refused(&stage, "more than the kernel hands over");
}

#[test]
fn the_containers_of_a_sandbox_have_a_bound_together() {
    let stage = Stage::new();
    stage.container(&format!("arguments:\n{}", "- a\n".repeat(100_000)));
    let process = |n| format!("p{n}: {{ image: web, config: /config/web.yaml }}");
    stage.write("etc/processes/shop.yaml", &lines(20, process));
    refused(&stage, "more than the 64 MiB that a sandbox can have");
    stage.container("");
    let process = |n| format!("p{n}: {{ image: web, config: /config/web.yaml, instances: 600 }}");
    stage.write("etc/processes/shop.yaml", &lines(1000, process));
    refused(
        &stage,
        "of all processes up to this one is 1200, above the sandbox's ceiling of 1000",
    );
}

#[test]
fn a_bounded_number_of_problems_is_told() {
    let stage = Stage::new();
    let variables = lines(500, |n| format!("  A{n}: '@{{none}}'"));
    let others = lines(60_000, |n| format!("  B{n}: b"));
    stage.container(&format!("environ:\n{variables}{others}"));
    refused(&stage, "490 more problems are not shown");
    let secret = |n| format!("  A{n}: no token");
    stage.container(&format!("secret-environ:\n{}", lines(20_000, secret)));
    refused(&stage, "more problems are not shown");
}
