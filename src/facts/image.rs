//! Opening a file of an image: beneath the image, whatever its links say.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use quick_error::quick_error;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use crate::config::file::OPEN_FLAGS;

quick_error! {
    /// Why a file of an image cannot be opened.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum ImageError {
        /// The image itself cannot be opened.
        Image(cause: String) {
            display("the image cannot be opened: {}", cause)
        }
        /// There is no such file in it.
        Missing {
            display("there is no such file in the image")
        }
        /// A symbolic link on the way leads out of it.
        LeadsOut {
            display("it is a symbolic link that leads out of the image")
        }
        /// Anything else.
        Other(cause: String) {
            display("{}", cause)
        }
    }
}

impl From<Errno> for ImageError {
    fn from(err: Errno) -> Self {
        match err {
            Errno::NOENT => ImageError::Missing,
            Errno::XDEV => ImageError::LeadsOut,
            err => ImageError::Other(super::text(err)),
        }
    }
}

/// Opens a file by its absolute path inside the image, as the container would
/// find it, for [`read_opened`](crate::config::file::read_opened). Anything
/// but a regular file is not really opened, since that can have effects.
pub fn open_in_image(image: &Path, path: &Path) -> Result<OwnedFd, ImageError> {
    let look = OFlags::PATH | OFlags::CLOEXEC;
    let root = open(image, look | OFlags::DIRECTORY, Mode::empty())
        .map_err(|err| ImageError::Image(super::text(err)))?;
    let find = |how, path: &Path| {
        let resolve = how | ResolveFlags::NO_MAGICLINKS;
        openat2(&root, path, look, Mode::empty(), resolve)
    };
    let found = find(ResolveFlags::IN_ROOT, path).map_err(|err| {
        // Inside the container such a link leads to nothing; people want to
        // know where it leads on the host.
        let relative = path.strip_prefix("/").unwrap_or(path);
        match find(ResolveFlags::BENEATH, relative) {
            Err(Errno::XDEV) if err == Errno::NOENT => ImageError::LeadsOut,
            _ => err.into(),
        }
    })?;
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::RegularFile {
        return Ok(found);
    }
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    Ok(open(again, OPEN_FLAGS, Mode::empty())?)
}
