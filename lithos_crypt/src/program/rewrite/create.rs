//! Making files that must not be there yet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::program::failure::Failure;

/// Makes a file that must not be there yet, of this mode, whole or not at all.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    let made = create_with(path, mode, |file| file.write_all(bytes));
    made.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists {
            path: path.to_owned(),
        },
        _ => Failure::WriteFile {
            path: path.to_owned(),
            cause,
        },
    })
}

/// The same with a content that may depend on the file.
pub fn create_with(
    path: &Path,
    mode: u32,
    fill: impl Fn(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    create_unnamed(path, mode, &fill).unwrap_or_else(|| create_named(path, mode, &fill))
}

/// The file gets its name when it is complete, so that a kill leaves nothing
/// behind; `None` where the file system has no such files.
fn create_unnamed(
    path: &Path,
    mode: u32,
    fill: &impl Fn(&mut File) -> io::Result<()>,
) -> Option<io::Result<()>> {
    use rustix::fs::{AtFlags, CWD, OFlags, linkat};

    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let file = File::options()
        .write(true)
        .custom_flags(OFlags::TMPFILE.bits() as i32)
        .mode(mode)
        .open(directory.unwrap_or(Path::new(".")));
    let mut file = file.ok()?;
    let link = |file: &File| {
        let open = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    };
    let filled = fill(&mut file).and_then(|()| file.sync_all());
    Some(filled.and_then(|()| link(&file)))
}

fn create_named(
    path: &Path,
    mode: u32,
    fill: &impl Fn(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.lithos_crypt-new", std::process::id()));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let made = fill(&mut file)
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link never replaces what is there.
        .and_then(|()| fs::hard_link(&beside, path));
    let _ = fs::remove_file(&beside);
    made
}
