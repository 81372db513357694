//! What the system says to somebody who is not root, of files and sockets that are root's.

use std::{fmt, io};

use crate::cause::Cause;

/// The cause, and if it is that something is not permitted, a hint whom it takes.
pub struct Privileged<'a>(pub &'a io::Error);

impl fmt::Display for Privileged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Cause(self.0))?;
        match self.0.kind() {
            io::ErrorKind::PermissionDenied => f.write_str("\nhint: only root may"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_permitted_hears_whom_it_takes() {
        let of = |errno| Privileged(&io::Error::from_raw_os_error(errno)).to_string();
        assert_eq!(of(13), "permission denied\nhint: only root may");
        assert_eq!(of(2), "no such file or directory");
    }
}
