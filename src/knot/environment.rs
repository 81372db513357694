//! The process's arguments and its environment, which is exactly the declared
//! one, in the order of names.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use super::failure::Failure;
use super::secrets::Bytes;
use crate::resolve::plan::{EnvValue, Plan, Process, Socket};

/// Variables by name, each as the `NAME=value` that an exec takes.
pub type Variables = BTreeMap<String, CString>;

/// Argument zero is the executable's path.
pub fn arguments(process: &Process) -> Result<Vec<CString>, Failure> {
    let zero = process.executable.as_os_str().as_bytes().to_vec();
    let rest = process
        .arguments
        .iter()
        .map(|text| text.clone().into_bytes());
    std::iter::once(zero).chain(rest).map(text).collect()
}

/// Everything but the secrets.
///
/// To be called by the process itself, since it may hold its pid.
pub fn plain(plan: &Plan) -> Result<Variables, Failure> {
    let pid = || std::process::id().to_string();
    let mut variables = Variables::new();
    for (name, value) in &plan.process.environ {
        let value = match value {
            EnvValue::Text(text) => text.clone(),
            EnvValue::Pid => pid(),
        };
        add(&mut variables, name, value.as_bytes())?;
    }
    let names = activated(&plan.sockets);
    if !names.is_empty() {
        add(&mut variables, "LISTEN_PID", pid().as_bytes())?;
        add(
            &mut variables,
            "LISTEN_FDS",
            names.len().to_string().as_bytes(),
        )?;
        add(&mut variables, "LISTEN_FDNAMES", names.join(":").as_bytes())?;
    }
    Ok(variables)
}

/// The names of the sockets that are handed over as systemd does, in the order
/// of their descriptors: sd_listen_fds(3).
fn activated(sockets: &[Socket]) -> Vec<&str> {
    let mut named = sockets
        .iter()
        .filter_map(|socket| Some((socket.fd, socket.activation.as_deref()?)))
        .collect::<Vec<_>>();
    named.sort_unstable();
    named.into_iter().map(|(_, name)| name).collect()
}

/// Adds the opened secrets.
pub fn add_secrets(
    variables: &mut Variables,
    secrets: Vec<(String, Bytes)>,
) -> Result<(), Failure> {
    for (name, secret) in &secrets {
        add(variables, name, secret)?;
    }
    Ok(())
}

fn add(variables: &mut Variables, name: &str, value: &[u8]) -> Result<(), Failure> {
    let mut line = Vec::with_capacity(name.len() + value.len() + 2);
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
    line.extend_from_slice(value);
    variables.insert(name.to_owned(), text(line)?);
    Ok(())
}

/// Bytes as an exec takes them. The failure shows none of them.
pub fn text(bytes: Vec<u8>) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| Failure::Launch("an argument or variable in it holds a NUL"))
}
