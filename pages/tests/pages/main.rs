//! What `--help` says is in the man page and in the completions of each shell, of every
//! program and every command; and the shells really complete it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use clap::Command as Definition;

mod help;
mod live;

use help::Words;

/// Everything as the program has written it, once for all tests.
fn share() -> &'static Path {
    static SHARE: OnceLock<PathBuf> = OnceLock::new();
    SHARE.get_or_init(|| {
        let share = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages-share");
        let _ = fs::remove_dir_all(&share);
        let output = write_to(&share);
        assert!(output.status.success(), "{output:?}");
        share
    })
}

fn write_to(directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lithos_pages"))
        .arg(directory)
        .output()
        .unwrap()
}

/// Each program, and each of its commands, as one would type it.
fn lines() -> Vec<(Vec<String>, Definition)> {
    let mut lines = Vec::new();
    for mut program in lithos::programs::commands() {
        program.build();
        let name = program.get_name().to_owned();
        for sub in program.get_subcommands() {
            if sub.get_name() != "help" && !sub.is_hide_set() {
                lines.push((vec![name.clone(), sub.get_name().to_owned()], sub.clone()));
            }
        }
        lines.push((vec![name], program));
    }
    lines
}

/// Runs a shell's script; none where there is no such shell.
fn shell<A: AsRef<OsStr>>(program: &str, script: &str, args: &[A]) -> Option<String> {
    let output = Command::new(program)
        .arg("-c")
        .arg(script)
        .args(args)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(_) => {
            let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
            assert!(!must, "LITHOS_TEST_ROOT=1, but {program} is not installed");
            let _ = writeln!(std::io::stderr(), "SKIP: {program} is not installed");
            return None;
        }
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{program}: {stderr}"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

fn expect_all(line: &[String], wanted: &BTreeSet<String>, found: &BTreeSet<String>, of: &str) {
    let missing: Vec<_> = wanted.difference(found).collect();
    assert!(
        missing.is_empty(),
        "{} in {of}: {missing:?} of {found:?}",
        line.join(" ")
    );
}

#[test]
fn every_program_has_a_definition() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut programs: BTreeSet<String> = fs::read_dir(root.join("src/bin"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    programs.insert("lithos_crypt".to_owned());
    let defined: BTreeSet<String> = lithos::programs::commands()
        .iter()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(defined, programs);
}

#[test]
fn every_flag_and_command_of_the_help_is_in_the_man_page() {
    for (line, definition) in lines() {
        let name = line.join("-");
        let pages: Vec<PathBuf> = ["man1", "man8"]
            .iter()
            .map(|section| share().join(format!("man/{section}/{name}.{}", &section[3..])))
            .filter(|page| page.exists())
            .collect();
        assert_eq!(pages.len(), 1, "pages of {name}: {pages:?}");
        let text = fs::read_to_string(&pages[0]).unwrap();
        let text = ["\\fB", "\\fI", "\\fR"]
            .iter()
            .fold(text, |text, font| text.replace(font, ""))
            .replace("\\-", "-");
        let found = text
            .split(|c: char| c.is_whitespace() || ",[]|<>()".contains(c))
            .map(|word| word.trim_start_matches(&format!("{name}-")).to_owned())
            .collect();
        let words = Words::of(&definition);
        expect_all(&line, &words.flags, &found, "its man page");
        expect_all(&line, &words.commands, &found, "its man page");
    }
}

#[test]
fn every_man_page_is_sound_and_has_an_example_and_what_it_exits_with() {
    for section in ["man/man1", "man/man8"] {
        for entry in fs::read_dir(share().join(section)).unwrap() {
            let page = entry.unwrap().path();
            let script = "mandoc -T lint -W warning \"$0\" || true";
            let Some(complaints) = shell("sh", script, &[&page]) else {
                return;
            };
            let grave: Vec<_> = complaints
                .lines()
                // Empty lines between the values that an option can have.
                .filter(|line| !line.contains("skipping paragraph macro: br"))
                .filter(|line| !line.contains("missing date"))
                .collect();
            assert!(grave.is_empty(), "{grave:#?}");
            let text = fs::read_to_string(&page).unwrap();
            assert!(text.contains(".SH EXAMPLES"), "{}", page.display());
            let is_of_a_command = page.file_name().unwrap().to_str().unwrap().contains('-');
            assert!(
                is_of_a_command || text.contains(".SH \"EXIT STATUS\""),
                "{}",
                page.display()
            );
        }
    }
}

#[test]
fn bash_completes_every_flag_and_command() {
    // As the shell does it: the function that `complete` was told of, with these variables.
    let script = r#"
        source "$0/bash-completion/completions/$1"
        [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]] || exit 1
        COMP_WORDS=("${@:1:$#-1}" "${*: -1}"); COMP_CWORD=$(($# - 1))
        COMP_LINE=${COMP_WORDS[*]}; COMP_POINT=${#COMP_LINE}
        "${BASH_REMATCH[1]}" "$1" "${*: -1}" "${*: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for (line, definition) in lines() {
        let words = Words::of(&definition);
        for (wanted, begun) in [(&words.flags, "-"), (&words.commands, "")] {
            let mut args = vec![share().to_str().unwrap().to_owned()];
            args.extend(line.iter().cloned().chain([begun.to_owned()]));
            let Some(found) = shell("bash", script, &args) else {
                return;
            };
            let found = found.lines().map(str::to_owned).collect();
            expect_all(&line, wanted, &found, "bash");
        }
    }
}

#[test]
fn fish_completes_every_flag_and_command() {
    let script =
        r#"source $argv[1]/fish/vendor_completions.d/$argv[2].fish; complete -C "$argv[3]""#;
    for (line, definition) in lines() {
        let words = Words::of(&definition);
        for (wanted, begun) in [
            (&words.flags, "--"),
            (&words.flags, "-"),
            (&words.commands, ""),
        ] {
            let typed = format!("{} {begun}", line.join(" "));
            let args = [share().to_str().unwrap(), &line[0], &typed];
            let Some(found) = shell("fish", script, &args) else {
                return;
            };
            let found = found
                .lines()
                .map(|line| line.split('\t').next().unwrap().to_owned());
            let found: BTreeSet<String> = found.collect();
            // After one dash fish offers the long ones only where there is no short one.
            let wanted = wanted
                .iter()
                .filter(|word| begun.is_empty() || (begun == "--") == word.starts_with("--"));
            expect_all(&line, &wanted.cloned().collect(), &found, "fish");
        }
    }
}

#[test]
fn no_shell_offers_what_is_hidden() {
    let programs = lithos::programs::commands();
    let hidden = programs.iter().flat_map(|program| {
        let subcommands = program.get_subcommands();
        let hidden = subcommands.filter(|command| command.is_hide_set());
        hidden.map(|hidden| (program.get_name(), hidden.get_name()))
    });
    let hidden: Vec<_> = hidden.collect();
    assert!(!hidden.is_empty());
    for (program, hidden) in hidden {
        for file in [
            format!("bash-completion/completions/{program}"),
            format!("zsh/site-functions/_{program}"),
            format!("fish/vendor_completions.d/{program}.fish"),
        ] {
            let text = fs::read_to_string(share().join(&file)).unwrap();
            assert!(!text.contains(hidden), "{hidden} in {file}");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let output = write_to(Path::new("/dev/null/share"));
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("error: cannot write to /dev/null/share: "),
        "{stderr}"
    );
}
