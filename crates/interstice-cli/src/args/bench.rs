//! What may stand behind `bench`.

use clap::ValueEnum;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum, default_value_t = Scenario::Transfer)]
    pub(crate) scenario: Scenario,
    /// The built bank module; the example is built if this is left out
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// How long each measurement takes, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(crate) duration: f64,
    /// Only this layer, once and on one thread: for profilers
    #[arg(long, value_enum, value_name = "LAYER")]
    pub(crate) layer: Option<Layer>,
    /// So many transfers, however long they take
    #[arg(long, value_name = "N", requires = "layer", conflicts_with = "duration")]
    pub(crate) transfers: Option<u64>,
    /// Where the durable node keeps its data meanwhile; a directory that is not there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// A layer that is measured without a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    /// A `BTreeMap` of structs
    Plain,
    /// The store alone
    Store,
    /// The engine with the module
    Wasm,
    /// Recovery of logged transfers
    Recovery,
}

impl Layer {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Store, Self::Wasm, Self::Recovery];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Two-row transfers between 100,000 accounts, layer by layer
    Transfer,
    /// The log beside the disk alone, recovery, verification, a start on a million rows, writes beside a snapshot
    Log,
    /// Transactions run again beside the pace at which they are made
    History,
    /// What it costs to record cause, host calls and digest, each left out
    #[cfg(feature = "unrecorded")]
    Recording,
}
