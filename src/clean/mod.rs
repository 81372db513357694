//! `lithos_clean`: finds and removes image directories that nothing uses.
//!
//! An image is used if a process config names it, if the supervisor loaded it
//! last or lately (the config log), if a container has it, if the
//! `used-images-list` names it, or if it is recent. What cannot be read counts
//! against deleting (`survey`); deleting goes by descriptors (`removal`).

mod history;
mod removal;
mod survey;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::error::ErrorKind;
use clap::{ArgGroup, CommandFactory, Parser};
use serde_json::json;

use crate::cause::Cause;
use crate::config::units;
use crate::load::{self, Home};
use crate::master_option::MasterOption;
use crate::name::Name;

use history::Bounds;
use survey::{Image, survey};

/// Finds and removes image directories that nothing uses.
///
/// If something cannot be read, nothing of that sandbox is removed, and the exit
/// status is 1.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_clean",
    version,
    group = ArgGroup::new("what").required(true).multiple(true)
        .args(["used", "unused", "delete_unused", "clean_logs"]),
    after_help = "Example: lithos_clean --delete-unused --history-days 7 --versions-min 2\n\nExit codes: 0 done, 1 failed, 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    /// List the images that are used, and why
    #[arg(long)]
    used: bool,
    /// List the images that are not used
    #[arg(long)]
    unused: bool,
    /// Delete the images that are not used
    #[arg(long)]
    delete_unused: bool,
    /// Delete config logs of sandboxes that are gone, and were not loaded within --history-days
    #[arg(long)]
    clean_logs: bool,
    /// Images used within so many days count as used
    #[arg(long, value_name = "D", default_value = "3")]
    history_days: u32,
    /// Keep at least so many images of each process, however old [default: 10, or
    /// --versions-max if that is less]
    #[arg(long, value_name = "N")]
    versions_min: Option<usize>,
    /// Keep at most so many images of each process, however new; the last is always kept
    #[arg(long, value_name = "N", default_value = "100")]
    versions_max: usize,
    /// Keep directories that were made or changed within this time
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    keep_recent: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, units::UnitError> {
    units::duration(text)
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let versions_min = options.versions_min().unwrap_or_else(|wrong| wrong.exit());
    let home = match options.master.home(ExitCode::FAILURE) {
        Ok(home) => home,
        Err(failure) => return failure,
    };
    match clean(&home, &options, versions_min) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("error: cannot write the result: {}", Cause(&err));
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// How many images of each process are kept at least.
    fn versions_min(&self) -> Result<usize, clap::Error> {
        let max = self.versions_max;
        match self.versions_min {
            None => Ok(max.min(10)),
            Some(min) if min <= max => Ok(min),
            Some(min) => {
                let message = format!("--versions-min {min} is more than --versions-max {max}");
                Err(Self::command().error(ErrorKind::ArgumentConflict, message))
            }
        }
    }
}

/// Does what was asked; whether all of it went well.
fn clean(home: &Home, options: &Options, versions_min: usize) -> io::Result<bool> {
    let age = Duration::from_secs(u64::from(options.history_days) * 86_400);
    let bounds = Bounds {
        age,
        versions_min,
        versions_max: options.versions_max,
    };
    let found = survey(home, &bounds, options.keep_recent);
    let (unused, used): (Vec<_>, Vec<_>) = found
        .images
        .into_iter()
        .partition(|image| image.because.is_empty());
    let mut faults: Vec<_> = found
        .faults
        .iter()
        .map(|fault| match &fault.sandbox {
            Some(sandbox) => format!("sandbox {sandbox}: {}", fault.message),
            None => fault.message.clone(),
        })
        .collect();
    let mut deleted = Vec::new();
    if options.delete_unused {
        for image in &unused {
            match removal::remove(&image.image_dir, &image.name) {
                Ok(()) => deleted.push(image.path.clone()),
                Err(err) => faults.push(format!(
                    "cannot delete {}: {}",
                    image.path.display(),
                    Cause(&err)
                )),
            }
        }
    }
    if options.clean_logs {
        // Whose logs they are cannot be told if not every sandbox is known.
        match found.faults.iter().any(|fault| fault.sandbox.is_none()) {
            true => faults.push("no log is deleted".to_owned()),
            false => deleted.extend(clean_logs(home, age, &mut faults)),
        }
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() && options.delete_unused {
        eprintln!("hint: what cannot be told is kept; lithos_check says more");
    }
    show(options, &used, &unused, &deleted, &faults)?;
    Ok(faults.is_empty())
}

fn show(
    options: &Options,
    used: &[Image],
    unused: &[Image],
    deleted: &[PathBuf],
    faults: &[String],
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.json {
        let result = json!({
            "used": used, "unused": unused, "deleted": deleted, "errors": faults,
        });
        return writeln!(out, "{result}");
    }
    if options.used {
        for image in used {
            writeln!(
                out,
                "{}: {}",
                image.path.display(),
                image.because.join("; ")
            )?;
        }
    }
    if options.unused {
        for image in unused {
            writeln!(out, "{}", image.path.display())?;
        }
    }
    for path in deleted {
        writeln!(out, "deleted {}", path.display())?;
    }
    Ok(())
}

/// Deletes the logs of sandboxes that are gone.
fn clean_logs(home: &Home, age: Duration, faults: &mut Vec<String>) -> Vec<PathBuf> {
    let Some(dir) = &home.master.config_log_dir else {
        return Vec::new();
    };
    let (names, _) = load::sandbox_names(home);
    let mut deleted = Vec::new();
    for path in std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        let sandbox = log_of(&path);
        if sandbox.is_none_or(|sandbox| names.contains(&sandbox)) || !is_old_file(&path, age) {
            continue;
        }
        match std::fs::remove_file(&path) {
            Ok(()) => deleted.push(path),
            Err(err) => faults.push(format!("cannot delete {}: {}", path.display(), Cause(&err))),
        }
    }
    deleted.sort();
    deleted
}

/// Whose log this is: `shop.log`, `shop.log.3`.
fn log_of(path: &Path) -> Option<Name> {
    let (name, number) = path.file_name()?.to_str()?.split_once(".log")?;
    let numbered = number
        .strip_prefix('.')
        .is_some_and(|n| n.parse::<u32>().is_ok());
    (number.is_empty() || numbered)
        .then(|| name.parse().ok())
        .flatten()
}

fn is_old_file(path: &Path, age: Duration) -> bool {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let changed = found.modified().unwrap_or_else(|_| SystemTime::now());
    found.is_file() && changed.elapsed().is_ok_and(|since| since >= age)
}
