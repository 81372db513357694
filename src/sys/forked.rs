//! For tests of what cannot be taken back: they run in a child of their own.

use std::fs::File;
use std::io::{self, Read, Write};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

/// What `act` returns when a forked child calls it. A child that ends otherwise
/// (a panic, a signal) returns nothing or how it ended.
pub fn in_child(act: impl FnOnce() -> String) -> String {
    let (mut read, write) = io::pipe().unwrap();
    // SAFETY: the child goes on with one thread, and glibc makes its allocator
    // usable after a fork; nothing else of other threads is touched.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            drop(read);
            let mut write = File::from(std::os::fd::OwnedFd::from(write));
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
            let text = result.unwrap_or_else(|_| "it panicked".to_owned());
            let done = write.write_all(text.as_bytes());
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        ForkResult::Parent { child } => {
            drop(write);
            let mut text = String::new();
            read.read_to_string(&mut text).unwrap();
            let end = waitpid(child, None).unwrap();
            match text.is_empty() {
                true => format!("{end:?}"),
                false => text,
            }
        }
    }
}

/// Whether this test may do what needs root; says so if not, and fails where
/// `LITHOS_TEST_ROOT` promises root.
pub fn as_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("LITHOS_TEST_ROOT").is_none(), "not root");
        eprintln!("SKIP: needs root");
    }
    root
}

/// A system call by its number, with arguments that no wrapper would pass.
///
/// # Safety
///
/// The arguments must not make the kernel write to memory that is in use.
pub unsafe fn system_call(number: u32, arguments: [u64; 6]) -> io::Result<i64> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller's promise.
    match unsafe { libc::syscall(number as libc::c_long, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// What `getpid` of 32-bit x86 returns when it is called by `int 0x80`: a pid,
/// or a negative errno.
#[cfg(target_arch = "x86_64")]
pub fn getpid_of_i386() -> i32 {
    let mut result = 20;
    // SAFETY: getpid touches no memory; the kernel keeps the other registers,
    // but may clear r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inout("eax") result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}
