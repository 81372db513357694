//! Memory files, and sealed ones: bytes that nobody can change once they are handed
//! over.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use rustix::io::pread;

const SEALS: SealFlags = SealFlags::WRITE
    .union(SealFlags::GROW)
    .union(SealFlags::SHRINK)
    .union(SealFlags::SEAL);

/// A close-on-exec memfd holding exactly `bytes`, sealed against every change.
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(empty(name)?);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// A close-on-exec memfd that can be written and sealed.
pub fn empty(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_NOEXEC_SEAL came with 6.3; nothing executes this file anyway.
    let made = memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL);
    Ok(made.or_else(|_| memfd_create(name, flags))?)
}

/// The bytes of a sealed memfd, from its beginning; an error if a
/// seal is missing.
pub fn read_sealed(fd: impl AsFd) -> io::Result<Vec<u8>> {
    if !fcntl_get_seals(&fd)?.contains(SEALS) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not sealed",
        ));
    }
    // It can neither grow nor shrink.
    read(fd)
}

/// The bytes that a memfd has now, from its beginning.
pub fn read(fd: impl AsFd) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(fstat(&fd)?.st_size).unwrap_or(0)];
    let mut read = 0;
    while read < bytes.len() {
        match pread(&fd, &mut bytes[read..], read as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_the_bytes_it_was_given() {
        let fd = sealed("test", b"a plan").unwrap();
        assert_eq!(read_sealed(&fd).unwrap(), b"a plan");
        assert_eq!(read_sealed(&fd).unwrap(), b"a plan");
    }

    #[test]
    fn cannot_be_written_once_sealed() {
        let mut file = File::from(sealed("test", b"a plan").unwrap());
        assert!(file.write_all(b"another").is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn refuses_to_read_a_file_that_is_not_sealed() {
        let fd = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        assert!(read_sealed(&fd).is_err());
    }
}
