//! System calls that no safe wrapper makes: the only unsafe code of the probe.
#![allow(unsafe_code)]

use std::io;

use nix::libc;

/// An argument of a system call.
pub enum Argument<'a> {
    /// A number.
    Number(u64),
    /// The address of memory that the kernel may read and write.
    Memory(&'a mut [u8]),
}

use Argument::{Memory, Number};

/// Makes the call. What it lends as [`Memory`] is as large as the call can need:
/// that is the promise of every caller in this directory.
pub fn call(number: libc::c_long, arguments: &mut [Argument<'_>]) -> io::Result<i64> {
    let mut words = [0; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = match argument {
            Number(number) => *number,
            Memory(memory) => memory.as_mut_ptr() as u64,
        };
    }
    let [a, b, c, d, e, f] = words;
    // SAFETY: the kernel gets the addresses of lent memory only, large enough by
    // the callers' promise.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Forks by `clone` with these flags besides. The child ends at once.
pub fn clone(flags: libc::c_int) -> io::Result<i64> {
    let flags = (flags | libc::SIGCHLD) as u64;
    leave_if_child(call(libc::SYS_clone, &mut [Number(flags)]))
}

/// The same by `clone3`.
pub fn clone3(flags: u64) -> io::Result<i64> {
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, …
    let mut words = [0_u64; 11];
    (words[0], words[4]) = (flags, libc::SIGCHLD as u64);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let length = bytes.len() as u64;
    let mut arguments = [Memory(&mut bytes), Number(length)];
    leave_if_child(call(libc::SYS_clone3, &mut arguments))
}

fn leave_if_child(result: io::Result<i64>) -> io::Result<i64> {
    if matches!(result, Ok(0)) {
        // SAFETY: ends the child, which shares nothing that matters any more.
        unsafe { libc::_exit(0) }
    }
    result
}

/// `getpid` of 32-bit x86 by `int 0x80`: enters the kernel as another
/// architecture, whose numbers no filter for this one knows.
#[cfg(target_arch = "x86_64")]
pub fn getpid_of_i386() -> io::Result<i64> {
    let mut result = 20_i32;
    // SAFETY: getpid touches no memory; the kernel may clear r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inout("eax") result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    match result {
        0.. => Ok(result.into()),
        errno => Err(io::Error::from_raw_os_error(-errno)),
    }
}
