//! Sections as people name them with `--in`.

use std::path::Path;

use super::failure::Failure;
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
        _ => Err(Failure::SeveralSections {
            name: name.to_owned(),
            path: path.to_owned(),
        }),
    }
}

/// Where a new secret belongs.
pub fn for_new(document: &Document) -> Section {
    if document.has_sections() {
        Section::Environ
    } else {
        Section::Whole
    }
}
