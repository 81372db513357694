//! The system calls that a process may make: an allow-list of the kind the big
//! container engines ship for a container without capabilities, as a seccomp
//! filter.
//!
//! Calls are *ordinary* and allowed, *refused* (EPERM), or *checked* by their
//! arguments; `syscalls` beside this lists them. Stricter than the engines' lists:
//! `io_uring`, `ptrace`, `process_vm_*`, `modify_ldt` and all but the ordinary
//! families of sockets are refused too. A sandbox config opens any of them by
//! name (`seccomp: {allow: [ptrace]}`), and then whatever its arguments.
//!
//! Numbers that no list has get ENOSYS, as from a kernel that lacks the call, so
//! that libraries fall back to what they did before it came.
//!
//! This module must never ask the machine it runs on: the same names give the
//! same filter. [`crate::sys::seccomp`] installs one.

use quick_error::quick_error;

use super::bpf::{Answer, Architecture, Instruction, Pass, Rule, Test, compile};
use super::syscalls::{self, CHECKED, ORDINARY, REFUSED};
use crate::config::unknown;

quick_error! {
    /// A name that no system call of any supported architecture has.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum FilterError {
        /// No call has this name.
        UnknownSyscall(name: String) {
            display("{}", unknown("system call", name, syscalls::all().map(|call| call.name)))
        }
    }
}

const ALLOW: Rule = Rule::Answer(Answer::Allow);
const REFUSE: Rule = Rule::Answer(Answer::Errno(libc::EPERM));
const ABSENT: Rule = Rule::Answer(Answer::Errno(libc::ENOSYS));

/// Numbers with this bit enter the kernel as x32, with the other architecture's
/// structures but under the same `AUDIT_ARCH`. Aarch64 has no such numbers.
const X32: u32 = 0x4000_0000;

/// A seccomp filter for the architecture of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    program: Vec<Instruction>,
}

impl Filter {
    /// The one of `seccomp: default`.
    pub fn default_profile() -> Self {
        Self::build(Architecture::NATIVE, &[])
    }

    /// The default one, and the calls of these names allowed whatever their
    /// arguments (`seccomp: {allow: […]}`).
    ///
    /// A name that only another architecture has means nothing on this one, so
    /// that machines of both can have the same sandbox config.
    ///
    /// # Errors
    ///
    /// A name that no architecture has.
    pub fn with_allowed(names: &[&str]) -> Result<Self, FilterError> {
        for name in names {
            check_name(name)?;
        }
        Ok(Self::build(Architecture::NATIVE, names))
    }

    fn build(architecture: Architecture, allowed: &[&str]) -> Self {
        let ranges = ranges(architecture, allowed);
        let refused = Answer::Errno(libc::EPERM);
        Self {
            program: compile(architecture, &ranges, refused),
        }
    }

    /// The program: an array of `struct sock_filter` in the machine's own byte
    /// order, for [`crate::sys::seccomp::install`].
    pub fn bytes(&self) -> Vec<u8> {
        let instructions = self.program.iter();
        instructions.flat_map(|one| one.bytes()).collect()
    }
}

/// Whether a system call of this name exists on some supported architecture.
///
/// # Errors
///
/// [`FilterError::UnknownSyscall`], which tells the nearest name there is.
pub fn check_name(name: &str) -> Result<(), FilterError> {
    match syscalls::named(name) {
        Some(_) => Ok(()),
        None => Err(FilterError::UnknownSyscall(name.to_owned())),
    }
}

/// The number of a system call on the architecture of this program.
pub fn syscall_number(name: &str) -> Option<u32> {
    syscalls::named(name)?.number(Architecture::NATIVE)
}

/// Where each range of numbers begins, and the rule for it.
fn ranges(architecture: Architecture, allowed: &[&str]) -> Vec<(u32, Rule)> {
    let mut ranges = Vec::with_capacity(64);
    ranges.push((0, ABSENT));
    for (number, rule) in (0..).zip(rules(architecture, allowed)) {
        match ranges.last_mut() {
            Some((at, last)) if *at == number => *last = rule,
            Some((_, last)) if *last == rule => {}
            _ => ranges.push((number, rule)),
        }
    }
    ranges.push((X32, REFUSE));
    ranges
}

/// The rule for each number there is, by number, and for the one after the last. Every
/// start makes a filter, so nothing is sorted here.
fn rules(architecture: Architecture, allowed: &[&str]) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(512);
    let mut with = |list: &'static [syscalls::Syscall], rule: fn(&str) -> Rule| {
        for call in list {
            let Some(number) = call.number(architecture) else {
                continue;
            };
            let number = number as usize;
            if rules.len() < number + 2 {
                rules.resize(number + 2, ABSENT);
            }
            rules[number] = match allowed.contains(&call.name) {
                true => ALLOW,
                false => rule(call.name),
            };
        }
    };
    with(ORDINARY, |_| ALLOW);
    with(REFUSED, |_| REFUSE);
    with(CHECKED, checked);
    rules
}

/// The rule for a call of [`CHECKED`].
fn checked(name: &str) -> Rule {
    match name {
        "clone" => Rule::Tests(&[CLONE]),
        // Its flags are in memory, where no filter can look. ENOSYS makes C
        // libraries use `clone`.
        "clone3" => ABSENT,
        "ioctl" => Rule::Tests(&[IOCTL]),
        "personality" => Rule::Tests(&[PERSONALITY]),
        "socket" | "socketpair" => {
            Rule::Tests(&[SOCKET_OF_UNIX, SOCKET_FAMILY, SOCKET_KIND, SOCKET_PROTOCOL])
        }
        "unshare" => Rule::Tests(&[UNSHARE]),
        _ => REFUSE,
    }
}

/// No new namespaces. The kernel takes 32 bits of `clone`'s flags; those of
/// `CLONE_NEWTIME` are part of the signal there.
const CLONE: Test = Test {
    argument: 0,
    pass: Pass::NoBits(
        (libc::CLONE_NEWNS
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET) as u64,
    ),
    otherwise: Answer::Errno(libc::EPERM),
};

/// Only what shares nothing but with oneself: `unshare` gets new flags, and they
/// are of namespaces.
const UNSHARE: Test = Test {
    argument: 0,
    pass: Pass::NoBits(!((libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SYSVSEM) as u64)),
    otherwise: Answer::Errno(libc::EPERM),
};

/// No typing into a terminal that one shares with somebody.
const IOCTL: Test = Test {
    argument: 1,
    pass: Pass::NoneOf(&[libc::TIOCSTI as u32, TIOCLINUX]),
    otherwise: Answer::Errno(libc::EPERM),
};

/// Of `asm-generic/ioctls.h`; `libc` has it not everywhere.
const TIOCLINUX: u32 = 0x541c;

/// Those of the engines' lists: Linux, a 32-bit machine's name, a 2.6 kernel's
/// version, both, and the question for the present one.
const PERSONALITY: Test = Test {
    argument: 0,
    pass: Pass::OneOf(&[0, 0x8, 0x2_0000, 0x2_0008, u32::MAX]),
    otherwise: Answer::Errno(libc::EPERM),
};

/// These have every kind, and protocols of their own numbers.
const SOCKET_OF_UNIX: Test = Test {
    argument: 0,
    pass: Pass::AtOnce(libc::AF_UNIX as u32),
    otherwise: Answer::Allow,
};

/// The other families are kernel modules that merely asking for loads, and where
/// most of the past years' privilege escalations were. The errno is that of a
/// kernel without them.
const SOCKET_FAMILY: Test = Test {
    argument: 0,
    pass: Pass::OneOf(&[
        libc::AF_INET as u32,
        libc::AF_INET6 as u32,
        libc::AF_NETLINK as u32,
        libc::AF_PACKET as u32,
    ]),
    otherwise: Answer::Errno(libc::EAFNOSUPPORT),
};

/// Multipath TCP and SMC bind TCP ports past Landlock, which looks at plain TCP
/// only. Whoever asks for them (Go's listeners do) falls back to it. The others are
/// modules, as the families that are refused.
const SOCKET_PROTOCOL: Test = Test {
    argument: 2,
    pass: Pass::NoneOf(&[
        libc::IPPROTO_MPTCP as u32,
        IPPROTO_SMC,
        libc::IPPROTO_DCCP as u32,
        libc::IPPROTO_SCTP as u32,
        IPPROTO_L2TP,
    ]),
    otherwise: Answer::Errno(libc::EPROTONOSUPPORT),
};

/// DCCP and SCTP are asked for by their kinds alone, too; with and without the flags
/// that a kind comes with.
const SOCKET_KIND: Test = Test {
    argument: 1,
    pass: Pass::NoneOf(&[
        SOCK_DCCP,
        SOCK_DCCP | libc::SOCK_NONBLOCK as u32,
        SOCK_DCCP | libc::SOCK_CLOEXEC as u32,
        SOCK_DCCP | (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u32,
        libc::SOCK_SEQPACKET as u32,
        (libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK) as u32,
        (libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC) as u32,
        (libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u32,
    ]),
    otherwise: Answer::Errno(libc::ESOCKTNOSUPPORT),
};

/// Of `linux/net.h`; `libc` has it not everywhere.
const SOCK_DCCP: u32 = 6;

/// Of `linux/in.h`, as the next.
const IPPROTO_L2TP: u32 = 115;

/// Of `linux/in.h` since 6.11.
const IPPROTO_SMC: u32 = 256;

#[cfg(test)]
mod tests;
