//! A prepared `/dev` of the host: what every container needs in it.

use std::path::{Path, PathBuf};

use super::Documents;
use super::problems::Problems;
use crate::facts::{Facts, Kind, Seen};

/// What a prepared `/dev` needs: two directories that lithos mounts on, and
/// the device that is every process's stdin.
const DEVFS: [(&str, Kind, &str); 3] = [
    ("/dev/pts", Kind::Directory, "no directory `pts`"),
    ("/dev/shm", Kind::Directory, "no directory `shm`"),
    ("/dev/null", Kind::Other, "no device `null`"),
];

/// The paths in a prepared `/dev` that matter.
pub(super) fn paths(docs: &Documents<'_>) -> Vec<PathBuf> {
    match docs.home.master.devfs_dir {
        Some(_) => DEVFS.iter().map(|(path, ..)| path.into()).collect(),
        None => Vec::new(),
    }
}

/// Refuses a prepared `/dev` that no container can be started with.
pub(super) fn check(docs: &Documents<'_>, facts: &Facts, problems: &mut Problems) {
    let Some(dir) = &docs.home.master.devfs_dir else {
        return;
    };
    for (path, kind, lack) in DEVFS {
        let seen = facts.paths.get(Path::new(path)).map(|sight| &sight.seen);
        let there = match seen {
            Some(Seen::Found(found)) => found.kind == kind,
            Some(Seen::Unknown(_)) | None => true,
            Some(_) => false,
        };
        if !there {
            problems
                .error(
                    docs.process.at(&[]),
                    format!("the `devfs-dir` {} has {lack}", dir.display()),
                )
                .hint("prepare it with the usual devices, and empty `pts` and `shm`");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::Seen;
    use crate::resolve::fixture::{Fixture, file};

    #[test]
    fn refuses_a_prepared_dev_that_lacks_what_every_container_needs() {
        for (path, lack) in [
            ("/dev/pts", "has no directory `pts`"),
            ("/dev/shm", "has no directory `shm`"),
            ("/dev/null", "has no device `null`"),
        ] {
            let mut f = Fixture::new();
            f.home.master.devfs_dir = Some("/devfs".into());
            f.plan();
            f.see(path, Seen::Missing);
            f.refused(lack);
            f.see(path, Seen::Found(file(0o666)));
            f.refused(lack);
        }
    }
}
