//! Who a knot is on the host while anything runs in its container, and so who owns the
//! container's user namespace.
//!
//! The kernel lets a process set the limits and the priority of another that has its ids,
//! and signal it. The user 0 of a container can be the host's; were that the knot's, too,
//! it could be kept from writing its report or the log.
//!
//! Of some things the kernel gives each user so many, inotify instances above all (128),
//! and counts what is in a user namespace for its owner, too: whoever had made it. Were
//! that root, one container could take what root's daemons need, and those of every
//! other container. And whoever is the owner on the host has every capability in the
//! namespace. So it is a user of its own that nobody else is.

use std::io;
use std::os::fd::BorrowedFd;

use nix::unistd::{Uid, setfsuid, setresuid};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::resolve::plan::Ids;
use crate::sys::capability;
use crate::sys::clone::{Side, fork_alone};

const ROOT: Uid = Uid::from_raw(0);

/// The first of the ids that owners have, and the end of them: above all that people,
/// systemd and directory services give away, below the two that mean nobody.
const FIRST: u32 = 0xff00_0000;
const COUNT: u32 = 0x00ff_fff0;

/// How often one is drawn that the container might have, before that is accepted.
const DRAWS: usize = 100;

/// The owner of one container, drawn when its knot begins: from a name it could be
/// known, and whoever chooses names could have two containers share one.
#[derive(Debug, Clone, Copy)]
pub struct Owner(Uid);

impl Owner {
    /// Draws one that is not the user of a container with these ids, or mapped into it,
    /// unless everybody is.
    pub fn draw(ids: &Ids) -> io::Result<Self> {
        let mut drawn = random()?;
        for _ in 1..DRAWS {
            if !may_be_inside(drawn, ids) {
                break;
            }
            drawn = random()?;
        }
        Ok(Self(Uid::from_raw(drawn)))
    }

    /// Makes a file that is the owner's from the first moment on.
    pub fn make<T>(self, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        setfsuid(self.0);
        let made = make();
        setfsuid(ROOT);
        stay_closed()?;
        made
    }

    /// Makes a process by the `CLONE_NEW…` of `flags`, in `cgroup` if there is one. From
    /// here on this process is the owner, and so it owns a user namespace made.
    pub fn fork(self, flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
        // Whoever's real user is root may have processes without number, and so may the
        // user namespaces that he makes.
        become_user(ROOT, self.0)?;
        let made = fork_alone(flags, cgroup);
        if !matches!(made, Ok(Side::Child)) {
            become_user(self.0, self.0)?;
        }
        made
    }
}

fn random() -> io::Result<u32> {
    let mut bytes = [0; 4];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(FIRST + u32::from_ne_bytes(bytes) % COUNT)
}

fn may_be_inside(user: u32, ids: &Ids) -> bool {
    let mut some = ids.uid_map.iter().filter(|map| map.count < u32::MAX);
    user == ids.host_uid || some.any(|map| user.wrapping_sub(map.outside) < map.count)
}

/// To files it stays root, and it has the capabilities that it has as root: where users
/// without any may make no user namespace, this one may.
fn become_user(real: Uid, user: Uid) -> io::Result<()> {
    capability::keep_over_new_ids()?;
    setresuid(real, user, user)?;
    capability::use_permitted()?;
    setfsuid(ROOT);
    stay_closed()
}

/// A new id makes it whatever fs.suid_dumpable is.
fn stay_closed() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::units::IdMap;

    fn ids(uid_map: &[(u32, u32)], host_uid: u32) -> Ids {
        let map = |&(outside, count): &(u32, u32)| IdMap {
            inside: 0,
            outside,
            count,
        };
        Ids {
            user_namespace: true,
            uid_map: uid_map.iter().map(map).collect(),
            gid_map: Vec::new(),
            uid: 0,
            gid: 0,
            host_uid,
            host_gid: 0,
        }
    }

    fn draw(ids: &Ids) -> u32 {
        Owner::draw(ids).unwrap().0.as_raw()
    }

    #[test]
    fn each_owner_is_drawn_anew_from_those_that_are_nobody_else() {
        let ids = ids(&[(0, u32::MAX)], 1000);
        let mut drawn: Vec<_> = (0..10).map(|_| draw(&ids)).collect();
        for owner in &drawn {
            assert!((FIRST..u32::MAX - 1).contains(owner));
        }
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 5, "{drawn:?}");
    }

    #[test]
    fn no_owner_is_drawn_that_is_inside() {
        let half = COUNT / 2;
        let ids = ids(&[(1000, 1), (FIRST, half)], 1000);
        assert!((0..100).all(|_| draw(&ids) >= FIRST + half));
    }

    #[test]
    fn a_container_that_has_all_owners_gets_one_nevertheless() {
        let halves = ids(&[(0, FIRST), (FIRST, u32::MAX - FIRST)], 1000);
        assert!(draw(&halves) >= FIRST);
    }

    #[test]
    fn the_user_of_the_container_is_inside_with_and_without_a_map() {
        for map in [&[(0, u32::MAX)][..], &[]] {
            assert!(may_be_inside(FIRST, &ids(map, FIRST)));
            assert!(!may_be_inside(FIRST + 1, &ids(map, FIRST)));
        }
    }
}
