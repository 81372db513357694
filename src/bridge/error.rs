//! Why a container has no network.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::process::ExitStatus;
use std::time::Duration;

use quick_error::quick_error;

/// What was being done when a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Looking for the bridge, and for what is left of an earlier container.
    Find,
    /// Removing what is left of an earlier container.
    Remove,
    /// Making the pair of interfaces.
    Create,
    /// Giving this address, with this prefix length.
    Address(IpAddr, u8),
    /// Making the default route to this gateway.
    Route(IpAddr),
    /// Telling the neighbours.
    Announce,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Find => write!(f, "cannot look interfaces up"),
            Step::Remove => write!(f, "cannot remove the stale interface of that name"),
            Step::Create => write!(f, "cannot make the veth pair"),
            Step::Address(address, prefix) => write!(f, "cannot add address {address}/{prefix}"),
            Step::Route(gateway) => write!(f, "cannot add the default route to {gateway}"),
            Step::Announce => write!(f, "cannot announce the address"),
        }
    }
}

quick_error! {
    /// Why a container has no network.
    #[derive(Debug)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum BridgeError {
        /// No netlink socket.
        Open(source: io::Error) {
            display("cannot open a netlink socket: {}", source)
            source(source)
        }
        /// No namespace.
        Unshare(source: io::Error) {
            display("cannot make a network namespace: {}", source)
            source(source)
        }
        /// A setting of the namespace was not accepted.
        Setting { name: &'static str, source: io::Error } {
            display("cannot write /proc/sys/{}: {}", name, source)
            source(source)
        }
        /// No loopback.
        Loopback(source: io::Error) {
            display("cannot switch the loopback interface on: {}", source)
            source(source)
        }
        /// The namespace is not attached to the bridge.
        Attach { bridge: String, host_end: String, fault: Fault } {
            display("cannot attach {} to bridge {}: {}", host_end, bridge, fault)
            source(fault)
        }
        /// The after-setup-command could not be run.
        Run { program: String, source: io::Error } {
            display("cannot run after-setup-command {}: {}", program, source)
            source(source)
        }
        /// The after-setup-command did not succeed.
        Status { program: String, status: ExitStatus } {
            display("cannot finish the network: after-setup-command {} ended with {}", program, status)
        }
        /// The after-setup-command was killed.
        Timeout { program: String, limit: Duration } {
            display("cannot finish the network: after-setup-command {} took longer than {} s",
                    program, limit.as_secs_f32())
        }
    }
}

quick_error! {
    /// Why a network namespace is not attached to a bridge.
    #[derive(Debug)]
    #[allow(missing_docs)] // fields take no docs in quick-error: the variants' docs name them
    pub enum Fault {
        /// The bridge does not exist.
        Missing {
            display("there is no such interface")
        }
        /// The bridge is something else, of this kind; empty: the kernel has no word for it.
        NotBridge(kind: String) {
            display("that is no bridge{}{}", if kind.is_empty() { "" } else { " but a " }, kind)
        }
        /// The name of the host's end is in use by something that is not ours to delete.
        Taken {
            display("the name is taken by an interface that is no veth of this bridge")
        }
        /// The kernel refused this step.
        Refused { step: Step, source: io::Error } {
            display("{}: {}", step, source)
            source(source)
        }
    }
}

/// Says during which step a call failed.
pub trait During<T> {
    /// The value, or the step and the kernel's reason.
    fn during(self, step: Step) -> Result<T, Fault>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, step: Step) -> Result<T, Fault> {
        self.map_err(|source| Fault::Refused { step, source })
    }
}

impl BridgeError {
    /// The one thing to do, if there is one.
    pub fn hint(&self) -> Option<String> {
        let BridgeError::Attach {
            bridge,
            host_end,
            fault,
        } = self
        else {
            return None;
        };
        match fault {
            Fault::Missing => Some(format!(
                "create the bridge: ip link add {bridge} type bridge && ip link set {bridge} up"
            )),
            Fault::Taken => Some(format!("see what it is: ip -d link show {host_end}")),
            Fault::Refused {
                step: Step::Route(_),
                ..
            } => Some("`default-gateway` must lie inside `network`".to_owned()),
            _ => None,
        }
    }
}
