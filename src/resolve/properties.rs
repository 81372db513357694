//! Any combination of configs and facts gives plans or problems, and shows no
//! secret.

use proptest::prelude::*;

use super::fixture::{Fixture, directory, file, port, right_mount};
use crate::config::container::{Choice, ContainerKind, Variable, Volume};
use crate::config::process::Kind;
use crate::config::units::{IdMap, Range};
use crate::confinement::capability::Capability;
use crate::facts::{Found, KeyFile, PublicHalf, Seen};
use crate::problem::Severity;

/// Stands where a token should.
const PLAINTEXT: &str = "correct-horse-battery";

const NUMBERS: [u32; 8] = [0, 1, 2, 3, 1000, 1999, u32::MAX - 1, u32::MAX];
const TEXTS: [&str; 8] = [
    "",
    "8000",
    "@{v}",
    "@{lithos:name}",
    "@{lithos:pid}",
    "x@{",
    "@{ lithos:config_filename }",
    "65536",
];
const PATHS: [&str; 8] = [
    "/",
    "/ro",
    "/rw/x",
    "/proc",
    "/data",
    "/data/../x",
    "/dev/shm",
    "/etc",
];

/// Changes one thing in one of eight ways.
type Change = fn(&mut Fixture, usize);

const CHANGES: [Change; 21] = [
    |f, n| f.container.user_id = Some(NUMBERS[n]),
    |f, n| f.sandbox.default_group = NUMBERS[n],
    |f, n| {
        f.sandbox.allow_users = vec![Range {
            first: 0,
            last: NUMBERS[n],
        }]
    },
    |f, n| f.sandbox.uid_map = vec![map(n)],
    |f, n| f.container.gid_map = vec![map(n)],
    |f, n| f.sandbox.user_namespace = n > 3,
    |f, n| f.sandbox.confinement.capabilities = Capability::all().skip(n).step_by(8).collect(),
    |f, n| f.sandbox.confinement.no_new_privileges = n > 3,
    |f, n| f.sandbox.confinement.landlock = n > 3,
    |f, n| f.container.kind = [ContainerKind::Command, ContainerKind::CommandOrDaemon][n % 2],
    |f, n| f.process.kind = [Kind::Command, Kind::Daemon][n % 2],
    |f, n| f.process.instances = [0, 1, 2, 1000, 1001, 3, 4, 5][n],
    |f, n| f.process.image = ["web", "", ".", "..", "a/b", "/", "web/", "w"][n].into(),
    |f, n| f.container.arguments = vec![TEXTS[n].into()],
    |f, n| drop(f.container.environ.insert("E".into(), TEXTS[n].into())),
    |f, n| {
        let _ = f
            .container
            .tcp_ports
            .insert(TEXTS[n].into(), port(NUMBERS[n]));
    },
    |f, n| f.variable("v", variable(n), TEXTS[n]),
    |f, n| {
        let _ = f.container.volumes.insert(PATHS[n].into(), volume(n));
    },
    |f, n| {
        let _ = f.container.volumes.insert("/data".into(), volume(7 - n));
    },
    |f, n| f.container.hosts_file.mount = [Choice::Yes, Choice::No][n % 2],
    |f, n| {
        let text = if n == 0 {
            PLAINTEXT.into()
        } else {
            TEXTS[n].into()
        };
        f.container
            .secret_environ
            .0
            .insert("S".into(), vec![text].into());
        f.sandbox.secrets_private_key = vec![PATHS[n].into()];
    },
];

fn map(n: usize) -> IdMap {
    IdMap {
        inside: NUMBERS[n],
        outside: NUMBERS[7 - n],
        count: NUMBERS[n / 2],
    }
}

fn variable(n: usize) -> Variable {
    match n % 4 {
        0 => Variable::TcpPort {
            systemd_activation: n > 3,
        },
        1 => Variable::Choice(vec![TEXTS[n].into()]),
        2 => Variable::Name,
        _ => Variable::DottedName,
    }
}

fn volume(n: usize) -> Volume {
    let (path, mode) = (PATHS[n].into(), 0o777);
    let (user, group) = (NUMBERS[n], NUMBERS[7 - n]);
    match n % 4 {
        0 => Volume::Readonly { path },
        1 => Volume::Persistent {
            path,
            mkdir: n > 3,
            mode,
            user,
            group,
        },
        2 => Volume::Tmpfs {
            size: Some(u64::from(NUMBERS[n])),
            mode,
        },
        _ => Volume::Statedir {
            path,
            mode,
            user,
            group,
        },
    }
}

fn seen(n: usize) -> Seen {
    match n % 6 {
        0 => Seen::Found(directory()),
        1 => Seen::Found(file(0o755)),
        2 => Seen::Found(Found {
            uid: 7,
            ..file(0o644)
        }),
        3 => Seen::Missing,
        4 => Seen::LeadsOut,
        _ => Seen::Unknown("permission denied".into()),
    }
}

proptest! {
    #[test]
    fn any_documents_and_facts_give_plans_or_problems(
        bridged: bool,
        changes in prop::collection::vec((0..CHANGES.len(), 0..8_usize), 0..8),
        facts in prop::collection::vec((0..8_usize, 0..6_usize), 0..4),
    ) {
        let mut f = if bridged { Fixture::bridged() } else { Fixture::new() };
        for (change, n) in changes {
            CHANGES[change](&mut f, n);
        }
        for (path, what) in facts {
            let path = PATHS[path];
            f.see(path, seen(what));
            let mut mount = right_mount(path.as_ref());
            mount.host = Some(seen(what));
            mount.target.seen = seen(path.len() + what);
            f.mounts.insert(path.into(), mount);
            let (readable, public) = (what > 2, PublicHalf::Missing);
            let key = KeyFile { seen: seen(what), readable, public };
            f.facts.key_files.insert(path.into(), key);
        }
        let resolved = f.resolve();
        let errors = resolved.problems.iter().filter(|p| p.severity == Severity::Error).count();
        prop_assert_eq!(resolved.template.is_some(), errors == 0);
        let shown = format!("{:?}", resolved.problems);
        prop_assert!(!shown.contains(PLAINTEXT));
        for plan in resolved.template.iter().flat_map(|template| template.plans()) {
            prop_assert!(plan.image.starts_with("/images"));
            prop_assert!(plan.ids.uid != u32::MAX && plan.ids.host_uid != u32::MAX);
        }
    }
}
