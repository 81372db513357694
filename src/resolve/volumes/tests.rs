//! Which volumes are refused, and the mounts of the others.

use super::*;
use crate::resolve::fixture::{Fixture, file, right_mount};

fn readonly(path: &str) -> Volume {
    Volume::Readonly { path: path.into() }
}

fn persistent(path: &str) -> Volume {
    Volume::Persistent {
        path: path.into(),
        mkdir: false,
        mode: 0o777,
        user: 0,
        group: 0,
    }
}

fn made(path: &str, user: u32) -> Volume {
    Volume::Persistent {
        path: path.into(),
        mkdir: true,
        mode: 0o750,
        user,
        group: 0,
    }
}

fn with(target: &str, volume: Volume) -> Fixture {
    let mut f = Fixture::new();
    f.container.volumes.insert(target.into(), volume);
    f
}

fn host(base: &str, below: &str) -> HostPath {
    HostPath {
        base: base.into(),
        below: below.into(),
    }
}

#[test]
fn the_systems_mounts_come_first_then_volumes_shortest_first() {
    let mut f = with("/data/a/b", readonly("/ro"));
    f.container.volumes.insert("/z".into(), readonly("/ro"));
    f.container.volumes.insert("/data".into(), readonly("/ro"));
    let targets: Vec<_> = f.plan().mounts.into_iter().map(|m| m.target).collect();
    let expected = [
        "/proc",
        "/sys",
        "/sys/fs/cgroup",
        "/dev",
        "/data",
        "/z",
        "/data/a/b",
    ];
    assert_eq!(targets, expected.map(PathBuf::from));
}

#[test]
fn the_longest_matching_prefix_wins() {
    let mut f = with("/data", readonly("/ro/deep/x"));
    f.sandbox
        .readonly_paths
        .insert("/ro/deep".into(), "/srv/deep".into());
    let what = f.plan().mounts.pop().unwrap().what;
    assert_eq!(what, MountSource::Readonly(host("/srv/deep", "x")));
}

#[test]
fn a_prefix_is_one_of_whole_components() {
    with("/data", readonly("/road")).refused("/road is not at or under any");
}

#[test]
fn readonly_volumes_may_name_writable_paths_too() {
    let what = with("/data", readonly("/rw/x"))
        .plan()
        .mounts
        .pop()
        .unwrap()
        .what;
    assert_eq!(what, MountSource::Readonly(host("/srv/rw", "x")));
}

#[test]
fn refuses_to_write_to_what_is_read_only() {
    with("/data", persistent("/ro/x")).refused("/ro/x is in the sandbox's `readonly-paths` only");
    with("/data", persistent("/other")).refused("any of the sandbox's `writable-paths`");
    let mut f = with("/data", persistent("/rw/locked/x"));
    f.sandbox
        .readonly_paths
        .insert("/rw/locked".into(), "/srv/locked".into());
    f.refused("is in the sandbox's `readonly-paths` only");
}

#[test]
fn refuses_mount_points_that_would_cover_the_systems() {
    for target in [
        "/",
        "/proc",
        "/sys",
        "/dev",
        "/dev/pts",
        "/proc/self",
        "/sys/fs/cgroup",
    ] {
        with(target, readonly("/ro")).refused("no volume can be mounted at");
    }
    with("/dev/shm", readonly("/ro")).plan();
}

#[test]
fn refuses_a_mount_point_that_is_a_link_to_the_systems() {
    let mut f = with("/data", readonly("/ro"));
    let mut facts = right_mount(Path::new("/data"));
    facts.target.path = "/proc".into();
    f.mounts.insert("/data".into(), facts);
    f.refused("is a symbolic link to /proc");
    let mut facts = right_mount(Path::new("/data"));
    facts.target.path = "/proc/sys".into();
    facts.target.seen = Seen::Unknown("it cannot be looked into".into());
    f.mounts.insert("/data".into(), facts);
    f.refused("is a symbolic link to /proc/sys");
}

#[test]
fn refuses_a_mount_point_that_a_link_of_a_volume_leads_to() {
    let mut f = with("/data/a/b", readonly("/ro"));
    f.container.volumes.insert("/data".into(), readonly("/ro"));
    let mut above = right_mount(Path::new("/data"));
    above.target.path = "/srv".into();
    f.mounts.insert("/data".into(), above);
    let mut facts = right_mount(Path::new("/data/a/b"));
    facts.target.path = "/srv/a/b".into();
    f.mounts.insert("/data/a/b".into(), facts.clone());
    f.plan();
    facts.target.path = "/etc".into();
    f.mounts.insert("/data/a/b".into(), facts);
    f.refused("the mount point /data/a/b is reached by a symbolic link in a volume");
}

#[test]
fn refuses_a_mount_point_that_is_missing_or_no_directory() {
    for (seen, message) in [
        (
            Seen::Missing,
            "the mount point /data does not exist in the image",
        ),
        (
            Seen::Found(file(0o644)),
            "the mount point /data is not a directory",
        ),
        (
            Seen::Broken("x".into()),
            "the mount point /data cannot be reached: x",
        ),
    ] {
        let mut f = with("/data", readonly("/ro"));
        let mut facts = right_mount(Path::new("/data"));
        facts.target.seen = seen;
        f.mounts.insert("/data".into(), facts);
        f.refused(message);
    }
}

#[test]
fn refuses_an_image_without_the_systems_mount_points() {
    for target in ["/proc", "/sys", "/dev"] {
        let mut f = Fixture::new();
        let mut facts = right_mount(Path::new(target));
        facts.target.seen = Seen::Missing;
        f.mounts.insert(target.into(), facts);
        f.refused("the image has no directory");
        let hint = f.resolve().problems.remove(0).hint;
        assert_eq!(hint, Some(format!("mkdir /images/web{target}")));
    }
}

#[test]
fn refuses_a_host_directory_that_cannot_be_used() {
    for (seen, message) in [
        (
            Seen::Missing,
            "the directory /srv/rw/x does not exist on the host",
        ),
        (
            Seen::Found(file(0o644)),
            "/srv/rw/x on the host is not a directory",
        ),
        (Seen::LeadsOut, "/srv/rw/x leads out of /srv/rw on the host"),
        (
            Seen::Broken("a loop".into()),
            "cannot open /srv/rw/x on the host: a loop",
        ),
    ] {
        let mut f = with("/data", persistent("/rw/x"));
        let facts = MountFacts {
            host: Some(seen),
            ..right_mount(Path::new("/data"))
        };
        f.mounts.insert("/data".into(), facts);
        f.refused(message);
    }
}

#[test]
fn mkdir_makes_the_directory_but_not_the_maintainers() {
    let mut f = with("/data", made("/rw/x", 0));
    let mut facts = right_mount(Path::new("/data"));
    facts.host = Some(Seen::Missing);
    f.mounts.insert("/data".into(), facts.clone());
    let MountSource::Persistent { make, .. } = f.plan().mounts.pop().unwrap().what else {
        panic!("not persistent")
    };
    assert_eq!(
        make,
        Some(Owner {
            mode: 0o750,
            uid: 0,
            gid: 0
        })
    );
    facts.base = false;
    f.mounts.insert("/data".into(), facts);
    f.refused("does not exist on the host");
}

#[test]
fn what_is_made_is_owned_by_the_mapped_ids() {
    let mut f = with("/data", made("/rw/x", 7));
    f.sandbox.uid_map = vec![crate::config::units::IdMap {
        inside: 0,
        outside: 100_000,
        count: 65_536,
    }];
    let MountSource::Persistent { make, .. } = f.plan().mounts.pop().unwrap().what else {
        panic!("not persistent")
    };
    assert_eq!(make.unwrap().uid, 100_007);
    let user = 70_000;
    f.container
        .volumes
        .insert("/data".into(), made("/rw/x", user));
    f.refused("the user 70000 is not within the `uid-map`");
    let statedir = Volume::Statedir {
        path: "/".into(),
        mode: 0o777,
        user,
        group: 0,
    };
    f.container.volumes.insert("/data".into(), statedir);
    f.refused("the user 70000 is not within the `uid-map`");
}

fn tmpfs(size: Option<u64>, ceiling: u64) -> Fixture {
    let mode = 0o777;
    let mut f = with("/data", Volume::Tmpfs { size, mode });
    f.sandbox.limits.tmpfs = ceiling;
    f
}

#[test]
fn refuses_a_tmpfs_above_the_ceiling() {
    let f = tmpfs(Some(4097), 4096);
    f.refused("the tmpfs of 4097 bytes is above the ceiling of 4096");
    tmpfs(None, 0).refused("above the ceiling of 0");
}

#[test]
fn a_tmpfs_of_no_named_size_is_no_larger_than_the_ceiling() {
    for (ceiling, expected) in [(4096, 4096), (1 << 30, 100 << 20)] {
        let plan = tmpfs(None, ceiling).plan();
        let mount = plan.mounts.iter().find(|m| m.target == Path::new("/data"));
        let size = match mount.unwrap().what {
            MountSource::Tmpfs { size, .. } => size,
            _ => 0,
        };
        assert_eq!(size, expected);
    }
}
