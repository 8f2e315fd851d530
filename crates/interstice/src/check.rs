//! Checking a log: every transaction's cause runs again, and everything that it recorded is compared.

use crate::framing::{Transactions, UnpackError};
use crate::opened::Start;
use interstice_engine::catalog::Catalog;
use interstice_engine::module::LoadError;
use interstice_engine::recheck::{Divergence, RecheckError, Verdict};
use interstice_log::log::CommitLog;
use std::sync::Arc;

/// What a check found.
#[derive(Default)]
pub struct CheckReport {
    /// Transactions that ran again.
    pub checked: u64,
    /// Those of them that saw rows which are in no log: nothing can be said of these.
    pub incomparable: u64,
    /// Those that came out otherwise.
    pub divergences: Vec<Divergence>,
    /// The modules in force at the end.
    pub catalog: Arc<Catalog>,
}

/// Why a check could not go to the end.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A module that was in force at the start does not load here.
    #[error("module `{module}` does not load: {source}")]
    Load {
        /// Its name.
        module: String,
        /// Why.
        source: LoadError,
    },
    /// A transaction cannot be run or applied.
    #[error(transparent)]
    Recheck(#[from] RecheckError),
}

impl CheckError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Self::Unpack(error) if error.is_trimmed())
    }
}

/// Runs every transaction of `log` behind `start` again.
///
/// # Errors
/// [`CheckError`].
pub fn check<L: CommitLog>(log: &L, start: Start) -> Result<CheckReport, CheckError> {
    let Start { mut engine, position, .. } = start;
    if let Some((module, source)) = engine.load_modules().into_iter().next() {
        return Err(CheckError::Load { module, source });
    }
    let mut report = CheckReport::default();
    for transaction in Transactions::new(log.read(position).map_err(UnpackError::from)?) {
        report.checked += 1;
        match engine.recheck(&transaction?)? {
            Verdict::Same => {}
            Verdict::Divergent(divergence) => report.divergences.push(divergence),
            Verdict::Incomparable => report.incomparable += 1,
        }
    }
    report.catalog = Arc::clone(engine.catalog());
    Ok(report)
}
