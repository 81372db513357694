//! Attempts to get out, each made for real, and each with its opposite.
//!
//! An attempt is a deed of the probe (`tests/probe/src/attack`), tried in running
//! containers by three attackers:
//!
//! - *user*: user 1000, in a sandbox that says nothing about confinement,
//! - *rooted*: root in the container, mapped to an ordinary user outside,
//! - *zero*: user 0 with every id mapped to itself: to the files and processes
//!   of the host it is root, without any capability.
//!
//! It must fail as it says. Its opposite is the same deed where that defence is
//! not: in the sandbox *loose*, whose maintainer has loosened everything
//! (without a user namespace, with all capabilities, without seccomp and
//! Landlock), or on the host itself. There it must succeed, else the attempt
//! would prove nothing. Where no opposite is possible the attempt says why.
//!
//! A fourth attacker, *unfiltered*, is root in a mapped container with
//! capabilities and without seccomp and Landlock: what holds him are namespaces
//! and mounts alone, the wall behind the wall. See [`walls`].
//!
//! [`scene`] runs all of them once; each test looks at what came of its attempt.
//! What needs a stage of its own is in [`bombs`], [`configs`], [`images`],
//! [`neighbours`], [`outside`] and [`volumes`].

mod asks;
mod bombs;
mod configs;
mod entries;
mod files;
mod identity;
mod images;
mod kernel;
mod namespaces;
mod neighbours;
mod network;
mod outside;
mod processes;
mod scene;
mod volumes;
mod walls;

use nix::errno::Errno;
use serde_json::{Value, json};

/// Who attacks; the names of the sandboxes.
const ATTACKERS: [&str; 4] = ["user", "rooted", "zero", "unfiltered"];

/// All attempts that share the scene.
const ALL: [&[Attempt]; 8] = [
    entries::ATTEMPTS,
    files::ATTEMPTS,
    identity::ATTEMPTS,
    kernel::ATTEMPTS,
    namespaces::ATTEMPTS,
    network::ATTEMPTS,
    processes::ATTEMPTS,
    walls::ATTEMPTS,
];

/// A deed, what must come of it, and what comes of its opposite.
struct Attempt {
    /// As the probe takes it; with `{…}` for what differs from run to run, see
    /// [`scene`].
    deed: &'static str,
    fails: Fails,
    without: Without,
}

/// How it fails for each of [`ATTACKERS`]; none: not tried.
struct Fails([Option<Outcome>; 4]);

impl Fails {
    /// For all but the unfiltered one alike.
    const fn all(outcome: Outcome) -> Self {
        Self::each(outcome, outcome, outcome)
    }

    const fn each(user: Outcome, rooted: Outcome, zero: Outcome) -> Self {
        Self([Some(user), Some(rooted), Some(zero), None])
    }

    const fn unfiltered(outcome: Outcome) -> Self {
        Self([None, None, None, Some(outcome)])
    }
}

/// What comes of a deed.
#[derive(Clone, Copy)]
enum Outcome {
    /// It is refused with one of these.
    Errno(&'static [Errno]),
    /// It succeeds.
    Done,
    /// It gets exactly this.
    Gets(&'static str),
    /// It gets something else than this.
    GetsNot(&'static str),
    /// It is not refused with this: the kernel went on to look at what was asked.
    Beyond(Errno),
}

impl Outcome {
    fn is(self, result: &Value) -> bool {
        let done = &result["done"];
        match self {
            Self::Errno(any) => any.iter().any(|errno| result["errno"] == name(*errno)),
            Self::Done => !done.is_null(),
            Self::Gets(text) => *done == text,
            Self::GetsNot(text) => done.is_string() && *done != text,
            Self::Beyond(errno) => {
                !done.is_null() || result["errno"].is_string() && result["errno"] != name(errno)
            }
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Errno(any) => write!(f, "one of {any:?}"),
            Self::Done => write!(f, "success"),
            Self::Gets(text) => write!(f, "`{text}`"),
            Self::GetsNot(text) => write!(f, "anything but `{text}`"),
            Self::Beyond(errno) => write!(f, "anything but {errno:?}"),
        }
    }
}

fn name(errno: Errno) -> String {
    format!("{errno:?}")
}

/// Where the same is tried without the defence.
#[derive(Clone, Copy)]
enum Without {
    /// In the sandbox `loose`.
    Loose(Outcome),
    /// On the host, by root.
    Root(Outcome),
    /// On the host, by user 1000.
    Ordinary(Outcome),
    /// There, by another deed, which is the same but for the defence.
    Other(Place, &'static str, Outcome),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Loose,
    Root,
    Ordinary,
}

impl Attempt {
    /// The opposite's place, deed and outcome.
    fn opposite(&self) -> (Place, &'static str, Outcome) {
        match self.without {
            Without::Loose(outcome) => (Place::Loose, self.deed, outcome),
            Without::Root(outcome) => (Place::Root, self.deed, outcome),
            Without::Ordinary(outcome) => (Place::Ordinary, self.deed, outcome),
            Without::Other(place, deed, outcome) => (place, deed, outcome),
        }
    }

    /// Looks at what came of it and of its opposite.
    fn check(&self) {
        let Some(seen) = scene::seen() else { return };
        let mut wrong = Vec::new();
        for (attacker, expected) in ATTACKERS.into_iter().zip(self.fails.0) {
            let Some(expected) = expected else { continue };
            let result = seen.in_container(attacker, self.deed);
            if !expected.is(result) {
                wrong.push(format!("{attacker} got {result}, not {expected}"));
            }
        }
        let (place, deed, expected) = self.opposite();
        let result = seen.opposite(place, deed);
        if !expected.is(result) {
            wrong.push(format!(
                "its opposite {deed} ({place:?}) got {result}, not {expected}: it tests nothing"
            ));
        }
        assert!(wrong.is_empty(), "{}: {}", self.deed, wrong.join("; "));
    }
}

/// A table of attempts; each is a test, too.
macro_rules! attempts {
    ($($(#[$about:meta])* $name:ident: $deed:literal, $fails:expr, $without:expr;)*) => {
        /// The attempts of this subject.
        pub(in crate::escape) const ATTEMPTS: &[crate::escape::Attempt] = &[
            $(crate::escape::Attempt { deed: $deed, fails: $fails, without: $without }),*
        ];

        $($(#[$about])* #[test] fn $name() {
            let attempt = ATTEMPTS.iter().find(|attempt| attempt.deed == $deed);
            attempt.expect("it is in the table").check();
        })*
    };
}
use attempts;

/// A result that nobody has seen.
fn nothing() -> &'static Value {
    static NOTHING: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    NOTHING.get_or_init(|| json!("not tried"))
}
