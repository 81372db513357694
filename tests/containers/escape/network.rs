//! Sockets that nobody needs, ports that nobody has given, names without a file.

use super::Fails;
use super::Outcome::{Done, Errno, Gets};
use super::Without::{Loose, Ordinary};
use nix::errno::Errno::{EACCES, EAFNOSUPPORT, EPERM, EPROTONOSUPPORT};

super::attempts! {
    /// VSOCK (40): to the hypervisor. Other families are modules that asking for
    /// loads.
    no_socket_of_another_family_is_made: "socket:40,1,0",
        Fails::all(Errno(&[EAFNOSUPPORT])), Ordinary(Done);

    /// MPTCP (262) binds past Landlock.
    no_socket_of_another_tcp_is_made: "socket:2,1,262",
        Fails::all(Errno(&[EPROTONOSUPPORT])), Ordinary(Done);

    no_raw_socket_is_made: "socket:2,3,1", Fails::all(Errno(&[EPERM])), Loose(Done);

    no_packet_socket_is_made: "socket:17,3,0", Fails::all(Errno(&[EPERM])), Loose(Done);

    /// On the host's network: by Landlock.
    no_port_is_bound_that_the_sandbox_has_not_allowed: "listen:{port}",
        Fails::all(Errno(&[EACCES])), Loose(Done);

    /// CVE-2020-15257: abstract sockets are the network namespace's, the host's.
    /// By Landlock, on 6.12 and newer.
    no_abstract_socket_of_the_host_is_reached: "abstract:{abstract}",
        Fails::all(Errno(&[EPERM])), Loose(Gets(super::scene::ANSWER));
}
