//! What ciphers and hashes leave on the stack: their states and last blocks, which
//! hold keys and plaintexts. The libraries do not wipe all of it.

use std::hint::black_box;

use zeroize::Zeroize;

/// Words of the stack that are wiped: several times what opening a token or reading
/// a key uses, which is 6 KiB, and much more in a debug build. Not more of them, since
/// each page that was never used before costs a page fault.
const WORDS: usize = if cfg!(debug_assertions) { 8192 } else { 2048 };

/// Does `work`, and wipes the stack that it used.
pub(crate) fn wiping_stack<T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    wipe();
    done
}

/// In frames below the caller's own, where [`wipe`] has its one.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    let mut words = [0_u64; WORDS];
    words.zeroize();
    black_box(&words);
}
