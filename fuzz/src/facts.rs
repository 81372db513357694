//! What is found on a host and in an image that are not there: whatever the names of
//! the paths say.
//!
//! A path with the component `missing` leads to nothing, and so on, see [`at`]; all
//! others are as they should be. So a fuzzer chooses facts by the names it writes.

use std::net::IpAddr;
use std::path::Path;

use lithos::facts::program::{Format, Program};
use lithos::facts::{
    Facts, Found, KeyFile, Kind, MountFacts, Planned, PublicHalf, Questions, Seen, Sight,
};
use lithos::resolve::plan::MountSource;
use lithos_crypt::{Day, PublicKey};

const PUBLIC_KEY: &str = include_str!("../../lithos_crypt/tests/vectors/keys/alpha.pub");

/// Answers every question.
pub fn answer(questions: &Questions) -> Facts {
    let mounts = questions
        .mounts
        .iter()
        .enumerate()
        .map(|(n, mount)| MountFacts {
            target: sight(&questions.mounts[..n], &mount.target, directory()),
            host: mount.what.as_ref().and_then(host),
            base: true,
        });
    let paths = questions.paths.iter().map(|path| {
        let usual = match path.to_str() {
            Some("/etc/hosts" | "/etc/resolv.conf") => file(Kind::File),
            Some("/dev/null") => file(Kind::Other),
            _ if *path == questions.executable => file(Kind::File),
            _ => directory(),
        };
        (path.clone(), sight(&questions.mounts, path, usual))
    });
    let host_paths = questions.host_paths.iter();
    let keys = questions.key_files.iter();
    Facts {
        image: at(&questions.image, directory()),
        mounts: mounts.collect(),
        paths: paths.collect(),
        program: program(&questions.executable),
        host_paths: host_paths
            .map(|path| (path.clone(), at(path, file(Kind::File))))
            .collect(),
        key_files: keys.map(|path| (path.clone(), key_file(path))).collect(),
        public_host: questions
            .public_host
            .then(|| ("server.example".to_owned(), address(9))),
        bridge: questions
            .bridge
            .as_ref()
            .map(|_| address(2).into_iter().collect()),
        open_files_max: Some(1 << 20),
        today: Day::parse("2026-11-22").expect("a day"),
    }
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([10, 0, 0, last]))
}

fn file(kind: Kind) -> Found {
    Found {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: 0,
        listed: false,
    }
}

fn directory() -> Found {
    file(Kind::Directory)
}

/// What is at a path: what its components say, or else the `usual`.
fn at(path: &Path, usual: Found) -> Seen {
    let said = |word: &str| path.iter().any(|component| component == word);
    if said("missing") {
        Seen::Missing
    } else if said("leads-out") {
        Seen::LeadsOut
    } else if said("broken") {
        Seen::Broken("too many symbolic links".to_owned())
    } else if said("unknown") {
        Seen::Unknown("permission denied".to_owned())
    } else if said("file") {
        Seen::Found(Found {
            mode: 0o666,
            ..file(Kind::File)
        })
    } else if said("fifo") {
        Seen::Found(file(Kind::Other))
    } else if said("private") {
        Seen::Found(Found {
            mode: 0o700,
            ..usual
        })
    } else {
        Seen::Found(usual)
    }
}

fn sight(mounts: &[Planned], path: &Path, usual: Found) -> Sight {
    let parents = path.ancestors().skip(1);
    Sight {
        seen: at(path, usual),
        path: path.to_owned(),
        mount: mounts
            .iter()
            .rposition(|mount| path.starts_with(&mount.target)),
        in_directory: true,
        way: parents
            .map(|parent| (parent.to_owned(), directory()))
            .collect(),
    }
}

fn host(what: &MountSource) -> Option<Seen> {
    match what {
        MountSource::Readonly(host) | MountSource::Persistent { host, .. } => {
            Some(at(&host.base.join(&host.below), directory()))
        }
        MountSource::HostDev(path) => Some(at(path, directory())),
        _ => None,
    }
}

fn program(executable: &Path) -> Program {
    let format = match executable.file_name().and_then(|name| name.to_str()) {
        Some("foreign") => Format::Foreign,
        Some("text") => Format::None,
        _ => Format::Runs,
    };
    Program {
        format,
        interpreters: Vec::new(),
    }
}

fn key_file(path: &Path) -> KeyFile {
    let private = Found {
        mode: 0o600,
        ..file(Kind::File)
    };
    let key = PublicKey::from_openssh(PUBLIC_KEY).expect("a key of the tests");
    KeyFile {
        seen: at(path, private),
        readable: true,
        public: match path.file_name().and_then(|name| name.to_str()) {
            Some("alone") => PublicHalf::Missing,
            Some("damaged") => PublicHalf::Broken("it is no key".to_owned()),
            _ => PublicHalf::Hashes(vec![key.hash()]),
        },
    }
}
