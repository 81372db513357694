//! Users, groups and id maps: who a process is, inside and on the host.

use super::Documents;
use super::plan::Ids;
use super::problems::{Doc, Problems, Spot};
use crate::config::sandbox::Sandbox;
use crate::config::units::{IdMap, Range};

/// Every id there is: the last number of 32 bits means "none".
const IDENTITY: IdMap = IdMap {
    inside: 0,
    outside: 0,
    count: u32::MAX,
};

/// The two kinds of id, with the keys that are about them.
struct Which {
    what: &'static str,
    id_key: &'static str,
    map_key: &'static str,
    allow_key: &'static str,
    default_key: &'static str,
}

const USER: Which = Which {
    what: "user",
    id_key: "user-id",
    map_key: "uid-map",
    allow_key: "allow-users",
    default_key: "default-user",
};

const GROUP: Which = Which {
    what: "group",
    id_key: "group-id",
    map_key: "gid-map",
    allow_key: "allow-groups",
    default_key: "default-group",
};

/// Whose id maps are in force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Sandbox,
    Container,
}

/// The rules of a sandbox config alone.
pub(super) fn sandbox(sandbox: Doc<'_, Sandbox>, problems: &mut Problems) {
    if !sandbox.user_namespace {
        problems
            .warning(
                sandbox.at(&["user-namespace"]),
                "containers without id maps run in the host's user namespace, beside its \
                 other processes of the same ids",
            )
            .hint("leave `user-namespace` out unless a program cannot do without it");
    }
}

/// The ids of a container; none if there is a problem with them.
pub(super) fn ids(docs: &Documents<'_>, problems: &mut Problems) -> Option<Ids> {
    let (sandbox, container) = (docs.sandbox, docs.container);
    let owner = owner(docs, problems)?;
    let (uid_map, gid_map) = match owner {
        Owner::Container => (&container.uid_map, &container.gid_map),
        Owner::Sandbox | Owner::Nobody => (&sandbox.uid_map, &sandbox.gid_map),
    };
    let user = id(
        docs,
        &USER,
        owner,
        container.user_id,
        sandbox.default_user,
        uid_map,
        &sandbox.allow_users,
        problems,
    );
    let group = id(
        docs,
        &GROUP,
        owner,
        container.group_id,
        Some(sandbox.default_group),
        gid_map,
        &sandbox.allow_groups,
        problems,
    );
    if owner == Owner::Container {
        outside_allowed(docs, &USER, uid_map, &sandbox.allow_users, problems);
        outside_allowed(docs, &GROUP, gid_map, &sandbox.allow_groups, problems);
    }
    let user_namespace = sandbox.user_namespace || owner != Owner::Nobody;
    let (uid, host_uid) = user?;
    let (gid, host_gid) = group?;
    let written = |map: &[IdMap]| match (user_namespace, map) {
        (false, _) => Vec::new(),
        (true, []) => vec![IDENTITY],
        (true, map) => map.to_vec(),
    };
    Some(Ids {
        user_namespace,
        uid_map: written(uid_map),
        gid_map: written(gid_map),
        uid,
        gid,
        host_uid,
        host_gid,
    })
}

fn owner(docs: &Documents<'_>, problems: &mut Problems) -> Option<Owner> {
    let (sandbox, container) = (docs.sandbox, docs.container);
    let sandbox_maps = !sandbox.uid_map.is_empty() || !sandbox.gid_map.is_empty();
    let which = match (&container.uid_map[..], &container.gid_map[..]) {
        ([], []) if sandbox_maps => return Some(Owner::Sandbox),
        ([], []) => return Some(Owner::Nobody),
        ([], _) => &GROUP,
        _ => &USER,
    };
    if !sandbox_maps {
        return Some(Owner::Container);
    }
    problems
        .error(
            container.at(&[which.map_key]).key(),
            format!(
                "`{}` cannot be given here: the sandbox has id maps of its own, in {}",
                which.map_key,
                sandbox.file()
            ),
        )
        .hint("remove `uid-map` and `gid-map` from one of the two files");
    None
}

/// One id: inside, and on the host.
#[allow(clippy::too_many_arguments)]
fn id(
    docs: &Documents<'_>,
    which: &Which,
    owner: Owner,
    asked: Option<u32>,
    default: Option<u32>,
    map: &[IdMap],
    allowed: &[Range],
    problems: &mut Problems,
) -> Option<(u32, u32)> {
    let (sandbox, container) = (docs.sandbox, docs.container);
    let Which {
        what,
        id_key,
        default_key,
        allow_key,
        ..
    } = which;
    let (inside, spot) = match (asked, default) {
        (Some(id), _) => (id, container.at(&[id_key])),
        (None, Some(id)) => (id, sandbox.at(&[default_key])),
        (None, None) => {
            problems
                .error(
                    container.at(&[id_key]).key(),
                    format!("no `{id_key}` is given, and the sandbox has no `{default_key}`"),
                )
                .hint(format!(
                    "add `{id_key}` here, or `{default_key}` to {}",
                    sandbox.file()
                ));
            return None;
        }
    };
    let Some(outside) = on_host(map, inside) else {
        let message = format!("{what} {inside} is not within the `{}`", which.map_key);
        problems.error(spot, message);
        return None;
    };
    let (checked, side) = match owner {
        Owner::Container => (outside, " outside"),
        Owner::Sandbox => (inside, " inside"),
        Owner::Nobody => (inside, ""),
    };
    if !allowed.iter().any(|range| range.contains(checked)) {
        problems
            .error(
                spot,
                format!(
                    "{what} {checked}{side} is not among the `{allow_key}` of the sandbox ({})",
                    ranges(allowed)
                ),
            )
            .hint(format!(
                "add {checked} to `{allow_key}` in {}",
                sandbox.file()
            ));
        return None;
    }
    Some((inside, outside))
}

fn outside_allowed(
    docs: &Documents<'_>,
    which: &Which,
    map: &[IdMap],
    allowed: &[Range],
    problems: &mut Problems,
) {
    for (number, line) in map.iter().enumerate() {
        let last = u64::from(line.outside) + u64::from(line.count).saturating_sub(1);
        if !covers(allowed, line.outside.into(), last) {
            problems
                .error(
                    docs.container.at(&[which.map_key]).item(number),
                    format!(
                        "the ids {}–{last} outside are not all among the `{}` of the sandbox ({})",
                        line.outside,
                        which.allow_key,
                        ranges(allowed)
                    ),
                )
                .hint(format!(
                    "map a smaller range, or add to `{}` in {}",
                    which.allow_key,
                    docs.sandbox.file()
                ));
        }
    }
}

/// Whether the ranges together hold every number from `first` to `last`.
fn covers(ranges: &[Range], first: u64, last: u64) -> bool {
    let mut sorted: Vec<_> = ranges.iter().collect();
    sorted.sort_by_key(|range| range.first);
    let mut next = first;
    for range in sorted {
        if u64::from(range.first) > next {
            break;
        }
        next = next.max(u64::from(range.last) + 1);
    }
    next > last
}

/// The id on the host; an empty map is the identity.
fn on_host(map: &[IdMap], inside: u32) -> Option<u32> {
    let identity = [IDENTITY];
    let map = if map.is_empty() { &identity } else { map };
    map.iter().find_map(|line| {
        let offset = inside
            .checked_sub(line.inside)
            .filter(|&offset| offset < line.count)?;
        line.outside.checked_add(offset)
    })
}

/// The user and the group on the host of a directory that is made.
pub(super) fn owner_on_host(
    ids: &Ids,
    user: u32,
    group: u32,
    spot: &Spot,
    problems: &mut Problems,
) -> Option<(u32, u32)> {
    let mut map = |which: &Which, map: &[IdMap], id| {
        let outside = on_host(map, id);
        if outside.is_none() {
            let message = format!(
                "the {} {id} is not within the `{}`",
                which.what, which.map_key
            );
            problems
                .error(spot.clone(), message)
                .hint(format!("give a `{}` that is mapped", which.what));
        }
        outside
    };
    let (user, group) = (
        map(&USER, &ids.uid_map, user),
        map(&GROUP, &ids.gid_map, group),
    );
    Some((user?, group?))
}

/// Ranges as people write them.
pub(super) fn ranges(ranges: &[Range]) -> String {
    match ranges {
        [] => "none are allowed".to_owned(),
        some => some
            .iter()
            .map(Range::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fixture::Fixture;

    fn map(inside: u32, outside: u32, count: u32) -> Vec<IdMap> {
        vec![IdMap {
            inside,
            outside,
            count,
        }]
    }

    fn range(first: u32, last: u32) -> Range {
        Range { first, last }
    }

    #[test]
    fn refuses_a_user_outside_allow_users() {
        let mut f = Fixture::new();
        f.container.user_id = Some(0);
        f.refused("user 0 is not among the `allow-users` of the sandbox (1000-1999)");
    }

    #[test]
    fn refuses_a_group_outside_allow_groups() {
        let mut f = Fixture::new();
        f.container.group_id = Some(7);
        f.refused("group 7 is not among the `allow-groups`");
    }

    #[test]
    fn nothing_may_run_where_no_user_is_allowed() {
        let mut f = Fixture::new();
        f.sandbox.allow_users.clear();
        f.refused("(none are allowed)");
    }

    #[test]
    fn refuses_a_default_user_that_is_not_allowed() {
        let mut f = Fixture::new();
        f.container.user_id = None;
        f.sandbox.default_user = Some(5);
        f.refused("user 5 is not among");
    }

    #[test]
    fn refuses_a_container_without_any_user() {
        let mut f = Fixture::new();
        f.container.user_id = None;
        f.refused("the sandbox has no `default-user`");
    }

    #[test]
    fn without_maps_every_id_is_itself() {
        let plan = Fixture::new().plan();
        assert!(plan.ids.user_namespace);
        assert_eq!(plan.ids.uid_map, [IDENTITY]);
        assert_eq!((plan.ids.uid, plan.ids.host_uid), (1000, 1000));
    }

    #[test]
    fn the_last_number_is_no_id() {
        let mut f = Fixture::new();
        f.sandbox.allow_users = vec![range(0, u32::MAX)];
        f.container.user_id = Some(u32::MAX);
        f.refused("is not within the `uid-map`");
    }

    #[test]
    fn with_a_map_in_the_sandbox_ids_are_inside_it() {
        let mut f = Fixture::new();
        f.sandbox.uid_map = map(0, 100_000, 65_536);
        let ids = f.plan().ids;
        assert_eq!((ids.uid, ids.host_uid), (1000, 101_000));
        assert_eq!(ids.gid_map, [IDENTITY]);
    }

    #[test]
    fn with_a_map_in_the_container_the_outside_ids_must_be_allowed() {
        let mut f = Fixture::new();
        f.container.user_id = Some(0);
        f.container.uid_map = map(0, 1000, 10);
        let ids = f.plan().ids;
        assert_eq!((ids.uid, ids.host_uid), (0, 1000));
        f.container.uid_map = map(0, 1995, 10);
        f.refused("the ids 1995–2004 outside are not all among the `allow-users`");
    }

    #[test]
    fn neighbouring_ranges_allow_what_spans_them() {
        assert!(covers(&[range(5, 9), range(1, 4)], 2, 8));
        assert!(!covers(&[range(6, 9), range(1, 4)], 2, 8));
    }

    #[test]
    fn refuses_an_id_outside_the_map() {
        let mut f = Fixture::new();
        f.sandbox.uid_map = map(0, 100_000, 1000);
        f.refused("user 1000 is not within the `uid-map`");
    }

    #[test]
    fn refuses_maps_in_sandbox_and_container() {
        let mut f = Fixture::new();
        f.sandbox.uid_map = map(0, 1000, 1001);
        f.container.gid_map = map(0, 0, 1);
        f.refused("the sandbox has id maps of its own");
    }

    #[test]
    fn without_a_user_namespace_there_are_no_maps_but_a_warning() {
        let mut f = Fixture::new();
        f.sandbox.user_namespace = false;
        let ids = f.plan().ids;
        assert!(!ids.user_namespace && ids.uid_map.is_empty());
        assert!(
            f.sandbox_problems()
                .iter()
                .any(|p| p.message.contains("user namespace"))
        );
    }
}
