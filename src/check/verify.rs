//! Opening secrets without holding them: `lithos_knot --verify` does it, from a
//! plan in a sealed memfd, and says only which do not open.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use quick_error::quick_error;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::{FdFlags, fcntl_setfd};
use serde::Deserialize;

use crate::cause::Cause;
use crate::knot::command_line::Request;
use crate::load::{ProcessLoad, SandboxLoad};
use crate::name::Name;
use crate::problem::{Place, Problem, Severity, Source};
use crate::resolve::plan::Plan;
use crate::sys::memfd;

quick_error! {
    /// Why it cannot be told whether secrets open.
    #[derive(Debug)]
    pub enum VerifyError {
        /// `lithos_knot` cannot be run.
        Run(program: PathBuf, err: std::io::Error) {
            display("cannot run {}: {}", program.display(), Cause(err))
            source(err)
        }
        /// The plan cannot be handed over.
        Plan(err: std::io::Error) {
            display("cannot hand over the plan: {}", Cause(err))
            source(err)
        }
        /// It failed, but told nothing of any secret.
        Failed(status: std::process::ExitStatus) {
            display("lithos_knot --verify ended with {}", status)
        }
    }
}

/// A secret that does not open: a line of what `lithos_knot --verify` prints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refused {
    /// Which variable, or the path of which file.
    pub variable: String,
    /// Why; never holds a value.
    pub error: String,
}

/// Adds a problem for each secret of the sandbox that does not open. A process
/// whose secrets do not open keeps no plans.
pub(crate) fn sandbox(load: &mut SandboxLoad) {
    let SandboxLoad {
        name,
        processes,
        problems,
        ..
    } = load;
    for process in processes.iter_mut().flatten() {
        // All instances have the same secrets.
        let plan = process.plans.as_ref().and_then(|plans| plans.first());
        let Some(plan) = plan.filter(|plan| can_open(plan)) else {
            continue;
        };
        match verify(&knot(), plan) {
            Ok(refused) if refused.is_empty() => {}
            Ok(refused) => {
                let refused = refused
                    .iter()
                    .map(|refused| refused_problem(name, process, refused));
                problems.extend(refused.collect::<Vec<_>>());
                process.plans = None;
            }
            Err(err) => problems.push(Problem {
                severity: Severity::Warning,
                message: format!("cannot tell whether the secrets open: {err}"),
                hint: Some("install `lithos_knot` beside `lithos_check`".to_owned()),
                ..about(name, process)
            }),
        }
    }
}

/// Whether there are secrets, and this user may read every private key.
fn can_open(plan: &Plan) -> bool {
    let readable =
        |file: &PathBuf| accessat(CWD, file.as_path(), Access::READ_OK, AtFlags::EACCESS).is_ok();
    !plan.secrets.is_empty() && plan.secrets.key_files.iter().all(readable)
}

/// `lithos_knot` beside this program.
fn knot() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.with_file_name("lithos_knot")
}

/// The secrets of a plan that do not open.
///
/// # Errors
///
/// If it cannot be told.
pub fn verify(knot: &Path, plan: &Plan) -> Result<Vec<Refused>, VerifyError> {
    let json = serde_json::to_vec(plan).map_err(|err| VerifyError::Plan(err.into()))?;
    let plan = memfd::sealed("plan", &json).map_err(VerifyError::Plan)?;
    // Nothing else is started meanwhile that could inherit it.
    fcntl_setfd(&plan, FdFlags::empty()).map_err(|err| VerifyError::Plan(err.into()))?;
    let output = Command::new(knot)
        .args(&Request::verify_args(plan.as_raw_fd())[1..])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|err| VerifyError::Run(knot.to_owned(), err))?;
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let refused: Vec<Refused> = lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    match output.status.success() || !refused.is_empty() {
        true => Ok(refused),
        false => Err(VerifyError::Failed(output.status)),
    }
}

fn refused_problem(sandbox: &Name, process: &ProcessLoad, refused: &Refused) -> Problem {
    let section = match refused.variable.starts_with('/') {
        true => "secret-files",
        false => "secret-environ",
    };
    let steps = [section, &refused.variable].map(Into::into);
    Problem {
        place: Place::Value(steps.into()),
        message: format!(
            "the secret `{}` cannot be delivered: {}",
            refused.variable, refused.error
        ),
        ..about(sandbox, process)
    }
}

fn about(sandbox: &Name, process: &ProcessLoad) -> Problem {
    let subject = format!("{sandbox}/{}", process.name);
    let source: Option<&Arc<Source>> = process.container.as_ref();
    crate::resolve::plain(&subject, source, String::new())
}
