//! What an operator means by `SANDBOX`, `SANDBOX/PROCESS` or `SANDBOX/PROCESS.N`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{ContainerName, Name, NameError};

/// A sandbox's daemons, a process's instances, or one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selection {
    /// Every daemon of this sandbox.
    Sandbox(Name),
    /// Every instance of this process of the sandbox.
    Process(Name, Name),
    /// One daemon.
    Container(ContainerName),
}

impl Selection {
    /// Its sandbox.
    pub fn sandbox(&self) -> &Name {
        match self {
            Self::Sandbox(sandbox) | Self::Process(sandbox, _) => sandbox,
            Self::Container(name) => &name.sandbox,
        }
    }

    /// What is next broader.
    pub fn parent(&self) -> Option<Self> {
        match self {
            Self::Sandbox(_) => None,
            Self::Process(sandbox, _) => Some(Self::Sandbox(sandbox.clone())),
            Self::Container(name) => {
                Some(Self::Process(name.sandbox.clone(), name.process.clone()))
            }
        }
    }

    /// Itself, and all that is broader, the narrowest first.
    pub fn and_broader(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// Whether it is `other` or a part of it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.and_broader().any(|broader| broader == *other)
    }

    /// Whether the container, or the process whose command it is, belongs to it.
    pub fn concerns(&self, name: &ContainerName) -> bool {
        match self {
            Self::Container(container) => container == name,
            Self::Process(..) | Self::Sandbox(_) => self.covers(&ContainerName {
                command: false,
                ..name.clone()
            }),
        }
    }

    /// Whether the container belongs to it; a command belongs to none.
    pub fn covers(&self, name: &ContainerName) -> bool {
        !name.command
            && match self {
                Self::Sandbox(sandbox) => *sandbox == name.sandbox,
                Self::Process(sandbox, process) => {
                    *sandbox == name.sandbox && *process == name.process
                }
                Self::Container(container) => container == name,
            }
    }
}

impl FromStr for Selection {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some((sandbox, rest)) = text.split_once('/') else {
            return Ok(Self::Sandbox(text.parse()?));
        };
        if !rest.contains('.') {
            return Ok(Self::Process(sandbox.parse()?, rest.parse()?));
        }
        let name: ContainerName = text.parse()?;
        match name.command {
            false => Ok(Self::Container(name)),
            true => Err(NameError::Container),
        }
    }
}

impl TryFrom<String> for Selection {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Selection> for String {
    fn from(selection: Selection) -> Self {
        selection.to_string()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sandbox(sandbox) => write!(f, "{sandbox}"),
            Self::Process(sandbox, process) => write!(f, "{sandbox}/{process}"),
            Self::Container(name) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(text: &str) -> Selection {
        text.parse().unwrap()
    }

    #[test]
    fn selections_survive_a_round_trip() {
        for text in ["shop", "shop/web", "shop/web.0", "a-b/c_d.12"] {
            assert_eq!(selection(text).to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_name_of_a_daemon() {
        for text in [
            "",
            "/",
            "shop/",
            "/web",
            "shop/web.",
            "shop/web.x",
            "shop/web.00",
            "a/b/c",
            "../x",
            "shop/cmd.migrate.7",
            "shop.0",
        ] {
            assert!(text.parse::<Selection>().is_err(), "{text}");
        }
    }

    #[test]
    fn covers_its_own_daemons_and_no_commands() {
        let name = |text: &str| text.parse::<ContainerName>().unwrap();
        for (text, covered) in [
            ("shop", [true, true, true, false]),
            ("shop/web", [true, true, false, false]),
            ("shop/web.1", [false, true, false, false]),
        ] {
            let names = ["shop/web.0", "shop/web.1", "shop/db.0", "blog/web.0"];
            assert_eq!(names.map(|n| selection(text).covers(&name(n))), covered);
            assert!(!selection(text).covers(&name("shop/cmd.web.1")));
        }
    }

    #[test]
    fn is_within_itself_and_what_is_broader() {
        let web = selection("shop/web");
        assert!(web.is_within(&web) && web.is_within(&selection("shop")));
        assert!(!web.is_within(&selection("shop/web.0")));
        assert!(!web.is_within(&selection("blog")));
    }
}
