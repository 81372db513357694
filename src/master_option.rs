//! The option by which every program that reads the master config is told where
//! it is.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::load::{self, Home};
use crate::problem::in_colour;

/// `-C`, `--config` or `--master`.
#[derive(Debug, Clone, clap::Args)]
pub struct MasterOption {
    /// The master config
    #[arg(
        short = 'C',
        long = "config",
        visible_alias = "master",
        global = true,
        value_name = "FILE",
        default_value = "/etc/lithos/master.yaml"
    )]
    pub config: PathBuf,
}

impl MasterOption {
    /// Reads the master config, or prints its problems: then the program ends with
    /// `failure`.
    pub fn home(&self, failure: ExitCode) -> Result<Home, ExitCode> {
        load::home(&self.config).map_err(|problems| {
            let colour = in_colour(&io::stderr());
            for problem in problems {
                eprintln!("{}", problem.render(colour));
            }
            failure
        })
    }
}
