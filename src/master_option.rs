//! The option by which every program that reads the master config is told where
//! it is.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::load::{self, Home};

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
    /// Reads the master config. Its problems are printed; the program ends with
    /// what is returned then.
    pub fn home(&self) -> Result<Home, ExitCode> {
        load::home(&self.config).map_err(|problems| {
            for problem in problems {
                eprintln!("{}", problem.render(false));
            }
            ExitCode::FAILURE
        })
    }
}
