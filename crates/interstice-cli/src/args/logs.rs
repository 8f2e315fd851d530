//! What may stand behind `logs`.

use clap::ValueEnum;
use std::path::PathBuf;

/// Which lines.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Go on with those that are still to come
    #[arg(short, long, conflicts_with_all = ["to", "data"])]
    pub(crate) follow: bool,
    /// Of this module
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// Of this function
    #[arg(long, value_name = "MODULE.FUNCTION")]
    pub(crate) function: Option<String>,
    /// Of this level, or worse
    #[arg(long, value_enum, default_value_t = LineLevel::Debug)]
    pub(crate) level: LineLevel,
    /// Of transactions from this offset on; those whose lines the node keeps no more are run again
    #[arg(long, value_name = "OFFSET")]
    pub(crate) from: Option<u64>,
    /// Of transactions before this offset
    #[arg(long, value_name = "OFFSET")]
    pub(crate) to: Option<u64>,
    /// Not earlier than this time, as in 2026-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// So many at most of those that there are, the last
    #[arg(short = 'n', value_name = "N")]
    pub(crate) count: Option<usize>,
    /// Run the transactions of a data directory or a backup again instead of asking a node
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// How much a line matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LineLevel {
    /// Something failed
    Error,
    /// Something is odd
    Warn,
    /// Something happened
    Info,
    /// For whoever looks closely
    Debug,
}
