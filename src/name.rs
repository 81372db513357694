//! The names of sandboxes, processes and containers, checked once, here.
//!
//! A name that exists as one of these types is safe as a path component and in
//! a command line: `^[a-zA-Z0-9_-]+$`.

use std::fmt;
use std::str::FromStr;

use quick_error::quick_error;
use serde::{Deserialize, Serialize};

quick_error! {
    /// Why a text is not a name.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum NameError {
        /// The empty text.
        Empty {
            display("a name cannot be empty")
        }
        /// A character outside `[a-zA-Z0-9_-]`.
        Character(found: char) {
            display("a name may hold only a-z, A-Z, 0-9, `_` and `-`, not {:?}", found)
        }
        /// Longer than [`Name::MAX`] bytes.
        Long {
            display("a name has at most {} characters", Name::MAX)
        }
        /// Not of the form `<sandbox>/<process>.<n>`.
        Container {
            display("a container's name has the form <sandbox>/<process>.<n>")
        }
    }
}

/// The name of a sandbox or of a process: `^[a-zA-Z0-9_-]+$`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes; it must fit a file name with a suffix.
    pub const MAX: usize = 200;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(NameError::Long);
        }
        match text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
        {
            Some(found) => Err(NameError::Character(found)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one container: `<sandbox>/<process>.<n>`, or, for a command
/// that someone is running, `<sandbox>/cmd.<process>.<pid>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName {
    /// The sandbox it runs in.
    pub sandbox: Name,
    /// The process of the process config.
    pub process: Name,
    /// Which of the process's instances, or the pid of the command's caller.
    pub number: u32,
    /// Whether it is a command's.
    pub command: bool,
}

impl ContainerName {
    /// The name of a daemon's instance.
    pub fn daemon(sandbox: Name, process: Name, instance: u32) -> Self {
        Self {
            sandbox,
            process,
            number: instance,
            command: false,
        }
    }

    /// The part after the slash, a safe file name: `web.0`, `cmd.migrate.4711`.
    pub fn within_sandbox(&self) -> String {
        let prefix = if self.command { "cmd." } else { "" };
        format!("{prefix}{}.{}", self.process, self.number)
    }

    /// The container's host name: `<process>.<n>`, cut to 64 bytes.
    pub fn hostname(&self) -> String {
        let mut name = format!("{}.{}", self.process, self.number);
        name.truncate(64);
        name
    }
}

impl FromStr for ContainerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (sandbox, rest) = text.split_once('/').ok_or(NameError::Container)?;
        let (command, rest) = match rest.strip_prefix("cmd.") {
            Some(rest) if rest.contains('.') => (true, rest),
            _ => (false, rest),
        };
        let (process, number) = rest.split_once('.').ok_or(NameError::Container)?;
        let canonical = number == "0" || !number.starts_with(['0', '+']);
        let number = number
            .parse()
            .ok()
            .filter(|_| canonical)
            .ok_or(NameError::Container)?;
        Ok(Self {
            sandbox: sandbox.parse()?,
            process: process.parse()?,
            number,
            command,
        })
    }
}

impl TryFrom<String> for ContainerName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sandbox, self.within_sandbox())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names_survive_a_round_trip() {
        for text in [
            "shop/web.0",
            "shop/web.12",
            "a-b/c_d.7",
            "shop/cmd.migrate.4711",
            "s/cmd.3",
        ] {
            assert_eq!(text.parse::<ContainerName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_container_names_of_another_form() {
        for text in [
            "",
            "shop",
            "shop/web",
            "shop/web.",
            "shop/web.x",
            "shop/web.-1",
            "shop/web.00",
            "shop/web.+1",
            "/web.0",
            "../web.0",
            "shop/../x.0",
            "shop/web.0.1",
            "a b/web.0",
        ] {
            assert!(text.parse::<ContainerName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_name_has_at_most_64_bytes() {
        let name = ContainerName::daemon("s".parse().unwrap(), "p".repeat(100).parse().unwrap(), 3);
        assert_eq!(name.hostname().len(), 64);
    }
}
