//! What a node is started with, and why one does not start.

use interstice::opened::OpenError;
use interstice::snapshot::load::LoadError;
use interstice_engine::limits::Limits;
use interstice_engine::module::LoadError as NoModule;
use interstice_log::local::OpenError as LogError;
use interstice_log::snapshot::SnapshotError;
use interstice_types::problem::Problem;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;

/// Where a node listens unless it is told otherwise.
pub const DEFAULT_PORT: u16 = 7070;

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory, made if it is not there; `None` keeps everything in memory.
    pub data: Option<PathBuf>,
    /// A loopback address; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Bounds on one call.
    pub limits: Limits,
    /// One transaction of so many is run again beside the node, and compared; `None` for none.
    pub verify: Option<NonZero<u64>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { data: None, listen: (Ipv4Addr::LOCALHOST, DEFAULT_PORT).into(), limits: Limits::default(), verify: None }
    }
}

/// The fault of the storage behind an error, if there is one: then nothing is known about the bytes.
pub fn fault_behind(error: &(dyn Error + 'static)) -> Option<io::Error> {
    let mut cause = Some(error);
    while let Some(at) = cause {
        if let Some(fault) = at.downcast_ref::<io::Error>() {
            return Some(io::Error::new(fault.kind(), error.to_string()));
        }
        cause = at.source();
    }
    None
}

/// Why a node does not start. Nothing was changed, but for what recovery repairs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the data directory.
    #[error("the data directory `{}` is in use by another process", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("the data directory `{}` was written by a newer version: {reason}", path.display())]
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// Which format.
        reason: String,
    },
    /// Something is missing or otherwise that was durable.
    #[error("the data directory `{}` is corrupt: {reason}", path.display())]
    Corrupt {
        /// The data directory.
        path: PathBuf,
        /// Where, and what proves it.
        reason: String,
    },
    /// The data directory cannot be written.
    #[error("the data directory `{}` cannot be written: {source}", path.display())]
    ReadOnly {
        /// The data directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no space for the log.
    #[error("there is no space left for the data directory `{}`: {source}", path.display())]
    Full {
        /// The data directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The settings in the data directory make no sense.
    #[error("the settings in `{}` make no sense: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        reason: String,
    },
    /// Somebody else listens there.
    #[error("the address {address} is in use")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address can be reached from other machines, and there is no authentication yet.
    #[error("the address {address} is not a loopback address")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// This machine cannot run WebAssembly.
    #[error("this machine cannot run WebAssembly: {0}")]
    Runtime(#[from] NoModule),
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What it says.
        source: io::Error,
    },
}

impl StartError {
    /// The exit code of a command that fails with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Corrupt { .. } => 8,
            Self::ReadOnly { .. } | Self::Full { .. } | Self::Io { .. } | Self::Runtime(_) => 9,
            Self::NewerFormat { .. } => 10,
            Self::InUse { .. } => 11,
            Self::AddressInUse { .. } => 1,
            Self::NotLoopback { .. } | Self::Settings { .. } => 2,
        }
    }

    /// The same as a value that can be shown.
    pub fn problem(&self) -> Problem {
        let (code, hint) = match self {
            Self::InUse { .. } => ("in-use", "ask the node that has it with `interstice status`".to_owned()),
            Self::NewerFormat { .. } => {
                ("newer-format", "install the version that wrote it, or a newer one".to_owned())
            }
            Self::Corrupt { path, .. } => {
                ("corrupt", format!("see every fault with `interstice log verify --data {}`", path.display()))
            }
            Self::ReadOnly { path, .. } => ("read-only", format!("look at it with `ls -ld {}`", path.display())),
            Self::Full { path, .. } => {
                ("disk-full", format!("make room for a segment of the log, 64 MiB: `df -h {}`", path.display()))
            }
            Self::Settings { path, .. } => {
                ("invalid-settings", format!("mend it, or move it away: `mv {0} {0}.old`", path.display()))
            }
            Self::AddressInUse { address } => {
                let next = address.port().wrapping_add(1).max(1024);
                ("address-in-use", format!("start with `interstice start --listen {}:{next}`", address.ip()))
            }
            Self::NotLoopback { address } => (
                "not-loopback",
                format!(
                    "start with `interstice start --listen 127.0.0.1:{}`: callers are not authenticated",
                    address.port()
                ),
            ),
            Self::Runtime(_) => ("no-runtime", "run it on 64-bit Linux, macOS or Windows".to_owned()),
            Self::Io { .. } => ("io", "look at the disk and the permissions, then start again".to_owned()),
        };
        Problem::new(code, self.to_string()).hint(hint)
    }

    pub(crate) fn of_log(path: &std::path::Path, error: LogError) -> Self {
        let path = path.to_owned();
        match error {
            LogError::InUse => Self::InUse { path },
            error @ LogError::NewerFormat { .. } => Self::NewerFormat { path, reason: error.to_string() },
            error @ LogError::Corrupt { .. } => Self::Corrupt { path, reason: error.to_string() },
            LogError::Io { what, source } => Self::of_io(&path, what, source),
        }
    }

    pub(crate) fn of_io(path: &std::path::Path, what: String, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path: path.to_owned(), source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.to_owned(), source },
            _ => Self::Io { what, source },
        }
    }

    pub(crate) fn of_load(path: Option<&std::path::Path>, error: &LoadError) -> Self {
        let path = path.map(std::path::Path::to_owned).unwrap_or_default();
        match error {
            LoadError::Snapshot(SnapshotError::NewerFormat { .. }) => {
                Self::NewerFormat { path, reason: error.to_string() }
            }
            _ => Self::of_recovery(path, error),
        }
    }

    /// What cannot be recovered: because it cannot be read, or because it is not what was written.
    fn of_recovery(path: PathBuf, error: &(dyn Error + 'static)) -> Self {
        match fault_behind(error) {
            Some(source) => Self::of_io(&path, "recovering".to_owned(), source),
            None => Self::Corrupt { path, reason: error.to_string() },
        }
    }

    pub(crate) fn of_open(path: Option<&std::path::Path>, error: &OpenError) -> Self {
        let path = path.map(std::path::Path::to_owned).unwrap_or_default();
        match error {
            OpenError::Unpack(_) | OpenError::Recorded(_) => Self::of_recovery(path, error),
            OpenError::Claim(_) | OpenError::Settle(_) => {
                Self::Io { what: "beginning to write the log".to_owned(), source: io::Error::other(error.to_string()) }
            }
        }
    }
}
