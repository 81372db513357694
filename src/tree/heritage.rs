//! The descriptors that an earlier supervisor left to this process: across the
//! exec of a reload in place the locked pid file and the listening sockets,
//! after anything else the sockets, if a service manager has stored them.
//! Everything else is in the records.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

use super::service;
use crate::name::Name;
use crate::sys::descriptor::adopt_inherited;

/// The environment variable that tells the numbers.
const VARIABLE: &str = "LITHOS_TREE_HERITAGE";

/// Sockets that were kept, by sandbox and address.
pub type KeptSockets = BTreeMap<(Name, SocketAddr), OwnedFd>;

/// What was left to this process.
#[derive(Debug, Default)]
pub struct Heritage {
    /// The locked pid file.
    pub pid_file: Option<OwnedFd>,
    /// The listening sockets.
    pub sockets: KeptSockets,
    /// Names of what the service manager stores and nobody knows any more.
    pub strange: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Numbers {
    /// Whom they are for: the variable may leak to others.
    pid: u32,
    pid_file: RawFd,
    sockets: Vec<(Name, SocketAddr, RawFd)>,
}

impl Heritage {
    /// Takes what was left. To be called first: before anything is opened.
    pub fn take() -> io::Result<Self> {
        let text = env::var(VARIABLE).ok();
        let numbers = text.and_then(|text| serde_json::from_str::<Numbers>(&text).ok());
        match numbers.filter(|numbers| numbers.pid == std::process::id()) {
            Some(numbers) => Self::from_exec(numbers),
            None => Self::from_store(),
        }
    }

    fn from_exec(numbers: Numbers) -> io::Result<Self> {
        let mut all = vec![numbers.pid_file];
        all.extend(numbers.sockets.iter().map(|(_, _, number)| number));
        let mut owned = adopt_inherited(&all)?.into_iter();
        let pid_file = owned.next();
        let keys = numbers.sockets.into_iter();
        let keys = keys.map(|(sandbox, address, _)| (sandbox, address));
        Ok(Self {
            pid_file,
            sockets: keys.zip(owned).collect(),
            strange: Vec::new(),
        })
    }

    fn from_store() -> io::Result<Self> {
        let passed = service::passed();
        if passed.is_empty() {
            return Ok(Self::default());
        }
        let (numbers, names): (Vec<_>, Vec<_>) = passed.into_iter().unzip();
        let mut heritage = Self::default();
        for (name, fd) in names.into_iter().zip(adopt_inherited(&numbers)?) {
            match service::parse(&name) {
                Some(key) => _ = heritage.sockets.insert(key, fd),
                None => heritage.strange.push(name),
            }
        }
        Ok(heritage)
    }
}

/// This program, as it was started.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// Learns where the program is; to be called before it can be replaced.
    pub fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            path: env::current_exe()?,
            args: env::args_os().collect(),
        })
    }

    /// The directory that the other programs are in, too.
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Executes what is at the program's path now, in this process. Returns
    /// only if that fails; then nothing has changed.
    pub fn execute_again<'a>(
        &self,
        pid_file: BorrowedFd<'a>,
        sockets: impl Iterator<Item = (&'a Name, SocketAddr, BorrowedFd<'a>)>,
    ) -> io::Result<Infallible> {
        let mut left = vec![pid_file];
        let mut numbers = Numbers {
            pid: std::process::id(),
            pid_file: pid_file.as_raw_fd(),
            sockets: Vec::new(),
        };
        for (sandbox, address, fd) in sockets {
            numbers
                .sockets
                .push((sandbox.clone(), address, fd.as_raw_fd()));
            left.push(fd);
        }
        let path = c_string(self.path.as_os_str())?;
        let args = self.args.iter().map(|arg| c_string(arg));
        let args = args.collect::<io::Result<Vec<_>>>()?;
        let environment = environment(&serde_json::to_string(&numbers)?)?;
        let failed = inherit(&left, FdFlags::empty()).and_then(|()| {
            // Not through the standard library, which unblocks signals.
            Ok(nix::unistd::execve(&path, &args, &environment)?)
        });
        inherit(&left, FdFlags::CLOEXEC)?;
        failed
    }
}

fn inherit(left: &[BorrowedFd<'_>], flags: FdFlags) -> io::Result<()> {
    left.iter().try_for_each(|fd| Ok(fcntl_setfd(fd, flags)?))
}

/// Our own environment, with the heritage in it in place of an earlier one.
fn environment(heritage: &str) -> io::Result<Vec<CString>> {
    let own = env::vars_os().filter(|(name, _)| {
        let name = name.to_str();
        !name.is_some_and(|name| name == VARIABLE || service::PASSED.contains(&name))
    });
    let heritage = (OsString::from(VARIABLE), OsString::from(heritage));
    own.chain([heritage])
        .map(|(mut line, value)| {
            line.push("=");
            line.push(value);
            Ok(CString::new(line.into_vec())?)
        })
        .collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}
