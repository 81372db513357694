//! What the static programs have in place of musl's own: musl is small before it is
//! fast, and asks nothing of the processor at each exec, which is why it is their C
//! library.

mod allocator;
#[cfg(target_arch = "x86_64")]
mod memcpy;

pub use allocator::OneThread;

/// Makes [`OneThread`] the allocator of a program, where the C library's is slow.
///
/// To be called once, in the program itself: tests have several threads.
#[macro_export]
macro_rules! for_one_thread {
    () => {
        #[cfg(target_env = "musl")]
        #[global_allocator]
        static ALLOCATOR: $crate::OneThread = $crate::OneThread::new();
    };
}
