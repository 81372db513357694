//! `lithos_knot --verify`: do the secrets of some plans open?
//!
//! It prints one line of JSON for each that does not, and nothing else: no
//! value, and nothing of a key.

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use lithos_crypt::PrivateKey;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::failure::{Attempt, Failure};
use super::secrets::{KeyFiles, open_with};
use super::{misused, read_sealed};
use crate::cause::Cause;
use crate::resolve::plan::Secrets;
use crate::sys::{descriptor, memory};

/// Verifies the secrets, an array of plans' parts, in the sealed memfd `plans`.
pub fn run(plans: RawFd) -> ExitCode {
    let plans = match descriptor::adopt_inherited(&[plans]) {
        Ok(mut fds) => fds.remove(0),
        Err(err) => return misused(&format!("--plan: {}", Cause(&err))),
    };
    let all: Vec<Secrets> = match read_sealed(plans) {
        Ok(all) => all,
        Err(failure) => return misused(&failure),
    };
    if let Err(failure) = prepare() {
        all.iter()
            .enumerate()
            .for_each(|(number, secrets)| tell(number, secrets, &failure));
        return ExitCode::FAILURE;
    }
    let (mut keys, mut status) = (Keys::default(), ExitCode::SUCCESS);
    for (number, secrets) in all.iter().enumerate() {
        if let Err(failure) = keys.open(secrets) {
            tell(number, secrets, &failure);
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// Those last used: mostly, plans have the same.
#[derive(Default)]
struct Keys {
    files: Vec<PathBuf>,
    keys: Vec<PrivateKey>,
}

impl Keys {
    fn open(&mut self, secrets: &Secrets) -> Result<(), Failure> {
        if self.files != secrets.key_files {
            self.files.clear();
            self.keys = KeyFiles::open(secrets)?.read()?;
            self.files.clone_from(&secrets.key_files);
        }
        open_with(&self.keys, secrets).map(drop)
    }
}

fn prepare() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).cannot("close", "the memory to others")?;
    let _ = memory::lock_all(false);
    Ok(())
}

/// A key file that cannot be used concerns every secret.
fn tell(number: usize, secrets: &Secrets, failure: &Failure) {
    match failure {
        Failure::Secrets(refused) => {
            for refused in refused {
                line(number, &refused.name, &refused.fault.to_string());
            }
        }
        _ => {
            for variable in secrets.environ.keys() {
                line(number, variable, &failure.to_string());
            }
            for file in &secrets.files {
                line(
                    number,
                    &file.path.display().to_string(),
                    &failure.to_string(),
                );
            }
        }
    }
}

fn line(number: usize, variable: &str, error: &str) {
    println!(
        "{}",
        serde_json::json!({ "plan": number, "variable": variable, "error": error })
    );
}
