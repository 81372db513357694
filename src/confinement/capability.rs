//! Capabilities by name, and which of them mean anything in a container.
//!
//! A capability held in a user namespace counts only for what that namespace
//! owns. A container's mounts, host name, pids and System V objects belong to the
//! host's user namespace, and so does the network unless it has one of its own:
//! a sandbox config that grants a capability for those would grant nothing, and
//! is refused with the reason instead.
//!
//! This module only judges names; [`crate::sys`] gives capabilities up.

use std::fmt;
use std::str::FromStr;

use quick_error::quick_error;
use serde::{Deserialize, Serialize};

use crate::config::unknown;

quick_error! {
    /// Why a text names no capability.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum CapabilityError {
        /// No capability has this name.
        Unknown(name: String) {
            display("{}", unknown("capability", name, NAMES.into_iter()))
        }
    }
}

/// A capability of Linux, written without its `CAP_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability(u8);

/// The names of `linux/capability.h`, each at its number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

impl Capability {
    /// Every capability there is, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len() as u8).map(Self)
    }

    /// Its name, without `CAP_`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Its number: the index of its bit in a set.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The set of it alone, as `capset` counts them.
    pub fn bit(self) -> u64 {
        1 << self.0
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    /// Reads a name with or without `CAP_`, in capitals.
    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let name = text.strip_prefix("CAP_").unwrap_or(text);
        let number = NAMES.iter().position(|known| *known == name);
        match number {
            Some(number) => Ok(Self(number as u8)),
            None => Err(CapabilityError::Unknown(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Capability {
    type Error = CapabilityError;

    fn try_from(text: String) -> Result<Self, CapabilityError> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.name().to_owned()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a process of a container can do anything with `capability`, and if
/// not, why not: a clause that may follow "it means nothing here: ".
///
/// `user_namespace`: the process runs in a user namespace below the host's.
/// `own_network`: that namespace also owns the network namespace it runs in.
pub fn meaning(
    capability: Capability,
    user_namespace: bool,
    own_network: bool,
) -> Result<(), &'static str> {
    if !user_namespace {
        return Ok(());
    }
    match capability.name() {
        "NET_BIND_SERVICE" | "NET_BROADCAST" | "NET_ADMIN" | "NET_RAW" if !own_network => {
            Err("the network belongs to the host's user namespace")
        }
        "IPC_LOCK" => Err("locked memory is counted by the host's limits"),
        "IPC_OWNER" => Err("the ipc namespace belongs to the host's user namespace"),
        "SYS_BOOT" => Err("the pid namespace belongs to the host's user namespace"),
        "SYS_NICE" => Err("priorities are raised by the host's SYS_NICE only"),
        "SYS_RESOURCE" => Err("limits are raised by the host's SYS_RESOURCE only"),
        "MKNOD" => Err("device nodes are made by the host's MKNOD only"),
        "LEASE" => Err("leases on the files of others need the host's LEASE"),
        "LINUX_IMMUTABLE" => Err("the flags of files are set by the host's LINUX_IMMUTABLE only"),
        "SYS_TIME" | "WAKE_ALARM" => Err("the clock is the host's"),
        "SYS_MODULE" | "SYS_RAWIO" | "SYS_PACCT" | "SYSLOG" | "BLOCK_SUSPEND" | "PERFMON"
        | "BPF" => Err("the kernel grants it in the host's user namespace only"),
        "SYS_TTY_CONFIG" => Err("the consoles are the host's"),
        "AUDIT_WRITE" | "AUDIT_CONTROL" | "AUDIT_READ" => Err("the audit log is the host's"),
        "MAC_OVERRIDE" | "MAC_ADMIN" => Err("the policy of security modules is the host's"),
        _ => Ok(()),
    }
}

/// The system calls that `capability` is for and that the default seccomp profile
/// refuses all the same: unless the sandbox allows one of them, the capability
/// is of little use.
pub fn refused_calls(capability: Capability) -> &'static [&'static str] {
    match capability.name() {
        "DAC_READ_SEARCH" => &["open_by_handle_at"],
        "SYS_ADMIN" => &[
            "mount",
            "umount2",
            "pivot_root",
            "setns",
            "unshare",
            "sethostname",
        ],
        "SYS_CHROOT" => &["chroot"],
        "SYS_MODULE" => &["init_module", "finit_module", "delete_module"],
        "SYS_NICE" => &["mbind", "set_mempolicy", "move_pages", "migrate_pages"],
        "SYS_PACCT" => &["acct"],
        "SYS_PTRACE" => &[
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "pidfd_getfd",
        ],
        "SYS_BOOT" => &["reboot", "kexec_load", "kexec_file_load"],
        "SYS_RAWIO" => &["iopl", "ioperm"],
        "SYS_TIME" => &["settimeofday", "clock_settime"],
        "SYS_TTY_CONFIG" => &["vhangup"],
        "SYSLOG" => &["syslog"],
        "PERFMON" => &["perf_event_open"],
        "BPF" => &["bpf"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};

    use super::*;
    use crate::confinement::seccomp::{check_name, syscall_number};
    use crate::sys::forked::{as_root, in_child, system_call};

    fn capability(name: &str) -> Capability {
        name.parse().unwrap()
    }

    #[test]
    fn reads_names_with_and_without_their_prefix() {
        assert_eq!(capability("NET_BIND_SERVICE").number(), 10);
        assert_eq!(capability("CAP_NET_BIND_SERVICE").number(), 10);
        assert_eq!(capability("CHECKPOINT_RESTORE").bit(), 1 << 40);
        for one in Capability::all() {
            assert_eq!(one.to_string().parse(), Ok(one));
        }
    }

    #[test]
    fn refuses_other_names_and_says_what_was_meant() {
        let message = |text: &str| text.parse::<Capability>().unwrap_err().to_string();
        assert_eq!(
            message("NET_BIND_SERVCE"),
            "unknown capability `NET_BIND_SERVCE`, did you mean `NET_BIND_SERVICE`?"
        );
        assert_eq!(
            message("chown"),
            "unknown capability `chown`, did you mean `CHOWN`?"
        );
        assert_eq!(message("ALMIGHTY"), "unknown capability `ALMIGHTY`");
        assert_eq!(message(""), "unknown capability ``");
    }

    #[test]
    fn the_kernel_has_no_capability_without_a_name() {
        let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
        let last: u8 = last.trim().parse().unwrap();
        assert!(usize::from(last) < NAMES.len(), "{last} has no name");
    }

    #[test]
    fn everything_means_something_in_the_hosts_user_namespace() {
        for one in Capability::all() {
            assert_eq!(meaning(one, false, false), Ok(()));
        }
    }

    #[test]
    fn network_capabilities_mean_something_only_in_a_network_of_ones_own() {
        for name in ["NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"] {
            assert!(meaning(capability(name), true, false).is_err(), "{name}");
            assert_eq!(meaning(capability(name), true, true), Ok(()), "{name}");
        }
    }

    /// Calls that need a capability before they look at anything else, with
    /// arguments that make them harmless to whoever has it.
    const CALLS: [(&str, &str, [u64; 3]); 7] = [
        ("SYS_BOOT", "reboot", [1, 1, 1]),
        ("SYS_PACCT", "acct", [u64::MAX; 3]),
        ("SYSLOG", "syslog", [8, 0, 0]),
        ("SYS_NICE", "setpriority", [0, 0, -5_i64 as u64]),
        ("WAKE_ALARM", "timerfd_create", [8, 0, 0]),
        ("NET_RAW", "socket", [2, 3, 1]),
        ("SYS_CHROOT", "chroot", [0; 3]),
    ];

    /// Whether the kernel lets a child that holds every capability, in namespaces
    /// made with `flags`, go beyond the check.
    #[allow(unsafe_code)]
    fn passes(flags: CloneFlags, (_, call, [a, b, c]): (&str, &str, [u64; 3])) -> bool {
        let number = syscall_number(call).unwrap();
        let report = in_child(|| {
            unshare(flags).unwrap();
            // SAFETY: of these calls none writes to memory.
            let result = unsafe { system_call(number, [a, b, c, 0, 0, 0]) };
            let refused = [libc::EPERM, libc::EACCES];
            let errno = result.err().and_then(|err| err.raw_os_error());
            format!("{}", errno.is_some_and(|errno| refused.contains(&errno)))
        });
        report == "false"
    }

    #[test]
    fn the_kernel_agrees_in_a_user_namespace_below_the_hosts() {
        for call in CALLS {
            let means = meaning(capability(call.0), true, false).is_ok();
            assert_eq!(passes(CloneFlags::CLONE_NEWUSER, call), means, "{call:?}");
            let own_network = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
            let means = meaning(capability(call.0), true, true).is_ok();
            assert_eq!(passes(own_network, call), means, "{call:?}");
        }
    }

    #[test]
    fn the_kernel_agrees_in_the_hosts_user_namespace() {
        if !as_root() {
            return;
        }
        for call in CALLS {
            assert!(passes(CloneFlags::empty(), call), "{call:?}");
        }
    }

    #[test]
    fn a_network_made_from_the_hosts_user_namespace_is_not_ones_own() {
        if !as_root() {
            return;
        }
        let report = in_child(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            passes(CloneFlags::CLONE_NEWUSER, ("", "socket", [2, 3, 1])).to_string()
        });
        assert_eq!(report, "false");
    }

    #[test]
    fn the_calls_of_capabilities_are_known() {
        for call in Capability::all().flat_map(refused_calls) {
            assert_eq!(check_name(call), Ok(()));
        }
    }
}
