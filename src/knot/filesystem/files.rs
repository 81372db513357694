//! `resolv.conf` and `hosts`: made from host files, mounted read-only over the
//! image's.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use super::{Attempt, Failure, Shape, Site, shape_of};
use crate::resolve::plan::MadeFile;
use crate::sys::mount;

/// Makes one file and mounts it, if its target is a regular file.
pub fn make(site: &Site<'_>, file: &MadeFile) -> Result<(), Failure> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    let target = site.open(&file.target, flags).ok();
    let target = target.filter(|fd| matches!(shape_of(fd), Ok(Some(Shape::File))));
    let Some(target) = target else {
        return if file.insist {
            Err(missing(&file.target))
        } else {
            Ok(())
        };
    };
    let mut content = match &file.copy {
        Some(path) => read(path).cannot_at("copy from the host the file", path)?,
        None => Vec::new(),
    };
    if !file.append.is_empty() && content.last().is_some_and(|&last| last != b'\n') {
        content.push(b'\n');
    }
    content.extend_from_slice(file.append.as_bytes());
    let name = file.target.display().to_string().replace('/', "_");
    let made = site
        .own
        .file(&name, &content)
        .cannot_at("write", &file.target)?;
    mount::attach(made, target).cannot_at("mount on", &file.target)
}

fn missing(target: &Path) -> Failure {
    Failure::Kind {
        action: "mount on",
        object: target.display().to_string(),
        fault: "there is no such regular file",
        hint: "make an empty file in the image, or leave out `mount: true`",
    }
}

/// The path is the maintainer's, so symlinks are followed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(rustix::fs::CWD, path, flags, Mode::empty())?;
    if shape_of(&file)? != Some(Shape::File) {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    File::from(file)
        .take(MadeFile::LONGEST_COPY + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MadeFile::LONGEST_COPY {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(content)
}
