//! Opening secrets without holding them: `lithos_knot --verify` does it, of all
//! processes of a sandbox at once and from a sealed memfd, and says only which do not
//! open.

use std::collections::HashMap;
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
use crate::problem::{Problem, Severity, Source};
use crate::resolve::plan::Secrets;
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
    /// Of which of the plans.
    pub plan: usize,
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
    let mut processes: Vec<_> = processes
        .iter_mut()
        .flatten()
        .filter(|process| secrets(process).is_some_and(can_open))
        .collect();
    // Many processes, and all instances of one, have the same secrets.
    let (mut distinct, mut known, mut numbers) = (Vec::new(), HashMap::new(), Vec::new());
    for secrets in processes.iter().filter_map(|process| secrets(process)) {
        // Not by `==`, which does not tell what is sealed anew from what it was.
        let whole = serde_json::to_vec(secrets).unwrap_or_default();
        numbers.push(*known.entry(whole).or_insert_with(|| {
            distinct.push(secrets);
            distinct.len() - 1
        }));
    }
    if distinct.is_empty() {
        return;
    }
    let verified = verify(&knot(), &distinct);
    for (process, number) in processes.iter_mut().zip(numbers) {
        match &verified {
            Ok(refused) => {
                let own = refused.iter().filter(|refused| refused.plan == number);
                let own: Vec<_> = own.map(|one| refused_problem(name, process, one)).collect();
                if !own.is_empty() {
                    process.plans = None;
                    problems.extend(own);
                }
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

/// Those of a process; all its instances have the same.
fn secrets(process: &ProcessLoad) -> Option<&Secrets> {
    let plan = process.plans.as_ref()?.first()?;
    Some(&plan.secrets)
}

/// Whether there are secrets, and this user may read every private key.
fn can_open(secrets: &Secrets) -> bool {
    let readable =
        |file: &PathBuf| accessat(CWD, file.as_path(), Access::READ_OK, AtFlags::EACCESS).is_ok();
    !secrets.is_empty() && secrets.key_files.iter().all(readable)
}

/// `lithos_knot` beside this program.
fn knot() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.with_file_name("lithos_knot")
}

/// The secrets of some plans that do not open.
///
/// # Errors
///
/// If it cannot be told.
pub fn verify(knot: &Path, secrets: &[&Secrets]) -> Result<Vec<Refused>, VerifyError> {
    let json = serde_json::to_vec(secrets).map_err(|err| VerifyError::Plan(err.into()))?;
    let plan = memfd::sealed("secrets", &json).map_err(VerifyError::Plan)?;
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
    let message = format!(
        "the secret `{}` cannot be delivered: {}",
        refused.variable, refused.error
    );
    let problem = Problem {
        message,
        ..about(sandbox, process)
    };
    let template = process.template.as_ref();
    match template.and_then(|template| template.origin(&refused.variable)) {
        Some(origin) => origin.spot.placed(problem),
        None => problem,
    }
}

fn about(sandbox: &Name, process: &ProcessLoad) -> Problem {
    let subject = format!("{sandbox}/{}", process.name);
    let source: Option<&Arc<Source>> = process.container.as_ref();
    crate::resolve::plain(&subject, source, String::new())
}
