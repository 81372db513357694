//! `lithos_switch`: puts a new process config in place of a sandbox's.
//!
//! 1. Check the new config as `lithos_check` would, with everything else as it
//!    is; any error ends it here, and nothing has changed.
//! 2. With `--dry-run`, say what a reload would do, and end.
//! 3. Replace the old file as a whole: it is the old one or the new one, at
//!    every moment and after a crash.
//! 4. Make the supervisor reload, if one runs.
//!
//! What is put in place is the text that was checked, not what the file holds by
//! then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use quick_error::quick_error;
use rustix::process::{Signal, pidfd_send_signal};

use crate::cause::Cause;
use crate::changes::{Foretold, foretell};
use crate::check::verify;
use crate::load::{self, Home, SandboxLoad};
use crate::master_option::MasterOption;
use crate::name::Name;
use crate::problem::{Problem, Severity, in_colour};
use crate::sys::{lock, pidfd};
use crate::tree::records::{self, RecordsError};

/// Puts a new process config in place of a sandbox's, and makes the supervisor
/// reload.
///
/// The new config is checked first; if anything is wrong with it, nothing is
/// changed, and the exit status is 1.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_switch",
    version,
    after_help = "Example: lithos_switch --dry-run shop /srv/deploy/shop-v42.yaml\n\nExit codes: 0 done, 1 failed, 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    /// Change nothing; say what would start, stop and restart, and why
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Print what --dry-run finds as JSON
    #[arg(long, requires = "dry_run")]
    json: bool,
    /// The sandbox
    sandbox: Name,
    /// Its new process config
    new_config: PathBuf,
}

quick_error! {
    /// Why nothing was switched.
    #[derive(Debug)]
    pub enum SwitchError {
        /// The configs have problems, which are shown one by one.
        Problems(problems: Vec<Problem>) {
            display("cannot switch: the new configuration has problems, nothing was changed")
            from()
        }
        /// There is no such sandbox.
        Unknown(sandbox: Name, dir: PathBuf) {
            display("cannot switch {}: there is no such sandbox in {}", sandbox, dir.display())
        }
        /// What runs cannot be told.
        Records(err: RecordsError) {
            display("{}", err)
            source(err)
            from()
        }
        /// The file cannot be replaced; it is the old one.
        Replace(path: PathBuf, err: io::Error) {
            display("cannot replace {}: {}", path.display(), Cause(err))
            source(err)
        }
        /// The new file is in place, but the supervisor does not know.
        Reload(path: PathBuf, err: io::Error) {
            display("cannot make the supervisor reload: {}\nhint: {} is in place; send SIGHUP to lithos_tree", err, path.display())
            source(err)
        }
        /// The result cannot be written.
        Output(err: io::Error) {
            display("cannot write the result: {}", Cause(err))
            source(err)
            from()
        }
    }
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let home = match options.master.home(ExitCode::FAILURE) {
        Ok(home) => home,
        Err(failure) => return failure,
    };
    match switch(&home, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let SwitchError::Problems(problems) = &error {
                show(problems);
            }
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn switch(home: &Home, options: &Options) -> Result<(), SwitchError> {
    let load = check(home, options)?;
    if options.dry_run {
        let mut running = records::running(&home.state_dir)?;
        running.retain(|plan| plan.name.sandbox == options.sandbox);
        return Ok(print(&foretell(&[load], &running), options.json)?);
    }
    let (target, source) = load.process_config.as_ref().expect("it was checked");
    replace(target, source.text.as_bytes())
        .map_err(|err| SwitchError::Replace(target.clone(), err))?;
    match reload(&home.pid_file()).map_err(|err| SwitchError::Reload(target.clone(), err))? {
        Some(pid) => println!(
            "{} is in place; lithos_tree reloads (pid {pid})",
            target.display()
        ),
        None => println!(
            "{} is in place; no lithos_tree runs, it counts from the next start",
            target.display()
        ),
    }
    Ok(())
}

/// Everything as it will be, if nothing is wrong with this sandbox.
fn check(home: &Home, options: &Options) -> Result<SandboxLoad, SwitchError> {
    let (loads, problems) = load::all(home, Some((&options.sandbox, &options.new_config)));
    let found = loads.into_iter().find(|load| load.name == options.sandbox);
    let Some(mut load) = found else {
        show(&problems);
        return Err(SwitchError::Unknown(
            options.sandbox.clone(),
            home.sandboxes_dir.clone(),
        ));
    };
    verify::sandbox(&mut load);
    if load
        .problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        return Err(SwitchError::Problems(load.problems));
    }
    show(&load.problems);
    Ok(load)
}

fn show(problems: &[Problem]) {
    let colour = in_colour(&io::stderr());
    for problem in problems {
        eprintln!("{}\n", problem.render(colour));
    }
}

fn print(foretold: &[Foretold], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, foretold)?;
        return writeln!(out);
    }
    foretold.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Replaces the file as a whole, keeping its mode and owner.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    // Not `*.yaml`, so that nobody takes it for a config.
    let new = dir.join(format!(".{name}.{}", std::process::id()));
    let written = write(&new, path, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.and_then(|()| File::open(dir)?.sync_all())
}

fn write(new: &Path, old: &Path, text: &[u8]) -> io::Result<()> {
    let old = fs::metadata(old).ok();
    let mode = old.as_ref().map_or(0o644, |old| old.mode() & 0o777);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(new)?;
    if let Some(old) = old {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text)?;
    file.sync_all()
}

/// Sends SIGHUP to the supervisor that holds the pid file; its pid, if there is one.
fn reload(pid_file: &Path) -> io::Result<Option<i32>> {
    let file = match File::open(pid_file) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    let Some(pid) = lock::holder(&file)? else {
        return Ok(None);
    };
    let supervisor = pidfd::open(pid)?;
    // It may have ended meanwhile, and another process have its pid.
    if lock::holder(&file)? != Some(pid) {
        return Ok(None);
    }
    pidfd_send_signal(&supervisor, Signal::HUP)?;
    Ok(Some(pid))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_a_file_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.yaml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn leaves_the_old_file_and_nothing_else_where_it_cannot_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.yaml");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_supervisor_is_told_where_nobody_holds_the_pid_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.pid");
        assert_eq!(reload(&path).unwrap(), None);
        fs::write(&path, "1\n").unwrap();
        assert_eq!(reload(&path).unwrap(), None);
    }
}
