//! Listening sockets: bound once per sandbox and address, shared by all of the
//! sandbox's containers that name the address, closed with the last of them.
//!
//! A socket stays bound while a container that uses it is restarted or
//! replaced, so no connection is refused. The supervisor never accepts one.
//! What is kept is also given to the service manager to store, so that it
//! outlives this supervisor. Those that an earlier supervisor left come from
//! there, from an exec, or from a running knot, and are looked at in one way.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use quick_error::quick_error;
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use crate::cause::Cause;
use crate::name::{ContainerName, Name};
use crate::resolve::plan::{Plan, Socket};
use crate::sys::socket::{Listen, shut_down};

use super::heritage::KeptSockets;
use super::records::Knot;
use super::service;

quick_error! {
    /// Why a container does not get its sockets.
    #[derive(Debug)]
    pub enum SocketError {
        /// The address cannot be bound.
        Bind(address: SocketAddr, err: io::Error) {
            display("cannot listen on {}: {}", address, Cause(err))
            source(err)
        }
    }
}

/// The sockets that the supervisor keeps.
#[derive(Debug, Default)]
pub struct Sockets {
    kept: BTreeMap<(Name, SocketAddr), Kept>,
    /// What was left to this supervisor, until it is known what is wanted.
    left: KeptSockets,
}

#[derive(Debug)]
struct Kept {
    socket: OwnedFd,
    users: BTreeSet<ContainerName>,
}

impl Sockets {
    /// None yet, besides those that were left to this supervisor.
    pub fn new(left: KeptSockets) -> Self {
        let kept = BTreeMap::new();
        Self { kept, left }
    }

    /// The sockets to pass to a plan's container, which is about to be started,
    /// in the plan's order. Those that the container used before and no longer
    /// names are released before, since they may be in the way of the others.
    pub fn take(&mut self, plan: &Plan) -> Result<Vec<OwnedFd>, SocketError> {
        self.release_unless(&plan.name, |address| {
            let mut kept = plan.passed_sockets().filter(|s| !s.reuse_port);
            kept.any(|s| s.address == address)
        });
        let taken = plan.passed_sockets().map(|s| self.take_one(plan, s));
        taken.collect()
    }

    /// A container that is wanted, but not started yet, keeps open what is: so
    /// the last of the old users may end before the first of the new ones starts.
    pub fn reserve(&mut self, plan: &Plan) {
        self.take_back(plan, None);
    }

    /// The container uses none any more.
    pub fn release(&mut self, name: &ContainerName) {
        self.release_unless(name, |_| false);
    }

    /// Takes back the sockets of a container that an earlier supervisor
    /// started: from what it left to this one, else from the running knot.
    pub fn take_back(&mut self, plan: &Plan, knot: Option<(&Knot, BorrowedFd<'_>)>) {
        let numbers = knot.map_or(&[][..], |(knot, _)| &knot.sockets);
        for (index, socket) in plan.passed_sockets().enumerate() {
            let key = (plan.name.sandbox.clone(), socket.address);
            if socket.reuse_port {
                continue;
            }
            let held = || {
                let (_, pidfd) = knot?;
                pidfd_getfd(pidfd, *numbers.get(index)?, PidfdGetfdFlags::empty()).ok()
            };
            let found = match self.kept.get_mut(&key) {
                Some(kept) => {
                    kept.users.insert(plan.name.clone());
                    continue;
                }
                None => self.left(&key, socket).or_else(held),
            };
            // What is not found is bound anew when it is next needed.
            if let Some(found) = found.filter(|fd| socket.listen().is_listening(fd)) {
                self.keep(key, found, &plan.name);
            }
        }
    }

    /// Closes what was left to this supervisor and is wanted by nobody. To be
    /// called once everything is loaded.
    pub fn close_left(&mut self) {
        for (sandbox, address) in std::mem::take(&mut self.left).into_keys() {
            service::give_up(&sandbox, address);
        }
    }

    /// A socket that was left, if it is what is asked for.
    fn left(&mut self, key: &(Name, SocketAddr), socket: &Socket) -> Option<OwnedFd> {
        let left = self.left.remove(key)?;
        let is_it = socket.listen().is_listening(&left);
        if !is_it {
            service::give_up(&key.0, key.1);
        }
        is_it.then_some(left)
    }

    fn keep(&mut self, key: (Name, SocketAddr), socket: OwnedFd, user: &ContainerName) {
        // Those stored already are not stored twice.
        service::keep(&key.0, key.1, socket.as_fd());
        let users = BTreeSet::from([user.clone()]);
        self.kept.insert(key, Kept { socket, users });
    }

    /// All that are kept: sandbox, address, socket.
    pub fn kept(&self) -> impl Iterator<Item = (&Name, SocketAddr, BorrowedFd<'_>)> {
        self.kept
            .iter()
            .map(|((sandbox, address), kept)| (sandbox, *address, kept.socket.as_fd()))
    }

    fn take_one(&mut self, plan: &Plan, socket: &Socket) -> Result<OwnedFd, SocketError> {
        let failed = |err| SocketError::Bind(socket.address, err);
        let listen = socket.listen();
        let open = || listen.open(plan.ids.host_uid, plan.ids.host_gid);
        if socket.reuse_port {
            return open().map_err(failed);
        }
        let key = (plan.name.sandbox.clone(), socket.address);
        if let Some(kept) = self.kept.get_mut(&key) {
            if listen.is_listening(&kept.socket) {
                listen.refresh(&kept.socket).map_err(failed)?;
            } else {
                shut_down(&kept.socket);
                service::give_up(&key.0, key.1);
                match revive(&listen, &kept.socket, open) {
                    Ok(anew) => kept.socket = anew,
                    Err(err) => {
                        // In the way of the next attempt.
                        self.kept.remove(&key);
                        return Err(failed(err));
                    }
                }
                service::keep(&key.0, key.1, kept.socket.as_fd());
            }
            kept.users.insert(plan.name.clone());
            return kept.socket.try_clone().map_err(failed);
        }
        let socket = match self.left(&key, socket) {
            Some(left) => listen.refresh(&left).map(|()| left),
            None => open(),
        };
        let socket = socket.map_err(failed)?;
        let copy = socket.try_clone().map_err(failed)?;
        self.keep(key, socket, &plan.name);
        Ok(copy)
    }

    fn release_unless(&mut self, name: &ContainerName, named: impl Fn(SocketAddr) -> bool) {
        self.kept.retain(|(sandbox, address), kept| {
            if *sandbox == name.sandbox && !named(*address) {
                kept.users.remove(name);
            }
            let used = !kept.users.is_empty();
            if !used {
                service::give_up(sandbox, *address);
            }
            used
        });
    }
}

/// A socket in place of one that was shut down by a holder. Without
/// `reuse-addr` the old one is in the way while it is held: then it is made to
/// listen again.
fn revive(
    listen: &Listen,
    old: &OwnedFd,
    open: impl Fn() -> io::Result<OwnedFd>,
) -> io::Result<OwnedFd> {
    open().or_else(|error| {
        let again = listen.refresh(old).is_ok() && listen.is_listening(old);
        if again { old.try_clone() } else { Err(error) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    use crate::tree::machine::tests::plan;
    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::BindToDevice;
    use rustix::net::{Shutdown, shutdown};

    fn free_port() -> u16 {
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    }

    /// A plan with one socket on `port`, owned by whoever runs the test.
    fn with_socket(name: &str, port: u16, reuse_port: bool) -> Plan {
        let mut json = serde_json::to_value(plan(name, 1)).unwrap();
        json["ids"]["host-uid"] = rustix::process::geteuid().as_raw().into();
        json["ids"]["host-gid"] = rustix::process::getegid().as_raw().into();
        json["sockets"] = serde_json::json!([{
            "fd": 3, "address": format!("127.0.0.1:{port}"), "backlog": 8,
            "reuse-addr": true, "reuse-port": reuse_port, "non-block": false,
            "external": false,
        }]);
        serde_json::from_value(json).unwrap()
    }

    fn connects(port: u16) -> bool {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    }

    /// What `getsockopt` and the inode say is one and the same socket.
    fn inode(fd: impl AsFd) -> u64 {
        rustix::fs::fstat(fd).unwrap().st_ino
    }

    #[test]
    fn is_bound_once_and_shared_within_a_sandbox() {
        let port = free_port();
        let mut sockets = Sockets::default();
        let first = sockets
            .take(&with_socket("shop/web.0", port, false))
            .unwrap();
        let second = sockets
            .take(&with_socket("shop/web.1", port, false))
            .unwrap();
        assert_eq!(inode(&first[0]), inode(&second[0]));
        assert!(connects(port));
    }

    #[test]
    fn stays_open_until_its_last_user_is_gone() {
        let port = free_port();
        let mut sockets = Sockets::default();
        let plans = ["shop/web.0", "shop/web.1"].map(|name| with_socket(name, port, false));
        for plan in &plans {
            drop(sockets.take(plan).unwrap());
        }
        sockets.release(&plans[0].name);
        assert!(connects(port));
        sockets.release(&plans[1].name);
        assert!(!connects(port));
    }

    #[test]
    fn stays_open_for_one_that_is_yet_to_be_started() {
        let port = free_port();
        let mut sockets = Sockets::default();
        let plans = ["shop/old.0", "shop/new.0"].map(|name| with_socket(name, port, false));
        drop(sockets.take(&plans[0]).unwrap());
        sockets.reserve(&plans[1]);
        sockets.release(&plans[0].name);
        assert!(connects(port));
        sockets.release(&plans[1].name);
        assert!(!connects(port));
    }

    #[test]
    fn a_plan_that_names_it_no_longer_releases_it() {
        let (old, new) = (free_port(), free_port());
        let mut sockets = Sockets::default();
        drop(
            sockets
                .take(&with_socket("shop/web.0", old, false))
                .unwrap(),
        );
        drop(
            sockets
                .take(&with_socket("shop/web.0", new, false))
                .unwrap(),
        );
        assert!(!connects(old));
        assert!(connects(new));
    }

    #[test]
    fn what_it_names_no_longer_is_not_in_its_way() {
        let port = free_port();
        let narrow = with_socket("shop/web.0", port, false);
        let mut wide = narrow.clone();
        wide.sockets[0].address.set_ip([0, 0, 0, 0].into());
        let shared = with_socket("shop/web.0", port, true);
        let mut sockets = Sockets::default();
        for plan in [&narrow, &wide, &shared, &narrow] {
            let taken = sockets.take(plan).unwrap();
            assert!(connects(port));
            assert_eq!(sockets.kept().count() == 0, plan.sockets[0].reuse_port);
            drop(taken);
        }
    }

    fn staged(reuse_addr: bool) -> (u16, Plan, Sockets) {
        let port = free_port();
        let mut plan = with_socket("shop/web.0", port, false);
        plan.sockets[0].reuse_addr = reuse_addr;
        (port, plan, Sockets::default())
    }

    #[test]
    fn is_bound_anew_when_a_holder_has_shut_it_down() {
        for reuse_addr in [true, false] {
            let (port, plan, mut sockets) = staged(reuse_addr);
            let held = sockets.take(&plan).unwrap();
            shutdown(&held[0], Shutdown::Both).unwrap();
            assert!(!connects(port));
            let again = sockets.take(&plan).unwrap();
            assert!(connects(port), "reuse-addr {reuse_addr}");
            assert_eq!(inode(&again[0]) == inode(&held[0]), !reuse_addr);
        }
    }

    #[test]
    fn is_bound_anew_when_a_holder_has_let_it_take_few() {
        for reuse_addr in [true, false] {
            let (port, plan, mut sockets) = staged(reuse_addr);
            let held = sockets.take(&plan).unwrap();
            setsockopt(&held[0], BindToDevice, &"lo".into()).unwrap();
            let before = inode(&held[0]);
            drop(held);
            if !reuse_addr {
                sockets.take(&plan).unwrap_err();
            }
            assert_ne!(inode(&sockets.take(&plan).unwrap()[0]), before);
            assert!(connects(port));
        }
    }

    #[test]
    fn a_port_that_someone_else_has_fails_the_start_and_is_tried_again() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let plan = with_socket("shop/web.0", port, false);
        let mut sockets = Sockets::default();
        let error = sockets.take(&plan).unwrap_err().to_string();
        let expected = format!("cannot listen on 127.0.0.1:{port}: address already in use");
        assert!(error.starts_with(&expected), "{error}");
        drop(taken);
        sockets.take(&plan).unwrap();
    }

    #[test]
    fn with_reuse_port_each_start_has_its_own() {
        let port = free_port();
        let plan = with_socket("shop/web.0", port, true);
        let mut sockets = Sockets::default();
        let first = sockets.take(&plan).unwrap();
        let second = sockets.take(&plan).unwrap();
        assert_ne!(inode(&first[0]), inode(&second[0]));
        drop((first, second));
        assert!(!connects(port));
    }

    #[test]
    fn is_taken_back_from_a_process_that_holds_it() {
        let port = free_port();
        let plan = with_socket("shop/web.0", port, false);
        let held = Sockets::default().take(&plan).unwrap();
        let own = std::process::id() as i32;
        let pidfd = crate::sys::pidfd::open(own).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&held[0]);
        let knot = Knot::note(own, &pidfd, vec![number]).unwrap();
        let mut sockets = Sockets::default();
        let knot = Some((&knot, pidfd.as_fd()));
        sockets.take_back(&plan, knot);
        let again = sockets.take(&plan).unwrap();
        assert_eq!(inode(&again[0]), inode(&held[0]));
    }

    #[test]
    fn what_does_not_listen_where_it_should_is_not_taken_back() {
        let plan = with_socket("shop/web.0", free_port(), false);
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let key = (plan.name.sandbox.clone(), plan.sockets[0].address);
        let mut sockets = Sockets::new(KeptSockets::from([(key, elsewhere.into())]));
        sockets.take_back(&plan, None);
        assert_eq!(sockets.kept().count(), 0);
    }
}
