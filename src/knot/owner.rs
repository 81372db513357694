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

use lithos_crypt::ShortHash;
use nix::unistd::{Uid, setfsuid, setresuid};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::name::ContainerName;
use crate::sys::capability;
use crate::sys::clone::{Side, fork_alone};

const ROOT: Uid = Uid::from_raw(0);

/// The first of the ids that owners have, and the end of them: above all that people,
/// systemd and directory services give away, below the two that mean nobody.
const FIRST: u32 = 0xff00_0000;
const COUNT: u32 = 0x00ff_fff0;

/// The owner for this container.
pub fn of(name: &ContainerName) -> u32 {
    let [a, b, c, d, ..] = ShortHash::of(name.to_string().as_bytes()).to_bytes();
    FIRST + u32::from_be_bytes([a, b, c, d]) % COUNT
}

/// Makes a process by the `CLONE_NEW…` of `flags`, in `cgroup` if there is one. From here
/// on this process is the owner, and so it owns a user namespace made.
pub fn fork(owner: u32, flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    let owner = Uid::from_raw(owner);
    // Whoever's real user is root may have processes without number, and so may the user
    // namespaces that he makes.
    become_user(ROOT, owner)?;
    let made = fork_alone(flags, cgroup);
    if !matches!(made, Ok(Side::Child)) {
        become_user(owner, owner)?;
    }
    made
}

/// To files it stays root, and it has the capabilities that it has as root: where users
/// without any may make no user namespace, this one may.
fn become_user(real: Uid, user: Uid) -> io::Result<()> {
    capability::keep_over_new_ids()?;
    setresuid(real, user, user)?;
    capability::use_permitted()?;
    setfsuid(ROOT);
    // A new id makes it whatever fs.suid_dumpable is.
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_has_an_owner_that_is_nobody_else() {
        let name = |text: &str| text.parse::<ContainerName>().unwrap();
        let [one, other] = ["shop/web.0", "shop/web.1"].map(|text| of(&name(text)));
        assert_ne!(one, other);
        assert_eq!(one, of(&name("shop/web.0")));
        for owner in [one, other, FIRST + COUNT - 1] {
            assert!((FIRST..u32::MAX - 1).contains(&owner));
        }
    }
}
