//! Reading the volumes of a container config.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Volume;
use crate::config::reader::{Map, Value, unknown};
use crate::config::values::{
    absolute, absolute_key, boolean, id, integer, mapping, mode as read_mode,
};

/// The mode of a directory that is made, if none is named.
const DEFAULT_MODE: u32 = 0o777;

pub(super) fn volumes(value: &Value<'_>) -> Option<BTreeMap<PathBuf, Volume>> {
    mapping("a mapping of mount point to volume", mount_point, volume)(value)
}

fn mount_point(written: &str, value: &Value<'_>) -> Option<PathBuf> {
    let path = absolute_key(written, value)?;
    match path == Path::new("/") {
        true => value.refuse_key("the image itself is mounted at `/`", None),
        false => Some(path),
    }
}

fn volume(value: &Value<'_>) -> Option<Volume> {
    const TAGS: [&str; 4] = ["Readonly", "Persistent", "Tmpfs", "Statedir"];
    let Some((tag, inner)) = value.tagged() else {
        return value.expected("one of !Readonly, !Persistent, !Tmpfs, !Statedir");
    };
    match tag {
        "Readonly" => readonly(&inner),
        "Persistent" => persistent(&inner),
        "Tmpfs" => tmpfs(&inner),
        "Statedir" => statedir(&inner),
        _ => value.refuse(unknown("tag", tag, TAGS.into_iter()), None),
    }
}

fn readonly(value: &Value<'_>) -> Option<Volume> {
    if !value.is_map() {
        let path = absolute(value)?;
        return Some(Volume::Readonly { path });
    }
    let mut map = value.map("a path")?;
    let path = map.required("path", absolute);
    map.finish();
    path.map(|path| Volume::Readonly { path })
}

fn persistent(value: &Value<'_>) -> Option<Volume> {
    if !value.is_map() {
        let path = absolute(value)?;
        return Some(Volume::Persistent {
            path,
            mkdir: false,
            mode: DEFAULT_MODE,
            user: 0,
            group: 0,
        });
    }
    let mut map = value.map("a path or a mapping")?;
    let path = map.required("path", absolute);
    let mkdir = map.or("mkdir", false, boolean);
    let (mode, user, group) = owner(&mut map);
    map.finish();
    path.map(|path| Volume::Persistent {
        path,
        mkdir,
        mode,
        user,
        group,
    })
}

fn tmpfs(value: &Value<'_>) -> Option<Volume> {
    let mut map = value.map("a mapping such as { size: 100Mi }")?;
    let size = map.optional("size", integer(1, u64::MAX));
    let mode = map.or("mode", DEFAULT_MODE, read_mode);
    map.finish();
    Some(Volume::Tmpfs { size, mode })
}

fn statedir(value: &Value<'_>) -> Option<Volume> {
    let mut map = value.map("nothing or a mapping")?;
    let path = map.or("path", "/".into(), absolute);
    let (mode, user, group) = owner(&mut map);
    map.finish();
    Some(Volume::Statedir {
        path,
        mode,
        user,
        group,
    })
}

/// `mode`, `user` and `group` of a directory that is made.
fn owner(map: &mut Map<'_>) -> (u32, u32, u32) {
    (
        map.or("mode", DEFAULT_MODE, read_mode),
        map.or("user", 0, id),
        map.or("group", 0, id),
    )
}
