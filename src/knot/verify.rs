//! `lithos_knot --verify`: do the secrets of a plan open?
//!
//! It prints one line of JSON for each that does not, and nothing else: no
//! value, and nothing of a key.

use std::os::fd::RawFd;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::failure::{Attempt, Failure};
use super::secrets::KeyFiles;
use super::{misused, read_plan};
use crate::cause::Cause;
use crate::resolve::plan::Plan;
use crate::sys::{descriptor, memory};

/// Verifies the plan in the sealed memfd `plan`.
pub fn run(plan: RawFd) -> ExitCode {
    let plan = match descriptor::adopt_inherited(&[plan]) {
        Ok(mut fds) => fds.remove(0),
        Err(err) => return misused(&format!("--plan: {}", Cause(&err))),
    };
    let plan = match read_plan(plan) {
        Ok(plan) => plan,
        Err(failure) => return misused(&failure),
    };
    match open(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&plan, &failure);
            ExitCode::FAILURE
        }
    }
}

fn open(plan: &Plan) -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).cannot("close", "the memory to others")?;
    let _ = memory::lock_all(false);
    let keys = KeyFiles::open(&plan.secrets)?;
    keys.open_secrets(&plan.secrets).map(drop)
}

/// A key file that cannot be used concerns every secret.
fn tell(plan: &Plan, failure: &Failure) {
    match failure {
        Failure::Secrets(refused) => {
            for refused in refused {
                line(&refused.name, &refused.to_string());
            }
        }
        _ => {
            for variable in plan.secrets.environ.keys() {
                line(variable, &failure.to_string());
            }
            for file in &plan.secrets.files {
                line(&file.path.display().to_string(), &failure.to_string());
            }
        }
    }
}

fn line(variable: &str, error: &str) {
    println!(
        "{}",
        serde_json::json!({ "variable": variable, "error": error })
    );
}
