//! What an error of the system says, in the way of our messages.

use std::{fmt, io};

/// Without its number, and lower case.
pub struct Cause<'a>(pub &'a io::Error);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut rest = text.chars();
        match rest.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), rest.as_str()),
            None => f.write_str("unknown cause"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_one_of_our_messages() {
        let no_entry = io::Error::from_raw_os_error(2);
        assert_eq!(Cause(&no_entry).to_string(), "no such file or directory");
    }
}
