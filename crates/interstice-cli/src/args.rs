//! What may stand on the command line.

use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
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
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// Compile a module project to WebAssembly, with its schema inside
    Build {
        /// The project
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Run a project's tests natively and by the compiled module, which must do the same at every step
    Test {
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
    Call(Invocation),
    /// Ask a query
    Query {
        #[command(flatten)]
        invocation: Invocation,
        /// Ask a data directory instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Ask with SQL: SELECT … FROM module.table [WHERE …] [ORDER BY …] [LIMIT …]
    Sql {
        /// The statement, `@file`, or `-` for stdin
        statement: String,
        /// Show how it is answered: by which index, what is looked at, what comes out
        #[arg(long)]
        explain: bool,
        /// Ask a data directory instead of a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
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
    /// Recorded transactions, run again
    #[command(subcommand)]
    Replay(Replay),
    /// Measure
    Bench(Bench),
}

/// A module, and how to publish it.
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// A project, which is built first, or a built `.wasm` file
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// Under another name than the crate's
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Give up data that the new version has no place for
    #[arg(long = "break")]
    pub(crate) may_break: bool,
    /// Do not ask before data is given up
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only show what it would do, tried on a copy of the node's state
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Save the types of the tables as they are published in `schema/vN.json`, and print the migrations that are still to be
    /// written
    New {
        /// The project
        #[arg(default_value = ".")]
        path: PathBuf,
        /// As they are in a data directory instead of on a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// What publishing would do, tried on a copy of the node's state; exit code 4 if it would be refused
    Plan(Publish),
    /// What publishing did to tables
    Status {
        /// Only to those of this module
        module: Option<String>,
        /// Look into a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Modules {
    /// All of them
    List,
    /// One of them, and all its versions
    Show {
        /// Its name
        module: String,
    },
    /// Publish a version that was published before, if the rows that there are fit it
    Rollback {
        /// Its name
        module: String,
        /// The offset at which it was published; the version before the one in force if this is left out
        #[arg(long, value_name = "OFFSET")]
        to: Option<u64>,
        /// Give up data that the former version has no place for
        #[arg(long = "break")]
        may_break: bool,
        /// Only show what it would do, tried on a copy of the node's state
        #[arg(long)]
        dry_run: bool,
    },
}

/// A function and its arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Invocation {
    /// module.function
    pub(crate) function: String,
    /// JSON values in order; a bare word where a string is wanted is taken as one
    #[arg(allow_negative_numbers = true, conflicts_with = "args")]
    pub(crate) values: Vec<String>,
    /// A JSON array or object, `@file.json`, or `-`: a JSON array on each line of stdin, one call each
    #[arg(long)]
    pub(crate) args: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schema {
    /// The schema of a module on a node, of a project, a `.wasm` file, or in a data directory
    Show {
        /// A module's name, a project, or a `.wasm` file
        what: String,
        /// Look into a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// What differs between two schemas, and what publishing the second one over the first takes
    ///
    /// Each is a project, a `.wasm` file, a schema in a `.json` file, a module on the node (`chat`), in a data directory or a
    /// backup (`DIR:chat`), or as it was at an offset (`chat@1200`, `DIR:chat@1200`).
    Diff {
        /// As it was
        old: String,
        /// As it is to be
        new: String,
        /// Exit with 4 if there is a difference
        #[arg(long)]
        exit_code: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bindings {
    /// Write `bindings/MODULE.json`, which `import!` reads
    Add {
        /// The other module's name, its project, or its `.wasm` file
        module: String,
        /// The project that imports it
        #[arg(long, value_name = "DIR", default_value = ".")]
        path: PathBuf,
        /// Look into a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

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
    /// Run every transaction again and compare; exit code 4 if one comes out otherwise
    Check {
        /// Read a data directory instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

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
}
