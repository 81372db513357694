//! The audit log: which secret was given to which start of which container.
//!
//! One line of JSON for each secret and place of its delivery, made of the plan
//! and of what the knot tells of the start ([`crate::report`]). A start has an
//! id, which all its lines have, so that one which was written twice is known
//! for it. [`log`] writes them, `tree::auditing` says when, [`reading`] reads
//! them. docs/audit.md tells people.
//!
//! No line holds a value, nor a token: labels, names and outcomes only.

pub mod log;
pub mod reading;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use lithos_crypt::{Label, ShortHash, Token};
use serde::{Deserialize, Serialize};

use crate::name::ContainerName;
use crate::report::RefusedSecret;
use crate::resolve::plan::{Form, Place, Plan};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// What became of a secret.
    Secret(Line),
    /// That lines are missing.
    Gap(Gap),
}

/// What became of one secret at one start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// RFC 3339, UTC.
    pub time: String,
    /// Whose.
    pub container: ContainerName,
    /// Which start of it: the same in all its lines, and in no other.
    pub start: String,
    /// What is started.
    pub occasion: Occasion,
    /// What the secret is called: a variable, or a file's path.
    pub secret: String,
    /// How it is delivered.
    pub delivery: Form,
    /// The file that is made of a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `delivered`, `withheld`, `unknown`, `intended`, or why it was refused.
    pub outcome: String,
    /// The token's namespace, if it is one that the sandbox allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The token's first column, where it is known which token it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
    /// Its second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_hash: Option<String>,
    /// Its third.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<String>,
}

/// That it is not known what a container was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gap {
    /// RFC 3339, UTC.
    pub time: String,
    /// Whose lines are missing.
    pub container: ContainerName,
    /// Why.
    pub gap: String,
}

impl Entry {
    /// Lines of this container are missing.
    pub fn gap(container: &ContainerName, why: &str) -> Self {
        Self::Gap(Gap {
            time: rfc3339(SystemTime::now()),
            container: container.clone(),
            gap: why.to_owned(),
        })
    }

    /// Whom it is about.
    pub fn container(&self) -> &ContainerName {
        match self {
            Self::Secret(line) => &line.container,
            Self::Gap(gap) => &gap.container,
        }
    }
}

/// What secrets are delivered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A process of the config.
    Start,
    /// A command that an operator executes in a container.
    Exec,
}

/// How a start went, as far as its secrets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The process has them.
    Delivered {
        /// Seconds since 1970, UTC.
        time: u64,
        /// The labels of the tokens that were opened, in the plan's order; none:
        /// each secret has one token only.
        opened: &'a [String],
    },
    /// Nothing was started, because of these or of something else.
    Failed(&'a [RefusedSecret]),
    /// Whoever could tell was killed.
    Unknown,
    /// It is about to be started.
    Intended,
}

/// A name for a start that no other start of the container has.
pub fn new_start() -> String {
    format!("{:x}", since_1970().as_nanos())
}

fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

fn rfc3339(time: SystemTime) -> String {
    format_rfc3339_seconds(time).to_string()
}

/// The lines of the start that is called so.
pub fn lines(plan: &Plan, start: &str, occasion: Occasion, outcome: Outcome<'_>) -> Vec<Entry> {
    let time = match outcome {
        Outcome::Delivered { time, .. } => UNIX_EPOCH + Duration::from_secs(time),
        _ => SystemTime::now(),
    };
    let about = About {
        plan,
        time: rfc3339(time),
        start,
        occasion,
    };
    let mut lines = Vec::new();
    for (index, place) in plan.secrets.places().into_iter().enumerate() {
        for line in about.place(index, &place, outcome) {
            // A template may ask for the same twice.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.into_iter().map(Entry::Secret).collect()
}

/// What the lines of a start have in common.
struct About<'a> {
    plan: &'a Plan,
    time: String,
    start: &'a str,
    occasion: Occasion,
}

impl About<'_> {
    /// One line; of a refused secret one for each of its tokens.
    fn place(&self, index: usize, place: &Place<'_>, outcome: Outcome<'_>) -> Vec<Line> {
        let tokens = &place.sealed.tokens;
        let only = match &tokens[..] {
            [only] => label_of(only),
            _ => None,
        };
        match outcome {
            Outcome::Delivered { opened, .. } => {
                let told = opened.get(index).and_then(|label| columns(label));
                vec![self.line(place, "delivered", told.or(only))]
            }
            Outcome::Unknown => vec![self.line(place, "unknown", only)],
            Outcome::Intended => vec![self.line(place, "intended", only)],
            Outcome::Failed(refused) => {
                let refused = refused.iter().find(|refused| refused.name == place.name);
                let Some(RefusedSecret { outcomes, .. }) = refused else {
                    return vec![self.line(place, "withheld", only)];
                };
                let labels = tokens.iter().map(|token| label_of(token));
                match outcomes.len() == tokens.len() {
                    true => labels
                        .zip(outcomes)
                        .map(|(label, outcome)| self.line(place, outcome, label))
                        .collect(),
                    // It opened, and is not what it must be.
                    false => outcomes
                        .iter()
                        .map(|outcome| self.line(place, outcome, only.clone()))
                        .collect(),
                }
            }
        }
    }

    fn line(&self, place: &Place<'_>, outcome: &str, label: Option<[String; 3]>) -> Line {
        let [key, namespace, secret] = match label {
            Some(columns) => columns.map(Some),
            None => [None, None, None],
        };
        Line {
            time: self.time.clone(),
            container: self.plan.name.clone(),
            start: self.start.to_owned(),
            occasion: self.occasion,
            secret: place.name.clone().into_owned(),
            delivery: place.form,
            path: place.template.map(shown),
            outcome: outcome.to_owned(),
            namespace: namespace.as_deref().and_then(|hash| self.namespace(hash)),
            key_hash: key,
            namespace_hash: namespace,
            secret_hash: secret,
        }
    }

    /// The namespace with this hash, among those that are allowed.
    fn namespace(&self, hash: &str) -> Option<String> {
        let mut allowed = self.plan.secrets.namespaces.iter();
        allowed
            .find(|name| ShortHash::of(name.as_bytes()).to_string() == hash)
            .cloned()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn label_of(token: &str) -> Option<[String; 3]> {
    let label = token.parse::<Token>().ok()?.label();
    let Label {
        key,
        namespace,
        secret,
    } = label;
    Some([key, namespace, secret].map(|hash| hash.to_string()))
}

/// The three columns of a label as it is displayed.
fn columns(label: &str) -> Option<[String; 3]> {
    let mut columns = label.split(':');
    let mut next = || columns.next()?.parse::<ShortHash>().ok();
    let label = [next()?, next()?, next()?];
    Some(label.map(|hash| hash.to_string()))
}

#[cfg(test)]
mod tests;
