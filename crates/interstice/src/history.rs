//! History: transactions as they were recorded, each beside the state that it was made on.
//!
//! A record names versions, functions and tables by number, so it can be told only beside the state before it: an engine to
//! which the transactions before it were applied. One walk does that ([`walk`]); [`tell`] and [`Stats`] are uses of it.

pub mod describe;
mod names;
mod selection;
mod stats;

pub use selection::{InvalidKey, Selection, Selector};
pub use stats::{FunctionStats, Stats, TableStats};

use crate::framing::{UnpackError, Unpacker};
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_engine::recorded::RecordedError;
use interstice_log::frame::StoredFrame;
use interstice_log::log::CommitLog;
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
    /// The key that is looked for is none.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
}

/// Gives every transaction that `selector` selects to `take`, told as JSON, until there are no more or it breaks off.
///
/// # Errors
/// [`HistoryError`], also if the log does not go on from `start`.
pub fn tell<L: CommitLog>(
    log: &L,
    start: Start,
    selector: &Selector,
    mut take: impl FnMut(Json) -> ControlFlow<()>,
) -> Result<(), HistoryError> {
    let mut left = selector.limit();
    walk(
        log,
        start,
        selector,
        |_| {},
        |transaction, before| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            match selector.told(transaction, before) {
                None => ControlFlow::Continue(()),
                Some(told) => {
                    left -= 1;
                    take(told)
                }
            }
        },
    )
}

/// Goes over the log from `start` on: `at_frame` is given every frame, `at` every transaction that `selector` selects by its
/// record, with the state before it.
fn walk<L: CommitLog>(
    log: &L,
    Start { mut engine, position, .. }: Start,
    selector: &Selector,
    mut at_frame: impl FnMut(&StoredFrame),
    mut at: impl FnMut(&Transaction, &Engine) -> ControlFlow<()>,
) -> Result<(), HistoryError> {
    let mut unpacker = Unpacker::default();
    for frame in log.read(position).map_err(UnpackError::from)? {
        let frame = frame.map_err(UnpackError::from)?;
        at_frame(&frame);
        for transaction in unpacker.unpack(&frame)? {
            if selector.ends_before(&transaction) {
                return Ok(());
            }
            if selector.selects(&transaction, &engine)? && at(&transaction, &engine).is_break() {
                return Ok(());
            }
            engine.apply(&transaction)?;
        }
    }
    Ok(())
}
