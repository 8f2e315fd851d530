//! What may stand behind the commands that look at files.

use std::path::PathBuf;

/// An artefact to be looked at for what is wrong with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// A `.wasm` file, or a project, which is built first
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
}

/// A file to be looked into.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// An artefact, a segment of a log, a snapshot, `durable.mark`, `node.json`, a manifest of a backup, a schema; or a data directory
    pub(crate) path: PathBuf,
}
