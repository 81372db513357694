//! The command line as typed, and what is said when it is wrong.
//!
//! An argument that is not understood may be a secret in the wrong place, so
//! usage errors are written here: clap's own would show it.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::Failure;
use crate::{check_key, decrypt, encrypt, report};

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Seals secrets so that they can live in a public repository, and opens them.
///
/// A token is one line of text: `v2:`, the short hashes of key, namespace and
/// secret, and the sealed secret. Only the private key opens it.
#[derive(Parser)]
#[command(name = "lithos_crypt", version, max_term_width = 80, after_help = EXAMPLE)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "\
Example:
  ssh-keygen -t ed25519 -N '' -f myapp.key
  lithos_crypt encrypt -k myapp.key.pub -n myapp
  lithos_crypt decrypt -i myapp.key < token

Exit codes: 0 done, 1 failed, 2 wrong usage";

/// One command with its options.
#[derive(Subcommand)]
pub enum Command {
    Encrypt(encrypt::Options),
    Decrypt(decrypt::Options),
    CheckKey(check_key::Options),
}

impl Command {
    /// Does what the command says.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Command::Encrypt(options) => encrypt::run(options),
            Command::Decrypt(options) => decrypt::run(options),
            Command::CheckKey(options) => check_key::run(options),
        }
    }
}

/// Reads the command line. If it asks for help, prints that; if it is wrong,
/// says so. Either way the exit code is the error.
pub fn read() -> Result<Command, ExitCode> {
    let error = match CommandLine::try_parse() {
        Ok(line) => return Ok(line.command),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let printed = error.print();
            Err(printed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print(); // nowhere to say that standard error is closed
            Err(ExitCode::from(USAGE))
        }
        _ => {
            report::usage(&cause(&error), &hint(&error));
            Err(ExitCode::from(USAGE))
        }
    }
}

/// What is wrong, without any text that is not ours.
fn cause(error: &clap::Error) -> String {
    let argument = names(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => match suggestion(error) {
            Some(_) => format!(
                "unknown option {}",
                argument.split('=').next().unwrap_or("…")
            ),
            None => "unexpected argument `…`".to_owned(),
        },
        ErrorKind::InvalidSubcommand => "unknown command `…`".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("missing {argument}"),
        ErrorKind::ArgumentConflict => {
            let prior = names(error, ContextKind::PriorArg);
            if prior == argument {
                format!("{argument} is given more than once")
            } else {
                format!("{argument} does not go with {prior}")
            }
        }
        ErrorKind::InvalidValue => format!("{argument} needs a value"),
        ErrorKind::ValueValidation => match std::error::Error::source(error) {
            Some(source) => format!("the value of {argument}: {source}"),
            None => format!("the value of {argument} is not valid"),
        },
        kind => kind.as_str().unwrap_or("it is not valid").to_owned(),
    }
}

fn hint(error: &clap::Error) -> String {
    if let Some(suggestion) = suggestion(error) {
        return format!("there is {suggestion}");
    }
    let typed = std::env::args_os().nth(1);
    let line = CommandLine::command();
    let command = line
        .get_subcommands()
        .find(|known| typed.as_deref() == Some(known.get_name().as_ref()));
    match command {
        Some(command) => format!("see `lithos_crypt {} --help`", command.get_name()),
        None => "see `lithos_crypt --help`".to_owned(),
    }
}

/// What was nearly typed.
fn suggestion(error: &clap::Error) -> Option<String> {
    [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .map(|kind| names(error, kind))
        .find(|found| !found.is_empty())
}

/// The names that clap gives for this part of an error, in backquotes.
fn names(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(name)) => format!("`{name}`"),
        Some(ContextValue::Strings(names)) => {
            let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            quoted.join(", ")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }
}
