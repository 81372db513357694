//! `memcpy` and `memmove` of x86-64.
//!
//! musl's are `rep movsq`, which takes 45 ns to begin, however little there is to be
//! copied; and three of four copies are of 16 bytes or less, each text of a record among
//! them. A quarter of what the supervisor itself does when it takes over a thousand
//! containers went into that. Here up to 128 bytes are loaded, and only then stored, in
//! pieces that overlap; so it does not matter whether source and target do.

use std::arch::global_asm;

global_asm!(
    ".pushsection .text.lithos_memcpy, \"ax\", @progbits",
    ".p2align 4",
    ".globl lithos_memcpy",
    ".hidden lithos_memcpy",
    ".type lithos_memcpy, @function",
    "lithos_memcpy:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 2f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "cmp rdx, 32",
    "ja 5f",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // Below 16.
    "2:",
    "cmp edx, 8",
    "jb 3f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    "3:",
    "cmp edx, 4",
    "jb 4f",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    // Below 4: the first, the middle and the last.
    "4:",
    "test edx, edx",
    "jz 8f",
    "mov r9d, edx",
    "shr r9d, 1",
    "movzx ecx, byte ptr [rsi]",
    "movzx r8d, byte ptr [rsi + r9]",
    "movzx r10d, byte ptr [rsi + rdx - 1]",
    "mov [rdi], cl",
    "mov [rdi + r9], r8b",
    "mov [rdi + rdx - 1], r10b",
    "ret",
    // Above 32; the first and the last 16 are in xmm0 and xmm1.
    "5:",
    "cmp rdx, 128",
    "ja 7f",
    "movups xmm2, [rsi + 16]",
    "movups xmm3, [rsi + rdx - 32]",
    "cmp edx, 64",
    "jbe 6f",
    "movups xmm4, [rsi + 32]",
    "movups xmm5, [rsi + 48]",
    "movups xmm6, [rsi + rdx - 64]",
    "movups xmm7, [rsi + rdx - 48]",
    "movups [rdi + 32], xmm4",
    "movups [rdi + 48], xmm5",
    "movups [rdi + rdx - 64], xmm6",
    "movups [rdi + rdx - 48], xmm7",
    "6:",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm2",
    "movups [rdi + rdx - 32], xmm3",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    "7:",
    "mov rcx, rdx",
    "rep movsb",
    "8:",
    "ret",
    ".size lithos_memcpy, . - lithos_memcpy",
    ".globl lithos_memmove",
    ".hidden lithos_memmove",
    ".type lithos_memmove, @function",
    "lithos_memmove:",
    "cmp rdx, 128",
    "jbe lithos_memcpy",
    // Apart from each other, or downwards, where copying upwards byte by byte will do.
    "mov rax, rdi",
    "sub rax, rsi",
    "cmp rax, rdx",
    "jae lithos_memcpy",
    // From the end; the first 16, which may be overwritten meanwhile, at last.
    "mov rax, rdi",
    "movups xmm1, [rsi]",
    "9:",
    "movups xmm0, [rsi + rdx - 16]",
    "movups [rdi + rdx - 16], xmm0",
    "sub rdx, 16",
    "cmp rdx, 16",
    "ja 9b",
    "movups [rdi], xmm1",
    "ret",
    ".size lithos_memmove, . - lithos_memmove",
    ".popsection",
);

// In place of musl's; of both, since its `memmove` is bound to its `memcpy`.
#[cfg(target_env = "musl")]
global_asm!(
    ".globl memcpy",
    ".type memcpy, @function",
    ".set memcpy, lithos_memcpy",
    ".globl memmove",
    ".type memmove, @function",
    ".set memmove, lithos_memmove",
);

#[cfg(test)]
mod tests {
    type Copy = unsafe extern "C" fn(*mut u8, *const u8, usize) -> *mut u8;

    unsafe extern "C" {
        fn lithos_memcpy(target: *mut u8, source: *const u8, length: usize) -> *mut u8;
        fn lithos_memmove(target: *mut u8, source: *const u8, length: usize) -> *mut u8;
    }

    /// Lengths around every one at which something else is done.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..400).chain([1023, 4095, 4096, 70_001])
    }

    /// Copies within one piece of memory, and compares all of it.
    fn copies(copy: Copy, length: usize, from: usize, to: usize) {
        let size = from.max(to) + length + 64;
        let mut memory: Vec<u8> = (0..size).map(|at| (at * 7 + at / 256) as u8).collect();
        let mut expected = memory.clone();
        expected.copy_within(from..from + length, to);
        let base = memory.as_mut_ptr();
        // SAFETY: both lie within `memory`.
        let given_back = unsafe { copy(base.add(to), base.add(from), length) };
        assert_eq!(given_back.addr() - base.addr(), to);
        assert!(memory == expected, "{length} bytes from {from} to {to}");
    }

    #[test]
    fn every_length_is_copied_and_nothing_beside_it() {
        for length in lengths() {
            for (from, to) in [(0, length), (3, length + 8), (length + 21, 5), (length, 0)] {
                copies(lithos_memcpy, length, from, to);
                copies(lithos_memmove, length, from, to);
            }
        }
    }

    #[test]
    fn what_overlaps_is_moved_whole() {
        for length in lengths() {
            for distance in [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 127, 200] {
                copies(lithos_memmove, length, 16 + distance, 16);
                copies(lithos_memmove, length, 16, 16 + distance);
            }
        }
    }
}
