//! `git-setup`: this repository's git learns what tokens are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::{git, rewrite, table};

/// Teach this repository's git to show, merge and check secrets
///
/// `git diff` shows labels in the place of tokens, merges go by the secrets'
/// names, and a commit or merge with anything that `check` does not accept is
/// refused.
/// All of it is this clone's own: nothing is committed, nothing is cached.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {}

const EXAMPLE: &str = "\
Example:
  cd shop && lithos_crypt git-setup";

/// Git runs the first before people's commits, the second before those that it
/// makes of merges.
const HOOKS: [&str; 2] = ["pre-commit", "pre-merge-commit"];

/// Begins the lines that are ours.
const MARK: &str = "# lithos_crypt git-setup";

/// Sets configuration, attributes and hooks; what is there stays.
pub fn run(_: Options) -> Result<(), Failure> {
    let here = Path::new(".");
    let program = program()?;
    let path_of =
        |name: &str| git::line(here, &["rev-parse", "--git-path", name]).map(PathBuf::from);
    let attributes = path_of("info/attributes")?;
    let hooks = HOOKS.map(|name| path_of(&format!("hooks/{name}")));
    let hooks = hooks.into_iter().collect::<Result<Vec<_>, _>>()?;
    // What can be refused comes first.
    install_hooks(
        &hooks,
        &format!("#!/bin/sh\n{MARK}\nexec {program} check --staged\n"),
    )?;
    for (name, value) in [
        ("diff.lithos_crypt.textconv", format!("{program} textconv")),
        ("diff.lithos_crypt.cachetextconv", "false".to_owned()),
        ("merge.lithos_crypt.name", "secrets by name".to_owned()),
        (
            "merge.lithos_crypt.driver",
            format!("{program} merge %O %A %B %P"),
        ),
    ] {
        git::run(here, &["config", "--local", name, &value])?;
    }
    let lines =
        ["*.yaml", "*.yml"].map(|glob| format!("{glob} diff=lithos_crypt merge=lithos_crypt\n"));
    add_lines(&attributes, &format!("{MARK}\n{}", lines.concat()))?;
    let hooks = HOOKS.iter().zip(&hooks);
    let hooks = hooks.map(|(name, hook)| format!("{name}: {}\n", hook.display()));
    table::out(&format!(
        "diff: labels in the place of tokens\nmerge: by the secrets' names\n{}",
        hooks.collect::<String>()
    ))
}

/// How git shall call this program: by its name if that finds it, for it may
/// move with an upgrade; else by its place.
fn program() -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::Refused {
        what: "find this program".to_owned(),
        reason: error.to_string(),
    };
    let place = std::env::current_exe().map_err(failed)?;
    let name = place.file_name().unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|p| p.is_file());
    let same =
        first.and_then(|first| fs::canonicalize(first).ok()) == fs::canonicalize(&place).ok();
    let text = if same {
        name.to_string_lossy()
    } else {
        place.to_string_lossy()
    };
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// All of them or none; one that is somebody else's is not touched.
fn install_hooks(paths: &[PathBuf], script: &str) -> Result<(), Failure> {
    for path in paths {
        let there = content(path)?;
        if !there.is_empty() && !there.contains(MARK) {
            return Err(Failure::Refused {
                what: format!("install the hook `{}`", path.display()),
                reason: "there is one already; add `lithos_crypt check --staged` to it".to_owned(),
            });
        }
    }
    for path in paths {
        make_directory(path)?;
        rewrite::replace(path, Some(0o755), script.as_bytes())?;
    }
    Ok(())
}

/// Adds lines to a file, once.
fn add_lines(path: &Path, lines: &str) -> Result<(), Failure> {
    let there = content(path)?;
    if there.contains(MARK) {
        return Ok(());
    }
    let separator = if there.is_empty() || there.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    make_directory(path)?;
    rewrite::replace(path, None, format!("{there}{separator}{lines}").as_bytes())
}

/// Of a file that may not be there.
fn content(path: &Path) -> Result<String, Failure> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|cause| Failure::ReadFile {
            what: "file",
            path: path.to_owned(),
            cause,
        }),
    }
}

/// Makes the directory that a file belongs in.
fn make_directory(path: &Path) -> Result<(), Failure> {
    let made = fs::create_dir_all(path.parent().unwrap_or(Path::new(".")));
    made.map_err(|cause| Failure::WriteFile {
        path: path.to_owned(),
        cause,
    })
}
