//! `lithos_ctl logs`: what the containers of a sandbox have written.
//!
//! All of them write into one file, the sandbox's stdio log, each through a
//! descriptor of its own: only the lines in which a knot tells of starts and ends
//! name a container. So those of others are left out where one is named, and the
//! rest is shown.
//!
//! A process can write what it likes into the file, cut it short, or make it seem
//! endless. On a terminal nothing of it but text gets through; holes are skipped; and
//! a line is held in memory only so far.

mod file;
mod shown;

use std::io::{self, IsTerminal, Write};
use std::thread::sleep;
use std::time::Duration;

use self::file::{Log, Looked};
use self::shown::{Lines, Manner};
use super::error::CtlError;
use crate::resolve::paths::Home;
use crate::selection::Selection;

/// The time between two looks at a file that is followed.
const PAUSE: Duration = Duration::from_millis(200);

/// What is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The containers of a sandbox share a log. Where one is named, lines that tell of starts\n\
                  and ends of others are left out; what a process writes does not tell whose it is.\n\n\
                  Example: lithos_ctl logs -f -n 20 shop/web.0"
)]
pub struct Options {
    /// Go on with what is written from now on
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Print a JSON document for each line
    #[arg(long)]
    json: bool,
    /// SANDBOX, SANDBOX/PROCESS or SANDBOX/PROCESS.N
    #[arg(value_name = "NAME")]
    name: Selection,
}

/// Shows it.
pub fn run(home: &Home, options: &Options) -> Result<(), CtlError> {
    let path = home.stdio_log(options.name.sandbox());
    let failed = |err: io::Error| CtlError::Log(path.clone(), err);
    let mut log = match Log::open(&path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            return Err(CtlError::NoLog(options.name.clone(), path));
        }
        opened => opened.map_err(failed)?,
    };
    if let Some(lines) = options.lines {
        log.skip_to_last(lines).map_err(failed)?;
    }
    let manner = match (options.json, io::stdout().is_terminal()) {
        (true, _) => Manner::Json,
        (false, true) => Manner::Terminal,
        (false, false) => Manner::Raw,
    };
    let mut out = io::stdout().lock();
    let mut lines = Lines::new(options.name.clone(), manner);
    loop {
        match log.read().map_err(failed)? {
            Looked::Bytes(bytes) => lines.show(bytes, &mut out)?,
            Looked::Anew(what) => {
                lines.finish(&mut out)?;
                eprintln!("{} {what}", path.display());
            }
            Looked::Nothing if options.follow => {
                out.flush()?;
                sleep(PAUSE);
                log.look_again().map_err(failed)?;
            }
            Looked::Nothing => {
                lines.finish(&mut out)?;
                return Ok(out.flush()?);
            }
        }
    }
}
