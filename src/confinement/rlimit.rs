//! Resource limits by name, as setrlimit(2) has them.
//!
//! RLIMIT_NOFILE is not among them, having keys of its own; nor are those that
//! the kernel has long ignored (`locks`, `rss`).

use std::str::FromStr;

use quick_error::quick_error;
use serde::{Deserialize, Serialize};

use crate::config::unknown;

quick_error! {
    /// Why a text names no resource.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum ResourceError {
        /// No resource has this name.
        Unknown(name: String) {
            display("{}", unknown("resource", name, names()))
        }
    }
}

/// A resource that can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource(usize);

struct Known {
    name: &'static str,
    kernels: rustix::process::Resource,
    least: u64,
    most: u64,
}

const fn known(name: &'static str, kernels: rustix::process::Resource) -> Known {
    Known {
        name,
        kernels,
        least: 0,
        most: u64::MAX,
    }
}

const KNOWN: [Known; 13] = {
    use rustix::process::Resource as R;
    [
        known("as", R::As),
        Known {
            // With 0 the kernel still runs a core pattern that is a pipe.
            least: 1,
            ..known("core", R::Core)
        },
        known("cpu", R::Cpu),
        known("data", R::Data),
        known("fsize", R::Fsize),
        known("memlock", R::Memlock),
        known("msgqueue", R::Msgqueue),
        Known {
            most: 40,
            ..known("nice", R::Nice)
        },
        known("nproc", R::Nproc),
        Known {
            most: 99,
            ..known("rtprio", R::Rtprio)
        },
        known("rttime", R::Rttime),
        known("sigpending", R::Sigpending),
        known("stack", R::Stack),
    ]
};

fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

impl Resource {
    /// The size of a core file, which holds what the process had in its memory.
    pub const CORE: Self = Self(1);

    /// Its name, without `RLIMIT_` and in small letters.
    pub fn name(self) -> &'static str {
        KNOWN[self.0].name
    }

    /// The least and the most that makes sense to the kernel; `u64::MAX`: none.
    pub fn bounds(self) -> (u64, u64) {
        (KNOWN[self.0].least, KNOWN[self.0].most)
    }

    /// As system calls take it.
    pub fn kernels(self) -> rustix::process::Resource {
        KNOWN[self.0].kernels
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(name: &str) -> Result<Self, ResourceError> {
        match names().position(|known| known == name) {
            Some(number) => Ok(Self(number)),
            None => Err(ResourceError::Unknown(name.to_owned())),
        }
    }
}

impl TryFrom<String> for Resource {
    type Error = ResourceError;

    fn try_from(name: String) -> Result<Self, ResourceError> {
        name.parse()
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own_resource() {
        for name in names() {
            assert_eq!(name.parse::<Resource>().unwrap().name(), name);
        }
        assert_eq!(Resource::CORE.name(), "core");
        assert!("nofile".parse::<Resource>().is_err());
    }

    #[test]
    fn a_plan_names_them() {
        let json = serde_json::to_string(&Resource::CORE).unwrap();
        assert_eq!(json, "\"core\"");
        assert_eq!(
            serde_json::from_str::<Resource>(&json).unwrap(),
            Resource::CORE
        );
        assert!(serde_json::from_str::<Resource>("\"rss\"").is_err());
    }
}
