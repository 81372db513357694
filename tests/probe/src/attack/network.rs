//! Sockets: families that load modules, ports, abstract names, passed descriptors.

use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::libc;
use rustix::fs::{Mode, OFlags, openat};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;

use super::raw::Argument::Number;
use super::raw::call;
use super::{Outcome, done, number, text};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "socket" => socket(object),
        "listen" => listen(object),
        "abstract" => abstract_socket(object),
        "connect" => done(UnixStream::connect(object)),
        "listen-abstract" => listen_abstract(object),
        "shut-down" => shut_down(object),
        "read-through-passed" => read_through_passed(object),
        _ => return None,
    };
    Some(result)
}

/// FAMILY,KIND,PROTOCOL.
fn socket(object: &str) -> io::Result<Value> {
    let mut words = [0; 3];
    for (word, part) in words.iter_mut().zip(object.split(',')) {
        *word = number(part)?;
    }
    done(call(libc::SYS_socket, &mut words.map(Number)))
}

fn listen(port: &str) -> io::Result<Value> {
    done(TcpListener::bind(("127.0.0.1", number(port)?)))
}

fn abstract_socket(name: &str) -> io::Result<Value> {
    let address = SocketAddr::from_abstract_name(name)?;
    let mut answer = String::new();
    UnixStream::connect_addr(&address)?.read_to_string(&mut answer)?;
    text(answer)
}

fn listen_abstract(name: &str) -> io::Result<Value> {
    done(UnixListener::bind_addr(&SocketAddr::from_abstract_name(
        name,
    )?))
}

/// Of an inherited listening socket, which others have too.
fn shut_down(fd: &str) -> io::Result<Value> {
    let socket = crate::sight::own(number(fd)?)?;
    done(rustix::net::shutdown(socket, rustix::net::Shutdown::Both))
}

/// What lies below a directory whose descriptor an accomplice outside passes on
/// this socket.
fn read_through_passed(object: &str) -> io::Result<Value> {
    let directory = receive(&UnixStream::connect(object)?)?;
    let file = openat(directory, "secret", OFlags::RDONLY, Mode::empty())?;
    let mut read = String::new();
    std::fs::File::from(file).read_to_string(&mut read)?;
    text(read)
}

fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        flags,
    )?;
    let mut passed = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    passed
        .next()
        .ok_or_else(|| io::Error::other("nothing was passed"))
}
