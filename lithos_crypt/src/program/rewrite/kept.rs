//! What a file keeps when its content changes: owner, mode, and its extended
//! attributes, of which one is its access list.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

use crate::cause::Cause;

/// The kernel's bound for all names of a file, and for each value (`XATTR_LIST_MAX` and
/// `XATTR_SIZE_MAX` of linux/limits.h).
const MAX_BYTES: usize = 64 << 10;
/// The access list (acl(5)).
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
/// Access lists of all kinds.
const ACCESS_LISTS: &[u8] = b"system.";
/// Made by the kernel from the content.
const OF_CONTENT: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// What a file has besides its content.
pub struct Kept {
    metadata: Metadata,
    attributes: Vec<Attribute>,
}

struct Attribute {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Kept {
    /// Of this file.
    pub fn of(file: &File) -> io::Result<Kept> {
        let mut attributes = Vec::new();
        for name in names(file)? {
            let mut value = vec![0; MAX_BYTES];
            match fgetxattr(file, &name[..], &mut value[..]) {
                Ok(length) => value.truncate(length),
                Err(cause) if is_access_list(&name) => return Err(cause.into()),
                Err(_) => continue,
            }
            attributes.push(Attribute { name, value });
        }
        Ok(Kept {
            metadata: file.metadata()?,
            attributes,
        })
    }

    /// Gives it all to a new file, which is nobody else's until then.
    pub fn give(&self, new: &File) -> io::Result<()> {
        let (now, then) = (new.metadata()?, &self.metadata);
        if (now.uid(), now.gid()) != (then.uid(), then.gid()) {
            fchown(new, Some(then.uid()), Some(then.gid()))?;
        }
        // The directory may have given it one.
        if names(new)?.iter().any(|name| name == ACCESS_LIST) {
            fremovexattr(new, ACCESS_LIST)?;
        }
        new.set_permissions(Permissions::from_mode(self.mode_without_access_list()))?;
        for Attribute { name, value } in &self.attributes {
            let set = fsetxattr(new, &name[..], value, XattrFlags::empty());
            if let (Err(cause), true) = (set, is_access_list(name)) {
                let cause = io::Error::from(cause);
                let reason = format!(
                    "its access list cannot be kept (`setfacl -b` removes it): {}",
                    Cause(&cause)
                );
                return Err(io::Error::new(cause.kind(), reason));
            }
        }
        Ok(())
    }

    /// With an access list the bits of the group are the list's mask: without the
    /// list they would open the file to its group.
    fn mode_without_access_list(&self) -> u32 {
        let has_list = self.attributes.iter().any(|of| of.name == ACCESS_LIST);
        self.metadata.mode() & if has_list { 0o7707 } else { 0o7777 }
    }
}

fn names(file: &File) -> io::Result<Vec<Vec<u8>>> {
    let mut list = vec![0; MAX_BYTES];
    let length = match flistxattr(file, &mut list[..]) {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty() && !OF_CONTENT.contains(name));
    Ok(names.map(<[u8]>::to_owned).collect())
}

fn is_access_list(name: &[u8]) -> bool {
    name.starts_with(ACCESS_LISTS)
}
