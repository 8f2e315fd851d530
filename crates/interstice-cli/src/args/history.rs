//! What may stand behind the commands that are about what was and what is to come: log, snapshots, backups, replay, schedules.

use clap::{Subcommand, ValueEnum};
use interstice_wasm::wasm_engine::WasmEngine;
use std::num::NonZero;
use std::path::PathBuf;

/// Which transactions: those that everything given holds for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Filters {
    /// The first offset
    #[arg(long, value_name = "OFFSET")]
    pub(crate) from: Option<u64>,
    /// The offset behind the last
    #[arg(long, value_name = "OFFSET")]
    pub(crate) to: Option<u64>,
    /// Not earlier than this time, as in 2026-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Not later than this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Of this module: published, ran, or a table of it was changed
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// Changed this table
    #[arg(long, value_name = "MODULE.TABLE")]
    pub(crate) table: Option<String>,
    /// Changed the row of the table with this primary key; a list for a key of several columns
    #[arg(long, requires = "table", allow_negative_numbers = true)]
    pub(crate) key: Option<String>,
    /// Ran this function
    #[arg(long, value_name = "MODULE.FUNCTION")]
    pub(crate) function: Option<String>,
    /// Called by this identity: the first digits of its hex, eight at least, or the name of a local one
    #[arg(long, value_name = "IDENTITY")]
    pub(crate) caller: Option<String>,
    /// Came about by this: call, event, schedule, connect, disconnect, publish, control, configure, genesis, loss
    #[arg(long)]
    pub(crate) cause: Option<String>,
    /// Ended like this: ok, rejected, trapped
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// So many at most
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// One transaction with all that it records
    Inspect {
        /// Its offset
        offset: u64,
        /// Read a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Transactions with their rows
    Dump {
        #[command(flatten)]
        filters: Box<Filters>,
        /// Read a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Transactions in whose telling a pattern is found
    Grep {
        /// A regular expression, looked for in the line that `log dump -o jsonl` prints
        pattern: String,
        #[command(flatten)]
        filters: Box<Filters>,
        /// Read a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// What transactions are made of: by function, by table, and where the bytes go
    Stats {
        #[command(flatten)]
        filters: Box<Filters>,
        /// Read a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Write what can be gone on with of a damaged log into a new data directory; nothing is changed in place
    Repair {
        /// The damaged data directory, on which no node runs
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The new data directory
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Give up what the plan says
        #[arg(long)]
        yes: bool,
        /// Only show the plan
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
    },
    /// Check every byte; exit code 4 if something is wrong
    Verify {
        /// Read a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Bring the index up to date that finds the history of a row; a node does that by itself
    Index {
        /// The data directory, on which no node runs
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Throw away what there is and make all of it again
        #[arg(long)]
        rebuild: bool,
        /// Make every part again and compare; exit code 4 if one is not what the log says
        #[arg(long)]
        verify: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Make one now, at the end of the log
    Create {
        /// In a data directory on which no node runs
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Those that there are
    List {
        /// In a data directory instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Check every byte of them; exit code 4 if one is damaged
    Verify {
        /// In a data directory instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Those that have still to run, the next first
    List {
        /// Only those of this module
        #[arg(long)]
        module: Option<String>,
        /// So many at most
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
        /// Look into a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Have one run now
    Run {
        /// Its number
        id: u64,
    },
    /// Keep one from running until it is resumed
    Pause {
        /// Its number
        id: u64,
    },
    /// Let one run again that was paused
    Resume {
        /// Its number
        id: u64,
    },
    /// Take one away that a reducer made
    Cancel {
        /// Its number
        id: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Make one; what the directory has already is not copied again
    Create {
        /// The directory of backups, made if it is not there
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Of a data directory instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Those that there are
    List {
        /// The directory of backups
        dir: PathBuf,
    },
    /// Check every byte of them; exit code 4 if something is wrong
    Verify {
        /// The directory of backups, or one backup in it
        path: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Replay {
    /// Run every transaction again and compare; exit code 4 if one comes out otherwise. With `--module`, `--drop` or `--set-args`: what
    /// would have been
    Check {
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        otherwise: Otherwise,
        /// Each call in an instance of its own: by default one transaction of 64 is run in one too, and each that comes out otherwise
        #[arg(long)]
        fresh: bool,
        /// Threads that run transactions; as many as there are processors, if this is left out
        #[arg(long, value_name = "N")]
        jobs: Option<NonZero<usize>>,
        /// What runs the code of modules
        #[arg(long, value_name = "ENGINE", value_enum, default_value_t = Engine::Wasmtime)]
        engine: Engine,
        /// Read a data directory or a backup instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Go through history step by step in both directions: causes, changes, host calls, tables as they were
    Debug {
        /// Where to begin: an offset, a time or `head`; with `--from` there, else at the last transaction
        #[arg(long, value_name = "OFFSET|TIME")]
        at: Option<String>,
        #[command(flatten)]
        scope: Scope,
        /// Commands, one a line, from a file or stdin (`-`), instead of keys; the command `help` says which there are
        #[arg(long, value_name = "FILE|-", allow_hyphen_values = true)]
        script: Option<String>,
        /// Read a data directory or a backup instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Rebuild everything up to an offset from the log, in a new data directory
    Run {
        /// The offset behind the last
        #[arg(long, value_name = "OFFSET")]
        to: u64,
        /// The new data directory; it is not there yet, or empty
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// From a data directory or a backup instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

/// What runs the code of modules when history is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// What nodes run
    Wasmtime,
    /// An interpreter by others; its fuel is another, and not compared
    Wasmi,
}

impl From<Engine> for WasmEngine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Wasmtime => Self::Wasmtime,
            Engine::Wasmi => Self::Wasmi,
        }
    }
}

/// What is to be otherwise than it was.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Otherwise {
    /// Run history through this code of its module: an artefact, or a project, which is built first
    #[arg(long, value_name = "PATH", conflicts_with_all = ["fresh", "jobs", "engine"])]
    pub(crate) module: Option<PathBuf>,
    /// As if the transaction at this offset had not been
    #[arg(long, value_name = "OFFSET", conflicts_with_all = ["fresh", "jobs", "engine"])]
    pub(crate) drop: Vec<u64>,
    /// As if the call at this offset had had these arguments, as in `12=["a",5]`
    #[arg(long, value_name = "OFFSET=JSON", conflicts_with_all = ["fresh", "jobs", "engine"])]
    pub(crate) set_args: Vec<String>,
}

/// What is asked, and of when.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct At {
    /// As it was behind the transaction at this offset, or behind the last one that is not later than this time
    #[arg(long, value_name = "OFFSET|TIME")]
    pub(crate) at: Option<String>,
    /// Ask a data directory or a backup instead of a node
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// A stretch of history.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Scope {
    /// The first offset
    #[arg(long, value_name = "OFFSET")]
    pub(crate) from: Option<u64>,
    /// The offset behind the last
    #[arg(long, value_name = "OFFSET")]
    pub(crate) to: Option<u64>,
}
