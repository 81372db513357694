//! Sections as people name them with `--in`.

use std::path::Path;

use super::failure::Failure;
use super::survey;
use crate::document::{Document, Section};

/// The section of this name.
pub fn parse(name: &str) -> Result<Section, &'static str> {
    match &name.replace('_', "-")[..] {
        "secret-environ" => Ok(Section::Environ),
        "secret-files" => Ok(Section::Files),
        "default-secrets" => Ok(Section::Defaults(None)),
        "top" => Ok(Section::Whole),
        name => match name.strip_prefix("default-secrets.") {
            Some(part @ ("environ" | "files")) => Ok(Section::Defaults(Some(part.to_owned()))),
            _ => Err(
                "it is none of secret-environ, secret-files, default-secrets, \
                      default-secrets.environ, default-secrets.files and top",
            ),
        },
    }
}

/// The one that a secret stands in, if it is there.
pub fn of(document: &Document, path: &Path, name: &str) -> Result<Option<Section>, Failure> {
    match &document.named(name)[..] {
        [] => Ok(None),
        [entry] => Ok(Some(entry.section().clone())),
        found => Err(survey::several(found, path)),
    }
}

/// Where a new secret belongs.
pub fn for_new(document: &Document, path: &Path, name: &str) -> Result<Section, Failure> {
    if let Some(other) = document.text_under("secret-environ-file") {
        // Not shown: if it is not meant as a path, it may be a value.
        let is_path = other.ends_with(".yaml") || other.ends_with(".yml");
        let other = if is_path { other } else { "…" };
        return Err(Failure::Refused {
            what: format!("add {name} to `{}`", path.display()),
            reason: format!("its variables stand in `{other}`, so says `secret-environ-file`"),
        });
    }
    if document.is_container_config() {
        Ok(Section::Environ)
    } else if document.is_sandbox_config() {
        Ok(Section::Defaults(Some("environ".to_owned())))
    } else if document.is_secrets_file() || document.is_empty() {
        Ok(Section::Whole)
    } else {
        Err(Failure::NoSection {
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }
}
