//! What may stand on the command line.

mod bench;
mod graph;
mod history;
mod logs;
mod looking;
mod modules;
mod testing;
mod trace;

pub(crate) use bench::{Bench, Layer, Scenario};
pub(crate) use graph::{Graph, GraphFormat, Kind};
pub(crate) use history::{At, Backup, Filters, Log, Otherwise, Replay, Schedule, Scope, Snapshot};
pub(crate) use logs::{LineLevel, Logs};
pub(crate) use looking::{Inspect, Validate};
pub(crate) use modules::{Bindings, Invocation, Migrate, Modules, Publish, Schema};
pub(crate) use testing::{FromLog, TestCommand};
pub(crate) use trace::{Destination, Trace, TraceFormat};

use crate::telling::{Levels, LogFormat};
use crate::template::Template;
use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;

/// A database that runs its application.
#[derive(Debug, Parser)]
#[command(name = "interstice", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Args {
    /// How results are written to stdout
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// The node to talk to
    #[arg(long, global = true, env = "INTERSTICE_SERVER", value_name = "URL", default_value = "http://127.0.0.1:7070")]
    pub(crate) server: String,
    /// Act as the local development identity of this name
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(crate) act_as: Option<String>,
    /// No notes on stderr, only errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// What is said on stderr of the command's and the node's own work: `error`, `warn`, `info`, `debug`, `trace` or `off`; or of parts of
    /// it, as in `warn,interstice_server=debug`
    #[arg(long, global = true, env = "INTERSTICE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: Levels,
    /// How that is written
    #[arg(long, global = true, env = "INTERSTICE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What becomes of data that an edit of `dev` has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnBreak {
    /// Ask, if there is a terminal; else say what can be done, and keep them
    Ask,
    /// Save the types as they were, and show the migration that is to be written
    Migrate,
    /// Run history through the new code into new data; the old ones are kept aside
    Replay,
    /// Begin anew; the old data are kept aside
    Wipe,
    /// Keep the version that is in force
    Keep,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One document
    Json,
    /// One document a line
    Jsonl,
    /// One document
    Yaml,
    /// Lists: a line with the names, then one a line
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a module project, which builds and passes its tests
    New {
        /// Where: a directory that is not there yet, or empty. Its name is the crate's, and with `_` for `-` the module's
        #[arg(value_name = "NAME")]
        path: PathBuf,
        /// What is in it to begin with
        #[arg(long, value_enum, default_value_t = Template::Hello)]
        template: Template,
        /// The directory of the crate `interstice-sdk`; the source tree that this command was built from, if this is left out
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
    /// Compile a module project to WebAssembly, with its schema inside
    Build {
        /// The project
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Run a project's tests natively and by the compiled module, which must do the same at every step
    #[command(args_conflicts_with_subcommands = true)]
    Test {
        #[command(subcommand)]
        from_log: Option<TestCommand>,
        /// The project
        #[arg(default_value = ".")]
        path: PathBuf,
        /// For `cargo test`, as in `-- --release my_test`
        #[arg(last = true, value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Build, start a node, publish, and show what commits
    Dev {
        /// The projects
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Make the demonstration call and query, re-execute the log, and end
        #[arg(long)]
        once: bool,
        /// Where the node keeps its data
        #[arg(long, value_name = "DIR", default_value = ".interstice")]
        data: PathBuf,
        /// What becomes of data that an edit has no place for
        #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnBreak::Ask)]
        on_break: OnBreak,
        /// Where the node listens
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
        listen: SocketAddr,
    },
    /// Run a node
    Start {
        /// Where it keeps its data
        #[arg(long, value_name = "DIR", default_value = ".interstice")]
        data: PathBuf,
        /// Keep nothing: all data is gone when the node ends
        #[arg(long, conflicts_with = "data")]
        memory: bool,
        /// Where it listens
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
        listen: SocketAddr,
        /// Run one transaction of N again beside the node, and raise an alarm if it comes out otherwise
        #[arg(long, value_name = "1/N", value_parser = share)]
        verify: Option<NonZero<u64>>,
    },
    /// Whether the node answers
    Ready {
        /// How long to wait for it, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
        wait: f64,
    },
    /// What the node has and does
    Status,
    /// Bring a module in force
    Publish(Publish),
    /// Rows whose form changes from one version to the next
    #[command(subcommand)]
    Migrate(Migrate),
    /// Modules in force
    #[command(subcommand)]
    Modules(Modules),
    /// Call a reducer
    Call {
        #[command(flatten)]
        invocation: Invocation,
        /// Tell what it did, step by step, with the fuel that each step burnt: it is run again here, on the node's files
        #[arg(long)]
        trace: bool,
    },
    /// Ask a query
    Query {
        #[command(flatten)]
        invocation: Invocation,
        #[command(flatten)]
        at: At,
    },
    /// Ask with SQL: SELECT … FROM module.table [WHERE …] [ORDER BY …] [LIMIT …]
    Sql {
        /// The statement, `@file`, or `-` for stdin
        statement: String,
        /// Show how it is answered: by which index, what is looked at, what comes out
        #[arg(long)]
        explain: bool,
        #[command(flatten)]
        at: At,
    },
    /// Print changes of rows as they commit, or the answers of a query
    Subscribe {
        /// SELECT … FROM module.table [WHERE …]; of a query, its arguments as JSON values
        #[arg(allow_negative_numbers = true, required_unless_present = "query")]
        words: Vec<String>,
        /// Print the answer of this query, and again whenever it is another one
        #[arg(long, value_name = "MODULE.QUERY")]
        query: Option<String>,
        /// Print the rows that are there first
        #[arg(long, conflicts_with = "query")]
        initial: bool,
        /// End after so many updates
        #[arg(short = 'n', value_name = "N")]
        count: Option<u64>,
    },
    /// Schemas
    #[command(subcommand)]
    Schema(Schema),
    /// All that is wrong with an artefact, without a node; exit code 4 if something is
    Validate(Validate),
    /// What a file is, and what is in it; exit code 4 if it is damaged
    Inspect(Inspect),
    /// What a project knows of other modules
    #[command(subcommand)]
    Bindings(Bindings),
    /// The transaction log
    #[command(subcommand)]
    Log(Log),
    /// States at an offset, made of the log, that recovery begins with
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// What runs at a time of its own
    #[command(subcommand)]
    Schedule(Schedule),
    /// The log, its snapshots and settings, kept elsewhere
    #[command(subcommand)]
    Backup(Backup),
    /// Write a backup into a new data directory, which goes on as another history
    Restore {
        /// The backup: a file `….json` in a directory of backups
        file: PathBuf,
        /// The new data directory; it is not there yet, or empty
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only what was committed before: the offset behind the last
        #[arg(long, value_name = "OFFSET")]
        to: Option<u64>,
    },
    /// Every change of a row: when, by whom, through what call
    History {
        /// The table
        #[arg(value_name = "MODULE.TABLE")]
        table: String,
        /// The primary key of the row; a list for a key of several columns
        #[arg(allow_negative_numbers = true)]
        key: String,
        /// So many of the newest at most; a thousand, if this is left out
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Of a data directory or a backup instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// The first transaction at which the answer to a statement becomes another one; exit code 4 if there is one
    Bisect {
        /// SELECT … FROM module.table [WHERE …]
        statement: String,
        #[command(flatten)]
        scope: Scope,
        /// Of a data directory or a backup instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Write the state of a moment into a new data directory, which goes on as another history
    Fork {
        /// The offset of the last transaction in it, a time, or `head`
        #[arg(long, value_name = "OFFSET|TIME")]
        at: String,
        /// The new data directory; it is not there yet, or empty
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Take all of the log along, not only what comes behind the newest snapshot
        #[arg(long)]
        whole: bool,
        /// Of a data directory or a backup instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Recorded transactions, run again
    #[command(subcommand)]
    Replay(Replay),
    /// Lines that functions logged, each with the offset of its transaction
    Logs(Logs),
    /// What transactions did, step by step, with fuel as the clock
    #[command(subcommand)]
    Trace(Trace),
    /// What the database is made of and what of it causes what, as a graph
    Graph(Graph),
    /// Measure
    Bench(Bench),
}

/// `1/N`
fn share(text: &str) -> Result<NonZero<u64>, String> {
    let share = text.strip_prefix("1/").and_then(|number| number.parse().ok());
    share.ok_or_else(|| "write `1/N`, as in `1/16`: one transaction of so many; `1/1` is every one".to_owned())
}
