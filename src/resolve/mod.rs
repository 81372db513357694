//! Every rule that crosses two documents, and the plan that comes of them.
//!
//! Pure: no IO, no clock, no environment. What it must know of the host and of
//! the image comes in as [`Facts`]: [`questions`] says what is needed,
//! [`facts::Answers`](crate::facts::Answers) looks, [`resolve`] decides. All
//! problems are gathered, not only the first. One file below for each family of
//! rules; [`sandbox`] and [`container_alone`] apply those that need one
//! document only.

mod access;
mod confinement;
pub mod conflicts;
mod delivery;
mod devfs;
pub mod difference;
mod environment;
mod files;
mod identity;
mod limits;
mod mount_points;
mod network;
pub mod paths;
pub mod plan;
mod ports;
mod problems;
mod process;
mod secrets;
mod template;
mod variables;
mod volumes;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod properties;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::container::Container;
use crate::config::process::Process;
use crate::config::sandbox::Sandbox;
use crate::config::secret::SecretMap;
use crate::facts::{Facts, Questions};
use crate::name::Name;
use crate::problem::{Problem, Severity, Source};
use paths::Home;
pub use problems::Doc;
use problems::Problems;
pub(crate) use problems::Spot;
pub use secrets::{Origin, Origins};
pub use template::{Before, Template};

/// The documents that one process comes from.
#[derive(Debug, Clone, Copy)]
pub struct Documents<'a> {
    /// The master config and its directories.
    pub home: &'a Home,
    /// The sandbox's name.
    pub sandbox_name: &'a Name,
    /// The sandbox config.
    pub sandbox: Doc<'a, Sandbox>,
    /// The process's name.
    pub process_name: &'a Name,
    /// Its entry in the process config.
    pub process: Doc<'a, Process>,
    /// What the processes before it in the process config come to.
    pub before: Before,
    /// The container config.
    pub container: Doc<'a, Container>,
    /// The file named by `secret-environ-file`.
    pub secrets_file: Option<Doc<'a, SecretMap>>,
}

/// What one process comes to.
#[derive(Debug)]
pub struct Resolved {
    /// What its plans are made from; none if there is an error.
    pub template: Option<Template>,
    /// Every problem and warning.
    pub problems: Vec<Problem>,
}

impl Documents<'_> {
    fn problems(&self) -> Problems {
        Problems::about(format!("{}/{}", self.sandbox_name, self.process_name))
    }
}

/// The image's directory on the host, from documents that are trusted to name
/// it only within `image-dir`.
pub fn image(
    sandbox: Doc<'_, Sandbox>,
    process: Doc<'_, Process>,
    subject: String,
) -> Result<PathBuf, Vec<Problem>> {
    let mut problems = Problems::about(subject);
    process::image(sandbox, process, &mut problems).ok_or_else(|| problems.into_vec())
}

/// What must be known of the host and the image to resolve these documents.
pub fn questions(docs: &Documents<'_>) -> Questions {
    let mut ignored = docs.problems();
    let image = process::image(docs.sandbox, docs.process, &mut ignored);
    let ids = identity::ids(docs, &mut ignored);
    let mounts = volumes::layout(docs, ids.as_ref(), &mut ignored);
    let mut paths: BTreeSet<PathBuf> = process::paths(docs);
    paths.extend(files::TARGETS.map(PathBuf::from));
    paths.extend(delivery::paths(docs));
    paths.extend(devfs::paths(docs));
    Questions {
        image: image.unwrap_or_default(),
        mounts,
        paths,
        executable: docs.container.executable.clone(),
        host_paths: files::host_paths(docs),
        key_files: secrets::key_files(docs),
        public_host: files::needs_public_host(&docs.container),
        bridge: docs
            .sandbox
            .bridged_network
            .as_ref()
            .map(|net| net.bridge.clone()),
    }
}

/// Applies every rule to one process.
pub fn resolve(docs: &Documents<'_>, facts: &Facts) -> Resolved {
    let mut problems = docs.problems();
    alone(docs.container, docs.secrets_file, &mut problems);
    let template = template::make(docs, facts, &mut problems);
    Resolved {
        template: template.filter(|_| problems.errors() == 0),
        problems: problems.into_vec(),
    }
}

/// Applies the rules of a sandbox config that need no other document.
pub fn sandbox(name: &Name, sandbox: Doc<'_, Sandbox>) -> Vec<Problem> {
    let mut problems = Problems::about(name.as_str());
    identity::sandbox(sandbox, &mut problems);
    limits::sandbox(sandbox, &mut problems);
    confinement::sandbox(sandbox, &mut problems);
    network::sandbox(sandbox, &mut problems);
    secrets::sandbox(sandbox, &mut problems);
    problems.into_vec()
}

/// Whether the log of a sandbox, as the master config places it, is what lithos
/// writes its audit log to.
pub fn sandbox_log(home: &Home, name: &Name, sandbox: Doc<'_, Sandbox>) -> Vec<Problem> {
    let mut problems = Problems::about(name.as_str());
    let file = home.sandbox_log(name, sandbox.value);
    if file == home.audit_log() {
        let message = format!("the sandbox would log to {}, the audit log", file.display());
        problems
            .error(sandbox.at(&["log-file"]), message)
            .hint("give it another `log-file`");
    }
    problems.into_vec()
}

/// Applies the rules of a container config that need no other document but its
/// secrets file.
pub fn container_alone(
    container: Doc<'_, Container>,
    secrets_file: Option<Doc<'_, SecretMap>>,
) -> Vec<Problem> {
    let mut problems = Problems::about("");
    alone(container, secrets_file, &mut problems);
    problems.into_vec()
}

fn alone(
    container: Doc<'_, Container>,
    secrets_file: Option<Doc<'_, SecretMap>>,
    problems: &mut Problems,
) {
    process::alone(container, problems);
    secrets::alone(container, secrets_file, problems);
    variables::alone(container, problems);
    volumes::alone(container, problems);
}

/// A problem with a document that could not be read at all, or about none.
pub fn plain(subject: &str, source: Option<&Arc<Source>>, message: String) -> Problem {
    Problem {
        severity: Severity::Error,
        source: source.cloned(),
        place: crate::problem::Place::Whole,
        subject: subject.to_owned(),
        message,
        hint: None,
        status: None,
    }
}
