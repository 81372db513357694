//! The user's editor on a file of plaintexts.
//!
//! The file lies on tmpfs, in a directory that only its owner can enter. Two of
//! us remove it: this process when it is done, also after a signal, and a guard
//! that waits for this process's end, whichever that is.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;
use super::input::{self, Bytes};
use super::report;

/// What the directory's name begins with.
const PREFIX: &str = "lithos_crypt-edit.";

/// A file of plaintexts, there as long as this is.
pub struct Scratch {
    directory: Option<tempfile::TempDir>,
    file: PathBuf,
    guard: Option<Child>,
    signals: Signals,
}

impl Scratch {
    /// Makes a directory in memory; on a disk only if told so.
    pub fn new(name: &str, on_disk: bool) -> Result<Scratch, Failure> {
        let parent = place(on_disk)?;
        // From here on no signal ends us but SIGKILL, and for that there is the guard.
        let signals = Signals::new([SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP]);
        // What an editor makes beside the file has whatever mode it likes.
        let made = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .prefix(PREFIX)
            .tempdir_in(&parent);
        let failed = |cause| Failure::WriteFile {
            path: parent.clone(),
            cause,
        };
        let directory = made.map_err(failed)?;
        Ok(Scratch {
            file: directory.path().join(name),
            guard: Some(guard(directory.path()).map_err(failed)?),
            signals: signals.map_err(failed)?,
            directory: Some(directory),
        })
    }

    /// Writes the file anew.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut options = File::options();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.file);
        let written = file.and_then(|mut file| file.write_all(bytes));
        written.map_err(|cause| Failure::WriteFile {
            path: self.file.clone(),
            cause,
        })
    }

    /// Lets the user edit it; what it is then.
    pub fn edit(&mut self) -> Result<Bytes, Failure> {
        let mut editor = Editor::of_user();
        let failed = |cause| Failure::Execute {
            program: editor.program.clone(),
            cause,
        };
        let mut command = Command::new(&editor.program);
        command.args(&editor.arguments).arg(&self.file);
        let mut child = command.spawn().map_err(failed)?;
        let said = match wait(&mut self.signals, &mut child).map_err(failed)? {
            Ending::Done => return input::read_file("edited file", &self.file),
            Ending::Failed => "it ended with an error, so nothing is changed",
            Ending::Stopped => "stopped by a signal, so nothing is changed",
        };
        Err(Failure::Program {
            program: std::mem::take(&mut editor.program)
                .to_string_lossy()
                .into_owned(),
            said: said.to_owned(),
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(directory) = self.directory.take() {
            let path = directory.path().to_owned();
            if let Err(cause) = directory.close() {
                report::warning(format_args!(
                    "cannot remove `{}`: {}",
                    path.display(),
                    crate::cause::Cause(&cause)
                ));
            }
        }
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

enum Ending {
    Done,
    Failed,
    Stopped,
}

/// Waits for the editor. A terminal's Ctrl-C is the editor's own business; who
/// ends us ends the editor too.
fn wait(signals: &mut Signals, child: &mut Child) -> io::Result<Ending> {
    let mut is_stopped = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match (is_stopped, status.success()) {
                (true, _) => Ending::Stopped,
                (false, true) => Ending::Done,
                (false, false) => Ending::Failed,
            });
        }
        for signal in signals.wait() {
            if signal == SIGTERM || signal == SIGHUP {
                is_stopped = true;
                let pid = Pid::from_child(child);
                let _ = kill_process(pid, Signal::TERM); // else it has ended by itself
            }
        }
    }
}

/// A process of our own program that removes the directory when we end. It is
/// in a group of its own, where no terminal's signal reaches it.
fn guard(directory: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("edit-guard")
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Remove a directory of `edit` when standard input ends
#[derive(Args)]
#[command(hide = true, after_help = "Used by: lithos_crypt edit")]
pub struct GuardOptions {
    directory: PathBuf,
}

/// Waits for the end of whoever started us.
pub fn run_guard(options: GuardOptions) -> Result<(), Failure> {
    let name = options.directory.file_name().unwrap_or_default();
    if !name.to_string_lossy().starts_with(PREFIX) {
        return Err(Failure::Refused {
            what: format!("guard `{}`", options.directory.display()),
            reason: "it is no directory of `edit`".to_owned(),
        });
    }
    let _ = io::stdin().read_to_end(&mut Vec::new()); // nothing ever comes
    match fs::remove_dir_all(&options.directory) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Failure::WriteFile {
            path: options.directory,
            cause,
        }),
        _ => Ok(()),
    }
}

fn place(on_disk: bool) -> Result<PathBuf, Failure> {
    if on_disk {
        return Ok(std::env::temp_dir());
    }
    directory_in_memory().ok_or_else(|| Failure::Refused {
        what: "put plaintexts into a file".to_owned(),
        reason: "no directory in memory can be written; \
                 `--on-disk` takes the one of temporary files"
            .to_owned(),
    })
}

/// The first directory in memory that we can write.
pub fn directory_in_memory() -> Option<PathBuf> {
    let of_user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let others = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    let mut all = of_user.into_iter().chain(others);
    all.find(|path| is_in_memory(path))
}

fn is_in_memory(path: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994; // statfs(2)
    const RAMFS: u64 = 0x8584_58f6;
    let is_memory =
        rustix::fs::statfs(path).is_ok_and(|found| matches!(found.f_type as u64, TMPFS | RAMFS));
    is_memory && rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The user's editor, told to keep no copies where we know how.
struct Editor {
    program: OsString,
    arguments: Vec<String>,
}

impl Editor {
    /// `$VISUAL`, `$EDITOR` or `vi`; words after the first are arguments.
    fn of_user() -> Editor {
        let set = |name| {
            std::env::var(name)
                .ok()
                .filter(|text| !text.trim().is_empty())
        };
        let line = set("VISUAL").or_else(|| set("EDITOR"));
        let line = line.unwrap_or_else(|| "vi".to_owned());
        let mut words = line.split_whitespace().map(str::to_owned);
        let program = words.next().unwrap_or_default();
        let mut arguments: Vec<_> = words.collect();
        match quiet(&real_name(&program)) {
            Some(options) => arguments.extend(options.iter().map(|option| (*option).to_owned())),
            None => report::warning(format_args!(
                "cannot tell `{program}` to keep no copies: \
                 look where it puts undo, swap and backup files"
            )),
        }
        Editor {
            program: program.into(),
            arguments,
        }
    }
}

/// The options with which an editor keeps no backup, swap, undo and history
/// files.
fn quiet(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "vim" | "vim.basic" | "vim.tiny" | "vim.nox" | "vim.gtk3" | "vi" => Some(&[
            "-n",
            "-i",
            "NONE",
            "-c",
            "set nobackup nowritebackup",
            "-c",
            "silent! set noundofile",
        ]),
        "nvim" => Some(&[
            "-n",
            "-i",
            "NONE",
            "-c",
            "set nobackup nowritebackup noundofile",
        ]),
        "nano" => Some(&["--ignorercfiles"]),
        "emacs" | "emacs-nox" | "emacs-gtk" | "emacs-lucid" => Some(&[
            "--eval",
            "(setq make-backup-files nil auto-save-default nil create-lockfiles nil \
             auto-save-list-file-prefix nil)",
        ]),
        "ed" | "busybox" | "nvi" => Some(&[]),
        _ => None,
    }
}

/// The name of the program behind links such as Debian's alternatives.
fn real_name(program: &str) -> String {
    let in_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(program));
        candidates.find(|candidate| candidate.is_file())
    };
    let found = if program.contains('/') {
        Some(PathBuf::from(program))
    } else {
        in_path()
    };
    let real = found.and_then(|path| fs::canonicalize(path).ok());
    let name = real.as_deref().and_then(Path::file_name);
    name.map_or_else(
        || program.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}
