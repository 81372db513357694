//! What is said over the supervisor's control socket, by both sides.
//!
//! A JSON document in each line, with the version in it; docs/control.md has it in
//! full, with examples. Who understands a version refuses what is not in it: an
//! unknown command or field is an error, never ignored.

pub mod answers;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::selection::Selection;
use crate::tree::clients::Refusal;

/// The version of everything here; a change that an old reader would
/// misunderstand needs another.
pub const VERSION: u64 = 1;

/// The most bytes of an answer.
pub const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// The most bytes of a request with its newline.
pub const LONGEST_REQUEST: usize = 4096;

/// What the supervisor is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Request {
    /// What is the case with these containers; none: with all.
    Status {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Selection>,
    },
    /// End these, and start them anew without waiting for their time.
    Restart {
        /// Which.
        name: Selection,
    },
    /// End these, and start them no more.
    Hold {
        /// Which.
        name: Selection,
    },
    /// Start these again.
    Release {
        /// Which.
        name: Selection,
    },
    /// Reload in place.
    Reload {},
    /// What came of the last reload or start.
    Outcome {},
}

/// An answer that says why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refused {
    /// `cannot <verb> <object>: <cause>`.
    pub error: String,
    /// The one thing to do, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Refused {
    /// Without a hint.
    pub fn new(error: impl Into<String>) -> Self {
        let (error, hint) = (error.into(), None);
        Self { error, hint }
    }

    /// With a hint.
    pub fn hinted(error: impl Into<String>, hint: impl Into<String>) -> Self {
        let (error, hint) = (error.into(), Some(hint.into()));
        Self { error, hint }
    }
}

/// A line of ours: what is said, with the version.
#[derive(Serialize)]
struct Said<T> {
    version: u64,
    #[serde(flatten)]
    said: T,
}

/// A line that says this, with its newline.
pub fn line(said: &impl Serialize) -> Vec<u8> {
    let version = VERSION;
    let mut line = serde_json::to_vec(&Said { version, said }).expect("it is always JSON");
    line.push(b'\n');
    line
}

/// The line that answers a request.
pub fn answer(answer: Result<impl Serialize, Refused>) -> Vec<u8> {
    let bytes = match answer {
        Ok(answer) => line(&answer),
        Err(refused) => line(&refused),
    };
    if bytes.len() <= LONGEST_ANSWER {
        return bytes;
    }
    let error = format!("cannot answer: that would take more than {LONGEST_ANSWER} bytes");
    line(&Refused::hinted(error, "ask for one sandbox"))
}

/// Reads a line that was asked.
pub fn read(line: &[u8]) -> Result<Request, Refused> {
    let cannot =
        |cause: &dyn std::fmt::Display| Refused::new(format!("cannot read the request: {cause}"));
    let mut fields: Map<String, Value> =
        serde_json::from_slice(line).map_err(|err| cannot(&err))?;
    match fields.remove("version") {
        Some(version) if version == VERSION => {}
        Some(_) => {
            let cause = "its version is unknown";
            return Err(Refused::hinted(
                cannot(&cause).error,
                format!("this lithos_tree speaks version {VERSION}"),
            ));
        }
        None => return Err(cannot(&"it has no version")),
    }
    serde_json::from_value(Value::Object(fields)).map_err(|err| cannot(&err))
}

/// What a client hears that is parted with.
pub fn refusal(why: Refusal) -> Vec<u8> {
    line(&Refused::new(match why {
        Refusal::TooLong => {
            format!("cannot read the request: it has more than {LONGEST_REQUEST} bytes")
        }
        Refusal::TooSlow => "cannot read the request: it was not whole in time".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        read(line.as_bytes()).unwrap_err().error
    }

    #[test]
    fn requests_survive_a_round_trip() {
        let name: Selection = "shop/web".parse().unwrap();
        for request in [
            Request::Status { name: None },
            Request::Status {
                name: Some(name.clone()),
            },
            Request::Restart { name: name.clone() },
            Request::Hold { name: name.clone() },
            Request::Release { name },
            Request::Reload {},
            Request::Outcome {},
        ] {
            assert_eq!(read(&line(&request)), Ok(request));
        }
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        for (line, told) in [
            (r#"{"version":1,"command":"explode"}"#, "explode"),
            (r#"{"version":1,"command":"status","colour":1}"#, "colour"),
            (r#"{"version":1,"command":"reload","name":"shop"}"#, "name"),
            (r#"{"version":2,"command":"status"}"#, "version"),
            (r#"{"version":"1","command":"status"}"#, "version"),
            (r#"{"command":"status"}"#, "no version"),
            (r#"{"version":1}"#, "command"),
            (r#"{"version":1,"command":"hold"}"#, "name"),
            (r#"{"version":1,"command":"hold","name":"../x"}"#, "a name"),
            (r#"{"version":1,"command":"hold","name":7}"#, "string"),
        ] {
            assert!(refused(line).contains(told), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for line in [
            "",
            "\n",
            "hello",
            "[1]",
            "7",
            "\u{0}",
            r#"{"version":1"#,
            &"[".repeat(4000),
        ] {
            assert!(refused(line).starts_with("cannot read the request: "));
        }
        assert!(read(b"\xff\xfe\n").is_err());
    }
}
