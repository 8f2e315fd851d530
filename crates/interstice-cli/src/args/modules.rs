//! What may stand behind the commands that are about modules: publishing, calling, schemas.

use clap::Subcommand;
use std::path::PathBuf;

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
    /// Publish nothing if event reducers would set each other going; exit code 4
    #[arg(long)]
    pub(crate) deny_cycles: bool,
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
    /// Every version that was published of a module, or of one of its tables: when, by whom, and what it changed
    History {
        /// A module, or `module.table`
        what: String,
        /// Look into a data directory or a backup instead of asking a node
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
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
