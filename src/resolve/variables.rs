//! Variables: `@{name}` in arguments, in values of `environ` and in the keys of
//! `tcp-ports`.

use std::collections::BTreeMap;

use quick_error::quick_error;

use super::Documents;
use super::identity::ranges;
use super::plan::EnvValue;
use super::problems::{Doc, Problems, Spot};
use crate::config::container::{Container, Variable};
use crate::name::Name;

/// The container's name, which differs from instance to instance.
const NAME: &str = "lithos:name";
/// A container's name is never longer: two names and a number.
const LONGEST_NAME: usize = 2 * Name::MAX + 32;
/// The container config's path inside the image.
const CONFIG: &str = "lithos:config_filename";
/// The process's pid as it sees it itself.
const PID: &str = "lithos:pid";

quick_error! {
    /// Why a text with variables cannot be used.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum TextError {
        /// `@{` without its `}`.
        Unterminated {
            display("a `@{{` has no `}}`")
        }
        /// Nothing of that name.
        Undeclared(name: String) {
            display("the variable `{}` is not declared", name)
        }
        /// Not the whole value of an environment variable.
        Pid {
            display("`@{{lithos:pid}}` can only be the whole value of an environment variable")
        }
        /// The name of an instance, where all are alike.
        Name {
            display("`@{{lithos:name}}` cannot be used here")
        }
    }
}

/// A text in which everything is replaced but the container's name: it stands
/// between the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(Vec<String>);

impl Text {
    /// The text for the container called `name`.
    pub(super) fn with(&self, name: &str) -> String {
        self.0.join(name)
    }
}

/// The value of an environment variable, but for the container's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EnvText {
    Text(Text),
    Pid,
}

impl EnvText {
    /// The value for the container called `name`.
    pub(super) fn with(&self, name: &str) -> EnvValue {
        match self {
            EnvText::Text(text) => EnvValue::Text(text.with(name)),
            EnvText::Pid => EnvValue::Pid,
        }
    }

    /// The container's name itself.
    pub(super) fn name() -> Self {
        EnvText::Text(Text(vec![String::new(); 2]))
    }

    /// The same for every container.
    pub(super) fn fixed(text: impl Into<String>) -> Self {
        EnvText::Text(Text(vec![text.into()]))
    }
}

/// The values of the declared variables, checked.
#[derive(Debug)]
pub(super) struct Values<'a> {
    declared: BTreeMap<&'a str, Option<&'a str>>,
    config: &'a str,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

fn pieces(mut text: &str) -> Result<Vec<Piece<'_>>, TextError> {
    let mut pieces = Vec::new();
    while let Some((before, after)) = text.split_once("@{") {
        let (name, rest) = after.split_once('}').ok_or(TextError::Unterminated)?;
        pieces.extend([Piece::Text(before), Piece::Variable(name.trim())]);
        text = rest;
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

/// The rules of a container config alone: its texts use what it declares.
pub(super) fn alone(container: Doc<'_, Container>, problems: &mut Problems) {
    let declared = container.variables.keys().map(|name| (name.as_str(), None));
    let values = Values {
        declared: declared.collect(),
        config: "",
    };
    for (number, text) in container.arguments.iter().enumerate() {
        report(
            values.text(text),
            container.at(&["arguments"]).item(number),
            problems,
        );
    }
    for (name, text) in &container.environ {
        report(
            values.value(text),
            container.at(&["environ", name]),
            problems,
        );
    }
    for key in container.tcp_ports.keys() {
        report(
            values.port(key),
            container.at(&["tcp-ports", key]).key(),
            problems,
        );
    }
}

fn report<T>(result: Result<T, TextError>, spot: Spot, problems: &mut Problems) {
    match result {
        Err(err @ TextError::Undeclared(_)) => problems
            .error(spot, err.to_string())
            .hint("declare it under `variables` in this file"),
        Err(err) => problems.error(spot, err.to_string()).none(),
        Ok(_) => {}
    }
}

/// The values given by the process config for what the container config declares.
pub(super) fn values<'a>(docs: &'a Documents<'_>, problems: &mut Problems) -> Values<'a> {
    let mut declared = BTreeMap::new();
    for (name, variable) in &docs.container.variables {
        let value = docs.process.variables.get(name);
        declared.insert(name.as_str(), value.map(String::as_str));
        match value {
            None => problems
                .error(
                    docs.process.at(&["variables"]),
                    format!(
                        "no value is given for the variable `{name}`, which {} declares",
                        docs.container.file()
                    ),
                )
                .hint(format!("add `{name}` to `variables` here")),
            Some(value) => check_value(docs, name, variable, value, problems),
        }
    }
    Values {
        declared,
        config: docs.process.config.to_str().unwrap_or_default(),
    }
}

fn check_value(
    docs: &Documents<'_>,
    name: &str,
    variable: &Variable,
    value: &str,
    problems: &mut Problems,
) {
    let spot = docs.process.at(&["variables", name]);
    match variable {
        Variable::TcpPort { .. } => match port(value) {
            None => {
                let message = format!("the value of the variable `{name}` is no port: 1–65535");
                problems.error(spot, message);
            }
            Some(port) if docs.sandbox.bridged_network.is_none() => {
                port_allowed(docs, port, spot, problems);
            }
            Some(_) => {}
        },
        Variable::Choice(choices) if !choices.iter().any(|choice| choice == value) => {
            let choices = choices.join(", ");
            let message = format!("the value of the variable `{name}` is none of: {choices}");
            problems.error(spot, message);
        }
        Variable::Name if !is_name(value) => {
            let message = format!(
                "the value of the variable `{name}` is no name: only a-z, A-Z, 0-9, `_` and `-`"
            );
            problems.error(spot, message);
        }
        Variable::DottedName if !value.split('.').all(is_component) => {
            let message = format!(
                "the value of the variable `{name}` is no dotted name: components of a-z, A-Z, \
                 0-9, `_` and `-`, which neither start nor end with `-`"
            );
            problems.error(spot, message);
        }
        Variable::Choice(_) | Variable::Name | Variable::DottedName => {}
    }
}

/// Refuses a port that the host's network namespace is not open for.
pub(super) fn port_allowed(docs: &Documents<'_>, port: u16, spot: Spot, problems: &mut Problems) {
    let allowed = &docs.sandbox.allow_tcp_ports;
    if !allowed.iter().any(|range| range.contains(port.into())) {
        problems
            .error(
                spot,
                format!(
                    "port {port} is not among the `allow-tcp-ports` of the sandbox ({})",
                    ranges(allowed)
                ),
            )
            .hint(format!(
                "add {port} to `allow-tcp-ports` in {}",
                docs.sandbox.file()
            ));
    }
}

/// A port as people write it: no sign, no leading zero.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| digits)
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !text.is_empty() && text.chars().all(allowed)
}

fn is_component(text: &str) -> bool {
    is_name(text) && !text.starts_with('-') && !text.ends_with('-')
}

impl Values<'_> {
    /// An argument.
    pub(super) fn text(&self, text: &str) -> Result<Text, TextError> {
        let mut parts = vec![String::new()];
        for piece in pieces(text)? {
            match piece {
                Piece::Variable(NAME) => parts.push(String::new()),
                Piece::Variable(PID) => return Err(TextError::Pid),
                piece => parts
                    .last_mut()
                    .expect("there is one")
                    .push_str(self.piece(piece)?),
            }
        }
        Ok(Text(parts))
    }

    /// The value of an environment variable.
    pub(super) fn value(&self, text: &str) -> Result<EnvText, TextError> {
        let pieces = pieces(text)?;
        match pieces[..] {
            [Piece::Text(""), Piece::Variable(PID), Piece::Text("")] => Ok(EnvText::Pid),
            _ => Ok(EnvText::Text(self.text(text)?)),
        }
    }

    /// The key of a port, which is the same in all instances.
    pub(super) fn port(&self, text: &str) -> Result<String, TextError> {
        match &self.text(text)?.0[..] {
            [one] => Ok(one.clone()),
            _ => Err(TextError::Name),
        }
    }

    /// The value of a declared variable, if it has one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.declared.get(name).copied().flatten()
    }

    /// How many bytes the text has at most once everything in it is replaced, which
    /// can be a million times as many.
    pub(super) fn grown(&self, text: &str) -> usize {
        let pieces = pieces(text).unwrap_or_default().into_iter();
        let lengths = pieces.map(|piece| match piece {
            Piece::Variable(NAME) => LONGEST_NAME,
            piece => self.piece(piece).map_or(0, str::len),
        });
        lengths.fold(0, usize::saturating_add)
    }

    /// Whether the text uses a variable to which no value was given.
    pub(super) fn has_gap(&self, text: &str) -> bool {
        let pieces = pieces(text).unwrap_or_default();
        pieces.iter().any(|piece| match piece {
            Piece::Variable(name) => self.declared.get(name) == Some(&None),
            Piece::Text(_) => false,
        })
    }

    fn piece<'b>(&'b self, piece: Piece<'b>) -> Result<&'b str, TextError> {
        match piece {
            Piece::Text(text) => Ok(text),
            Piece::Variable(CONFIG) => Ok(self.config),
            Piece::Variable(name) => match self.declared.get(name) {
                Some(value) => Ok(value.unwrap_or_default()),
                None => Err(TextError::Undeclared(name.to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fixture::Fixture;

    const PLAIN_PORT: Variable = Variable::TcpPort {
        systemd_activation: false,
    };

    #[test]
    fn values_are_put_in_arguments_environ_and_ports() {
        let mut f = Fixture::new();
        f.variable("port", PLAIN_PORT, "8080");
        f.variable(
            "mode",
            Variable::Choice(vec!["fast".into(), "safe".into()]),
            "safe",
        );
        f.container.arguments = vec!["-p@{port}".into(), "@{ mode }@@{mode}{}".into()];
        f.container.environ.insert(
            "WHO".into(),
            "@{lithos:name} of @{lithos:config_filename}".into(),
        );
        f.container
            .environ
            .insert("PID".into(), "@{ lithos:pid }".into());
        f.container
            .tcp_ports
            .insert("@{port}".into(), crate::resolve::fixture::port(3));
        let plan = f.plan();
        assert_eq!(plan.process.arguments, ["-p8080", "safe@safe{}"]);
        let who = EnvValue::Text("shop/web.0 of /config/web.yaml".into());
        assert_eq!(plan.process.environ["WHO"], who);
        assert_eq!(plan.process.environ["PID"], EnvValue::Pid);
        assert_eq!(plan.sockets[0].address.port(), 8080);
    }

    #[test]
    fn a_value_is_not_read_for_variables_again() {
        let mut f = Fixture::new();
        f.variable(
            "a",
            Variable::Choice(vec!["@{lithos:pid}".into()]),
            "@{lithos:pid}",
        );
        f.container.arguments = vec!["@{a}".into()];
        assert_eq!(f.plan().process.arguments, ["@{lithos:pid}"]);
    }

    #[test]
    fn refuses_a_variable_that_is_not_declared() {
        let mut f = Fixture::new();
        f.container.arguments = vec!["@{port}".into()];
        f.refused("the variable `port` is not declared");
        f.container.arguments = vec!["@{lithos:other}".into()];
        f.refused("the variable `lithos:other` is not declared");
    }

    #[test]
    fn refuses_a_variable_without_an_end() {
        let mut f = Fixture::new();
        f.container.environ.insert("A".into(), "x@{port".into());
        f.refused("a `@{` has no `}`");
    }

    #[test]
    fn refuses_the_pid_anywhere_but_as_a_whole_value() {
        let mut f = Fixture::new();
        f.container.arguments = vec!["@{lithos:pid}".into()];
        f.refused("can only be the whole value of an environment variable");
        let mut f = Fixture::new();
        f.container
            .environ
            .insert("PID".into(), "pid @{lithos:pid}".into());
        f.refused("can only be the whole value of an environment variable");
    }

    #[test]
    fn refuses_the_name_as_a_port() {
        let mut f = Fixture::new();
        f.container
            .tcp_ports
            .insert("@{lithos:name}".into(), crate::resolve::fixture::port(3));
        f.refused("`@{lithos:name}` cannot be used here");
    }

    #[test]
    fn refuses_a_declared_variable_without_a_value_but_ignores_others() {
        let mut f = Fixture::new();
        f.container.variables.insert("port".into(), PLAIN_PORT);
        f.refused("no value is given for the variable `port`");
        let mut f = Fixture::new();
        f.process.variables.insert("extra".into(), "\0".into());
        f.plan();
    }

    #[test]
    fn refuses_values_of_another_type() {
        for (variable, good, bad) in [
            (
                PLAIN_PORT,
                "8000",
                &["0", "65536", "http", "", "08000", "+8000"][..],
            ),
            (Variable::Choice(vec!["a".into()]), "a", &["b", "", "A"]),
            (Variable::Name, "a-Z_0", &["", "a.b", "a b", "a/b", "ä"]),
            (
                Variable::DottedName,
                "a.b-c._",
                &["", ".", "a.", "a..b", "-a.b", "a.b-", "a/b"],
            ),
        ] {
            let mut f = Fixture::new();
            f.variable("v", variable.clone(), good);
            f.plan();
            for bad in bad {
                f.variable("v", variable.clone(), bad);
                f.refused("the value of the variable `v` is no");
            }
        }
    }

    #[test]
    fn refuses_a_port_variable_outside_allow_tcp_ports_unless_bridged() {
        let mut f = Fixture::new();
        f.variable("port", PLAIN_PORT, "80");
        f.refused("port 80 is not among the `allow-tcp-ports`");
        let mut f = Fixture::bridged();
        f.variable("port", PLAIN_PORT, "80");
        f.plan();
    }
}
