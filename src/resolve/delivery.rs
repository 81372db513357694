//! Secrets delivered as files and in templates: where they are mounted, whose
//! they are, and what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Documents;
use super::identity;
use super::mount_points;
use super::plan::{Content, Ids, MountSource, Owner, Piece, Sealed, SecretFile};
use super::problems::{Problems, Spot};
use super::secrets::{Entry, entries};
use crate::config::secret::{self, DIRECTORY, FileOwner, SecretTemplate, Transform};
use crate::facts::{Facts, Kind, Planned, Seen, Sight};

/// What tells programs where their credentials are (systemd.exec(5)).
pub(super) const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Every file, by its path, with the spot of who asks for it.
fn asked<'a>(docs: &'a Documents<'_>) -> Vec<(&'a Path, Spot)> {
    let files = entries(docs).into_iter();
    let files = files.filter_map(|entry| Some((entry.file?.0, entry.spot.key())));
    let templates = docs.container.value.secret_templates.iter();
    let templates =
        templates.map(|(path, template)| (path.as_path(), template_spot(docs, template).key()));
    files.chain(templates).collect()
}

fn template_spot(docs: &Documents<'_>, template: &SecretTemplate) -> Spot {
    docs.container.at(&["secret-templates", &template.written])
}

/// The mount that holds the files below [`DIRECTORY`], if there are any.
pub(super) fn mount(docs: &Documents<'_>) -> Option<Planned> {
    has_directory(docs).then(|| Planned {
        target: DIRECTORY.into(),
        what: Some(MountSource::Secrets),
    })
}

/// Whether any file is below [`DIRECTORY`].
pub(super) fn has_directory(docs: &Documents<'_>) -> bool {
    asked(docs)
        .iter()
        .any(|(path, _)| path.starts_with(DIRECTORY))
}

/// The paths of the files that are mounted one by one.
pub(super) fn paths(docs: &Documents<'_>) -> BTreeSet<PathBuf> {
    let paths = asked(docs).into_iter().map(|(path, _)| path.to_owned());
    paths.filter(|path| !path.starts_with(DIRECTORY)).collect()
}

/// Refuses a mount point of [`mount`] that is none.
pub(super) fn check_mount_point(
    docs: &Documents<'_>,
    sight: &Sight,
    layout: &[Planned],
    problems: &mut Problems,
) {
    let asked = asked(docs);
    let Some((_, spot)) = asked.iter().find(|(path, _)| path.starts_with(DIRECTORY)) else {
        return;
    };
    let spot = spot.clone();
    if docs.container.volumes.contains_key(Path::new(DIRECTORY)) {
        let message = format!("{DIRECTORY} is a volume, too, which would cover the secrets in it");
        return problems.error(spot, message).none();
    }
    match &sight.seen {
        Seen::Found(found) if found.kind == Kind::Directory => {
            if let Some(why) = mount_points::forbidden(&sight.path) {
                let path = sight.path.display();
                let message =
                    format!("the mount point {DIRECTORY} is a symbolic link to {path}: {why}");
                problems.error(spot, message);
            }
        }
        Seen::Missing if is_on_tmpfs(sight, layout) => {}
        Seen::Unknown(why) => problems
            .warning(spot, format!("cannot look at {DIRECTORY}: {why}"))
            .none(),
        Seen::Missing => problems
            .error(
                spot,
                format!("the image has no directory {DIRECTORY} to mount secrets on"),
            )
            .hint("make it in the image, or have a `!Tmpfs` at /run"),
        seen => {
            let why = seen.why();
            let message = format!("cannot mount secrets on {DIRECTORY}: {why}");
            problems.error(spot, message);
        }
    }
}

fn is_on_tmpfs(sight: &Sight, layout: &[Planned]) -> bool {
    let on = sight.mount.and_then(|number| layout.get(number));
    let what = on.and_then(|planned| planned.what.as_ref());
    matches!(
        what,
        Some(MountSource::Tmpfs { .. } | MountSource::Statedir { .. })
    )
}

/// Refuses the path of a file that nothing can be mounted on.
pub(super) fn check_paths(
    docs: &Documents<'_>,
    layout: &[Planned],
    facts: &Facts,
    problems: &mut Problems,
) {
    let mut seen: BTreeMap<&Path, ()> = BTreeMap::new();
    for (path, spot) in asked(docs) {
        let shown = path.display();
        let above = path.ancestors().skip(1);
        let covers = |other: &Path| other.starts_with(path);
        if seen.contains_key(path) {
            problems.error(spot, format!("the file {shown} is delivered twice"));
        } else if above.into_iter().any(|above| seen.contains_key(above))
            || seen.keys().any(|other| covers(other))
        {
            problems.error(spot, format!("{shown} is both a file and a directory"));
        } else if !path.starts_with(DIRECTORY)
            && let Some(sight) = facts.paths.get(path)
        {
            check_path(path, sight, layout, spot, problems);
        }
        seen.insert(path, ());
    }
}

fn check_path(path: &Path, sight: &Sight, layout: &[Planned], spot: Spot, problems: &mut Problems) {
    let shown = path.display();
    let on = sight.mount.and_then(|number| layout.get(number));
    let on = on.and_then(|planned| planned.what.as_ref());
    let system = |path: &Path| {
        path.ancestors()
            .find_map(|above| mount_points::forbidden(above).filter(|_| above != Path::new("/")))
    };
    if let Some(why) = system(path).or_else(|| system(&sight.path)) {
        let message = format!("no secret can be delivered at {shown}: {why}");
        return problems.error(spot, message).none();
    }
    match &sight.seen {
        Seen::Missing if is_on_tmpfs(sight, layout) => {}
        Seen::Found(found) if found.kind == Kind::File => {
            if matches!(on, Some(MountSource::Persistent { .. })) {
                let message =
                    format!("{shown} lies on a `!Persistent` volume, where it may vanish");
                problems
                    .error(spot, message)
                    .hint(format!("choose a path in the image or below {DIRECTORY}"));
            }
        }
        Seen::Found(_) => problems
            .error(spot, format!("{shown} is not a regular file to mount on"))
            .none(),
        Seen::Unknown(why) => problems
            .warning(spot, format!("cannot look at {shown}: {why}"))
            .none(),
        Seen::Missing => problems
            .error(spot, format!("the image has no file {shown} to mount on"))
            .hint(format!(
                "make an empty one in the image, or choose a path below {DIRECTORY}"
            )),
        seen => {
            let message = format!("cannot mount on {shown}: {}", seen.why());
            problems.error(spot, message);
        }
    }
}

/// The files, ready to be made.
pub(super) fn files(
    docs: &Documents<'_>,
    entries: &[Entry<'_>],
    ids: Option<&Ids>,
    problems: &mut Problems,
) -> Vec<SecretFile> {
    let mut files = Vec::new();
    for entry in entries {
        let Some((path, owner)) = entry.file else {
            continue;
        };
        let content = Content::Secret(entry.planned());
        if let Some(owner) = on_host(owner, ids, &entry.spot, problems) {
            files.push(SecretFile {
                path: path.to_owned(),
                owner,
                content,
            });
        }
    }
    for (path, template) in &docs.container.value.secret_templates {
        let spot = template_spot(docs, template);
        let pieces = template.pieces.iter();
        let pieces: Vec<_> = pieces
            .filter_map(|piece| rendered(piece, entries, &spot, problems))
            .collect();
        if let Some(owner) = on_host(&template.owner, ids, &spot, problems) {
            files.push(SecretFile {
                path: path.to_owned(),
                owner,
                content: Content::Template(pieces),
            });
        }
    }
    files
}

fn rendered(
    piece: &secret::Piece,
    entries: &[Entry<'_>],
    spot: &Spot,
    problems: &mut Problems,
) -> Option<Piece> {
    let name = match piece {
        secret::Piece::Text(text) => return Some(Piece::Text(text.clone())),
        secret::Piece::Secret(name) => name,
    };
    let Some(sealed) = named(name, entries) else {
        // What stands between the braces may be anything.
        problems
            .error(spot.clone(), "a `@{secret:…}` in it names no secret")
            .hint("it names a key of `secret-environ`, `secret-files` or `default-secrets`");
        return None;
    };
    if let Some(Transform::Dotenv(_)) = sealed.transform {
        let message = format!("the secret `{name}` becomes variables, and is no text");
        problems.error(spot.clone(), message);
    }
    Some(Piece::Secret {
        name: name.clone(),
        sealed,
    })
}

/// The secret of this name: a variable's, or a file's path.
fn named(name: &str, entries: &[Entry<'_>]) -> Option<Sealed> {
    let path = Path::new(DIRECTORY).join(name);
    let variable = |entry: &&Entry<'_>| entry.file.is_none() && entry.name == name;
    let file = |entry: &&Entry<'_>| entry.file.is_some_and(|(own, _)| own == path);
    let found = entries.iter().find(variable);
    Some(found.or_else(|| entries.iter().find(file))?.planned())
}

fn on_host(
    owner: &FileOwner,
    ids: Option<&Ids>,
    spot: &Spot,
    problems: &mut Problems,
) -> Option<Owner> {
    let ids = ids?;
    let (user, group) = (
        owner.user.unwrap_or(ids.uid),
        owner.group.unwrap_or(ids.gid),
    );
    let (uid, gid) = identity::owner_on_host(ids, user, group, spot, problems)?;
    let mode = owner.mode;
    Some(Owner { mode, uid, gid })
}
