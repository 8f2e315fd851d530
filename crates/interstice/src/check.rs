//! Checking a log: every transaction's cause runs again, and everything that it recorded is compared.

use crate::framing::UnpackError;
use crate::opened::transactions;
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::recheck::{Divergence, RecheckError, Verdict};
use interstice_log::log::CommitLog;
use std::sync::Arc;

/// What a check found.
#[derive(Default)]
pub struct CheckReport {
    /// Transactions that ran again.
    pub checked: u64,
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
    /// A transaction cannot be run or applied.
    #[error(transparent)]
    Recheck(#[from] RecheckError),
}

/// Runs every transaction of `log` again, in a fresh engine.
///
/// # Errors
/// [`CheckError`].
pub fn check<L: CommitLog>(log: &L, loader: Arc<dyn ModuleLoader>, limits: Limits) -> Result<CheckReport, CheckError> {
    let mut engine = Engine::new(loader, limits);
    let mut report = CheckReport::default();
    for transaction in transactions(log)? {
        report.checked += 1;
        if let Verdict::Divergent(divergence) = engine.recheck(&transaction?)? {
            report.divergences.push(divergence);
        }
    }
    report.catalog = Arc::clone(engine.catalog());
    Ok(report)
}
