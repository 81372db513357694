//! The secrets of a plan: what is delivered where, sealed.
//!
//! Two of them are equal if they deliver the same: a value that is sealed anew,
//! to the same key or to another, has the same second and third column, and no
//! container is restarted for it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use lithos_crypt::{Day, SecretType, Token};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Owner;
use crate::config::secret::Transform;

/// The secrets of a container, and what opens them.
#[derive(Debug, Clone, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Secrets {
    /// Private key files on the host, absolute.
    pub key_files: Vec<PathBuf>,
    /// Namespaces that may be read.
    pub namespaces: Vec<String>,
    /// Variable → secret; with `dotenv` the variables are those that it names.
    pub environ: BTreeMap<String, Sealed>,
    /// Files on a tmpfs of the container's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SecretFile>,
}

/// A secret, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sealed {
    /// The first that opens wins.
    pub tokens: Vec<String>,
    /// What its value must be, for whoever checks it.
    pub kind: Option<SecretType>,
    /// What is made of its value.
    pub transform: Option<Transform>,
    /// The last day that it is good for.
    pub expires: Option<Day>,
}

/// A file with secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretFile {
    /// Absolute inside the container.
    pub path: PathBuf,
    /// Its mode and owner.
    pub owner: Owner,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A secret's exact bytes.
    Secret(Sealed),
    /// These, one after the other.
    Template(Vec<Piece>),
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// As it is.
    Text(String),
    /// A secret's exact bytes.
    Secret {
        /// What it is called.
        name: String,
        /// Itself.
        sealed: Sealed,
    },
}

/// How a secret is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As an environment variable, or several.
    Variable,
    /// As a file.
    File,
    /// In the midst of a file.
    Template,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Variable => "variable",
            Form::File => "file",
            Form::Template => "template",
        })
    }
}

/// A place where a secret is delivered.
#[derive(Debug)]
pub struct Place<'a> {
    /// What it is called: a variable, or a file's path.
    pub name: Cow<'a, str>,
    /// How it is delivered there.
    pub form: Form,
    /// The file that is made of the template.
    pub template: Option<&'a Path>,
    /// Itself.
    pub sealed: &'a Sealed,
}

impl Secrets {
    /// Every place where one is delivered, in the order in which they are opened.
    pub fn places(&self) -> Vec<Place<'_>> {
        let environ = self.environ.iter().map(|(name, sealed)| Place {
            name: name.into(),
            form: Form::Variable,
            template: None,
            sealed,
        });
        let files = self.files.iter().flat_map(SecretFile::places);
        environ.chain(files).collect()
    }

    /// Whether it is left to the keys which token of some secret is opened.
    pub fn is_open(&self) -> bool {
        let mut places = self.places().into_iter();
        places.any(|place| place.sealed.tokens.len() > 1)
    }

    /// Whether there is none: then no key file is opened either.
    pub fn is_empty(&self) -> bool {
        self.environ.is_empty() && self.files.is_empty()
    }

    /// The environment variables that are delivered.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.environ
            .iter()
            .flat_map(|(name, sealed)| sealed.variables(name))
    }

    /// How many are past their last day, wherever they are delivered.
    pub fn count_expired(&self, today: Day) -> usize {
        let places = self.places().into_iter();
        let expired = places.filter(|place| place.sealed.expires.is_some_and(|day| day < today));
        let names: BTreeSet<_> = expired.map(|place| place.name).collect();
        names.len()
    }

    /// What all of it comes to for the container: labels in the place of tokens,
    /// and neither type nor end. Where each secret has one value, whatever opens it, neither
    /// the keys nor their files are part of it.
    pub fn essence(&self) -> Self {
        let mut essence = self.clone();
        let mut certain = true;
        for sealed in essence.each_mut() {
            certain &= sealed.reduce();
        }
        if certain {
            essence.key_files.clear();
        }
        essence
    }

    fn each_mut(&mut self) -> impl Iterator<Item = &mut Sealed> {
        self.environ.values_mut().chain(
            self.files
                .iter_mut()
                .flat_map(|file| file.content.each_mut()),
        )
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.essence(), other.essence());
        one.key_files == two.key_files
            && one.namespaces == two.namespaces
            && one.environ == two.environ
            && one.files == two.files
    }
}

impl SecretFile {
    /// What it is called where a secret is named.
    pub fn name(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }

    fn places(&self) -> Vec<Place<'_>> {
        let pieces = match &self.content {
            Content::Secret(sealed) => {
                return vec![Place {
                    name: self.name(),
                    form: Form::File,
                    template: None,
                    sealed,
                }];
            }
            Content::Template(pieces) => pieces,
        };
        let places = pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Secret { name, sealed } => Some(Place {
                name: name.into(),
                form: Form::Template,
                template: Some(&self.path),
                sealed,
            }),
        });
        places.collect()
    }
}

impl Content {
    fn each_mut(&mut self) -> Vec<&mut Sealed> {
        match self {
            Content::Secret(sealed) => vec![sealed],
            Content::Template(pieces) => pieces
                .iter_mut()
                .filter_map(|piece| match piece {
                    Piece::Text(_) => None,
                    Piece::Secret { sealed, .. } => Some(sealed),
                })
                .collect(),
        }
    }
}

impl Sealed {
    /// The variables that it becomes where it is delivered as `name`.
    pub fn variables<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match &self.transform {
            Some(Transform::Dotenv(names)) => names.iter().map(String::as_str).collect(),
            Some(Transform::Yescrypt) | None => vec![name],
        }
    }

    /// Puts labels in the place of tokens, without their keys if all are of one
    /// value; whether they are.
    fn reduce(&mut self) -> bool {
        (self.kind, self.expires) = (None, None);
        let labels: Vec<_> = self
            .tokens
            .iter()
            .filter_map(|text| Some(text.parse::<Token>().ok()?.label()))
            .collect();
        let Some(first) = labels.first().filter(|_| labels.len() == self.tokens.len()) else {
            return false;
        };
        let same = |label: &lithos_crypt::Label| {
            (label.namespace, label.secret) == (first.namespace, first.secret)
        };
        let certain = labels.iter().all(same);
        self.tokens = match certain {
            true => vec![format!("{}:{}", first.namespace, first.secret)],
            false => labels.iter().map(ToString::to_string).collect(),
        };
        certain
    }
}

/// A list of tokens, as long as there is nothing else to say.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Tokens(Vec<String>),
    #[serde(rename_all = "kebab-case")]
    Map {
        tokens: Vec<String>,
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transform: Option<Transform>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    },
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match (self.kind, &self.transform, self.expires) {
            (None, None, None) => Written::Tokens(self.tokens.clone()),
            (kind, transform, expires) => Written::Map {
                tokens: self.tokens.clone(),
                kind: kind.map(|kind| kind.name().to_owned()),
                transform: transform.clone(),
                expires: expires.map(|day| day.to_string()),
            },
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Tokens(tokens) => Self {
                tokens,
                ..Self::default()
            },
            Written::Map {
                tokens,
                kind,
                transform,
                expires,
            } => Self {
                tokens,
                // A type that only another release knows is none that can be checked.
                kind: kind.as_deref().and_then(SecretType::from_name),
                transform,
                expires: expires.as_deref().and_then(Day::parse),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "v2:k/qSgp/F:KqWSX0BY:8MtOoWUX:\
        MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";

    /// The same token with other columns; it need not open here.
    fn token(key: &str, secret: &str) -> String {
        SEALED.replace("k/qSgp/F", key).replace("8MtOoWUX", secret)
    }

    fn secrets(tokens: &[String], key_file: &str) -> Secrets {
        let sealed = Sealed {
            tokens: tokens.to_vec(),
            ..Sealed::default()
        };
        Secrets {
            key_files: vec![key_file.into()],
            environ: [("P".to_owned(), sealed)].into(),
            ..Secrets::default()
        }
    }

    const OLD: &str = "k/qSgp/F";
    const NEW: &str = "KqWSX0BY";
    const VALUE: &str = "8MtOoWUX";
    const OTHER: &str = "AAAAAAAA";

    #[test]
    fn the_same_value_sealed_to_another_key_is_the_same() {
        let one = secrets(&[token(OLD, VALUE)], "/old");
        assert_eq!(one, secrets(&[token(NEW, VALUE)], "/new"));
        assert_eq!(
            one,
            secrets(&[token(NEW, VALUE), token(OLD, VALUE)], "/new")
        );
    }

    #[test]
    fn another_value_is_not_the_same() {
        assert_ne!(
            secrets(&[token(OLD, VALUE)], "/key"),
            secrets(&[token(OLD, OTHER)], "/key")
        );
    }

    #[test]
    fn where_the_key_decides_the_value_it_counts() {
        let both = [token(OLD, VALUE), token(NEW, OTHER)];
        assert_eq!(secrets(&both, "/key"), secrets(&both, "/key"));
        assert_ne!(secrets(&both, "/old"), secrets(&both, "/new"));
        let swapped = [token(OLD, OTHER), token(NEW, VALUE)];
        assert_ne!(secrets(&both, "/key"), secrets(&swapped, "/key"));
    }

    #[test]
    fn what_is_no_token_is_compared_as_it_is() {
        assert_ne!(secrets(&["a".into()], ""), secrets(&["b".into()], ""));
    }

    #[test]
    fn a_type_or_an_end_changes_nothing_and_a_transform_does() {
        let plain = secrets(&[token(OLD, VALUE)], "/key");
        let mut other = plain.clone();
        let sealed = other.environ.get_mut("P").unwrap();
        sealed.kind = Some(SecretType::Password);
        sealed.expires = Day::parse("2027-01-31");
        assert_eq!(plain, other);
        other.environ.get_mut("P").unwrap().transform = Some(Transform::Yescrypt);
        assert_ne!(plain, other);
    }

    #[test]
    fn a_secret_without_more_to_say_is_recorded_as_a_list_of_tokens() {
        let plain = secrets(&["a".into()], "/key");
        let json = serde_json::to_value(&plain).unwrap();
        assert_eq!(json["environ"]["P"], serde_json::json!(["a"]));
        let mut more = plain;
        let sealed = more.environ.get_mut("P").unwrap();
        sealed.kind = Some(SecretType::SshKey);
        sealed.expires = Day::parse("2027-01-31");
        sealed.transform = Some(Transform::Dotenv(vec!["A".into()]));
        let read: Secrets = serde_json::from_value(serde_json::to_value(&more).unwrap()).unwrap();
        assert_eq!(read.environ, more.environ);
        let on = |day| read.count_expired(Day::parse(day).unwrap());
        assert_eq!((on("2027-01-31"), on("2027-02-01")), (0, 1));
    }
}
