//! What a container would see, asked of real directories.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// An image and a host directory, and the view of a container.
struct Stage {
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "image/etc",
            "image/data",
            "image/dev",
            "image/proc",
            "host/sub",
        ] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        fs::write(dir.path().join("image/etc/hosts"), "").unwrap();
        fs::write(dir.path().join("host/sub/file"), "").unwrap();
        fs::write(dir.path().join("outside"), "").unwrap();
        Self { dir }
    }

    fn link(&self, target: &str, link: &str) {
        symlink(target, self.dir.path().join(link)).unwrap();
    }

    fn view(&self) -> View {
        View::new(directory(&self.dir.path().join("image")).1)
    }

    fn host(&self, below: &str) -> MountSource {
        MountSource::Readonly(HostPath {
            base: self.dir.path().join("host"),
            below: below.into(),
        })
    }
}

fn planned(target: &str, what: MountSource) -> Planned {
    Planned {
        target: target.into(),
        what: Some(what),
    }
}

fn kind(sight: &Sight) -> Option<Kind> {
    match &sight.seen {
        Seen::Found(found) => Some(found.kind),
        _ => None,
    }
}

#[test]
fn sees_the_image_where_nothing_is_mounted() {
    let stage = Stage::new();
    let view = stage.view();
    assert_eq!(kind(&view.look(Path::new("/"))), Some(Kind::Directory));
    let hosts = view.look(Path::new("/etc/hosts"));
    assert_eq!((kind(&hosts), hosts.mount), (Some(Kind::File), None));
    let missing = view.look(Path::new("/etc/other"));
    assert_eq!((missing.seen, missing.in_directory), (Seen::Missing, true));
    assert!(!view.look(Path::new("/nowhere/other")).in_directory);
    let below_a_file = view.look(Path::new("/etc/hosts/x")).seen;
    assert!(matches!(below_a_file, Seen::Broken(_)), "{below_a_file:?}");
}

#[test]
fn links_never_lead_out_of_the_image() {
    let stage = Stage::new();
    stage.link("../outside", "image/up");
    stage.link(
        stage.dir.path().join("outside").to_str().unwrap(),
        "image/absolute",
    );
    stage.link("/etc/hosts", "image/inside");
    stage.link("loop", "image/loop");
    let view = stage.view();
    assert_eq!(view.look(Path::new("/up")).seen, Seen::Missing);
    assert_eq!(view.look(Path::new("/absolute")).seen, Seen::Missing);
    assert_eq!(
        view.look(Path::new("/inside")).path,
        Path::new("/etc/hosts")
    );
    assert!(matches!(
        view.look(Path::new("/loop")).seen,
        Seen::Broken(_)
    ));
}

#[test]
fn sees_what_is_mounted_through_links_too() {
    let stage = Stage::new();
    stage.link("data/sub", "image/short");
    let mut view = stage.view();
    let facts = view.mount(&planned("/data", stage.host("")));
    assert_eq!(
        (kind(&facts.target), facts.base),
        (Some(Kind::Directory), true)
    );
    let file = view.look(Path::new("/short/file"));
    assert_eq!((kind(&file), file.mount), (Some(Kind::File), Some(0)));
    assert_eq!(file.path, Path::new("/data/sub/file"));
    view.mount(&planned(
        "/data/sub",
        MountSource::Tmpfs {
            size: 1,
            mode: 0o777,
        },
    ));
    let covered = view.look(Path::new("/short/file"));
    assert_eq!((covered.seen, covered.mount), (Seen::Missing, Some(1)));
}

#[test]
fn a_link_as_mount_point_is_mounted_where_it_leads() {
    let stage = Stage::new();
    stage.link("data", "image/link");
    let mut view = stage.view();
    view.mount(&planned("/link", stage.host("sub")));
    assert_eq!(view.look(Path::new("/data/file")).mount, Some(0));
}

#[test]
fn a_volume_never_leads_out_of_its_base() {
    let stage = Stage::new();
    stage.link("..", "host/up");
    stage.link("/etc", "host/absolute");
    for below in ["up", "absolute", "../image"] {
        let facts = stage.view().mount(&planned("/data", stage.host(below)));
        assert_eq!(facts.host, Some(Seen::LeadsOut), "{below}");
    }
    let missing = stage.view().mount(&planned("/data", stage.host("new")));
    assert_eq!((missing.host, missing.base), (Some(Seen::Missing), true));
}

#[test]
fn a_directory_to_be_made_is_empty() {
    let stage = Stage::new();
    let MountSource::Readonly(host) = stage.host("new/deep") else {
        unreachable!()
    };
    let owner = crate::resolve::plan::Owner {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let make = Some(owner);
    let mut view = stage.view();
    let facts = view.mount(&planned("/data", MountSource::Persistent { host, make }));
    assert_eq!(facts.host, Some(Seen::Missing));
    assert_eq!(kind(&view.look(Path::new("/data"))), Some(Kind::Directory));
    assert_eq!(view.look(Path::new("/data/x")).seen, Seen::Missing);
}

#[test]
fn knows_the_private_devices_but_not_the_processes() {
    let stage = Stage::new();
    let mut view = stage.view();
    view.mount(&planned("/proc", MountSource::Proc));
    view.mount(&planned("/dev", MountSource::PrivateDev));
    assert_eq!(
        kind(&view.look(Path::new("/dev/shm"))),
        Some(Kind::Directory)
    );
    assert_eq!(kind(&view.look(Path::new("/dev/null"))), Some(Kind::Other));
    assert_eq!(view.look(Path::new("/dev/sda")).seen, Seen::Missing);
    assert!(matches!(
        view.look(Path::new("/dev/fd/0")).seen,
        Seen::Unknown(_)
    ));
}

#[test]
fn no_directory_is_made_in_the_place_of_a_link_to_nothing() {
    let stage = Stage::new();
    stage.link("nowhere", "host/link");
    let owner = Owner {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let seen = |below: &str| {
        let host = HostPath {
            base: stage.dir.path().join("host"),
            below: below.into(),
        };
        host_content(&host, Some(&owner)).1
    };
    assert_eq!(seen("new/one"), Some(Seen::Missing));
    assert!(matches!(seen("link/one"), Some(Seen::Broken(_))));
    assert!(matches!(seen("link"), Some(Seen::Broken(_))));
}

#[test]
fn tells_which_directories_were_gone_through() {
    let stage = Stage::new();
    stage.link("/etc/hosts", "image/data/link");
    let sight = stage.view().look(Path::new("/data/link"));
    let way: Vec<_> = sight.way.iter().map(|(path, _)| path.as_path()).collect();
    assert_eq!(way, ["/", "/data", "/", "/etc"].map(Path::new));
}

#[test]
fn a_path_of_many_directories_is_looked_at_only_so_far() {
    let stage = Stage::new();
    let deep = |depth: usize| format!("/{}", vec!["d"; depth].join("/"));
    let image = stage.dir.path().join("image");
    fs::create_dir_all(format!("{}{}", image.display(), deep(200))).unwrap();
    let view = stage.view();
    assert_eq!(kind(&view.look(deep(128).as_ref())), Some(Kind::Directory));
    let too_deep = view.look(deep(129).as_ref());
    assert_eq!(too_deep.seen, Seen::Broken("file name too long".to_owned()));
    assert!(too_deep.way.len() <= DEPTH_MAX);
}

#[test]
fn of_several_mounts_at_one_place_the_last_is_seen() {
    let stage = Stage::new();
    stage.link("/data", "image/again");
    let mut view = stage.view();
    let tmpfs = || MountSource::Tmpfs {
        size: 4096,
        mode: 0o777,
    };
    view.mount(&planned("/data", tmpfs()));
    view.mount(&planned("/again", stage.host("sub")));
    let file = view.look(Path::new("/data/file"));
    assert_eq!((kind(&file), file.mount), (Some(Kind::File), Some(1)));
}
