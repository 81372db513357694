//! What the process's own user and group may do with a path, by modes alone:
//! it has no capabilities and no other groups.

use std::path::Path;

use super::plan::Ids;
use crate::facts::{Found, Right, Seen, Sight};

/// Why the process may not do this with what is at `path`, or with the
/// directory that a missing one would be made in.
pub(super) fn refusal(ids: &Ids, path: &Path, sight: &Sight, right: Right) -> Option<String> {
    let closed = sight
        .way
        .iter()
        .find(|(_, found)| !allows(ids, found, Right::Execute));
    if let Some((directory, found)) = closed {
        return Some(told(ids, "go through", directory, found));
    }
    let (verb, path, found) = match (&sight.seen, right) {
        (Seen::Found(found), Right::Write) => ("write", path, found),
        (Seen::Found(found), Right::Execute) => ("execute", path, found),
        (Seen::Missing, Right::Write) => {
            let (directory, found) = sight.way.last()?;
            ("make a file in", directory.as_path(), found)
        }
        _ => return None,
    };
    (!allows(ids, found, right)).then(|| told(ids, verb, path, found))
}

fn allows(ids: &Ids, found: &Found, right: Right) -> bool {
    found.allows(ids.host_uid, ids.host_gid, right)
}

/// Owners as the host has them, since nobody else may be mapped.
fn told(ids: &Ids, verb: &str, path: &Path, found: &Found) -> String {
    let (uid, gid) = (ids.host_uid, ids.host_gid);
    format!(
        "user {uid} and group {gid} may not {verb} {} (mode {:04o}, owner {}:{})",
        path.display(),
        found.mode,
        found.uid,
        found.gid
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fixture::{Fixture, directory, file};

    fn sight(seen: Seen, way: &[Found]) -> Sight {
        let way = way.iter().map(|&found| ("/dir".into(), found));
        Sight {
            seen,
            path: "/dir/x".into(),
            mount: None,
            in_directory: true,
            way: way.collect(),
        }
    }

    fn refused(seen: Seen, way: &[Found], right: Right) -> Option<String> {
        let ids = Fixture::new().plan().ids;
        assert_eq!((ids.host_uid, ids.host_gid), (1000, 0));
        refusal(&ids, Path::new("/dir/x"), &sight(seen, way), right)
    }

    #[test]
    fn the_owners_bits_count_for_the_owner_and_for_nobody_else() {
        let of = |uid, gid, mode| Found {
            uid,
            gid,
            ..file(mode)
        };
        for (found, fine) in [
            (of(1000, 5, 0o100), true),
            (of(1000, 0, 0o011), false),
            (of(5, 0, 0o010), true),
            (of(5, 0, 0o101), false),
            (of(5, 5, 0o001), true),
            (of(5, 5, 0o110), false),
            (
                Found {
                    listed: true,
                    ..of(5, 5, 0)
                },
                true,
            ),
        ] {
            let why = refused(Seen::Found(found), &[], Right::Execute);
            assert_eq!(why.is_none(), fine, "{found:?}: {why:?}");
        }
    }

    #[test]
    fn refuses_what_lies_behind_a_closed_directory() {
        let closed = Found {
            uid: 7,
            mode: 0o700,
            ..directory()
        };
        let seen = Seen::Found(file(0o777));
        let why = refused(seen, &[directory(), closed], Right::Execute);
        assert_eq!(
            why.as_deref(),
            Some("user 1000 and group 0 may not go through /dir (mode 0700, owner 7:0)")
        );
    }

    #[test]
    fn a_missing_file_is_made_only_where_its_directory_can_be_written() {
        let why = |mode| {
            let above = Found {
                uid: 7,
                gid: 7,
                mode,
                ..directory()
            };
            refused(Seen::Missing, &[above], Right::Write)
        };
        assert_eq!(why(0o777), None);
        let refused = why(0o755).unwrap_or_default();
        assert!(refused.contains("may not make a file in /dir"), "{refused}");
    }
}
