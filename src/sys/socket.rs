//! Listening sockets.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, sockopt};

/// How a listening socket is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Backlog of `listen`.
    pub backlog: u32,
    /// `SO_REUSEADDR`.
    pub reuse_addr: bool,
    /// `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// Whether it is non-blocking.
    pub non_block: bool,
}

impl Listen {
    /// Makes a close-on-exec socket that listens, owned by `uid` and `gid`
    /// (what `iptables -m owner` and `SO_REUSEPORT` look at).
    ///
    /// `::` takes IPv4 connections too, whatever `net.ipv6.bindv6only` says;
    /// every other IPv6 address takes only its own.
    pub fn open(&self, uid: u32, gid: u32) -> io::Result<OwnedFd> {
        let family = match self.address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = as_owner(uid, gid, || {
            rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        })??;
        if let IpAddr::V6(ip) = self.address.ip() {
            sockopt::set_ipv6_v6only(&socket, !ip.is_unspecified())?;
        }
        sockopt::set_socket_reuseport(&socket, self.reuse_port)?;
        sockopt::set_socket_reuseaddr(&socket, self.reuse_addr)?;
        rustix::net::bind(&socket, &self.address)?;
        self.refresh(&socket)?;
        Ok(socket)
    }

    /// Gives a bound socket what can change later: backlog, blocking and
    /// `SO_REUSEADDR`. A socket that was shut down listens again.
    pub fn refresh(&self, socket: impl AsFd) -> io::Result<()> {
        sockopt::set_socket_reuseaddr(&socket, self.reuse_addr)?;
        let mut flags = fcntl_getfl(&socket)?;
        flags.set(OFlags::NONBLOCK, self.non_block);
        fcntl_setfl(&socket, flags)?;
        let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
        Ok(rustix::net::listen(&socket, backlog)?)
    }

    /// Whether the socket listens at the address, with the options that cannot
    /// change later; whoever holds it can shut it down, connect it elsewhere, or let it
    /// take connections of few or none.
    pub fn is_listening(&self, socket: impl AsFd) -> bool {
        let here = || SocketAddr::try_from(rustix::net::getsockname(&socket).ok()?).ok();
        let only_v6 = || match self.address.ip() {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => sockopt::ipv6_v6only(&socket) == Ok(!ip.is_unspecified()),
        };
        sockopt::socket_acceptconn(&socket).unwrap_or(false)
            && here() == Some(self.address)
            && sockopt::socket_reuseport(&socket) == Ok(self.reuse_port)
            && only_v6()
            && takes_all(&socket)
    }
}

/// Whether it takes connections from every device and distance, and through no filter.
fn takes_all(socket: impl AsFd) -> bool {
    let socket = socket.as_fd();
    let options = [
        (libc::IPPROTO_IP, libc::IP_MINTTL),
        (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    ];
    let mut limits = options.into_iter().map(|(level, option)| {
        let mut value = [0; 4];
        // One of them is for sockets of the other family.
        option_of(socket, level, option, &mut value).map_or(0, |_| i32::from_ne_bytes(value))
    });
    let device = option_of(
        socket,
        libc::SOL_SOCKET,
        libc::SO_BINDTODEVICE,
        &mut [0; 16],
    );
    let filter = option_of(socket, libc::SOL_SOCKET, libc::SO_GET_FILTER, &mut []);
    limits.all(|limit| limit == 0) && device == Some(0) && filter == Some(0)
}

/// Reads an option; gives the length that the kernel gives, of a filter in instructions.
fn option_of(socket: BorrowedFd<'_>, level: i32, option: i32, value: &mut [u8]) -> Option<u32> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`, and that length.
    let read = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (read == 0).then_some(length)
}

/// Lets nobody connect to it any more, whoever has it.
pub fn shut_down(socket: impl AsFd) {
    // It fails only if it does not listen.
    let _ = rustix::net::shutdown(socket, Shutdown::Both);
}

/// Makes a close-on-exec, non-blocking Unix socket that listens at `path`, in place of
/// what an earlier one has left there; whoever finds it there finds it with this
/// mode, and listening.
pub fn listen_at(path: &Path, mode: u32, backlog: i32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    rustix::net::bind(&socket, &SocketAddrUnix::new(&new)?)?;
    let placed = fs::set_permissions(&new, Permissions::from_mode(mode))
        .and_then(|()| Ok(rustix::net::listen(&socket, backlog)?))
        .and_then(|()| fs::rename(&new, path));
    if placed.is_err() {
        let _ = fs::remove_file(&new);
    }
    placed.map(|()| socket)
}

/// Does `make` with the file system ids of `uid` and `gid`, which own what it
/// makes; every capability but those over files stays.
fn as_owner<T>(uid: u32, gid: u32, make: impl FnOnce() -> T) -> io::Result<T> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let group = setfsgid(gid);
    let user = setfsuid(uid);
    // These calls report no error: only what is in force tells.
    let nobody = (Uid::from_raw(u32::MAX), Gid::from_raw(u32::MAX));
    let in_force = (setfsuid(nobody.0), setfsgid(nobody.1)) == (uid, gid);
    let made = in_force.then(make);
    setfsuid(user);
    setfsgid(group);
    made.ok_or_else(|| io::ErrorKind::PermissionDenied.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    fn own(listen: &Listen) -> io::Result<OwnedFd> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        listen.open(uid.as_raw(), gid.as_raw())
    }

    /// A port that is free just now.
    fn listen(host: &str) -> Listen {
        let probe = TcpListener::bind((host, 0)).unwrap();
        Listen {
            address: probe.local_addr().unwrap(),
            backlog: 8,
            reuse_addr: true,
            reuse_port: false,
            non_block: false,
        }
    }

    #[test]
    fn takes_connections_on_ipv4_and_ipv6() {
        for host in ["127.0.0.1", "::1"] {
            let listen = listen(host);
            let socket = own(&listen).unwrap();
            assert!(listen.is_listening(&socket));
            TcpStream::connect(listen.address).unwrap();
        }
    }

    /// What needs no right to be set.
    #[test]
    fn one_that_takes_few_or_none_does_not_count_as_listening() {
        let drop_all = [libc::sock_filter {
            code: 6,
            jt: 0,
            jf: 0,
            k: 0,
        }];
        let program = libc::sock_fprog {
            len: 1,
            filter: drop_all.as_ptr().cast_mut(),
        };
        let program = std::ptr::from_ref(&program).cast();
        let far = std::ptr::from_ref(&255i32).cast();
        let filter = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program, 16);
        for (host, level, option) in [
            ("127.0.0.1", libc::IPPROTO_IP, libc::IP_MINTTL),
            ("::1", libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
        ] {
            for (level, option, value, length) in [(level, option, far, 4), filter] {
                let listen = listen(host);
                let socket = own(&listen).unwrap();
                assert!(listen.is_listening(&socket));
                // SAFETY: the kernel reads what is pointed to, which is so long.
                let set =
                    unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, length) };
                assert_eq!(set, 0, "{}", io::Error::last_os_error());
                assert!(!listen.is_listening(&socket), "{host} {option}");
            }
        }
    }

    #[test]
    fn the_unspecified_ipv6_address_takes_ipv4_too() {
        let listen = listen("::");
        let _socket = own(&listen).unwrap();
        TcpStream::connect(("127.0.0.1", listen.address.port())).unwrap();
        TcpStream::connect(("::1", listen.address.port())).unwrap();
    }

    #[test]
    fn refuses_an_address_that_someone_else_listens_on() {
        let listen = listen("127.0.0.1");
        let _first = own(&listen).unwrap();
        assert_eq!(own(&listen).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn blocks_or_not_as_asked() {
        let mut listen = listen("127.0.0.1");
        let socket = own(&listen).unwrap();
        assert!(!fcntl_getfl(&socket).unwrap().contains(OFlags::NONBLOCK));
        listen.non_block = true;
        listen.refresh(&socket).unwrap();
        assert!(fcntl_getfl(&socket).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_socket_with_other_options_is_not_the_one() {
        let listen = listen("127.0.0.1");
        let socket = own(&listen).unwrap();
        let shared = Listen {
            reuse_port: true,
            ..listen
        };
        assert!(listen.is_listening(&socket) && !shared.is_listening(&socket));
    }

    #[test]
    fn a_unix_socket_replaces_a_stale_one_and_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        for _ in 0..2 {
            let _socket = listen_at(&path, 0o600, 8).unwrap();
            UnixStream::connect(&path).unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(UnixStream::connect(&path).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_unix_socket_that_cannot_be_placed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        fs::create_dir(&path).unwrap();
        assert!(listen_at(&path, 0o600, 8).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let long = dir.path().join("x".repeat(200));
        assert!(listen_at(&long, 0o600, 8).is_err());
    }

    #[test]
    fn a_socket_shut_down_listens_no_more() {
        let listen = listen("127.0.0.1");
        let socket = own(&listen).unwrap();
        rustix::net::shutdown(&socket, rustix::net::Shutdown::Both).unwrap();
        assert!(!listen.is_listening(&socket));
    }
}
