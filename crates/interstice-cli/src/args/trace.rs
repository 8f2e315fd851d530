//! What may stand behind `trace`.

use super::Scope;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Trace {
    /// Wait for transactions on a node, then tell what they did
    Record {
        /// Until there are so many
        #[arg(short = 'n', value_name = "N", default_value_t = 1_000)]
        count: u64,
        /// For so long at most, as in `500ms`, `10s`, `2m`
        #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
        time: Duration,
        #[command(flatten)]
        destination: Destination,
    },
    /// Tell what transactions in the log did
    Export {
        #[command(flatten)]
        scope: Scope,
        /// Of a data directory or a backup instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        #[command(flatten)]
        destination: Destination,
    },
}

/// How a trace is written, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Destination {
    /// The form; if this is left out, what the ending of `--out` says, else text
    #[arg(long, value_enum)]
    pub(crate) format: Option<TraceFormat>,
    /// Write it into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write over the file if it is there
    #[arg(long, requires = "out")]
    pub(crate) yes: bool,
}

/// The form of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// A line for each step, for people
    Text,
    /// Trace events, for `chrome://tracing`
    Chrome,
    /// Trace events, for ui.perfetto.dev
    Perfetto,
    /// A line for each stack with its fuel, for tools of flame graphs
    Folded,
    /// A flame graph: a picture that needs nothing else
    Flame,
    /// For speedscope.app
    Speedscope,
}
