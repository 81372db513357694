//! The ground that a test stands on: a network namespace in place of the
//! host's, with bridges, and containers that are nothing but a network
//! namespace each.
//!
//! Namespaces belong to threads here: the test's own thread is the host, and
//! each container is a thread, which runs what it is given inside. Nothing of
//! it reaches the machine's network, and nothing outlives the test.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lithos::bridge::{Attachment, BridgeError, HostLink};
use lithos::sys::netlink::{CREATE, LOOPBACK, Link, Netlink, Request};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use nix::sched::{CloneFlags, unshare};

/// Shorter than the second after which TCP sends its first packet again, so
/// that a connection proves that the first one arrived.
const AT_ONCE: Duration = Duration::from_millis(900);

/// A network namespace in place of the host's.
pub struct Host(Netlink);

impl Host {
    /// None, and says so, if namespaces cannot be made here.
    pub fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(
                std::env::var_os("LITHOS_TEST_ROOT").is_none(),
                "LITHOS_TEST_ROOT is set, but this is not root"
            );
            // Past the test runner's capture, which hides what passing tests print.
            let thread = thread::current();
            let name = thread.name().unwrap_or_default();
            let _ = writeln!(
                std::io::stderr(),
                "SKIP {name}: network namespaces need root"
            );
            return None;
        }
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut link = Netlink::open().unwrap();
        link.set_up(LOOPBACK).unwrap();
        Some(Self(link))
    }

    /// A bridge that is up, with these addresses.
    pub fn bridge(&mut self, name: &str, addresses: &[(&str, u8)]) {
        self.bridge_off(name);
        let index = self.link(name).index;
        self.0.set_up(index).unwrap();
        for (address, prefix) in addresses {
            self.0
                .add_address(index, address.parse().unwrap(), *prefix)
                .unwrap();
        }
    }

    /// A bridge that nobody has switched on.
    pub fn bridge_off(&mut self, name: &str) {
        let mut message = LinkMessage::default();
        let kind = LinkInfo::Kind(InfoKind::Bridge);
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.push(LinkAttribute::LinkInfo(vec![kind]));
        self.0.request(CREATE, Request::NewLink(message)).unwrap();
    }

    /// What the kernel says of an interface.
    pub fn link(&mut self, name: &str) -> Link {
        self.0.link(name).unwrap().unwrap()
    }

    /// A veth pair that is none of ours, `name` being a port of `bridge`.
    pub fn veth(&mut self, name: &str, bridge: &str) {
        let master = self.link(bridge).index;
        let own = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        self.0.add_veth(name, master, "other", own).unwrap();
    }

    /// An address for the loopback interface: a place behind the host.
    pub fn place_behind(&mut self, address: &str) {
        self.0
            .add_address(LOOPBACK, address.parse().unwrap(), 32)
            .unwrap();
    }

    /// The names of all interfaces whose names begin like this.
    pub fn interfaces(&self, beginning: &str) -> Vec<String> {
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let names = table.lines().filter_map(|line| line.trim().split_once(':'));
        let wanted = names.filter(|(name, _)| name.starts_with(beginning));
        wanted.map(|(name, _)| name.to_owned()).collect()
    }

    /// The kernel takes a dead namespace apart a moment after its last process.
    pub fn soon_has_no_interface(&self, beginning: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if self.interfaces(beginning).is_empty() {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace and the thread in it; both end when it is dropped.
pub struct Container(Option<(Sender<Job>, JoinHandle<()>)>);

impl Container {
    /// One that is attached like this.
    pub fn attached(to: Attachment<'static>) -> Result<Self, BridgeError> {
        let proc = std::fs::File::open("/proc").unwrap();
        Self::new(move || {
            let own = HostLink::open()?.leave()?;
            own.configure(proc)?;
            own.connect(&to)
        })
    }

    /// One that gets its network namespace in this way.
    pub fn new<E: Send + 'static>(
        enter: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> Result<Self, E> {
        let (jobs, work) = channel::<Job>();
        let thread = thread::spawn(move || work.into_iter().for_each(|job| job()));
        let container = Self(Some((jobs, thread)));
        container.run(enter)?;
        Ok(container)
    }

    /// What this gives when it is run inside.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (result, wanted) = channel();
        let job = Box::new(move || result.send(job()).unwrap());
        self.0.as_ref().unwrap().0.send(job).unwrap();
        wanted.recv().unwrap()
    }

    /// A listening socket inside; it keeps the namespace, wherever it goes.
    pub fn listen(&self, address: &str) -> TcpListener {
        let address = SocketAddr::new(address.parse().unwrap(), 8080);
        self.run(move || TcpListener::bind(address)).unwrap()
    }

    /// Whether a connection to the listener can be made from here at once, and
    /// carries bytes both ways.
    pub fn reaches(&self, listener: &TcpListener) -> bool {
        let address = listener.local_addr().unwrap();
        let connected = self.run(move || TcpStream::connect_timeout(&address, AT_ONCE));
        connected.is_ok_and(|stream| carries(stream, listener))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.0.take() {
            drop(jobs);
            let _ = thread.join();
        }
    }
}

/// Whether a connection to the listener can be made from the host at once.
pub fn host_reaches(listener: &TcpListener) -> bool {
    let connected = TcpStream::connect_timeout(&listener.local_addr().unwrap(), AT_ONCE);
    connected.is_ok_and(|stream| carries(stream, listener))
}

fn carries(mut near: TcpStream, listener: &TcpListener) -> bool {
    let (mut far, _) = listener.accept().unwrap();
    let mut received = [[0; 4]; 2];
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(AT_ONCE)).unwrap();
    }
    near.write_all(b"ping").unwrap();
    let there = far.read_exact(&mut received[0]);
    far.write_all(b"pong").unwrap();
    let back = near.read_exact(&mut received[1]);
    there.is_ok() && back.is_ok() && received == [*b"ping", *b"pong"]
}

/// An attachment to `br0` without a gateway.
pub fn on_br0(address: &str) -> Attachment<'static> {
    let address: IpAddr = address.parse().unwrap();
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    Attachment {
        bridge: "br0",
        address,
        prefix,
        gateway: None,
    }
}
