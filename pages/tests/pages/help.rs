//! What is said by the text of a help, read as a person would.

use std::collections::BTreeSet;

use clap::Command;

/// The flags and commands that a help lists.
pub struct Words {
    /// With their dashes: `-C`, `--config`, and their aliases.
    pub flags: BTreeSet<String>,
    pub commands: BTreeSet<String>,
}

impl Words {
    pub fn of(definition: &Command) -> Self {
        let help = definition.clone().render_long_help().to_string();
        let mut words = Self {
            flags: BTreeSet::new(),
            commands: BTreeSet::new(),
        };
        let mut heading = "";
        for line in help.lines() {
            if !line.starts_with(' ') && line.ends_with(':') {
                heading = line;
            }
            let text = line.trim();
            if let Some((_, aliases)) = text
                .split_once("[aliases: ")
                .or(text.split_once("[short aliases: "))
            {
                words.flags.extend(flags(aliases.trim_end_matches(']')));
            }
            if text.starts_with('-') && heading != "Commands:" {
                // What the flag is comes after two spaces, or in the next line.
                words.flags.extend(flags(text.split("  ").next().unwrap()));
            }
            let indent = line.len() - line.trim_start().len();
            if heading == "Commands:" && indent == 2 {
                let command = text.split_whitespace().next().unwrap();
                words.commands.insert(command.to_owned());
            }
        }
        words.commands.remove("help");
        assert!(words.flags.contains("--help"), "{help}");
        words
    }
}

fn flags(text: &str) -> impl Iterator<Item = String> {
    let words = text.split([' ', ',', '=', '[']);
    words
        .filter(|word| word.starts_with('-'))
        .map(str::to_owned)
}
