//! What would have been otherwise, over a stretch of a log: how many transactions of each function, the first of them row by row, and how
//! the tables differ at the end.

use crate::check::{CheckError, Scope, TOLD_INTERVAL, begin};
use crate::commit::{Committer, SettleError};
use crate::framing::{FrameBuilder, UnpackError};
use crate::opened::Start;
use interstice_engine::catalog::Catalog;
use interstice_engine::what_if::{Compared, Otherwise, TableDifference, Way, WhatIf, WhatIfError as EngineError};
use interstice_log::log::{CommitLog, CommitLogWriter};
use interstice_types::problem::Problem;
use interstice_types::transaction::Transaction;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Transactions that did not come out the same which a report tells of one by one; the others are counted.
pub const MAX_TOLD: usize = 1_000;

/// Bytes of another history that are written at a time.
const REWRITTEN_AT_ONCE: u64 = 4 << 20;

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct WhatIfReport {
    /// What became of the transactions of each function.
    pub functions: BTreeMap<String, Tally>,
    /// The first ones that did not come out the same, in order.
    pub told: Vec<Compared>,
    /// How the tables differ at the end.
    pub tables: Vec<TableDifference>,
    /// What is not compared, and why.
    pub uncompared: Vec<String>,
}

/// How many transactions came out in which way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    by_way: BTreeMap<Way, u64>,
}

/// Why it cannot be said what would have been.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// The log cannot be gone through.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// What is asked for makes no sense with this history.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The other history cannot be written.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl From<EngineError> for WhatIfError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Recorded(error) => Self::Check(error.into()),
            EngineError::Refused(problem) => Self::Refused(problem),
        }
    }
}

impl Tally {
    /// How many came out in this way.
    pub fn of(&self, way: Way) -> u64 {
        self.by_way.get(&way).copied().unwrap_or(0)
    }

    /// How many there are that are not in the recorded history, or not as there.
    pub fn otherwise(&self) -> u64 {
        self.by_way
            .iter()
            .filter(|(way, _)| !matches!(way, Way::Same | Way::Incomparable))
            .map(|(_, count)| count)
            .sum()
    }
}

impl WhatIfReport {
    /// Over all functions.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (way, count) in self.functions.values().flat_map(|tally| &tally.by_way) {
            *total.by_way.entry(*way).or_default() += count;
        }
        total
    }

    /// Whether it would all have been the same.
    pub fn is_same(&self) -> bool {
        self.total().otherwise() == 0 && self.tables.is_empty()
    }

    fn note(&mut self, compared: Compared) {
        let tally = self.functions.entry(compared.function.clone()).or_default();
        *tally.by_way.entry(compared.way).or_default() += 1;
        if compared.way != Way::Same && self.told.len() < MAX_TOLD {
            self.told.push(compared);
        }
    }
}

/// Has the transactions of `log` in `scope` happen otherwise, from the state at `start` on; those before are applied. `told` hears now and
/// then how many more have happened.
///
/// # Errors
/// [`WhatIfError`].
pub fn what_if<L: CommitLog>(
    log: &L,
    start: Start,
    (scope, otherwise): (Scope, Otherwise),
    told: &dyn Fn(u64),
) -> Result<WhatIfReport, WhatIfError> {
    let (engine, transactions) = begin(log, start, scope)?;
    follow(WhatIf::new(engine, otherwise), transactions, told, |_| Ok(()))
}

/// Has all of the history of `log` happen otherwise, and writes that to another log, which has nothing yet: what begins there is as if it
/// always had been so. `told` hears now and then how many more have happened.
///
/// # Errors
/// [`WhatIfError`]; what was written is of no use then.
pub fn rewrite<L: CommitLog, W: CommitLogWriter>(
    log: &L,
    start: Start,
    (otherwise, to): (Otherwise, &mut Committer<W>),
    told: &dyn Fn(u64),
) -> Result<WhatIfReport, WhatIfError> {
    let (engine, transactions) = begin(log, start, Scope::ALL)?;
    let mut frames = FrameBuilder::default();
    let report = follow(WhatIf::to_go_on_from(engine, otherwise), transactions, told, |made| {
        made.iter().for_each(|(catalog, transaction)| frames.push(transaction, catalog));
        if frames.size() > REWRITTEN_AT_ONCE {
            to.append(&frames.take());
            to.settle()?;
        }
        Ok(())
    })?;
    to.append(&frames.take());
    to.settle()?;
    to.seal()?;
    Ok(report)
}

fn follow(
    mut both: WhatIf,
    transactions: impl Iterator<Item = Result<Transaction, UnpackError>>,
    told: &dyn Fn(u64),
    mut take: impl FnMut(&[(Arc<Catalog>, Transaction)]) -> Result<(), SettleError>,
) -> Result<WhatIfReport, WhatIfError> {
    let (mut report, mut untold) = (WhatIfReport::default(), 0);
    for transaction in transactions {
        let compared = both.follow(&transaction.map_err(CheckError::from)?)?;
        compared.into_iter().for_each(|one| report.note(one));
        take(&both.take_made())?;
        untold += 1;
        if untold == TOLD_INTERVAL {
            told(std::mem::take(&mut untold));
        }
    }
    told(untold);
    both.end()?.into_iter().for_each(|one| report.note(one));
    take(&both.take_made())?;
    report.tables = both.states();
    report.uncompared = both.uncompared().map(str::to_owned).collect();
    Ok(report)
}
