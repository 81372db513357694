//! What a hostile process tries: one deed each, in a process of its own, so that
//! a deed that succeeds (or kills) changes nothing for the next.
//!
//! `try=DEED` or `try=DEED:OBJECT` gives one of
//!
//! - `{"done": …}`: it succeeded, and this is what it got,
//! - `{"errno": "EPERM"}`: the kernel said no,
//! - `{"signal": 31}`: it was killed,
//! - `{"error": …}`: it failed by itself.

mod files;
mod identity;
mod kernel;
mod memory;
mod namespaces;
mod network;
mod processes;
mod raw;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use serde_json::{Value, json};

use crate::deeds;

/// Tries it in a child.
pub fn attempt(deed: &str) -> Value {
    let child = Command::new("/proc/self/exe")
        .arg(format!("do={deed}"))
        .stderr(Stdio::null())
        .output();
    match child {
        Ok(output) => told(&output.stdout, output.status.signal()),
        Err(error) => json!({ "error": format!("cannot begin: {error}") }),
    }
}

fn told(output: &[u8], signal: Option<i32>) -> Value {
    let lines = output.split(|byte| *byte == b'\n').rev();
    let mut told = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    match (told.next(), signal) {
        (_, Some(signal)) => json!({ "signal": signal }),
        (Some(mut line), None) => line["result"].take(),
        (None, None) => json!({ "error": "it said nothing" }),
    }
}

/// Does it, in the child.
pub fn perform(deed: &str) -> Value {
    let (verb, object) = deed.split_once(':').unwrap_or((deed, ""));
    let areas = [
        kernel::perform,
        namespaces::perform,
        memory::perform,
        identity::perform,
        files::perform,
        processes::perform,
        network::perform,
    ];
    let result = areas.into_iter().find_map(|area| area(verb, object));
    match result.unwrap_or_else(|| deeds::attempt(verb, object)) {
        Ok(got) => json!({ "done": got }),
        Err(error) => match error.raw_os_error() {
            Some(number) => json!({ "errno": format!("{:?}", Errno::from_raw(number)) }),
            None => json!({ "error": error.to_string() }),
        },
    }
}

/// What a deed of an area comes to; none: the area does not know it.
type Outcome = Option<io::Result<Value>>;

fn done<T>(result: Result<T, impl Into<io::Error>>) -> io::Result<Value> {
    match result {
        Ok(_) => Ok(json!("done")),
        Err(error) => Err(error.into()),
    }
}

fn text(value: impl Into<String>) -> io::Result<Value> {
    Ok(Value::String(value.into()))
}

fn number<T: std::str::FromStr>(object: &str) -> io::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    object.parse().map_err(io::Error::other)
}
