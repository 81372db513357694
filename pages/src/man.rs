//! Man pages, one for each program and one for each of its commands.
//!
//! Name, synopsis, description and options are as clap_mangen has them. What a program
//! says after its help, in paragraphs that begin with `Heading:`, becomes sections.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Arg, Command};
use clap_mangen::Man;
use roff::{Roff, bold, roman};

/// Writes the pages of one program below `man`; `all` are the programs it belongs to.
pub fn write(command: &Command, all: &[Command], man: &Path) -> io::Result<()> {
    let section = section(command.get_name());
    let directory = man.join(format!("man{section}"));
    fs::create_dir_all(&directory)?;
    // A page for `help` would say nothing.
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    for page in pages(&command) {
        let name = display_name(page);
        let file = directory.join(format!("{name}.{section}"));
        let mut text = Vec::new();
        render(page, &command, all, &mut text)?;
        fs::write(file, text)?;
    }
    Ok(())
}

/// The manual's section: 8 for those that only root has a use for.
fn section(program: &str) -> &'static str {
    match program {
        "lithos_crypt" | "lithos_check" => "1",
        _ => "8",
    }
}

/// The program itself, and its commands.
fn pages(command: &Command) -> Vec<&Command> {
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    [command].into_iter().chain(shown.flat_map(pages)).collect()
}

fn display_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

/// With its other names said, as `--help` does and clap_mangen does not.
fn with_aliases(arg: Arg) -> Arg {
    let long = arg.get_visible_aliases().unwrap_or_default();
    let short = arg.get_visible_short_aliases().unwrap_or_default();
    let names: Vec<String> = (short.iter().map(|name| format!("-{name}")))
        .chain(long.iter().map(|name| format!("--{name}")))
        .collect();
    if names.is_empty() {
        return arg;
    }
    let help = arg.get_long_help().or(arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let aliases = names.join(", ");
    arg.long_help(format!("{help} [aliases: {aliases}]"))
}

fn render(
    page: &Command,
    program: &Command,
    all: &[Command],
    out: &mut dyn Write,
) -> io::Result<()> {
    let section = section(program.get_name());
    let version = program.get_version().unwrap_or_default();
    let man = Man::new(page.clone().mut_args(with_aliases)).section(section);
    // Without a date, so that the same source always gives the same page; clap_mangen
    // would put the version in its place.
    let title = display_name(page).to_uppercase();
    writeln!(
        out,
        ".TH {title} {section} \"\" \"lithos {version}\" \"lithos\""
    )?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if page.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(out)?;
    }
    let said = page.get_after_long_help().or(page.get_after_help());
    let said = said.map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for paragraph in said.split("\n\n").filter(|text| !text.trim().is_empty()) {
        remark(paragraph, &mut roff);
    }
    see_also(page, program, all, &mut roff);
    roff.to_writer(out)
}

/// A section of `Heading: text`. Examples are shown as they are.
fn remark(paragraph: &str, roff: &mut Roff) {
    let (heading, text) = paragraph.split_once(':').unwrap_or(("Notes", paragraph));
    match heading {
        "Example" | "Examples" => {
            roff.control("SH", ["EXAMPLES"]);
            roff.control("nf", []);
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                roff.text([roman(line)]);
            }
            roff.control("fi", []);
        }
        "Exit codes" => section_of("EXIT STATUS", text, roff),
        _ => section_of(&heading.to_uppercase(), text, roff),
    }
}

fn section_of(heading: &str, text: &str, roff: &mut Roff) {
    roff.control("SH", [heading]);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        roff.text([roman(line)]);
    }
}

/// The program that a command is of, and the other programs.
fn see_also(page: &Command, program: &Command, all: &[Command], roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    let others = all
        .iter()
        .map(Command::get_name)
        .filter(|&name| name != display_name(page));
    let mut inlines = Vec::new();
    for name in
        others.filter(|&name| page.get_name() == program.get_name() || name == program.get_name())
    {
        if !inlines.is_empty() {
            inlines.push(roman(", "));
        }
        inlines.extend([bold(name), roman(format!("({})", section(name)))]);
    }
    roff.text(inlines);
}
