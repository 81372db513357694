//! What signals do, reset before a program is executed.

/// The last signal number of Linux.
const LAST: i32 = 64;

/// Gives every signal its default action: an ignored one would stay ignored
/// across an exec, as Rust programs ignore SIGPIPE.
///
/// System calls only, so it may be called after a fork. Through the C library,
/// signals 32 and 33 could not be named.
pub fn reset_all() {
    // The kernel's struct sigaction is not larger on any platform; all zero is
    // the default action.
    let default = [0u64; 8];
    for signal in 1..=LAST {
        let (none, set_size) = (std::ptr::null_mut::<u64>(), 8usize);
        // SAFETY: `default` lives across the call and refers to no code.
        // SIGKILL and SIGSTOP are refused, which changes nothing.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                none,
                set_size,
            );
        }
    }
}
