//! The option by which every program that reads the master config is told where
//! it is.

use std::path::PathBuf;

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
