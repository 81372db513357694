//! `lithos_ctl audit`: the secrets by their last use, as the audit log has it
//! ([`crate::audit`]). No supervisor is needed.

use std::io::{self, Write};

use super::error::CtlError;
use crate::audit::reading::{Use, Uses, read};
use crate::problem::legible;
use crate::ps::aligned;
use crate::resolve::paths::Home;
use crate::selection::Selection;

/// What is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The secret that was delivered last comes first. Values are in no log; VALUE is the third\n\
                  column of the token, which is the same for the same value.\n\n\
                  Example: lithos_ctl audit shop/web"
)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only of these containers, and of commands of that name; without it of all
    #[arg(value_name = "NAME")]
    name: Option<Selection>,
}

/// Shows it.
pub fn run(home: &Home, options: &Options) -> Result<(), CtlError> {
    let path = home.audit_log();
    let name = options.name.as_ref();
    let uses = read(&path, |container| {
        name.is_none_or(|name| name.concerns(container))
    });
    let uses = uses.map_err(|err| CtlError::Log(path.clone(), err))?;
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, &uses).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        for line in table(&uses.secrets) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        warn(&uses);
    }
    Ok(out.flush()?)
}

/// That the table may not be all.
fn warn(uses: &Uses) {
    for gap in &uses.gaps {
        let (time, container, why) = (&gap.time, &gap.container, legible(&gap.gap, 200));
        eprintln!("warning: lines of {container} are missing, {time}: {why}");
    }
    if uses.unreadable_lines > 0 {
        let lines = uses.unreadable_lines;
        eprintln!("warning: {lines} lines of the log cannot be read");
    }
    for file in &uses.left_out {
        let file = file.display();
        eprintln!("warning: {file} is compressed, and was not read");
    }
}

const HEAD: [&str; 8] = [
    "LAST DELIVERED",
    "TIMES",
    "CONTAINER",
    "SECRET",
    "DELIVERY",
    "NAMESPACE",
    "VALUE",
    "LAST OUTCOME",
];

fn table(uses: &[Use]) -> Vec<String> {
    let head = HEAD.map(str::to_owned).to_vec();
    let rows = uses.iter().map(|of| row(of).to_vec());
    aligned([head].into_iter().chain(rows).collect())
}

fn row(of: &Use) -> [String; 8] {
    let line = &of.last;
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let delivery = match &line.path {
        Some(path) => format!("template {}", legible(path, 200)),
        None => line.delivery.to_string(),
    };
    let namespace = match (&line.namespace, &line.namespace_hash) {
        (Some(name), _) if name.is_empty() => "\"\"".to_owned(),
        (Some(name), _) => name.clone(),
        (None, hash) => or_dash(hash),
    };
    [
        or_dash(&of.last_delivered),
        of.deliveries.to_string(),
        line.container.to_string(),
        legible(&line.secret, 200),
        delivery,
        namespace,
        or_dash(&line.secret_hash),
        line.outcome.clone(),
    ]
}
