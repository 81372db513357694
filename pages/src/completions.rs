//! Completions, where each shell looks for them.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::{Shell, generate_to};

/// Where below `share` a shell finds the completions of a program, and under which name.
/// Each shell loads a program's when it is first asked to complete it.
const PLACES: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions"),
    (Shell::Zsh, "zsh/site-functions"),
    (Shell::Fish, "fish/vendor_completions.d"),
];

/// Writes the completions of one program.
pub fn write(command: &Command, share: &Path) -> io::Result<()> {
    let name = command.get_name();
    let mut command = visible(command);
    for (shell, place) in PLACES {
        let directory = share.join(place);
        fs::create_dir_all(&directory)?;
        let written = generate_to(shell, &mut command, name, &directory)?;
        if shell == Shell::Bash {
            // bash-completion looks for the bare name of the program.
            fs::rename(written, directory.join(name))?;
        }
    }
    Ok(())
}

/// The command without its hidden subcommands, which completions would offer all the same.
/// What they do not show of it is left out.
fn visible(command: &Command) -> Command {
    let subcommands = command.get_subcommands();
    let shown = subcommands.filter(|command| !command.is_hide_set());
    // A name must live as long as the program, which is short.
    let name: &'static str = command.get_name().to_owned().leak();
    Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments())
        .subcommands(shown)
}
