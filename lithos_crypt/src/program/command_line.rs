//! The command line as typed, and what is said when it is wrong.
//!
//! An argument that is not understood may be a secret in the wrong place, so
//! usage errors are written here: clap's own would show it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::failure::Failure;
use super::{
    bundle, check, check_key, decrypt, diff, edit, editor, encrypt, exec, firstboot, get,
    git_setup, history, inspect, keygen, ls, merge, rekey, report, rm, rollback, set, share,
    textconv, who_can_read,
};

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

Below a directory all files *.yaml and *.yml are meant, hidden ones and symbolic
links to others there too. `.git` is not, nor what is behind links to elsewhere.

Exit codes: 0 done, 1 failed, 2 wrong usage";

/// The commands by purpose, in the order in which help shows them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Seal", &["keygen", "encrypt", "set"]),
    (
        "Look",
        &[
            "ls",
            "inspect",
            "diff",
            "history",
            "who-can-read",
            "check",
            "check-key",
            "verify",
            "get",
            "exec",
            "decrypt",
        ],
    ),
    ("Change", &["edit", "rm", "rollback"]),
    (
        "Share",
        &["rekey", "grant", "revoke", "export", "import", "firstboot"],
    ),
    ("Git", &["git-setup", "textconv", "merge"]),
];

/// Of each command its name, its options and what does it.
macro_rules! commands {
    ($($name:literal $variant:ident($options:ty) $run:path,)*) => {
        /// One command with its options.
        #[derive(Subcommand)]
        pub enum Command {
            $(#[command(name = $name)] $variant($options),)*
        }

        impl Command {
            /// Does what the command says.
            pub fn run(self) -> Result<(), Failure> {
                match self {
                    $(Self::$variant(options) => $run(options),)*
                }
            }

            /// The definition of the options of the command of this name.
            fn definition(name: &str) -> Option<clap::Command> {
                match name {
                    $($name => Some(<$options>::augment_args(clap::Command::new($name))),)*
                    _ => None,
                }
            }
        }
    };
}

commands! {
    "keygen" Keygen(keygen::Options) keygen::run,
    "encrypt" Encrypt(encrypt::Options) encrypt::run,
    "set" Set(set::Options) set::run,
    "ls" Ls(ls::Options) ls::run,
    "inspect" Inspect(inspect::Options) inspect::run,
    "diff" Diff(diff::Options) diff::run,
    "history" History(history::Options) history::run,
    "who-can-read" WhoCanRead(who_can_read::Options) who_can_read::run,
    "check" Check(check::Options) check::run,
    "check-key" CheckKey(check_key::Options) check_key::run,
    "verify" Verify(check::VerifyOptions) check::run_verify,
    "get" Get(get::Options) get::run,
    "exec" Exec(exec::Options) exec::run,
    "decrypt" Decrypt(decrypt::Options) decrypt::run,
    "edit" Edit(edit::Options) edit::run,
    "edit-guard" EditGuard(editor::GuardOptions) editor::run_guard,
    "rm" Rm(rm::Options) rm::run,
    "rollback" Rollback(rollback::Options) rollback::run,
    "rekey" Rekey(rekey::Options) rekey::run,
    "grant" Grant(share::GrantOptions) share::run_grant,
    "revoke" Revoke(share::RevokeOptions) share::run_revoke,
    "export" Export(bundle::ExportOptions) bundle::run_export,
    "import" Import(bundle::ImportOptions) bundle::run_import,
    "firstboot" Firstboot(firstboot::Options) firstboot::run,
    "git-setup" GitSetup(git_setup::Options) git_setup::run,
    "textconv" Textconv(textconv::Options) textconv::run,
    "merge" Merge(merge::Options) merge::run,
}

/// The definition of the command line, for completions and manual pages.
pub fn command() -> clap::Command {
    let command = CommandLine::command();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}\nOptions:\n{{options}}{{after-help}}",
        grouped(&command)
    );
    command.help_template(template)
}

/// The commands by purpose, each with the first line of its help.
fn grouped(command: &clap::Command) -> String {
    let mut text = String::new();
    for (purpose, names) in GROUPS {
        text += &format!("\n{purpose}:\n");
        for name in *names {
            let about = command
                .find_subcommand(name)
                .and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text += &format!("  {name:<13} {about}\n");
        }
    }
    text
}

/// Reads the command line. If it asks for help, prints that; if it is wrong,
/// says so. Either way the exit code is the error.
pub fn read() -> Result<Command, ExitCode> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    if let Some(command) = at_once(&typed) {
        return Ok(command);
    }
    let parsed = command().try_get_matches_from(typed);
    let parsed = parsed.and_then(|matches| CommandLine::from_arg_matches(&matches));
    let error = match parsed {
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

/// The command, if it is typed as it should be: its own definition is all that is needed
/// then, and those of all commands take as long as to seal a secret.
fn at_once(typed: &[OsString]) -> Option<Command> {
    let definition = Command::definition(typed.get(1)?.to_str()?)?;
    let line = clap::Command::new("lithos_crypt").subcommand(definition);
    let matches = line.try_get_matches_from(typed).ok()?;
    Command::from_arg_matches(&matches).ok()
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
        command().debug_assert();
    }

    #[test]
    fn each_command_is_defined_alike_by_itself() {
        for whole in command().get_subcommands() {
            let alone = Command::definition(whole.get_name()).unwrap();
            let shown = |command: &clap::Command| command.clone().render_long_help().to_string();
            assert_eq!(shown(&alone), shown(whole));
        }
        assert!(Command::definition("help").is_none());
    }

    #[test]
    fn what_is_not_as_it_should_be_is_not_taken_at_once() {
        let taken = |line: &str| {
            let typed: Vec<_> = line.split(' ').map(OsString::from).collect();
            at_once(&typed).is_some()
        };
        assert!(taken("lithos_crypt encrypt -n shop -k key.pub"));
        for line in [
            "lithos_crypt",
            "lithos_crypt --version",
            "lithos_crypt help encrypt",
            "lithos_crypt encrypt --help",
            "lithos_crypt encrypt -n",
            "lithos_crypt encrypt --no-such-option",
            "lithos_crypt encrpyt -n shop",
        ] {
            assert!(!taken(line), "{line}");
        }
    }

    #[test]
    fn every_command_has_its_purpose_and_an_example() {
        for subcommand in command().get_subcommands() {
            let name = subcommand.get_name();
            let times = GROUPS
                .iter()
                .flat_map(|(_, names)| *names)
                .filter(|n| **n == name)
                .count();
            let shown = usize::from(!subcommand.is_hide_set());
            assert_eq!(times, shown, "{name}");
            let example = subcommand.get_after_help().map(ToString::to_string);
            assert!(
                example.is_some_and(|text| text.contains("lithos_crypt ")),
                "{name}"
            );
        }
    }
}
