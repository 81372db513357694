//! What every program says about itself, and how it ends on a wrong command line.

use std::process::{Command, Output};

const PROGRAMS: [(&str, &str); 8] = [
    ("lithos_check", env!("CARGO_BIN_EXE_lithos_check")),
    ("lithos_clean", env!("CARGO_BIN_EXE_lithos_clean")),
    ("lithos_cmd", env!("CARGO_BIN_EXE_lithos_cmd")),
    ("lithos_ctl", env!("CARGO_BIN_EXE_lithos_ctl")),
    ("lithos_knot", env!("CARGO_BIN_EXE_lithos_knot")),
    ("lithos_ps", env!("CARGO_BIN_EXE_lithos_ps")),
    ("lithos_switch", env!("CARGO_BIN_EXE_lithos_switch")),
    ("lithos_tree", env!("CARGO_BIN_EXE_lithos_tree")),
];

fn run(path: &str, arg: &str) -> (Output, String) {
    let output = Command::new(path).arg(arg).output().unwrap();
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    (output, stdout)
}

#[test]
fn version_names_the_program() {
    for (name, path) in PROGRAMS {
        let (output, stdout) = run(path, "--version");
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_eq!(stdout, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn help_has_an_example() {
    for (name, path) in PROGRAMS {
        let (output, stdout) = run(path, "--help");
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(stdout.contains(&format!("Usage: {name} ")), "{stdout}");
        let (_, example) = stdout.split_once("Example:").expect(name);
        assert!(example.contains(name), "{stdout}");
        assert!(stdout.contains("\n\nExit codes: "), "{stdout}");
    }
}

#[test]
fn help_is_printed_from_the_definition_that_the_man_page_is_made_of() {
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for mut command in lithos::programs::commands() {
        let name = command.get_name().to_owned();
        let Some((_, path)) = PROGRAMS.iter().find(|program| program.0 == name) else {
            // Built by its own package.
            assert_eq!(name, "lithos_crypt");
            continue;
        };
        // Its own text, which the definition is made of.
        if name != "lithos_knot" {
            let (_, stdout) = run(path, "--help");
            assert_eq!(
                words(&stdout),
                words(&command.render_long_help().to_string())
            );
        }
    }
}

#[test]
fn a_master_config_that_is_not_there_is_one_error() {
    for (name, path) in PROGRAMS.iter().filter(|program| program.0 != "lithos_knot") {
        let args: &[&str] = match *name {
            "lithos_clean" => &["--used"],
            "lithos_cmd" | "lithos_switch" => &["shop", "none"],
            "lithos_ctl" => &["exec", "shop/web.0", "--", "true"],
            _ => &[],
        };
        let mut command = Command::new(path);
        let output = command.args(["-C", "/none"]).args(args).output().unwrap();
        let runs = ["lithos_cmd", "lithos_ctl"].contains(name);
        let status = if runs { 125 } else { 1 };
        assert_eq!(output.status.code(), Some(status), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said.trim_end(),
            "error: cannot read /none: there is no such file",
            "{name}"
        );
    }
}

#[test]
fn an_unknown_option_is_wrong_usage() {
    for (name, path) in PROGRAMS {
        let (output, stdout) = run(path, "--no-such-option");
        assert_eq!(
            (output.status.code(), stdout.as_str()),
            (Some(2), ""),
            "{name}"
        );
        assert!(!output.stderr.is_empty(), "{name}");
    }
}
