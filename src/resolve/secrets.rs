//! Secrets: which tokens a container may have opened, judged by their labels.
//!
//! Nothing here opens a token or reads a private key, and no message holds a
//! text that was given for one: it may be a plaintext that someone forgot to
//! seal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lithos_crypt::{Namespace, ShortHash, Token};

use super::plan::{self, Ids, Secrets};
use super::problems::{Doc, Problems, Spot};
use super::{Documents, delivery, environment, paths, ports};
use crate::config::container::Container;
use crate::config::sandbox::Sandbox;
use crate::config::secret::{FileOwner, Sealed, SecretFile, SecretMap, Transform};
use crate::facts::{Facts, KeyFile, Kind, PublicHalf, Seen};

/// Where a secret comes from, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Container(&'static str),
    SecretsFile,
    Sandbox,
}

/// One secret, wherever it is written.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// A variable's name, or a file's path as written.
    pub(super) name: &'a str,
    /// As written.
    pub(super) sealed: &'a Sealed,
    /// Where it stands.
    pub(super) spot: Spot,
    /// The file that it is delivered as; none: a variable.
    pub(super) file: Option<(&'a Path, &'a FileOwner)>,
    pub(super) origin: Origin,
}

impl<'a> Entry<'a> {
    fn variable(name: &'a str, sealed: &'a Sealed, spot: Spot, origin: Origin) -> Self {
        Self {
            name,
            sealed,
            spot,
            file: None,
            origin,
        }
    }

    fn file(path: &'a Path, file: &'a SecretFile, spot: Spot, origin: Origin) -> Self {
        Self {
            file: Some((path, &file.owner)),
            ..Self::variable(&file.written, &file.sealed, spot, origin)
        }
    }

    /// As it goes into a plan.
    pub(super) fn planned(&self) -> plan::Sealed {
        plan::Sealed {
            tokens: self.sealed.tokens.clone(),
            kind: self.sealed.kind,
            transform: self.sealed.transform.clone(),
        }
    }

    /// The variables that it becomes.
    fn variables(&self) -> Vec<&'a str> {
        match (&self.sealed.transform, self.file) {
            (_, Some(_)) => Vec::new(),
            (Some(Transform::Dotenv(names)), None) => names.iter().map(String::as_str).collect(),
            (_, None) => vec![self.name],
        }
    }

    /// The spot of one of its tokens; a single one stands there without a list.
    fn token(&self, number: usize) -> Spot {
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
fn own<'a>(
    container: Doc<'a, Container>,
    secrets_file: Option<Doc<'a, SecretMap>>,
) -> Vec<Entry<'a>> {
    let mut found = Vec::new();
    for (name, sealed) in &container.value.secret_environ.0 {
        let spot = container.at(&["secret-environ", name]);
        found.push(Entry::variable(
            name,
            sealed,
            spot,
            Origin::Container("secret-environ"),
        ));
    }
    if let Some(file) = secrets_file {
        for (name, sealed) in &file.value.0 {
            let spot = file.at(&[name]);
            found.push(Entry::variable(name, sealed, spot, Origin::SecretsFile));
        }
    }
    for (path, file) in &container.value.secret_files {
        let spot = container.at(&["secret-files", &file.written]);
        found.push(Entry::file(
            path,
            file,
            spot,
            Origin::Container("secret-files"),
        ));
    }
    found
}

/// What the sandbox has for every container.
fn defaults<'a>(sandbox: Doc<'a, Sandbox>) -> Vec<Entry<'a>> {
    let defaults = &sandbox.value.default_secrets;
    let mut found = Vec::new();
    for (name, sealed) in &defaults.environ.0 {
        let spot = sandbox.at(&["default-secrets", "environ", name]);
        found.push(Entry::variable(name, sealed, spot, Origin::Sandbox));
    }
    for (path, file) in &defaults.files {
        let spot = sandbox.at(&["default-secrets", "files", &file.written]);
        found.push(Entry::file(path, file, spot, Origin::Sandbox));
    }
    found
}

/// Every secret of a container: its own, and those of the sandbox's defaults in
/// whose place it has nothing of its own.
pub(super) fn entries<'a>(docs: &Documents<'a>) -> Vec<Entry<'a>> {
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

/// The rules of a container config and its secrets file alone: names, and
/// whether the tokens are such.
pub(super) fn alone(
    container: Doc<'_, Container>,
    secrets_file: Option<Doc<'_, SecretMap>>,
    problems: &mut Problems,
) {
    let entries = own(container, secrets_file);
    check_tokens(&entries, problems);
    check_variables(container, &entries, problems);
    if let Some(file) = secrets_file {
        check_filed_names(container, file, problems);
    }
}

/// The same of a sandbox config.
pub(super) fn sandbox(sandbox: Doc<'_, Sandbox>, problems: &mut Problems) {
    let entries = defaults(sandbox);
    check_tokens(&entries, problems);
    refuse_twice(&entries, problems);
}

/// Refuses what is no token, and the names that are ours.
fn check_tokens(entries: &[Entry<'_>], problems: &mut Problems) {
    for entry in entries {
        for name in entry.variables() {
            environment::check_name(name, entry.spot.clone().key(), problems);
        }
        for (number, text) in entry.sealed.tokens.iter().enumerate() {
            if let Err(err) = text.parse::<Token>() {
                let message = format!("this is no token that can be read: {err}");
                problems
                    .error(entry.token(number), message)
                    .hint("seal the value with `lithos_crypt encrypt`");
            }
        }
    }
}

/// Refuses variables of a `dotenv` that are used or reserved already. (A secret's
/// own name is checked where it is read.)
fn check_variables(container: Doc<'_, Container>, entries: &[Entry<'_>], problems: &mut Problems) {
    let activated = ports::activates(&container);
    for entry in entries {
        let Some(Transform::Dotenv(names)) = &entry.sealed.transform else {
            continue;
        };
        for name in names {
            if container.environ.contains_key(name) {
                let message = format!("its variable `{name}` stands in `environ` too");
                problems.error(entry.spot.clone(), message);
            } else if activated && ports::LISTEN.contains(&name.as_str()) {
                let message = format!("its variable `{name}` is set by systemd activation");
                problems.error(entry.spot.clone(), message);
            }
        }
    }
    refuse_twice(entries, problems);
}

/// Refuses a variable that comes from two secrets.
fn refuse_twice(entries: &[Entry<'_>], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for entry in entries {
        for name in entry.variables() {
            if !seen.insert(name) {
                let message = format!("the variable `{name}` comes from another secret, too");
                problems.error(entry.spot.clone().key(), message);
            }
        }
    }
}

/// Refuses names that the container config uses or reserves already. (Those of
/// its own `secret-environ` are checked where it is read.)
fn check_filed_names(
    container: Doc<'_, Container>,
    file: Doc<'_, SecretMap>,
    problems: &mut Problems,
) {
    let activated = ports::activates(&container);
    for name in file.value.0.keys() {
        let spot = file.at(&[name]).key();
        if container.environ.contains_key(name) {
            problems
                .error(
                    spot,
                    format!("`{name}` stands in `environ` of {} too", container.file()),
                )
                .hint("keep one of the two");
        } else if activated && ports::LISTEN.contains(&name.as_str()) {
            problems.error(
                spot,
                format!(
                    "`{name}` is set by systemd activation, which {} asks for",
                    container.file()
                ),
            );
        }
    }
}

/// The private key files that matter, expanded; none if there is no secret.
pub(super) fn key_files(docs: &Documents<'_>) -> BTreeSet<PathBuf> {
    match entries(docs).is_empty() {
        true => BTreeSet::new(),
        false => expanded(docs).into_iter().collect(),
    }
}

/// Where each secret comes from, by its name as the plan has it.
pub(super) fn origins(docs: &Documents<'_>) -> BTreeMap<String, String> {
    let origin = |entry: &Entry<'_>| match entry.origin {
        Origin::Container(section) => format!("`{section}` of the container config"),
        Origin::SecretsFile => "the `secret-environ-file`".to_owned(),
        Origin::Sandbox => "`default-secrets` of the sandbox".to_owned(),
    };
    let name = |entry: &Entry<'_>| match entry.file {
        Some((path, _)) => path.display().to_string(),
        None => entry.name.to_owned(),
    };
    let entries = entries(docs);
    let entries = entries.iter().map(|entry| (name(entry), origin(entry)));
    let templates = docs.container.value.secret_templates.keys();
    let templates = templates.map(|path| {
        let origin = "`secret-templates` of the container config";
        (path.display().to_string(), origin.to_owned())
    });
    entries.chain(templates).collect()
}

fn expanded(docs: &Documents<'_>) -> Vec<PathBuf> {
    let files = docs.sandbox.value.secrets_private_key.iter();
    files.map(|file| docs.home.key_file(file)).collect()
}

/// The secrets of a process.
pub(super) fn secrets(
    docs: &Documents<'_>,
    ids: Option<&Ids>,
    facts: &Facts,
    problems: &mut Problems,
) -> Secrets {
    let namespaces = namespaces(docs, problems);
    let entries = entries(docs);
    let files = delivery::files(docs, &entries, ids, problems);
    if entries.is_empty() {
        return Secrets {
            files,
            ..Secrets::default()
        };
    }
    if docs.sandbox.secrets_private_key.is_empty() {
        problems
            .error(
                entries[0].spot.clone().key(),
                "there are secrets, but the sandbox has no `secrets-private-key`",
            )
            .hint(format!(
                "add `secrets-private-key` to {}",
                docs.sandbox.file()
            ));
        return Secrets::default();
    }
    let keys = check_keys(docs, facts, problems);
    for entry in &entries {
        check_labels(entry, keys.as_deref(), &namespaces, problems);
        warn_if_expired(entry, facts, problems);
    }
    let environ = entries.iter().filter(|entry| entry.file.is_none());
    Secrets {
        key_files: expanded(docs),
        namespaces: namespaces.iter().map(|n| n.as_str().to_owned()).collect(),
        environ: environ
            .map(|entry| (entry.name.to_owned(), entry.planned()))
            .collect(),
        files,
    }
}

/// It is delivered all the same: an outage would be worse.
fn warn_if_expired(entry: &Entry<'_>, facts: &Facts, problems: &mut Problems) {
    if let Some(day) = entry.sealed.expires.filter(|day| *day < facts.today) {
        let name = entry.name;
        let message = format!("the secret `{name}` has expired: its last day was {day}");
        problems
            .warning(entry.spot.clone().key(), message)
            .hint("make a new value, seal it, and let the old one be forgotten");
    }
}

/// The sandbox's namespaces, and those that the process adds.
fn namespaces(docs: &Documents<'_>, problems: &mut Problems) -> Vec<Namespace> {
    let sandbox = docs.sandbox;
    let mut namespaces = sandbox.secrets_namespaces.clone();
    for (number, extra) in docs.process.extra_secrets_namespaces.iter().enumerate() {
        if namespaces.contains(extra) {
            continue;
        }
        if !sandbox.allow_extra_secrets_namespaces.contains(extra) {
            problems
                .error(
                    docs.process.at(&["extra-secrets-namespaces"]).item(number),
                    format!(
                        "the namespace `{extra}` is not among the \
                         `allow-extra-secrets-namespaces` of the sandbox ({})",
                        list(&sandbox.allow_extra_secrets_namespaces)
                    ),
                )
                .hint(format!(
                    "add it to `allow-extra-secrets-namespaces` in {}",
                    sandbox.file()
                ));
        }
        namespaces.push(extra.clone());
    }
    namespaces
}

fn list(namespaces: &[Namespace]) -> String {
    match namespaces {
        [] => "none are allowed".to_owned(),
        some => some
            .iter()
            .map(|n| format!("`{n}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Checks the key files; the hashes of their public keys, if all are known and
/// none of the files can be read: what is in a file counts, not what lies beside
/// it, and whoever can read it opens the tokens.
fn check_keys(
    docs: &Documents<'_>,
    facts: &Facts,
    problems: &mut Problems,
) -> Option<Vec<ShortHash>> {
    let written = &docs.sandbox.value.secrets_private_key;
    let mut hashes = Some(Vec::new());
    for (number, file) in written.iter().enumerate() {
        let path = docs.home.key_file(file);
        let Some(key) = facts.key_files.get(&path) else {
            continue;
        };
        let spot = docs.sandbox.at(&["secrets-private-key"]);
        let spot = if written.len() == 1 {
            spot
        } else {
            spot.item(number)
        };
        if let PublicHalf::Broken(why) = &key.public {
            let public = paths::public_key(&path);
            let message = format!("cannot read the public key {}: {why}", public.display());
            problems.warning(spot.clone(), message);
        }
        check_key(&path, key, file != &path, spot, problems);
        hashes = match (hashes, &key.public) {
            (Some(known), PublicHalf::Hashes(more)) if !key.readable => {
                Some([known, more.clone()].concat())
            }
            _ => None,
        };
    }
    hashes
}

/// Refuses a private key file that others can read or write.
fn check_key(path: &Path, key: &KeyFile, credential: bool, spot: Spot, problems: &mut Problems) {
    let shown = path.display();
    match &key.seen {
        Seen::Found(found) if found.kind != Kind::File => {
            problems.error(
                spot,
                format!("the private key {shown} is not a regular file"),
            );
        }
        Seen::Found(found) if found.uid != 0 => problems
            .error(
                spot,
                format!("the private key {shown} is owned by user {}", found.uid),
            )
            .hint(format!("chown root {shown}")),
        Seen::Found(found) if found.mode & !0o600 != 0 => problems
            .error(
                spot,
                format!(
                    "the private key {shown} has mode {:04o}, beyond 0600",
                    found.mode
                ),
            )
            .hint(format!("chmod 0600 {shown}")),
        Seen::Found(_) if key.readable => {}
        Seen::Found(_) | Seen::Unknown(_) => {
            let message = format!("cannot read the private key {shown}: only labels are checked");
            problems.warning(spot, message);
        }
        Seen::Missing if credential || key.public != PublicHalf::Missing => {
            let message = format!("the private key {shown} is not here: only labels are checked");
            problems.warning(spot, message);
        }
        seen => problems
            .error(
                spot,
                format!("cannot use the private key {shown}: {}", seen.why()),
            )
            .hint("make one with `ssh-keygen -t ed25519 -N '' -f FILE`"),
    }
}

/// Refuses a variable none of whose tokens can be opened, as far as labels
/// tell. Tokens that cannot be read are a problem already.
fn check_labels(
    entry: &Entry<'_>,
    keys: Option<&[ShortHash]>,
    namespaces: &[Namespace],
    problems: &mut Problems,
) {
    let texts = entry.sealed.tokens.iter();
    let tokens: Vec<_> = texts
        .filter_map(|text| text.parse::<Token>().ok())
        .collect();
    let check = |token: &Token| {
        let own = [token.label().key];
        token.check(keys.unwrap_or(&own), namespaces)
    };
    let refused: Vec<_> = tokens
        .iter()
        .filter_map(|token| Some((token.label(), check(token).err()?)))
        .collect();
    if tokens.is_empty() || refused.len() < tokens.len() {
        return;
    }
    let reasons: Vec<_> = match &refused[..] {
        [(_, one)] => vec![one.to_string()],
        several => several
            .iter()
            .map(|(label, err)| format!("{label}: {err}"))
            .collect(),
    };
    problems.error(
        entry.spot.clone(),
        format!(
            "no token for `{}` can be opened: {}",
            entry.name,
            reasons.join("; ")
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::container::Variable;
    use crate::facts::Found;
    use crate::resolve::fixture::{Fixture, file};

    /// Sealed for the namespace `myapp`, to the key `k/qSgp/F`; the value is "the_secret".
    const TOKEN: &str = "v2:k/qSgp/F:KqWSX0BY:8MtOoWUX:\
        MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";
    const KEY: &str = "/etc/lithos/shop.key";

    fn with_token(texts: &[&str]) -> Fixture {
        let mut f = Fixture::new();
        f.sandbox.secrets_private_key = vec![KEY.into()];
        f.sandbox.secrets_namespaces = vec!["myapp".parse().unwrap()];
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        f.container
            .secret_environ
            .0
            .insert("PASSWORD".into(), Sealed::from(texts));
        f.facts
            .key_files
            .insert(KEY.into(), key(file(0o600), "k/qSgp/F"));
        f
    }

    fn key(found: Found, public: &str) -> KeyFile {
        KeyFile {
            seen: Seen::Found(found),
            readable: false,
            public: PublicHalf::Hashes(vec![public.parse().unwrap()]),
        }
    }

    #[test]
    fn tokens_stay_sealed_in_the_plan() {
        let secrets = with_token(&[TOKEN]).plan().secrets;
        assert_eq!(secrets.environ["PASSWORD"].tokens, [TOKEN]);
        assert_eq!(secrets.key_files, [Path::new(KEY)]);
        assert_eq!(secrets.namespaces, ["myapp"]);
    }

    #[test]
    fn without_secrets_there_is_no_key_in_the_plan() {
        let mut f = Fixture::new();
        f.sandbox.secrets_private_key = vec![KEY.into()];
        assert!(f.plan().secrets.key_files.is_empty());
    }

    #[test]
    fn refuses_what_is_no_token_without_showing_it() {
        let f = with_token(&["hunter2"]);
        f.refused("this is no token that can be read");
        assert!(!format!("{:?}", f.resolve().problems).contains("hunter2"));
        with_token(&[&TOKEN.replace("v2:", "v1:")]).refused("v1");
    }

    #[test]
    fn refuses_a_token_for_another_key_by_its_label() {
        let mut f = with_token(&[TOKEN]);
        f.facts
            .key_files
            .insert(KEY.into(), key(file(0o600), "8MtOoWUX"));
        f.refused("no token for `PASSWORD` can be opened");
        f.refused("8MtOoWUX");
    }

    #[test]
    fn refuses_a_token_for_another_namespace_by_its_label() {
        let mut f = with_token(&[TOKEN]);
        f.sandbox.secrets_namespaces = vec!["other".parse().unwrap()];
        f.refused("no token for `PASSWORD` can be opened");
        f.facts.key_files.get_mut(Path::new(KEY)).unwrap().public = PublicHalf::Missing;
        f.refused("KqWSX0BY");
    }

    #[test]
    fn one_token_of_a_list_is_enough() {
        let other = TOKEN.replace("k/qSgp/F", "8MtOoWUX");
        with_token(&[&other, TOKEN]).plan();
        let f = with_token(&[&other, &other]);
        f.refused("8MtOoWUX:KqWSX0BY:8MtOoWUX: ");
    }

    #[test]
    fn where_one_public_key_is_unknown_no_key_is_refused() {
        let mut f = with_token(&[&TOKEN.replace("k/qSgp/F", "8MtOoWUX")]);
        f.sandbox
            .secrets_private_key
            .push("/etc/lithos/new.key".into());
        let unknown = KeyFile {
            public: PublicHalf::Missing,
            ..key(file(0o600), "8MtOoWUX")
        };
        f.facts
            .key_files
            .insert("/etc/lithos/new.key".into(), unknown);
        f.plan();
    }

    #[test]
    fn what_lies_beside_a_private_key_that_can_be_read_does_not_count() {
        let mut f = with_token(&[TOKEN]);
        let readable = KeyFile {
            readable: true,
            ..key(file(0o600), "8MtOoWUX")
        };
        f.facts.key_files.insert(KEY.into(), readable);
        f.plan();
    }

    #[test]
    fn refuses_secrets_without_a_private_key() {
        let mut f = with_token(&[TOKEN]);
        f.sandbox.secrets_private_key.clear();
        f.refused("the sandbox has no `secrets-private-key`");
    }

    #[test]
    fn refuses_a_private_key_that_others_can_read() {
        for (found, message) in [
            (file(0o640), "has mode 0640, beyond 0600"),
            (file(0o700), "has mode 0700, beyond 0600"),
            (
                Found {
                    uid: 1000,
                    ..file(0o600)
                },
                "is owned by user 1000",
            ),
            (
                Found {
                    kind: Kind::Directory,
                    ..file(0o600)
                },
                "is not a regular file",
            ),
        ] {
            let mut f = with_token(&[TOKEN]);
            f.facts.key_files.insert(KEY.into(), key(found, "k/qSgp/F"));
            f.refused(message);
        }
    }

    #[test]
    fn a_missing_private_key_is_refused_unless_its_public_half_is_here() {
        let mut f = with_token(&[TOKEN]);
        let fact = f.facts.key_files.get_mut(Path::new(KEY)).unwrap();
        fact.seen = Seen::Missing;
        f.plan();
        assert!(
            f.resolve()
                .problems
                .iter()
                .any(|p| p.message.contains("only labels"))
        );
        f.facts.key_files.get_mut(Path::new(KEY)).unwrap().public = PublicHalf::Missing;
        f.refused("cannot use the private key /etc/lithos/shop.key: it does not exist");
    }

    #[test]
    fn a_key_this_user_may_not_read_is_a_warning() {
        let mut f = with_token(&[TOKEN]);
        f.facts.key_files.get_mut(Path::new(KEY)).unwrap().readable = false;
        f.plan();
        assert!(
            f.resolve()
                .problems
                .iter()
                .any(|p| p.message.contains("only labels"))
        );
    }

    #[test]
    fn refuses_a_name_in_environ_and_in_the_secrets_file() {
        let mut f = with_token(&[TOKEN]);
        f.secrets_file = Some(std::mem::take(&mut f.container.secret_environ));
        f.plan();
        f.container.environ.insert("PASSWORD".into(), "x".into());
        f.refused("`PASSWORD` stands in `environ` of /images/web/config/web.yaml too");
    }

    #[test]
    fn refuses_names_of_systemd_activation_in_the_secrets_file() {
        let mut f = with_token(&[TOKEN]);
        let texts = Sealed::from(vec![TOKEN.to_owned()]);
        f.secrets_file = Some(SecretMap([("LISTEN_PID".to_owned(), texts)].into()));
        f.plan();
        let activated = Variable::TcpPort {
            systemd_activation: true,
        };
        f.variable("port", activated, "8000");
        f.refused("`LISTEN_PID` is set by systemd activation");
    }

    #[test]
    fn refuses_names_that_lithos_sets_itself() {
        let mut f = with_token(&[TOKEN]);
        f.container
            .secret_environ
            .0
            .insert("LITHOS_NAME".into(), vec![TOKEN.into()].into());
        f.refused("`LITHOS_NAME` is set by lithos itself");
    }

    #[test]
    fn a_secrets_file_is_as_good_as_the_config() {
        let mut f = with_token(&[TOKEN]);
        f.secrets_file = Some(std::mem::take(&mut f.container.secret_environ));
        f.container.secret_environ_file = Some("secrets.yaml".into());
        assert_eq!(f.plan().secrets.environ["PASSWORD"].tokens, [TOKEN]);
    }

    #[test]
    fn refuses_an_extra_namespace_that_the_sandbox_does_not_allow() {
        let mut f = with_token(&[TOKEN]);
        f.sandbox.secrets_namespaces = vec!["".parse().unwrap()];
        f.process.extra_secrets_namespaces = vec!["myapp".parse().unwrap()];
        f.refused("is not among the `allow-extra-secrets-namespaces` of the sandbox");
        f.sandbox.allow_extra_secrets_namespaces = vec!["myapp".parse().unwrap()];
        assert_eq!(f.plan().secrets.namespaces, ["", "myapp"]);
    }
}
