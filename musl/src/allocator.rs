//! dlmalloc, for one thread.
//!
//! musl's own takes a third of the time of a short program: it maps and unmaps for
//! every few blocks. dlmalloc's usual form locks a mutex around each call, which was an
//! eighth of what `lithos_cmd` does by itself. No program of lithos has a second
//! thread, so here is no lock; should one ever ask for memory, the program ends.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dlmalloc::Dlmalloc;

/// dlmalloc without locks, for a program of one thread: a second one that asks for memory
/// ends the program.
pub struct OneThread {
    heap: UnsafeCell<Dlmalloc>,
    /// The thread that asked first; 0: none has.
    owner: AtomicUsize,
}

// SAFETY: only the owner gets at the heap.
unsafe impl Sync for OneThread {}

impl Default for OneThread {
    fn default() -> Self {
        Self::new()
    }
}

impl OneThread {
    /// With nothing in it, and nobody's yet.
    pub const fn new() -> Self {
        Self {
            heap: UnsafeCell::new(Dlmalloc::new()),
            owner: AtomicUsize::new(0),
        }
    }

    fn heap(&self) -> *mut Dlmalloc {
        let this = this_thread();
        if self.owner.load(Relaxed) != this {
            self.belong_to(this);
        }
        self.heap.get()
    }

    #[cold]
    fn belong_to(&self, thread: usize) {
        if self
            .owner
            .compare_exchange(0, thread, Relaxed, Relaxed)
            .is_err()
        {
            const WHY: &[u8] = b"error: a second thread asks for memory of an allocator for one\n";
            // SAFETY: the bytes are there; nothing can be done about a failure.
            unsafe { libc::write(2, WHY.as_ptr().cast(), WHY.len()) };
            std::process::abort();
        }
    }
}

/// What no other thread that lives at the same time has, and a forked process keeps.
fn this_thread() -> usize {
    thread_local! { static OWN: u8 = const { 0 } }
    OWN.with(|own| std::ptr::from_ref(own).addr())
}

// Called rather than put in place of each call, which would make every program larger.
// SAFETY: dlmalloc keeps the contract. Between the check of the owner and the end of a
// call nothing else of this thread runs: it has no signal handlers that allocate.
unsafe impl GlobalAlloc for OneThread {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the heap is this thread's alone, as in all of these; the rest is the
        // caller's promise.
        unsafe { (*self.heap()).malloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: see `alloc`.
        unsafe { (*self.heap()).free(ptr, layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: see `alloc`.
        unsafe { (*self.heap()).calloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: see `alloc`.
        unsafe { (*self.heap()).realloc(ptr, layout.size(), layout.align(), size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::Command;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_hold_what_is_written_to_them() {
        let heap = OneThread::new();
        let mut blocks = Vec::new();
        for number in 0..2000_usize {
            let layout = layout(1 + number * 37 % 5000, 1 << (number % 8));
            // SAFETY: the size is not 0, and each block is written within its size.
            let block = unsafe {
                let block = heap.alloc(layout);
                block.write_bytes(number as u8, layout.size());
                block
            };
            assert!(block.addr().is_multiple_of(layout.align()));
            blocks.push((block, layout, number as u8));
            if number % 3 == 0 {
                let (block, layout, _) = blocks.swap_remove(number * 7 % blocks.len());
                // SAFETY: it is from `alloc`, with this layout, and forgotten.
                unsafe { heap.dealloc(block, layout) };
            }
        }
        for (block, old, filled) in blocks {
            // SAFETY: it is from `alloc` with this layout; of the new block what the
            // old one had is read.
            unsafe {
                let block = heap.realloc(block, old, old.size() + 70_000);
                let content = std::slice::from_raw_parts(block, old.size());
                assert!(content.iter().all(|&byte| byte == filled));
                heap.dealloc(block, layout(old.size() + 70_000, old.align()));
            }
        }
    }

    #[test]
    fn what_is_to_be_zeroed_is_though_it_was_used_before() {
        let heap = OneThread::new();
        for size in [16, 5000, 100_000] {
            let layout = layout(size, 8);
            // SAFETY: within the size of a block of its own.
            unsafe {
                let used = heap.alloc(layout);
                used.write_bytes(0xff, size);
                heap.dealloc(used, layout);
                let zeroed = heap.alloc_zeroed(layout);
                let content = std::slice::from_raw_parts(zeroed, size);
                assert!(content.iter().all(|&byte| byte == 0));
                heap.dealloc(zeroed, layout);
            }
        }
    }

    /// In a program of its own, since that is ended.
    #[test]
    fn a_second_thread_ends_the_program() {
        const INSIDE: &str = "LITHOS_ALLOCATOR_INSIDE";
        static HEAP: OneThread = OneThread::new();
        let ask = || {
            // SAFETY: the size is not 0.
            unsafe { HEAP.alloc(layout(10, 1)) }.addr()
        };
        if std::env::var_os(INSIDE).is_some() {
            assert_ne!(ask(), 0);
            std::thread::spawn(ask).join().unwrap();
            return;
        }
        let name = "allocator::tests::a_second_thread_ends_the_program";
        let mut again = Command::new(std::env::current_exe().unwrap());
        let ended = again.args(["--exact", name]).env(INSIDE, "").output();
        let ended = ended.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(told.contains("a second thread asks for memory"), "{told}");
        assert_eq!(ended.status.code(), None);
    }
}
