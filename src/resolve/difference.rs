//! Which fields differ between two plans: why a container is to be restarted.
//!
//! Plans are compared as the JSON that they are recorded in, so that a new
//! field can neither be forgotten here nor differ by its mere presence.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::plan::Plan;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where in the plan, from the outside in: `process.environ.PORT`.
    pub field: String,
    /// What it was and will be, for plain values; a token is never shown whole.
    pub values: Option<(String, String)>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            Some((old, new)) => write!(f, "{}: {old} → {new}", self.field),
            None => write!(f, "{}", self.field),
        }
    }
}

/// Every field in which `new` differs from `old`; empty if they are equal.
pub fn difference(old: &Plan, new: &Plan) -> Vec<Change> {
    if old == new {
        return Vec::new();
    }
    let value = |plan: &Plan| {
        let mut value = serde_json::to_value(plan).expect("a plan has only text keys");
        if !plan.secrets.is_empty() {
            let secrets = serde_json::to_value(plan.secrets.essence());
            value["secrets"] = secrets.expect("secrets have only text keys");
        }
        value
    };
    let mut changes = Vec::new();
    compare("", &value(old), &value(new), &mut changes);
    changes
}

fn compare(field: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let names = old
                .keys()
                .chain(new.keys().filter(|&name| !old.contains_key(name)));
            for name in names {
                let below =
                    |map: &serde_json::Map<_, _>| map.get(name).cloned().unwrap_or_default();
                compare(&join(field, name), &below(old), &below(new), changes);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (number, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&join(field, &number.to_string()), old, new, changes);
            }
        }
        (old, new) => {
            let shown = scalar(old)
                .zip(scalar(new))
                .filter(|_| !field.starts_with("secrets."));
            changes.push(Change {
                field: field.to_owned(),
                values: shown,
            });
        }
    }
}

fn join(field: &str, name: &str) -> String {
    if field.is_empty() {
        name.to_owned()
    } else {
        format!("{field}.{name}")
    }
}

/// A short text for a plain value; none for a map or a list.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("none".to_owned()),
        Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

/// A plan for tests, with something changed in its JSON.
#[cfg(test)]
pub fn example_plan(change: impl FnOnce(&mut Value)) -> Plan {
    let mut value = serde_json::json!({
        "name": "shop/web.0", "kind": "Daemon", "image": "/images/web", "config": "/config/web.yaml",
        "mount-dir": "/run/lithos/mnt", "hostname": "web.0", "mounts": [],
        "ids": { "user-namespace": true, "uid-map": [], "gid-map": [],
                 "uid": 1, "gid": 1, "host-uid": 1, "host-gid": 1 },
        "process": { "executable": "/bin/web", "arguments": ["-v"], "workdir": "/",
                     "environ": { "PORT": { "text": "80" } } },
        "secrets": { "key-files": ["/key"], "namespaces": [""], "environ": { "PASSWORD": ["v2:a:b:c:d"] } },
        "limits": { "fileno": 1024 },
        "stdio": { "log": "/var/log/shop.log" },
        "supervision": { "restart-timeout": { "secs": 1, "nanos": 0 },
                         "kill-timeout": { "secs": 5, "nanos": 0 } }
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(new: impl FnOnce(&mut Value)) -> Vec<String> {
        difference(&example_plan(|_| {}), &example_plan(new))
            .iter()
            .map(Change::to_string)
            .collect()
    }

    #[test]
    fn equal_plans_do_not_differ() {
        assert!(shown(|_| {}).is_empty());
    }

    #[test]
    fn names_the_field_and_both_values() {
        let changes = shown(|plan| plan["limits"]["fileno"] = 2048.into());
        assert_eq!(changes, ["limits.fileno: 1024 → 2048"]);
    }

    #[test]
    fn names_a_variable_that_came_and_one_that_went() {
        let changes = shown(|plan| {
            plan["process"]["environ"] = serde_json::json!({ "HOST": { "text": "a" } });
        });
        assert_eq!(changes, ["process.environ.PORT", "process.environ.HOST"]);
    }

    #[test]
    fn a_container_that_an_older_release_left_open_differs() {
        let confined = |plan: &mut Value| {
            plan["confinement"] = serde_json::json!({
                "seccomp": "default", "no-new-privileges": true,
            });
        };
        assert_eq!(example_plan(|_| {}).confinement, None);
        assert_eq!(shown(confined), ["confinement"]);
    }

    #[test]
    fn names_a_secret_without_its_tokens() {
        let changes = shown(|plan| plan["secrets"]["environ"]["PASSWORD"][0] = "v2:a:b:c:e".into());
        assert_eq!(changes, ["secrets.environ.PASSWORD.0"]);
    }
}
