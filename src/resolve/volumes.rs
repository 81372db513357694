//! Volumes: virtual directories become host directories, and the mounts get
//! their order.
//!
//! [`layout`] is used both to ask for facts and to resolve, so that what is
//! looked at is what will be mounted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Documents;
use super::delivery;
use super::devfs;
use super::identity;
use super::limits;
use super::mount_points::forbidden;
use super::paths;
use super::plan::{HostPath, Ids, Mount, MountSource, Owner};
use super::problems::{Doc, Problems, Spot};
use crate::config::container::{Container, Volume};
use crate::facts::{Facts, Kind, MountFacts, Planned, Seen, Sight};

/// The rules of a container config alone: what a volume may not cover.
pub(super) fn alone(container: Doc<'_, Container>, problems: &mut Problems) {
    for target in container.volumes.keys() {
        if let Some(why) = forbidden(&paths::plain(target)) {
            let spot = container.at(&["volumes", &target.to_string_lossy()]).key();
            let message = format!("no volume can be mounted at {}: {why}", target.display());
            problems.error(spot, message);
        }
    }
}

/// Every mount in its order: the system's own, then the volumes, shortest first.
pub(super) fn layout(
    docs: &Documents<'_>,
    ids: Option<&Ids>,
    problems: &mut Problems,
) -> Vec<Planned> {
    let mut mounts = system_mounts(docs);
    let volumes = docs.container.volumes.iter();
    let volumes = volumes.map(|(target, volume)| Planned {
        what: source(docs, ids, target, volume, problems),
        target: paths::plain(target),
    });
    let mut others: Vec<_> = volumes.chain(delivery::mount(docs)).collect();
    let order = |planned: &Planned| {
        let target = planned.target.clone();
        (target.components().count(), target)
    };
    others.sort_by_key(order);
    mounts.extend(others);
    mounts
}

fn system_mounts(docs: &Documents<'_>) -> Vec<Planned> {
    let master = &docs.home.master;
    let dev = match &master.devfs_dir {
        Some(dir) => MountSource::HostDev(dir.clone()),
        None => MountSource::PrivateDev,
    };
    let cgroup = master.cgroup_name.as_ref();
    let cgroup = cgroup.map(|_| ("/sys/fs/cgroup", MountSource::CgroupView));
    let all = [("/proc", MountSource::Proc), ("/sys", MountSource::Sys)];
    let all = all.into_iter().chain(cgroup).chain([("/dev", dev)]);
    all.map(|(target, what)| Planned {
        target: target.into(),
        what: Some(what),
    })
    .collect()
}

fn source(
    docs: &Documents<'_>,
    ids: Option<&Ids>,
    target: &Path,
    volume: &Volume,
    problems: &mut Problems,
) -> Option<MountSource> {
    let spot = docs.container.at(&["volumes", &target.to_string_lossy()]);
    match volume {
        Volume::Readonly { path } => {
            let host = host_path(docs, path, false, &spot, problems)?;
            Some(MountSource::Readonly(host))
        }
        &Volume::Persistent {
            ref path,
            mkdir,
            mode,
            user,
            group,
        } => {
            let host = host_path(docs, path, true, &spot, problems)?;
            let make = match mkdir {
                true => Some(owner(ids?, mode, user, group, &spot, problems)?),
                false => None,
            };
            Some(MountSource::Persistent { host, make })
        }
        &Volume::Tmpfs { size, mode } => {
            let allowed = docs.sandbox.limits.tmpfs;
            let size = limits::tmpfs(docs, size);
            if size > allowed {
                problems
                    .error(
                        spot,
                        format!("the tmpfs of {size} bytes is above the ceiling of {allowed}"),
                    )
                    .hint(format!(
                        "lower `size`, or raise `limits: {{ tmpfs }}` in {}",
                        docs.sandbox.file()
                    ));
                return None;
            }
            Some(MountSource::Tmpfs { size, mode })
        }
        &Volume::Statedir {
            ref path,
            mode,
            user,
            group,
        } => Some(MountSource::Statedir {
            below: paths::from_root(&paths::plain(path)),
            owner: owner(ids?, mode, user, group, &spot, problems)?,
        }),
    }
}

fn owner(
    ids: &Ids,
    mode: u32,
    user: u32,
    group: u32,
    spot: &Spot,
    problems: &mut Problems,
) -> Option<Owner> {
    let (uid, gid) = identity::owner_on_host(ids, user, group, spot, problems)?;
    Some(Owner { mode, uid, gid })
}

/// The host directory for a path in the virtual directories.
///
/// The longest matching prefix of both maps wins, even for a writable volume:
/// a read-only directory inside a writable one stays read-only.
fn host_path(
    docs: &Documents<'_>,
    path: &Path,
    writable: bool,
    spot: &Spot,
    problems: &mut Problems,
) -> Option<HostPath> {
    let path = paths::plain(path);
    let sandbox = docs.sandbox;
    let read = longest(&sandbox.readonly_paths, &path);
    let write = longest(&sandbox.writable_paths, &path);
    let length = |found: Option<(&PathBuf, &PathBuf)>| found.map(|f| f.0.components().count());
    let chosen = match length(write).cmp(&length(read)) {
        std::cmp::Ordering::Greater => write,
        std::cmp::Ordering::Equal if writable => write,
        _ if writable && read.is_some() => {
            problems
                .error(
                    spot.clone(),
                    format!(
                        "{} is in the sandbox's `readonly-paths` only",
                        path.display()
                    ),
                )
                .hint(format!(
                    "use `!Readonly`, or list it under `writable-paths` in {}",
                    sandbox.file()
                ));
            return None;
        }
        _ => read,
    };
    let Some((prefix, base)) = chosen else {
        let (maps, key) = match writable {
            true => ("`writable-paths`", "writable-paths"),
            false => ("`readonly-paths` and `writable-paths`", "readonly-paths"),
        };
        problems
            .error(
                spot.clone(),
                format!(
                    "{} is not at or under any of the sandbox's {maps}",
                    path.display()
                ),
            )
            .hint(format!(
                "add a virtual directory to `{key}` in {}",
                sandbox.file()
            ));
        return None;
    };
    paths::beneath(base, prefix, &path)
}

fn longest<'a>(
    map: &'a BTreeMap<PathBuf, PathBuf>,
    path: &Path,
) -> Option<(&'a PathBuf, &'a PathBuf)> {
    let matching = map.iter().filter(|(prefix, _)| path.starts_with(prefix));
    matching.max_by_key(|(prefix, _)| prefix.components().count())
}

/// The mounts, now that the facts about them are known.
pub(super) fn mounts(
    docs: &Documents<'_>,
    layout: Vec<Planned>,
    facts: &Facts,
    problems: &mut Problems,
) -> Option<Vec<Mount>> {
    let before = problems.errors();
    for (number, (planned, found)) in layout.iter().zip(&facts.mounts).enumerate() {
        if planned.what == Some(MountSource::Secrets) {
            delivery::check_mount_point(docs, &found.target, &layout, problems);
            continue;
        }
        match docs.container.volumes.get_key_value(&planned.target) {
            Some((written, _)) => {
                let spot = docs.container.at(&["volumes", &written.to_string_lossy()]);
                let key = spot.clone().key();
                check_mount_point(docs, planned, &found.target, key.clone(), problems);
                let around = layout[..number].iter().zip(&facts.mounts);
                check_links(planned, &found.target, around, key, problems);
                check_host(planned, found, spot, problems);
            }
            None => check_system(docs, planned, found, problems),
        }
    }
    delivery::check_paths(docs, &layout, facts, problems);
    devfs::check(docs, facts, problems);
    let mounts = layout.into_iter().map(|planned| {
        Some(Mount {
            target: planned.target,
            what: planned.what?,
        })
    });
    mounts
        .collect::<Option<_>>()
        .filter(|_| problems.errors() == before)
}

fn check_system(
    docs: &Documents<'_>,
    planned: &Planned,
    found: &MountFacts,
    problems: &mut Problems,
) {
    let spot = docs.process.at(&["image"]);
    let target = planned.target.display();
    let direct = found.target.path == planned.target && found.target.mount.is_none();
    match &found.target.seen {
        Seen::Unknown(_) => {}
        Seen::Found(f) if f.kind == Kind::Directory => {
            let nested = planned.what == Some(MountSource::CgroupView);
            if !direct && !nested {
                let message = format!("{target} of the image is a symbolic link, not a directory");
                problems.error(spot, message);
            }
        }
        _ => problems
            .error(
                spot,
                format!("the image has no directory {target} to mount on"),
            )
            .hint(format!("mkdir {}{target}", found_image(docs))),
    }
    if let (Some(MountSource::HostDev(dir)), false) = (&planned.what, found.base) {
        let message = format!("the `devfs-dir` {} is not a directory", dir.display());
        problems.error(docs.process.at(&[]), message);
    }
}

fn found_image(docs: &Documents<'_>) -> String {
    let image = paths::image(
        &docs.sandbox.image_dir,
        docs.sandbox.image_dir_levels,
        &docs.process.image,
    );
    image.unwrap_or_default().display().to_string()
}

fn check_mount_point(
    docs: &Documents<'_>,
    planned: &Planned,
    sight: &Sight,
    spot: Spot,
    problems: &mut Problems,
) {
    let target = planned.target.display();
    let led = forbidden(&sight.path).filter(|_| sight.path != planned.target);
    if let (Seen::Found(_) | Seen::Unknown(_), Some(why)) = (&sight.seen, led) {
        let message = format!(
            "the mount point {target} is a symbolic link to {}: {why}",
            sight.path.display()
        );
        problems.error(spot, message);
        return;
    }
    match &sight.seen {
        Seen::Unknown(why) => problems
            .warning(
                spot,
                format!("cannot look at the mount point {target}: {why}"),
            )
            .none(),
        Seen::Found(found) if found.kind == Kind::Directory => {}
        Seen::Found(_) => {
            let message = format!("the mount point {target} is not a directory");
            problems.error(spot, message);
        }
        Seen::Missing if sight.mount.is_none() => problems
            .error(
                spot,
                format!("the mount point {target} does not exist in the image"),
            )
            .hint(format!("mkdir {}{target}", found_image(docs))),
        Seen::Missing => {
            let message = format!("the mount point {target} does not exist in the volume above it");
            problems.error(spot, message);
        }
        Seen::LeadsOut | Seen::Broken(_) => {
            let message = format!(
                "the mount point {target} cannot be reached: {}",
                sight.seen.why()
            );
            problems.error(spot, message);
        }
    }
}

/// Refuses a mount point in a volume that links lead to: whoever writes there could let
/// them lead anywhere in the container.
fn check_links<'a>(
    planned: &Planned,
    sight: &Sight,
    around: impl Iterator<Item = (&'a Planned, &'a MountFacts)>,
    spot: Spot,
    problems: &mut Problems,
) {
    let below = around.filter_map(|(volume, found)| {
        let rest = planned.target.strip_prefix(&volume.target).ok()?;
        Some((rest, &found.target.path))
    });
    let nearest = below.min_by_key(|(rest, _)| rest.components().count());
    let Some((rest, volume)) = nearest.filter(|_| matches!(sight.seen, Seen::Found(_))) else {
        return;
    };
    if sight.path != volume.join(rest) {
        let target = planned.target.display();
        let message = format!("the mount point {target} is reached by a symbolic link in a volume");
        problems
            .error(spot, message)
            .hint("name the directory that it leads to");
    }
}

fn check_host(planned: &Planned, found: &MountFacts, spot: Spot, problems: &mut Problems) {
    let (host, make) = match &planned.what {
        Some(MountSource::Readonly(host)) => (host, false),
        Some(MountSource::Persistent { host, make }) => (host, make.is_some()),
        _ => return,
    };
    let shown = paths::shown(host);
    let shown = shown.display();
    match found.host.as_ref() {
        Some(Seen::Found(f)) if f.kind == Kind::Directory => {}
        Some(Seen::Found(_)) => {
            problems.error(spot, format!("{shown} on the host is not a directory"));
        }
        Some(Seen::Missing) if make && found.base => {}
        Some(Seen::Missing) => problems
            .error(
                spot,
                format!("the directory {shown} does not exist on the host"),
            )
            .hint(format!("mkdir -p {shown}")),
        Some(Seen::LeadsOut) => {
            let message = format!("{shown} leads out of {} on the host", host.base.display());
            problems.error(spot, message);
        }
        Some(Seen::Broken(why)) => {
            problems.error(spot, format!("cannot open {shown} on the host: {why}"));
        }
        Some(Seen::Unknown(why)) => {
            problems.warning(spot, format!("cannot look at {shown} on the host: {why}"));
        }
        None => {}
    }
}

#[cfg(test)]
mod tests;
