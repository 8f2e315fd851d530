//! A data directory, read without a node.

use crate::failure::{Failure, log_not_opened};
use interstice::framing::Transactions;
use interstice::opened::Start;
use interstice::snapshot::Snapshots;
use interstice::snapshot::load::{LoadError, load_before};
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::CommitLog;
use interstice_log::segment::LogId;
use interstice_log::storage::Storage;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_server::reports;
use interstice_server::start::fault_behind;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_wasm::runtime::Runtime;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the log is in a data directory.
const LOG: &str = "log";
/// Where the snapshots are.
const SNAPSHOTS: &str = "snapshots";

/// A data directory, opened for reading.
pub(crate) struct Directory {
    path: PathBuf,
    storage: DirectoryStorage,
}

impl Directory {
    /// The data directory at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let log = path.join(LOG);
        let storage = DirectoryStorage::open(&log).map_err(|error| {
            let problem = Problem::new("no-data", format!("`{}` is no data directory: {error}", path.display()))
                .hint("name the directory that `interstice start --data` was given");
            Failure::new(crate::failure::exit::FAILED, problem)
        })?;
        Ok(Self { path: path.to_owned(), storage })
    }

    /// Its files.
    pub(crate) fn storage(&self) -> &DirectoryStorage {
        &self.storage
    }

    /// Its log, for reading.
    pub(crate) fn log(&self) -> Result<LocalLog<DirectoryStorage>, Failure> {
        LocalLog::open_read_only(self.storage.clone()).map_err(|error| log_not_opened(&error, &self.path))
    }

    /// Something in it cannot be read or does not fit together.
    pub(crate) fn corrupt(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        if let Some(fault) = fault_behind(error) {
            return Failure::new(crate::failure::exit::IO, Problem::new("io", fault.to_string()).at(self.place()));
        }
        Failure::new(crate::failure::exit::CORRUPT, Problem::new("corrupt-log", error.to_string()).at(self.place()))
    }

    /// Its snapshots.
    pub(crate) fn snapshots(&self, log: &LocalLog<DirectoryStorage>) -> Snapshots<DirectoryStorage> {
        Snapshots::new(DirectoryStorage::at(&self.path.join(SNAPSHOTS)), log.log_id())
    }

    /// Its snapshots, to be looked at and copied: of whichever log, where the log itself does not open.
    pub(crate) fn snapshots_of_any_log(&self) -> Snapshots<DirectoryStorage> {
        Snapshots::new(DirectoryStorage::at(&self.path.join(SNAPSHOTS)), LogId([0; 16]))
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        format!("data directory `{}`", self.path.display())
    }

    /// Its snapshots, to add one.
    pub(crate) fn make_snapshots(
        &self,
        log: &LocalLog<DirectoryStorage>,
    ) -> Result<Snapshots<DirectoryStorage>, Failure> {
        let path = self.path.join(SNAPSHOTS);
        let storage = DirectoryStorage::create(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(Snapshots::new(storage, log.log_id()))
    }

    /// Takes the directory, so that no node begins to write it.
    pub(crate) fn lock(&self) -> Result<std::fs::File, Failure> {
        let lock = self.storage.try_lock().map_err(|error| Failure::file(&self.path, &error))?;
        lock.ok_or_else(|| log_not_opened(&OpenError::InUse, &self.path))
    }

    /// A state with at most so many offsets behind it, from which its log goes on.
    pub(crate) fn start(&self, log: &LocalLog<DirectoryStorage>, most: Offset) -> Result<Start, Failure> {
        // A node beside may have made a snapshot of what this reader does not see yet.
        let most = most.min(log.tail().next_offset);
        let loaded = load_before(log, &self.snapshots(log), most, (loader()?, Limits::default()));
        match loaded {
            Ok((start, _)) => Ok(start),
            Err(error @ LoadError::NoBeginning { .. }) => Err(reports::trimmed(&error).into()),
            Err(error) => Err(self.corrupt(&error)),
        }
    }

    /// The earliest state from which its log goes on.
    pub(crate) fn earliest(&self, log: &LocalLog<DirectoryStorage>) -> Result<Start, Failure> {
        let most = self.snapshots(log).earliest(log).map_err(|error| Failure::file(&self.path, &error))?;
        self.start(log, most)
    }

    /// The state after its last transaction, with its modules ready to run.
    pub(crate) fn recover(&self) -> Result<Engine, Failure> {
        let log = self.log()?;
        let Start { mut engine, position, .. } = self.start(&log, Offset::MAX)?;
        let frames = log.read(position).map_err(|error| self.corrupt(&error))?;
        for transaction in Transactions::new(frames) {
            let transaction = transaction.map_err(|error| self.corrupt(&error))?;
            engine.apply(&transaction).map_err(|error| self.corrupt(&error))?;
        }
        match engine.load_modules().into_iter().next() {
            None => Ok(engine),
            Some((module, error)) => Err(error.problem.at(format!("module `{module}`")).into()),
        }
    }
}

/// What makes modules of artefacts.
pub(crate) fn loader() -> Result<Arc<dyn ModuleLoader>, Failure> {
    Ok(Arc::new(Runtime::new()?))
}
