//! What may stand behind `test`.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum TestCommand {
    /// Write a test into a project that does transactions of a log again and compares what they come to
    ///
    /// Two files are written, `tests/NAME.rs` and `tests/NAME.json`: the test, and what was recorded, which can be corrected
    /// where it was wrong. Nothing is written over.
    FromLog(FromLog),
}

/// Which transactions, and where the test goes.
#[derive(Debug, clap::Args)]
pub(crate) struct FromLog {
    /// The project of their module
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// The first offset
    #[arg(long, value_name = "OFFSET")]
    pub(crate) from: u64,
    /// The offset behind the last
    #[arg(long, value_name = "OFFSET")]
    pub(crate) to: u64,
    /// Look into a data directory or a backup instead of asking a node
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What the test is called; `from_log_A_B` if this is left out
    #[arg(long)]
    pub(crate) name: Option<String>,
}
