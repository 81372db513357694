//! Secrets as they are written, in whichever document: a token, a list of
//! tokens, or a map with `value` and what else there is to say.
//!
//! The texts are kept unread: a text that is no token may be a plaintext that
//! someone forgot to seal, so nothing prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use lithos_crypt::{Day, SecretType};
use serde::{Deserialize, Serialize};

use super::reader::{Map, Value};
use super::values::{id, list, mapping, mode, not_below, text};

/// Where files of secrets with relative names are, inside the container.
pub const DIRECTORY: &str = "/run/secrets";

/// The mode of a file of which nothing else is said.
const MODE: u32 = 0o400;

/// A secret, as written.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sealed {
    /// The texts given for it, the first that opens wins.
    pub tokens: Vec<String>,
    /// Whether they stand under `value`.
    pub in_map: bool,
    /// What its value must be.
    pub kind: Option<SecretType>,
    /// The last day it is good for.
    pub expires: Option<Day>,
    /// What is made of its value.
    pub transform: Option<Transform>,
}

/// What is made of a secret's value before it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// The hash of the password, as crypt(3) takes it.
    Yescrypt,
    /// Its `KEY=VALUE` lines, which are exactly these variables.
    Dotenv(Vec<String>),
}

/// Variable → secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretMap(pub BTreeMap<String, Sealed>);

/// Absolute path inside the container → secret.
pub type SecretFiles = BTreeMap<PathBuf, SecretFile>;

/// Absolute path inside the container → text with secrets.
pub type SecretTemplates = BTreeMap<PathBuf, SecretTemplate>;

/// A secret that is delivered as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Its path as written.
    pub written: String,
    /// What is in it.
    pub sealed: Sealed,
    /// Whose it is.
    pub owner: FileOwner,
}

/// A file with secrets in the midst of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTemplate {
    /// Its path as written.
    pub written: String,
    /// What it consists of.
    pub pieces: Vec<Piece>,
    /// Whose it is.
    pub owner: FileOwner,
}

/// A part of a template.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The value of the secret of this name.
    Secret(String),
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOwner {
    /// An id inside the container; none: the process's.
    pub user: Option<u32>,
    /// An id inside the container; none: the process's.
    pub group: Option<u32>,
    /// Permission bits.
    pub mode: u32,
}

/// What every container of a sandbox gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultSecrets {
    /// Variables.
    pub environ: SecretMap,
    /// Files.
    pub files: SecretFiles,
}

impl Default for FileOwner {
    fn default() -> Self {
        Self {
            user: None,
            group: None,
            mode: MODE,
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<Vec<String>> for Sealed {
    fn from(tokens: Vec<String>) -> Self {
        Self {
            tokens,
            ..Self::default()
        }
    }
}

/// Variable → secret, in each of its forms.
pub(super) fn variables(value: &Value<'_>) -> Option<SecretMap> {
    let what = "a mapping of variable to token";
    mapping(what, variable_name, |value| {
        sealed(value, |map| transform(map, true))
    })(value)
    .map(SecretMap)
}

/// Path → secret, in each of its forms.
pub(super) fn files(value: &Value<'_>) -> Option<SecretFiles> {
    each_file(value, "a mapping of path to token", |written, value| {
        let mut owner = FileOwner::default();
        let sealed = sealed(value, |map| {
            owner = file_owner(map);
            transform(map, false)
        });
        Some(SecretFile {
            written,
            sealed: sealed?,
            owner,
        })
    })
}

/// Path → text with `@{secret:NAME}`, or a map with `text`.
pub(super) fn templates(value: &Value<'_>) -> Option<SecretTemplates> {
    each_file(value, "a mapping of path to text", |written, value| {
        let (pieces, owner) = match value.is_map() {
            false => (template(value), FileOwner::default()),
            true => {
                let mut map = value.map("a text, or a mapping with `text`")?;
                let pieces = map.required("text", template);
                let owner = file_owner(&mut map);
                map.finish_unnamed();
                (pieces, owner)
            }
        };
        Some(SecretTemplate {
            written,
            pieces: pieces?,
            owner,
        })
    })
}

/// `default-secrets` of a sandbox.
pub(super) fn defaults(value: &Value<'_>) -> Option<DefaultSecrets> {
    let mut map = value.map("a mapping with `environ` and `files`")?;
    let read = DefaultSecrets {
        environ: map.or("environ", SecretMap::default(), variables),
        files: map.or("files", SecretFiles::new(), files),
    };
    map.finish_unnamed();
    Some(read)
}

/// The name of an environment variable.
pub(super) fn variable_name(name: &str, value: &Value<'_>) -> Option<String> {
    match name.is_empty() || name.contains('=') {
        true => value.refuse_key("a variable's name cannot be empty or hold `=`", None),
        false => Some(name.to_owned()),
    }
}

/// A secret in one of its forms; `more` reads those keys of the map that are
/// not the same everywhere.
fn sealed(
    value: &Value<'_>,
    more: impl FnOnce(&mut Map<'_>) -> Option<Transform>,
) -> Option<Sealed> {
    if !value.is_map() {
        return tokens(value).map(Sealed::from);
    }
    let mut map = value.map("a token, a list of tokens, or a mapping with `value`")?;
    let tokens = map.required("value", tokens);
    map.optional("description", text);
    let sealed = Sealed {
        tokens: tokens.clone().unwrap_or_default(),
        in_map: true,
        kind: map.optional("type", kind),
        expires: map.optional("expires", day),
        transform: more(&mut map),
    };
    map.finish_unnamed();
    tokens.map(|_| sealed)
}

fn tokens(value: &Value<'_>) -> Option<Vec<String>> {
    let token = |value: &Value<'_>| value.text("a token").map(str::to_owned);
    if !value.is_list() {
        return value
            .text("a token or a list of tokens")
            .map(|token| vec![token.to_owned()]);
    }
    let tokens = list("a token or a list of tokens", token)(value)?;
    match tokens.is_empty() {
        true => value.refuse("a list of tokens cannot be empty", None),
        false => Some(tokens),
    }
}

fn kind(value: &Value<'_>) -> Option<SecretType> {
    let names = SecretType::ALL.map(SecretType::name).join(", ");
    let what = format!("one of {names}");
    SecretType::from_name(value.scalar(&what)?)
        .or_else(|| value.refuse(format!("expected {what}"), None))
}

fn day(value: &Value<'_>) -> Option<Day> {
    let what = "a day such as 2027-01-31";
    Day::parse(value.scalar(what)?).or_else(|| value.refuse(format!("expected {what}"), None))
}

/// `transform`, and `variables` that belong to one of them.
fn transform(map: &mut Map<'_>, of_variable: bool) -> Option<Transform> {
    let variables = map.get("variables");
    let written = map.get("transform");
    let name = match &written {
        Some(value) => value.scalar("`yescrypt` or `dotenv`")?,
        None => "",
    };
    match (name, written, variables) {
        ("dotenv", Some(value), None) => value.refuse(
            "`dotenv` needs `variables`, the names that it delivers",
            None,
        ),
        ("dotenv", Some(_), Some(variables)) if of_variable => {
            declared(&variables).map(Transform::Dotenv)
        }
        ("dotenv", Some(value), Some(_)) => value.refuse(
            "`dotenv` makes variables, not a file",
            Some("move it to `secret-environ`"),
        ),
        (_, _, Some(variables)) => {
            variables.refuse_key("only `transform: dotenv` has `variables`", None)
        }
        ("yescrypt", Some(_), None) => Some(Transform::Yescrypt),
        (_, Some(value), None) => value.refuse("expected `yescrypt` or `dotenv`", None),
        (_, None, None) => None,
    }
}

/// The variables that a `dotenv` declares.
fn declared(value: &Value<'_>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let name = |item: &Value<'_>| {
        let name = item.scalar("a variable's name")?;
        match is_dotenv_name(name) {
            true => Some(name.to_owned()),
            false => item.refuse(
                "a variable's name holds only letters, digits and `_`, and begins with no digit",
                None,
            ),
        }
    };
    let names = list("a list of variables", name)(value)?;
    if names.is_empty() {
        return value.refuse("`variables` cannot be empty", None);
    }
    match names.iter().all(|name| seen.insert(name.as_str())) {
        true => Some(names),
        false => value.refuse("a variable is named twice", None),
    }
}

/// Whether this can be the name of a variable in a `dotenv`.
pub fn is_dotenv_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn file_owner(map: &mut Map<'_>) -> FileOwner {
    FileOwner {
        user: map.optional("user", id),
        group: map.optional("group", id),
        mode: map.or("mode", MODE, file_mode),
    }
}

/// What a file that is not executed may have for a mode.
fn file_mode(value: &Value<'_>) -> Option<u32> {
    let mode = mode(value)?;
    match mode & !0o444 {
        0 => Some(mode),
        _ => value.refuse(
            "such a file can only be read: its mode is within 0444",
            None,
        ),
    }
}

/// A mapping of paths; relative ones are below [`DIRECTORY`].
fn each_file<T>(
    value: &Value<'_>,
    what: &str,
    read: impl Fn(String, &Value<'_>) -> Option<T>,
) -> Option<BTreeMap<PathBuf, T>> {
    let mut files = BTreeMap::new();
    let mut broken = false;
    for (written, value) in value.entries(what)? {
        match (file_path(written, &value), read(written.to_owned(), &value)) {
            (Some(path), _) if files.contains_key(&path) => {
                broken = true;
                value.refuse_key::<()>("this file is given twice", None);
            }
            (Some(path), Some(file)) => drop(files.insert(path, file)),
            _ => broken = true,
        }
    }
    (!broken).then_some(files)
}

fn file_path(written: &str, value: &Value<'_>) -> Option<PathBuf> {
    let relative = written.strip_prefix('/').unwrap_or(written);
    match not_below(relative) {
        Some(why) => value.refuse_key(why, None),
        None => Some(Path::new(DIRECTORY).join(written)),
    }
}

/// Takes a template apart. Nothing but `@{secret:NAME}` means anything.
fn template(value: &Value<'_>) -> Option<Vec<Piece>> {
    const START: &str = "@{secret:";
    let mut rest = value.scalar("a text with `@{secret:NAME}`")?;
    let mut pieces = Vec::new();
    while let Some((before, after)) = rest.split_once(START) {
        let Some((name, behind)) = after.split_once('}') else {
            return value.refuse("a `@{secret:` has no `}`", None);
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Secret(name.trim().to_owned()));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}
