//! What transactions did, step by step: run again, and told as spans whose clock is fuel.
//!
//! Fuel is what a transaction burns, and the record says how much. It depends on nothing but the code and its input, so the same stretch of
//! history gives the same spans whenever and wherever it is run again. It is no time: a host call that waits for memory burns no more.

mod spans;

pub use spans::{Kind, Span, spans};

use crate::check::{CheckError, Scope, begin};
use crate::history::names;
use crate::opened::Start;
use interstice_engine::execution::trace::Trace;
use interstice_engine::rerun::Likeness;
use interstice_log::log::CommitLog;
use interstice_types::id::{Identity, Offset};
use interstice_types::time::Timestamp;
use interstice_types::transaction::Cause;
use std::ops::ControlFlow;

/// A transaction that ran again, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// Which.
    pub offset: Offset,
    /// When it was made.
    pub time: Timestamp,
    /// The kind of its cause.
    pub cause: &'static str,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// Who caused it.
    pub caller: Option<Identity>,
    /// Of an event the transaction that raised it.
    pub event_of: Option<Offset>,
    /// How it ended.
    pub outcome: &'static str,
    /// Fuel that it burnt then.
    pub recorded_fuel: u64,
    /// Fuel that the spans are of: that of functions.
    pub fuel: u64,
    /// Whether it did now what it did then.
    pub likeness: Likeness,
    /// Calls of functions inside of modules that are not told, for there are too many; their fuel counts for those that called them.
    pub left_out: u64,
    /// In the order in which they began, each behind those that it is inside of.
    pub spans: Vec<Span>,
}

/// Runs the transactions of `log` again that are in `scope`, step by step, from the state at `start` on, and gives what each did to `take`,
/// until it breaks off. Functions inside of modules are told where the loader behind `start` has modules tell.
///
/// # Errors
/// [`CheckError`].
pub fn trace<L: CommitLog>(
    log: &L,
    start: Start,
    scope: Scope,
    mut take: impl FnMut(Traced) -> ControlFlow<()>,
) -> Result<(), CheckError> {
    let (mut engine, transactions) = begin(log, start, scope)?;
    for transaction in transactions {
        let transaction = transaction?;
        let caller = names::caller(&transaction, &engine);
        let function = engine.function_of(&transaction);
        let rerun = engine.rerun(&transaction, true)?;
        let event_of = match transaction.cause {
            Cause::Event { event, .. } => Some(event.of),
            _ => None,
        };
        let (fuel, spans) = rerun.trace.as_deref().map_or((0, Vec::new()), |trace| spans(trace, engine.catalog()));
        let recorded_fuel = transaction.work.fuel;
        assert!(
            rerun.likeness != Likeness::Same || fuel == recorded_fuel,
            "invariant: the spans of transaction {} are of {fuel} fuel, all of its {recorded_fuel}",
            transaction.offset
        );
        let traced = Traced {
            offset: transaction.offset,
            time: transaction.time,
            cause: transaction.cause.name(),
            function,
            caller,
            event_of,
            outcome: transaction.outcome.name(),
            recorded_fuel,
            fuel,
            likeness: rerun.likeness,
            left_out: rerun.trace.as_deref().map_or(0, |trace: &Trace| trace.code_left_out),
            spans,
        };
        if take(traced).is_break() {
            break;
        }
    }
    Ok(())
}
