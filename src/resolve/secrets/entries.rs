//! Which secrets a container has, wherever they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::container::Container;
use crate::config::sandbox::Sandbox;
use crate::config::secret::{FileOwner, Sealed, SecretFile, SecretMap, Transform};
use crate::resolve::problems::{Doc, Spot};
use crate::resolve::{Documents, plan};

/// Where a secret comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// For people.
    pub section: &'static str,
    /// Where it stands.
    pub(crate) spot: Spot,
}

/// Where each secret comes from, by its name as the plan has it.
pub type Origins = BTreeMap<String, Origin>;

const ENVIRON: &str = "`secret-environ` of the container config";
const SECRETS_FILE: &str = "the `secret-environ-file`";
const FILES: &str = "`secret-files` of the container config";
const TEMPLATES: &str = "`secret-templates` of the container config";
const SANDBOX: &str = "`default-secrets` of the sandbox";

/// One secret, wherever it is written.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Entry<'a> {
    /// A variable's name, or a file's path as written.
    pub(in crate::resolve) name: &'a str,
    /// As written.
    pub(in crate::resolve) sealed: &'a Sealed,
    /// Where it stands.
    pub(in crate::resolve) spot: Spot,
    /// The file that it is delivered as; none: a variable.
    pub(in crate::resolve) file: Option<(&'a Path, &'a FileOwner)>,
    /// The section that it stands in, for people.
    section: &'static str,
}

impl<'a> Entry<'a> {
    fn variable(name: &'a str, sealed: &'a Sealed, spot: Spot, section: &'static str) -> Self {
        Self {
            name,
            sealed,
            spot,
            file: None,
            section,
        }
    }

    fn file(path: &'a Path, file: &'a SecretFile, spot: Spot, section: &'static str) -> Self {
        Self {
            file: Some((path, &file.owner)),
            ..Self::variable(&file.written, &file.sealed, spot, section)
        }
    }

    /// As it goes into a plan.
    pub(in crate::resolve) fn planned(&self) -> plan::Sealed {
        plan::Sealed {
            tokens: self.sealed.tokens.clone(),
            kind: self.sealed.kind,
            transform: self.sealed.transform.clone(),
            expires: self.sealed.expires,
        }
    }

    /// The variables that it becomes.
    pub(super) fn variables(&self) -> Vec<&'a str> {
        match (&self.sealed.transform, self.file) {
            (_, Some(_)) => Vec::new(),
            (Some(Transform::Dotenv(names)), None) => names.iter().map(String::as_str).collect(),
            (_, None) => vec![self.name],
        }
    }

    /// The spot of one of its tokens; a single one stands there without a list.
    pub(super) fn token(&self, number: usize) -> Spot {
        let spot = match self.sealed.in_map {
            true => self.spot.clone().below("value"),
            false => self.spot.clone(),
        };
        match self.sealed.tokens.len() {
            1 => spot,
            _ => spot.item(number),
        }
    }
}

/// The secrets of a container config and its secrets file.
pub(super) fn own<'a>(
    container: Doc<'a, Container>,
    secrets_file: Option<Doc<'a, SecretMap>>,
) -> Vec<Entry<'a>> {
    let mut found = Vec::new();
    for (name, sealed) in &container.value.secret_environ.0 {
        let spot = container.at(&["secret-environ", name]);
        found.push(Entry::variable(name, sealed, spot, ENVIRON));
    }
    if let Some(file) = secrets_file {
        for (name, sealed) in &file.value.0 {
            let spot = file.at(&[name]);
            found.push(Entry::variable(name, sealed, spot, SECRETS_FILE));
        }
    }
    for (path, file) in &container.value.secret_files {
        let spot = container.at(&["secret-files", &file.written]);
        found.push(Entry::file(path, file, spot, FILES));
    }
    found
}

/// What the sandbox has for every container.
pub(super) fn defaults<'a>(sandbox: Doc<'a, Sandbox>) -> Vec<Entry<'a>> {
    let defaults = &sandbox.value.default_secrets;
    let mut found = Vec::new();
    for (name, sealed) in &defaults.environ.0 {
        let spot = sandbox.at(&["default-secrets", "environ", name]);
        found.push(Entry::variable(name, sealed, spot, SANDBOX));
    }
    for (path, file) in &defaults.files {
        let spot = sandbox.at(&["default-secrets", "files", &file.written]);
        found.push(Entry::file(path, file, spot, SANDBOX));
    }
    found
}

/// Every secret of a container: its own, and those of the sandbox's defaults in
/// whose place it has nothing of its own.
pub(in crate::resolve) fn entries<'a>(docs: &Documents<'a>) -> Vec<Entry<'a>> {
    let container = docs.container.value;
    let mut found = own(docs.container, docs.secrets_file);
    if container.no_default_secrets {
        return found;
    }
    let mut variables: BTreeSet<&str> = found.iter().flat_map(Entry::variables).collect();
    variables.extend(container.environ.keys().map(String::as_str));
    let files: BTreeSet<&Path> = found.iter().filter_map(|e| Some(e.file?.0)).collect();
    let mut more = defaults(docs.sandbox);
    more.retain(|entry| {
        let taken = entry.file.is_some_and(|(path, _)| {
            files.contains(path) || container.secret_templates.contains_key(path)
        });
        !taken
            && !entry
                .variables()
                .iter()
                .any(|name| variables.contains(name))
    });
    found.extend(more);
    found
}

/// The origins of all secrets of a container, and of its templates.
pub(in crate::resolve) fn origins(docs: &Documents<'_>) -> Origins {
    let name = |entry: &Entry<'_>| match entry.file {
        Some((path, _)) => path.display().to_string(),
        None => entry.name.to_owned(),
    };
    let entries = entries(docs).into_iter().map(|entry| {
        let origin = Origin {
            section: entry.section,
            spot: entry.spot.clone(),
        };
        (name(&entry), origin)
    });
    let templates = docs.container.value.secret_templates.iter();
    let templates = templates.map(|(path, template)| {
        let origin = Origin {
            section: TEMPLATES,
            spot: docs.container.at(&["secret-templates", &template.written]),
        };
        (path.display().to_string(), origin)
    });
    entries.chain(templates).collect()
}
