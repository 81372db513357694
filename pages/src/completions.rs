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
    for (shell, place) in PLACES {
        let directory = share.join(place);
        fs::create_dir_all(&directory)?;
        let written = generate_to(shell, &mut command.clone(), name, &directory)?;
        if shell == Shell::Bash {
            // bash-completion looks for the bare name of the program.
            fs::rename(written, directory.join(name))?;
        }
    }
    Ok(())
}
