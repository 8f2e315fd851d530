//! The data directory:
//!
//! ```text
//! data/node.json   {"node": hex, "format": 1, "created": time}
//! data/config.toml what the node does with its log and snapshots; see `settings`
//! data/log/        the log; its file `lock` is held while a node runs
//! data/snapshots/  the newest two snapshots of it
//! data/index/      which transactions changed a row; may be removed while no node runs
//! data/cache/      compiled code; may be removed while no node runs
//! data/key         32 random bytes, mode 0600: what this node writes for itself, it knows again
//! ```

use crate::row_index::RowIndex;
use crate::settings::Settings;
use crate::start::StartError;
use interstice::snapshot::{self, Snapshots};
use interstice_log::frame::Lineage;
use interstice_log::local::{LocalLog, OpenOptions, OpenReport};
use interstice_log::segment::{FORMAT_VERSION, LogId};
use interstice_log::snapshot::SnapshotError;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::storage::memory::MemoryStorage;
use interstice_types::id::{decode_hex, to_hex};
use interstice_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file that says whose directory this is.
const NODE_FILE: &str = "node.json";
/// The directory of the log.
const LOG_DIRECTORY: &str = "log";

/// The directory of snapshots.
const SNAPSHOT_DIRECTORY: &str = "snapshots";
/// The directory of the index of rows.
const INDEX_DIRECTORY: &str = "index";
/// The file of the node's secret.
const KEY_FILE: &str = "key";
/// The directory of compiled code.
const CACHE_DIRECTORY: &str = "cache";

/// Of a log in memory: it is zeroed before it is written, and there is always one to spare.
const MEMORY_SEGMENT_SIZE: u64 = 8 << 20;

/// What `node.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct NodeFile {
    node: String,
    format: u32,
    created: String,
}

/// Fresh random bytes for what may have to be made.
pub(crate) struct Fresh {
    pub(crate) node: [u8; 16],
    pub(crate) lineage: [u8; 16],
    pub(crate) salt_seed: [u8; 16],
    pub(crate) key: [u8; 32],
    pub(crate) now: Timestamp,
}

/// A data directory that is ours.
pub(crate) struct Data {
    pub(crate) node: [u8; 16],
    pub(crate) log: LocalLog<DirectoryStorage>,
    pub(crate) snapshots: Snapshots<DirectoryStorage>,
    pub(crate) index: RowIndex,
    pub(crate) settings: Settings,
    /// Where compiled code is kept.
    pub(crate) cache: PathBuf,
    /// The node's secret.
    pub(crate) key: [u8; 32],
}

/// Opens the data directory, or makes it with mode 0700.
pub(crate) fn open(path: &Path, fresh: &Fresh) -> Result<Data, StartError> {
    let failed = |what: &str| {
        let what = format!("{what} `{}`", path.display());
        move |source| StartError::of_io(path, what, source)
    };
    DirectoryStorage::create(path).map_err(failed("making the data directory"))?;
    refuse_newer(path)?;
    let snapshots = path.join(SNAPSHOT_DIRECTORY);
    let newer = |error: SnapshotError| StartError::NewerFormat { path: path.to_owned(), reason: error.to_string() };
    snapshot::refuse_newer(&DirectoryStorage::at(&snapshots)).map_err(newer)?;
    let settings = Settings::read(path)?;
    let storage = DirectoryStorage::create(&path.join(LOG_DIRECTORY)).map_err(failed("making the log in"))?;
    let options = OpenOptions {
        segment_size: settings.log.segment,
        log_id: LogId(fresh.node),
        lineage: Lineage(fresh.lineage),
        salt_seed: fresh.salt_seed,
    };
    let (log, report) = LocalLog::open(storage, options).map_err(|error| StartError::of_log(path, error))?;
    say(&report);
    // A log is named after the node that made it: a crash may have come between its first transaction and `node.json`.
    let node = log.log_id().0;
    let snapshots =
        DirectoryStorage::create(&path.join(SNAPSHOT_DIRECTORY)).map_err(failed("making the snapshots in"))?;
    let snapshots = Snapshots::new(snapshots, log.log_id());
    let index = DirectoryStorage::create(&path.join(INDEX_DIRECTORY)).map_err(failed("making the index in"))?;
    let index = RowIndex::new(index, snapshots.clone());
    if !path.join(NODE_FILE).try_exists().map_err(failed("looking for node.json in"))? {
        write_node_file(path, &node, fresh.now).map_err(failed("writing node.json in"))?;
    }
    let key = key(path, fresh.key).map_err(failed("reading or making the key in"))?;
    Ok(Data { node, log, snapshots, index, settings, cache: path.join(CACHE_DIRECTORY), key })
}

/// A log that is gone with the process.
pub(crate) fn in_memory(fresh: &Fresh) -> Result<LocalLog<MemoryStorage>, StartError> {
    let options = OpenOptions {
        segment_size: MEMORY_SEGMENT_SIZE,
        log_id: LogId(fresh.node),
        lineage: Lineage(fresh.lineage),
        salt_seed: fresh.salt_seed,
    };
    let opened = LocalLog::open(MemoryStorage::default(), options);
    opened.map(|(log, _)| log).map_err(|error| StartError::of_log(Path::new("memory"), error))
}

/// What opening the log found and did.
fn say(report: &OpenReport) {
    if let Some(quarantine) = &report.quarantine {
        let bytes = report.torn_tail_bytes;
        tracing::warn!(bytes, quarantine, "a torn tail, never acknowledged, was cut off the log and kept aside");
    }
    if let Some(mark) = &report.mark {
        tracing::warn!("{mark}");
    }
}

/// The node's secret: what is there, else `fresh`. One that a crash left unfinished is made anew: it guards only what can be
/// compiled again.
fn key(path: &Path, fresh: [u8; 32]) -> io::Result<[u8; 32]> {
    let file = path.join(KEY_FILE);
    if let Some(key) = read_if_there(&file)?.and_then(|bytes| bytes.try_into().ok()) {
        return Ok(key);
    }
    let mut out =
        OpenOptionsExt::mode(std::fs::OpenOptions::new().write(true).create(true).truncate(true), 0o600).open(file)?;
    out.write_all(&fresh)?;
    out.sync_all()?;
    Ok(fresh)
}

/// The bytes of a file; `None` if there is none. A disk that fails is not taken for that.
fn read_if_there(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn refuse_newer(path: &Path) -> Result<(), StartError> {
    let failed = |source| StartError::of_io(path, format!("reading {NODE_FILE} in `{}`", path.display()), source);
    let Some(bytes) = read_if_there(&path.join(NODE_FILE)).map_err(failed)? else { return Ok(()) };
    let corrupt =
        |reason: String| StartError::Corrupt { path: path.to_owned(), reason: format!("{NODE_FILE}: {reason}") };
    let file: NodeFile = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    if file.format > FORMAT_VERSION {
        let reason = format!("it has format {}, this version reads up to {FORMAT_VERSION}", file.format);
        return Err(StartError::NewerFormat { path: path.to_owned(), reason });
    }
    decode_hex::<16>(&file.node).map(|_| ()).ok_or_else(|| corrupt("`node` is not 32 hex digits".to_owned()))
}

/// Under another name first: the file is whole, or it is not there.
fn write_node_file(path: &Path, node: &[u8; 16], now: Timestamp) -> io::Result<()> {
    let file = NodeFile { node: to_hex(node), format: FORMAT_VERSION, created: now.to_string() };
    let unfinished = path.join("node.json.new");
    let mut out = File::create(&unfinished)?;
    out.write_all(&serde_json::to_vec_pretty(&file)?)?;
    out.sync_all()?;
    std::fs::rename(&unfinished, path.join(NODE_FILE))?;
    File::open(path)?.sync_all()
}
