//! History: transactions as they were recorded, each beside the state that it was made on.
//!
//! A record names versions, functions and tables by number, so it can be told only beside the state before it: an engine to
//! which the transactions before it were applied. One walk does that; [`tell`] and [`Stats`] are uses of it.

pub mod describe;
pub mod index;
pub(crate) mod names;
pub mod row;
mod selection;
mod stats;

pub use selection::{Selection, Selector};
pub use stats::{FunctionStats, Stats, TableStats};

use crate::framing::{UnpackError, Unpacker};
use crate::opened::Start;
use index::IndexError;
use interstice_engine::engine::Engine;
use interstice_engine::recorded::RecordedError;
use interstice_log::frame::StoredFrame;
use interstice_log::log::CommitLog;
use interstice_types::problem::Problem;
use interstice_types::transaction::Transaction;
use serde_json::Value as Json;
use std::ops::ControlFlow;

/// Why history cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// There never was such a table, or its rows have no such keys.
    #[error("{0}")]
    NoSuchRow(Box<Problem>),
    /// The index cannot be made.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl HistoryError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        match self {
            Self::Unpack(error) => error.is_trimmed(),
            Self::Index(error) => error.is_trimmed(),
            Self::Recorded(_) | Self::NoSuchRow(_) => false,
        }
    }
}

/// Gives everything that `selector` selects to `take`, told as JSON: transactions, and what was given up where another history
/// begins. Ends if there is no more, if `take` breaks off, or if `goes_on` says no.
///
/// # Errors
/// [`HistoryError`], also if the log does not go on from `start`.
pub fn tell<L: CommitLog>(
    log: &L,
    start: Start,
    selector: &Selector,
    goes_on: &dyn Fn() -> bool,
    mut take: impl FnMut(Json) -> ControlFlow<()>,
) -> Result<(), HistoryError> {
    walk(log, start, selector, goes_on, |seen| match seen {
        Seen::Frame(frame) => selector.told_of_frame(frame).map_or(ControlFlow::Continue(()), &mut take),
        Seen::Transaction(transaction, before) => take(describe::describe(transaction, before)),
    })
    .map(drop)
}

/// What a walk comes by.
pub(crate) enum Seen<'a> {
    /// Every frame.
    Frame(&'a StoredFrame),
    /// A transaction that is selected, and the state before it.
    Transaction(&'a Transaction, &'a Engine),
}

/// Goes over the log from `start` on, until `at` breaks off, or `goes_on` says no, which is asked at each frame. Returns the state
/// that it came to: before the first transaction that it did not go over.
pub(crate) fn walk<L: CommitLog>(
    log: &L,
    Start { mut engine, position, .. }: Start,
    selector: &Selector,
    goes_on: &dyn Fn() -> bool,
    mut at: impl FnMut(Seen<'_>) -> ControlFlow<()>,
) -> Result<Engine, HistoryError> {
    let (mut unpacker, mut left) = (Unpacker::default(), selector.limit());
    let mut found = false;
    for frame in log.read(position).map_err(UnpackError::from)? {
        let frame = frame.map_err(UnpackError::from)?;
        if !goes_on() || at(Seen::Frame(&frame)).is_break() {
            return Ok(engine);
        }
        for transaction in unpacker.unpack(&frame)? {
            if left == 0 || selector.ends_before(&transaction) {
                return Ok(engine);
            }
            if selector.selects(&transaction, &engine) {
                (left, found) = (left - 1, true);
                if at(Seen::Transaction(&transaction, &engine)).is_break() {
                    return Ok(engine);
                }
            }
            engine.apply(&transaction)?;
        }
    }
    if !found {
        selector.check_found_nothing(&engine).map_err(|problem| HistoryError::NoSuchRow(problem.into()))?;
    }
    Ok(engine)
}
