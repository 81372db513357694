//! The ways between paths, found in their texts alone.

use std::path::{Component, Path, PathBuf};

/// The way from a directory to a path, neither with a symbolic link: so it
/// stays right when the tree is moved.
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let both = from.components().zip(to.components());
    let same = both.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(same).map(|_| Component::ParentDir);
    up.chain(to.components().skip(same)).collect()
}

/// Where a relative way leads from a directory; `None` if nowhere.
pub fn joined(directory: &Path, way: &Path) -> Option<PathBuf> {
    let mut path = directory.to_owned();
    for component in way.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_there_and_back() {
        for (from, to, way) in [
            ("/a/b", "/a/b/c", "c"),
            ("/a/b", "/a/c/d", "../c/d"),
            ("/", "/a", "a"),
            ("/a/b", "/", "../.."),
        ] {
            let (from, to) = (Path::new(from), Path::new(to));
            assert_eq!(relative(from, to), Path::new(way));
            assert_eq!(joined(from, Path::new(way)).as_deref(), Some(to));
        }
        assert_eq!(joined(Path::new("a"), Path::new("../../b")), None);
        assert_eq!(joined(Path::new("a"), Path::new("/etc")), None);
    }
}
