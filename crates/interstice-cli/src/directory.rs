//! A data directory, read without a node.

use crate::failure::{Failure, log_not_opened};
use interstice::opened::transactions;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::local::LocalLog;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::problem::Problem;
use interstice_wasm::runtime::Runtime;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the log is in a data directory.
const LOG: &str = "log";

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
    pub(crate) fn corrupt(&self, error: &dyn std::error::Error) -> Failure {
        let place = format!("data directory `{}`", self.path.display());
        Failure::new(crate::failure::exit::CORRUPT, Problem::new("corrupt-log", error.to_string()).at(place))
    }

    /// The state after its last transaction, with its modules ready to run.
    pub(crate) fn recover(&self) -> Result<Engine, Failure> {
        let log = self.log()?;
        let mut engine = Engine::new(loader()?, Limits::default());
        for transaction in transactions(&log).map_err(|error| self.corrupt(&error))? {
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
