//! `lithos-keys.yaml`: who the keys belong to, which namespaces the secrets of
//! each file are for, and to whom they are sealed.
//!
//! Found in the directory of the file in question or above it, within its
//! repository; above only if nobody else put it there. Its form:
//!
//! ```yaml
//! keys:
//!   web1: ssh-ed25519 AAAA… root@web1
//!   recovery: ssh-ed25519 AAAA… paper in the safe
//! groups:
//!   prod: [web1, recovery]
//! required-recipients: [recovery]     # of every file
//! files:                              # the first pattern that matches counts
//!   "shop/*.yaml": { namespaces: [shop], recipients: [prod] }
//! ```

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::failure::Failure;
use super::rewrite::{self, read_bounded};
use crate::document::{Content, Document, Node};
use crate::{Namespace, PublicKey, ShortHash};

/// The file's name.
pub const FILE_NAME: &str = "lithos-keys.yaml";

/// What the file says.
pub struct Recipients {
    pub path: PathBuf,
    keys: Vec<(String, PublicKey)>,
    groups: Vec<(String, Vec<String>)>,
    required: Vec<String>,
    rules: Vec<Rule>,
}

/// What it says of the files that a pattern matches.
pub struct Rule {
    pub pattern: String,
    matcher: glob::Pattern,
    pub namespaces: Vec<Namespace>,
    pub recipients: Vec<String>,
}

impl Recipients {
    /// The file that counts for this file or directory, if there is one.
    pub fn find(path: &Path) -> Result<Option<Recipients>, Failure> {
        let found = Recipients::locate(path)?;
        found
            .map(|(path, bytes)| Recipients::parse(path, bytes))
            .transpose()
    }

    /// Where that is, and what is in it.
    pub fn locate(path: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
        let absolute = absolute(path).map_err(|cause| unreadable(path, cause))?;
        let parent = absolute.parent().filter(|_| !absolute.is_dir());
        let start = parent.unwrap_or(&absolute);
        for directory in start.ancestors() {
            let candidate = directory.join(FILE_NAME);
            if directory != start {
                refuse_foreign(&candidate, start)?;
            }
            if candidate.exists() {
                rewrite::settle(&candidate)?;
            }
            match read_bounded(&candidate) {
                Ok(bytes) => return Ok(Some((candidate, bytes))),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                    _ => return Err(unreadable(&candidate, error)),
                },
            }
            if directory.join(".git").exists() {
                break;
            }
        }
        Ok(None)
    }

    /// Reads its content.
    pub fn parse(path: PathBuf, bytes: Vec<u8>) -> Result<Recipients, Failure> {
        let document = Document::parse(bytes);
        let document = document.map_err(|cause| Failure::Document {
            path: path.clone(),
            cause,
        })?;
        Reader { path: &path }
            .read(document.root())
            .map(|mut read| {
                read.path = path.clone();
                read
            })
    }

    /// The rule for a file.
    pub fn rule(&self, file: &Path) -> Option<&Rule> {
        let file = absolute(file).ok()?;
        let directory = self.path.parent()?;
        let relative = file.strip_prefix(directory).ok()?;
        let options = glob::MatchOptions {
            require_literal_separator: true,
            ..Default::default()
        };
        let mut rules = self.rules.iter();
        rules.find(|rule| rule.matcher.matches_path_with(relative, options))
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    /// The names of the keys that a file's secrets must be sealed to.
    pub fn recipients_of<'a>(&'a self, rule: Option<&'a Rule>) -> BTreeSet<&'a str> {
        let of_rule = rule.map_or(&[][..], |rule| &rule.recipients);
        self.members(of_rule.iter().chain(&self.required))
    }

    /// The keys' names behind names of keys and groups.
    fn members<'a>(&'a self, names: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a str> {
        let mut members = BTreeSet::new();
        for name in names {
            match self.groups.iter().find(|(group, _)| group == name) {
                Some((_, of_group)) => members.extend(of_group.iter().map(String::as_str)),
                None => {
                    members.insert(&name[..]);
                }
            }
        }
        members
    }

    /// The key of this name, or the keys of this group.
    pub fn keys_named(&self, name: &str) -> Result<Vec<&PublicKey>, Failure> {
        let known = self.keys.iter().any(|(key, _)| key == name)
            || self.groups.iter().any(|(group, _)| group == name);
        if !known {
            let (name, path) = (name.to_owned(), self.path.clone());
            return Err(Failure::UnknownName { name, path });
        }
        let name = name.to_owned();
        let members = self.members([&name]);
        let keys = self.keys.iter();
        Ok(keys
            .filter(|(key, _)| members.contains(&key[..]))
            .map(|(_, key)| key)
            .collect())
    }

    /// The key of exactly this name.
    pub fn key(&self, name: &str) -> Option<&PublicKey> {
        self.keys
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, key)| key)
    }

    /// The keys that a file's secrets must be sealed to, with their hashes.
    pub fn keys_of_file(&self, file: &Path) -> Vec<(ShortHash, &PublicKey)> {
        let names = self.recipients_of(self.rule(file));
        let keys = names.iter().filter_map(|name| self.key(name));
        keys.map(|key| (key.hash(), key)).collect()
    }

    /// The names in lists that let a key read a file.
    pub fn ways_to(&self, file: &Path, key: ShortHash) -> Vec<String> {
        let rule = self.rule(file);
        let of_rule = rule.map(|rule| {
            (
                format!("files.{}.recipients", rule.pattern),
                &rule.recipients,
            )
        });
        let required = ("required-recipients".to_owned(), &self.required);
        let mut ways = Vec::new();
        for (list, names) in of_rule.into_iter().chain([required]) {
            let means = |name: &&String| {
                let keys = self.keys_named(name);
                keys.is_ok_and(|keys| keys.iter().any(|known| known.hash() == key))
            };
            let names = names.iter().filter(means);
            ways.extend(names.map(|name| format!("{list} names {name}")));
        }
        ways
    }

    /// The list of names at a path of keys.
    pub fn list_at(&self, path: &[&str]) -> Vec<String> {
        let found = match path {
            ["groups", name] => {
                let mut groups = self.groups.iter();
                groups
                    .find(|(group, _)| group == name)
                    .map(|(_, members)| members)
            }
            ["files", pattern, _] => {
                let mut rules = self.rules.iter();
                rules
                    .find(|rule| rule.pattern == *pattern)
                    .map(|rule| &rule.recipients)
            }
            _ => Some(&self.required),
        };
        found.cloned().unwrap_or_default()
    }

    /// The paths of all lists that a name is in.
    pub fn lists_with(&self, name: &str) -> Vec<Vec<String>> {
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let groups = self
            .groups
            .iter()
            .map(|(group, members)| (path(&["groups", group]), members));
        let rules = self.rules.iter();
        let rules = rules.map(|rule| {
            (
                path(&["files", &rule.pattern, "recipients"]),
                &rule.recipients,
            )
        });
        let required = [(path(&["required-recipients"]), &self.required)];
        let all = groups.chain(rules).chain(required);
        let with_name = all.filter(|(_, names)| names.iter().any(|member| member == name));
        with_name.map(|(path, _)| path).collect()
    }

    /// The name of a key.
    pub fn name_of(&self, hash: ShortHash) -> Option<&str> {
        let found = self.keys.iter().find(|(_, key)| key.hash() == hash);
        found.map(|(name, _)| &name[..])
    }

    /// A namespace of any rule with this hash.
    pub fn namespace_of(&self, hash: ShortHash) -> Option<&Namespace> {
        let mut namespaces = self.rules.iter().flat_map(|rule| &rule.namespaces);
        namespaces.find(|namespace| namespace.hash() == hash)
    }

    /// The groups that a key is in.
    pub fn groups_of(&self, key: &str) -> Vec<&str> {
        let groups = self.groups.iter();
        let with_key = groups.filter(|(_, members)| members.iter().any(|member| member == key));
        with_key.map(|(name, _)| &name[..]).collect()
    }
}

/// Reads the file, and names places in errors.
struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn read(&self, root: Option<&Node>) -> Result<Recipients, Failure> {
        let mut read = Recipients {
            path: PathBuf::new(),
            keys: Vec::new(),
            groups: Vec::new(),
            required: Vec::new(),
            rules: Vec::new(),
        };
        for (key, value) in self.map(root)? {
            match self.text(key)? {
                "keys" => {
                    for (name, key) in self.map(Some(value))? {
                        let name = self.text(name)?.to_owned();
                        let parsed = PublicKey::from_openssh(self.text(key)?);
                        let parsed = parsed.map_err(|e| self.wrong(key, &e.to_string()))?;
                        read.keys.push((name, parsed));
                    }
                }
                "groups" => {
                    for (name, members) in self.map(Some(value))? {
                        read.groups
                            .push((self.text(name)?.to_owned(), self.list(members)?));
                    }
                }
                "required-recipients" => read.required = self.list(value)?,
                "files" => {
                    for (pattern, rule) in self.map(Some(value))? {
                        read.rules.push(self.rule(pattern, rule)?);
                    }
                }
                other => return Err(self.wrong(key, &format!("unknown key `{other}`"))),
            }
        }
        self.check_names(&read, root)?;
        Ok(read)
    }

    fn rule(&self, pattern: &Node, node: &Node) -> Result<Rule, Failure> {
        let text = self.text(pattern)?;
        let matcher = glob::Pattern::new(text).map_err(|e| self.wrong(pattern, e.msg))?;
        let mut rule = Rule {
            pattern: text.to_owned(),
            matcher,
            namespaces: Vec::new(),
            recipients: Vec::new(),
        };
        for (key, value) in self.map(Some(node))? {
            match self.text(key)? {
                "namespaces" => {
                    for name in self.list(value)? {
                        let parsed = name.parse();
                        let wrong = |e: crate::NamespaceError| self.wrong(value, &e.to_string());
                        rule.namespaces.push(parsed.map_err(wrong)?);
                    }
                }
                "recipients" => rule.recipients = self.list(value)?,
                other => return Err(self.wrong(key, &format!("unknown key `{other}`"))),
            }
        }
        Ok(rule)
    }

    /// Every name that is used must be one of a key or of a group of keys.
    fn check_names(&self, read: &Recipients, root: Option<&Node>) -> Result<(), Failure> {
        let keys: BTreeSet<_> = read.keys.iter().map(|(name, _)| name).collect();
        let groups: BTreeSet<_> = read.groups.iter().map(|(name, _)| name).collect();
        let wrong = |reason: String| match root {
            Some(root) => self.wrong(root, &reason),
            None => unreadable(self.path, io::Error::other(reason)),
        };
        if keys.len() < read.keys.len() || groups.len() < read.groups.len() {
            return Err(wrong("a name is there twice".to_owned()));
        }
        if let Some(both) = keys.intersection(&groups).next() {
            return Err(wrong(format!("{both} is the name of a key and of a group")));
        }
        let members = read.groups.iter().flat_map(|(_, members)| members);
        let stranger = members.into_iter().find(|name| !keys.contains(name));
        let used = read
            .rules
            .iter()
            .flat_map(|rule| &rule.recipients)
            .chain(&read.required);
        let mut used = used.filter(|name| !keys.contains(name) && !groups.contains(name));
        match stranger.or_else(|| used.next()) {
            Some(name) => Err(wrong(format!("there is no key or group {name}"))),
            None => Ok(()),
        }
    }

    fn map<'n>(&self, node: Option<&'n Node>) -> Result<&'n [(Node, Node)], Failure> {
        match node {
            None => Ok(&[]),
            Some(node) if node.is_null() => Ok(&[]),
            Some(node) => node
                .entries()
                .ok_or_else(|| self.wrong(node, "a map belongs here")),
        }
    }

    fn text<'n>(&self, node: &'n Node) -> Result<&'n str, Failure> {
        node.scalar()
            .ok_or_else(|| self.wrong(node, "a text belongs here"))
    }

    fn list(&self, node: &Node) -> Result<Vec<String>, Failure> {
        match &node.content {
            Content::List { items, .. } => items
                .iter()
                .map(|item| Ok(self.text(item)?.to_owned()))
                .collect(),
            _ => Err(self.wrong(node, "a list belongs here")),
        }
    }

    fn wrong(&self, node: &Node, reason: &str) -> Failure {
        let (path, line) = (self.path.to_owned(), node.place.line);
        Failure::Recipients {
            path,
            line,
            reason: reason.to_owned(),
        }
    }
}

/// Refuses a file above `start` that is neither ours, root's nor of the owner of
/// `start`: it would decide whom secrets are sealed to.
fn refuse_foreign(candidate: &Path, start: &Path) -> Result<(), Failure> {
    let Ok(found) = fs::symlink_metadata(candidate) else {
        return Ok(());
    };
    let owner_of = |path| fs::metadata(path).map(|found| found.uid());
    let start = owner_of(start).map_err(|cause| unreadable(start, cause))?;
    let trusted = [rustix::process::geteuid().as_raw(), 0, start];
    let owners = [Some(found.uid()), owner_of(candidate).ok()];
    let mut owners = owners.into_iter().flatten();
    match owners.find(|owner| !trusted.contains(owner)) {
        Some(owner) => Err(Failure::ForeignRecipients {
            path: candidate.to_owned(),
            owner,
        }),
        None => Ok(()),
    }
}

/// The path from the root, without symbolic links as far as it exists.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    if let Ok(found) = fs::canonicalize(path) {
        return Ok(found);
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::canonicalize(parent.unwrap_or(Path::new(".")))?;
    Ok(directory.join(path.file_name().unwrap_or_default()))
}

fn unreadable(path: &Path, cause: io::Error) -> Failure {
    Failure::ReadFile {
        what: "recipients file",
        path: path.to_owned(),
        cause,
    }
}
