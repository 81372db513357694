//! `/etc/lithos/processes/NAME.yaml`: which images run, and how many times.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lithos_crypt::Namespace;

use super::reader::{self, Value};
use super::values::{
    absolute_file, address, components, few, list, mapping, namespaces, small, text, word,
};
use crate::name::Name;
use crate::problem::{Problem, Source};

/// A process config: a map of process name to what runs under it; none for an
/// entry with a problem, which leaves the others alone.
pub type Processes = BTreeMap<Name, Option<Process>>;

/// One entry of a process config, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Supervised or run on demand.
    pub kind: Kind,
    /// How many containers run it.
    pub instances: u32,
    /// The image, a directory under `image-dir`.
    pub image: PathBuf,
    /// Absolute path of the container config inside the image.
    pub config: PathBuf,
    /// Values for the variables that the container config declares.
    pub variables: BTreeMap<String, String>,
    /// One for each instance in a bridged network.
    pub ip_addresses: Vec<IpAddr>,
    /// Allowed in addition to the sandbox's.
    pub extra_secrets_namespaces: Vec<Namespace>,
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// Supervised.
    #[default]
    Daemon,
    /// Run on demand by `lithos_cmd`.
    Command,
}

/// Reads a process config; none if nothing of it can be read. An entry with a
/// problem is none, and the others are as they would be without it.
pub fn read_processes(source: &Arc<Source>) -> (Option<Processes>, Vec<Problem>) {
    reader::document(source, few(processes))
}

fn processes(root: &Value<'_>) -> Option<Processes> {
    let (mut processes, mut twice) = (Processes::new(), HashSet::new());
    for (written, value) in root.entries("a mapping of process name to process")? {
        let name: Name = match written.parse() {
            Ok(name) => name,
            Err(error) => {
                value.refuse_key::<()>(format!("this is no process's name: {error}"), None);
                continue;
            }
        };
        match processes.entry(name) {
            Entry::Vacant(entry) => {
                let before = value.problem_count();
                value.refuse_duplicates();
                let process = process(&value).filter(|_| !value.problems_since(before));
                entry.insert(process);
            }
            // What is in it would be looked for in the first.
            Entry::Occupied(mut entry) => {
                entry.insert(None);
                if twice.insert(written) {
                    value.refuse_second("a process is given twice");
                }
            }
        }
    }
    Some(processes)
}

fn process(value: &Value<'_>) -> Option<Process> {
    let mut map = value.map("a mapping")?;
    let kind = map.or("kind", Kind::Daemon, kind);
    let instances = map.or("instances", 1, small(0, u32::MAX));
    let image = map.required("image", components);
    let config = map.required("config", absolute_file);
    let variables = map.or("variables", BTreeMap::new(), variables);
    let ip_addresses = map.or("ip-addresses", Vec::new(), few(ip_addresses));
    let extra_secrets_namespaces = map.or("extra-secrets-namespaces", Vec::new(), namespaces);
    map.finish();
    Some(Process {
        kind,
        instances,
        image: image?,
        config: config?,
        variables,
        ip_addresses,
        extra_secrets_namespaces,
    })
}

fn kind(value: &Value<'_>) -> Option<Kind> {
    word(&[("Daemon", Kind::Daemon), ("Command", Kind::Command)])(value)
}

fn variables(value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let name = |name: &str, _: &Value<'_>| Some(name.to_owned());
    mapping("a mapping of variable to value", name, text)(value)
}

fn ip_addresses(value: &Value<'_>) -> Option<Vec<IpAddr>> {
    let what = "a list of IP addresses";
    let addresses = list(what, address)(value)?;
    let (mut seen, before) = (HashSet::new(), value.problem_count());
    for (item, address) in value.items(what)?.iter().zip(&addresses) {
        if !seen.insert(address) {
            item.refuse::<()>("this address is given twice", None);
        }
    }
    (!value.problems_since(before)).then_some(addresses)
}
