//! The history of a row: every change of it, by whom and through what call, what it was before and became, also if it is gone.

use super::describe::describe;
use super::{HistoryError, Seen, Selection, Selector, names, walk};
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_log::log::CommitLog;
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Transaction};
use interstice_types::{codec, json};
use serde_json::{Map, Value as Json, json};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The changes of a row, the newest first.
#[derive(Debug, Default)]
pub struct RowHistory {
    /// Each with `offset`, `time`, `cause`, `call`, `function`, `args`, `caller`, `old` and `new` as JSON; `null` where there was no row.
    pub entries: Vec<Json>,
    /// Whether there are older ones.
    pub more: bool,
}

/// Changes that are told, unless it is said how many.
pub const DEFAULT_LIMIT: usize = 1_000;

/// What of a transaction an entry tells.
const TOLD: [&str; 9] = ["offset", "time", "cause", "call", "function", "args", "caller", "module", "event"];

/// Selects the transactions that changed the row `key` of `table`, which is `module.name`.
///
/// # Errors
/// `invalid-selection`.
pub fn selector(table: &str, key: &str) -> Result<Selector, Problem> {
    let (table, key) = (Some(table.to_owned()), Some(key.to_owned()));
    Selection { table, key, ..Selection::default() }.selector()
}

/// The newest `limit` changes that `selector` selects, from `start` on.
///
/// # Errors
/// [`HistoryError`].
pub fn row_history<L: CommitLog>(
    log: &L,
    start: Start,
    selector: &Selector,
    limit: usize,
) -> Result<RowHistory, HistoryError> {
    let mut entries = Entries::new(limit);
    let end = walk(log, start, selector, &|| true, |seen| {
        if let Seen::Transaction(transaction, before) = seen {
            entries.tell(transaction, before, selector);
        }
        ControlFlow::Continue(())
    })?;
    entries.end(&end, selector)
}

/// The newest changes of a row, while history goes by.
pub(super) struct Entries {
    newest: VecDeque<Json>,
    limit: usize,
    more: bool,
}

impl Entries {
    /// No more than `limit` are kept.
    pub(super) fn new(limit: usize) -> Self {
        Self { newest: VecDeque::new(), limit, more: false }
    }

    /// Adds what `transaction` did to the row that `selector` selects.
    pub(super) fn tell(&mut self, transaction: &Transaction, before: &Engine, selector: &Selector) {
        let mut told = describe(transaction, before);
        told["call"] = json!(call_text(transaction, before));
        let numbers = selector.changes_of_row(transaction, before);
        self.newest.extend(numbers.into_iter().filter_map(|number| entry(&told, number)));
        while self.newest.len() > self.limit {
            self.newest.pop_front();
            self.more = true;
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.newest.len()
    }

    /// Whether older ones were dropped.
    pub(super) fn is_cut(&self) -> bool {
        self.more
    }

    /// All of them; `end` is the state behind the last transaction.
    ///
    /// # Errors
    /// [`HistoryError::NoSuchRow`] if there are none because there can be none.
    pub(super) fn end(self, end: &Engine, selector: &Selector) -> Result<RowHistory, HistoryError> {
        if self.newest.is_empty() {
            let checked = selector.check_table(end.catalog()).and_then(|()| selector.check_found_nothing(end));
            checked.map_err(|problem| HistoryError::NoSuchRow(problem.into()))?;
        }
        Ok(RowHistory { entries: self.newest.into_iter().rev().collect(), more: self.more })
    }
}

/// `module.function(argument=value, …)`, in the order in which they are declared; what it was, if no function was called.
pub(crate) fn call_text(transaction: &Transaction, before: &Engine) -> String {
    let cause = &transaction.cause;
    match (names::function(cause, before.catalog()), cause) {
        (Some((entry, schema)), Cause::Call { args, .. }) => {
            let types = schema.args.iter().map(|arg| &arg.ty);
            let values = codec::decode_all(types, args).unwrap_or_default();
            format!(
                "{}{}",
                names::full(&entry.schema.module, &schema.name),
                json::fields_to_text(&schema.args, &values)
            )
        }
        (Some((entry, schema)), _) => format!("{} {}", cause.name(), names::full(&entry.schema.module, &schema.name)),
        (None, Cause::Publish { module, .. }) => format!("publish {module}"),
        (None, _) => cause.name().to_owned(),
    }
}

/// What is told of one change of a transaction; `None` if it is not one of a row.
fn entry(told: &Json, number: usize) -> Option<Json> {
    let change = &told["changes"][number];
    let (old, new) = match (change.get("insert"), change.get("delete"), change.get("update")) {
        (Some(new), ..) => (Json::Null, new.clone()),
        (_, Some(old), _) => (old.clone(), Json::Null),
        (.., Some(update)) => (update["old"].clone(), update["new"].clone()),
        _ => return None,
    };
    let told_of = TOLD.iter().filter_map(|name| Some(((*name).to_owned(), told.get(*name)?.clone())));
    let rows = [("old".to_owned(), old), ("new".to_owned(), new)];
    Some(Json::Object(told_of.chain(rows).collect::<Map<_, _>>()))
}
