//! The supervisor, as it is asked over its control socket; and what only its records
//! and `/proc` know of its containers.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::CtlError;
use crate::control::answers::Container;
use crate::control::{self, LONGEST_ANSWER, Refused, Request, VERSION};
use crate::resolve::paths::Home;
use crate::sys::lock;
use crate::tree::records::Records;
use crate::tree::running::process_among;

/// It starts, reloads and answers well within that.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Where the supervisor is to be asked.
#[derive(Debug)]
pub struct Supervisor {
    socket: PathBuf,
    pid_file: PathBuf,
    records: Records,
}

impl Supervisor {
    /// That of this master config.
    pub fn of(home: &Home) -> Result<Self, CtlError> {
        Ok(Self {
            socket: home.control_socket(),
            pid_file: home.pid_file(),
            records: Records::look(&home.state_dir)?,
        })
    }

    /// Asks it. One that is being started or replaced is waited for; what it was
    /// asked when it was replaced, the next one is asked again.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, CtlError> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.try_to_ask(request)? {
                return understand(&answer);
            }
            let Some(pid) = self.pid() else {
                return Err(CtlError::NoSupervisor(self.socket.clone()));
            };
            if Instant::now() > end {
                return Err(CtlError::Silent(self.socket.clone(), pid));
            }
            sleep(PAUSE);
        }
    }

    /// The pid of the supervisor that runs.
    pub fn pid(&self) -> Option<i32> {
        let file = File::open(&self.pid_file).ok()?;
        lock::holder(&file).ok().flatten()
    }

    /// The pid of a container's process, once it has been executed.
    pub fn process_of(&self, container: &Container) -> Option<i32> {
        let knot = container.knot_pid?;
        let told = self.records.last_report(&container.name);
        let children = fs::read_to_string(format!("/proc/{knot}/task/{knot}/children")).ok()?;
        let children = children.split_whitespace().flat_map(str::parse);
        process_among(children, knot, told.as_ref())
    }

    /// The line that it answers; none if it is not there, or has gone meanwhile.
    fn try_to_ask(&self, request: &Request) -> Result<Option<Vec<u8>>, CtlError> {
        match self.exchange(request) {
            Ok(answer) if answer.ends_with(b"\n") => Ok(Some(answer)),
            Ok(_) => Ok(None),
            Err(err) => match err.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::WouldBlock => Ok(None),
                _ => Err(CtlError::Ask(self.socket.clone(), err)),
            },
        }
    }

    fn exchange(&self, request: &Request) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&control::line(request))?;
        let mut answer = Vec::new();
        let longest = LONGEST_ANSWER as u64 + 1;
        BufReader::new(stream.take(longest)).read_until(b'\n', &mut answer)?;
        Ok(answer)
    }
}

fn understand<T: DeserializeOwned>(answer: &[u8]) -> Result<T, CtlError> {
    let failed = |err: serde_json::Error| CtlError::Answer(err.to_string());
    let answer: Value = serde_json::from_slice(answer).map_err(failed)?;
    if answer["version"] != VERSION {
        let cause = format!("it is not of version {VERSION}; is it of another release?");
        return Err(CtlError::Answer(cause));
    }
    if answer.get("error").is_some() {
        let Refused { error, hint } = serde_json::from_value(answer).map_err(failed)?;
        return Err(CtlError::Refused(error, hint));
    }
    serde_json::from_value(answer).map_err(failed)
}
