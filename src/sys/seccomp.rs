//! Installing a seccomp filter.

use std::io;

/// Restricts this thread, and what it forks and executes from now on, by a
/// program of classic BPF: an array of `struct sock_filter` in native order.
///
/// Needs `no_new_privs`, or `CAP_SYS_ADMIN` in the caller's user namespace. It
/// cannot be taken back.
pub fn install(program: &[u8]) -> io::Result<()> {
    let (instructions, rest) = program.as_chunks::<8>();
    let length = u16::try_from(instructions.len());
    let (Ok(length @ 1..), []) = (length, rest) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut instructions: Vec<libc::sock_filter> = instructions.iter().map(instruction).collect();
    let program = libc::sock_fprog {
        len: length,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: program and the instructions it points to live across the call;
    // the kernel copies and checks them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn instruction(bytes: &[u8; 8]) -> libc::sock_filter {
    let &[c0, c1, jt, jf, k0, k1, k2, k3] = bytes;
    libc::sock_filter {
        code: u16::from_ne_bytes([c0, c1]),
        jt,
        jf,
        k: u32::from_ne_bytes([k0, k1, k2, k3]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_array_of_instructions() {
        let huge = vec![0; 8 << 16];
        for program in [&[][..], &[6], &[0; 15], &huge] {
            let refusal = install(program).unwrap_err();
            assert_eq!(refusal.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
