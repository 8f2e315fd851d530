//! What a record says beside what came out: the first difference, down to the column.

use crate::engine::{Done, Output, is_unlogged_row};
use crate::execution::trace::Trace;
use crate::telling::{full_name, key_to_json};
use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::to_hex;
use interstice_types::json;
use interstice_types::transaction::{Cause, FLAG_TOUCHED_EPHEMERAL, HOST_MARK_INTERVAL, Outcome, Transaction};
use serde_json::Value as Json;
use std::fmt;

/// What of a transaction differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What caused it, or when.
    Cause,
    /// How it ended.
    Outcome,
    /// A row that it changed.
    Changes,
    /// A sequence that it moved on.
    Sequence,
    /// The host calls that it made, their arguments or their results.
    HostCalls,
    /// The fuel that it burnt.
    Fuel,
    /// The state behind it.
    Digest,
}

impl Kind {
    /// Its kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Outcome => "outcome",
            Self::Changes => "changes",
            Self::Sequence => "sequence",
            Self::HostCalls => "host-calls",
            Self::Fuel => "fuel",
            Self::Digest => "digest",
        }
    }
}

/// Host calls of a transaction, by number, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCalls {
    /// The first one that may be it.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// What the first one is.
    pub name: &'static str,
}

impl fmt::Display for HostCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "host call {}, {}", self.first, self.name);
        }
        write!(f, "host calls {} to {}", self.first, self.last)
    }
}

/// The first difference.
pub(super) struct Difference {
    pub(super) kind: Kind,
    pub(super) table: Option<String>,
    pub(super) key: Option<Json>,
    pub(super) column: Option<String>,
    pub(super) recorded: String,
    pub(super) replayed: String,
    /// The number of the change, if it is one, among all that were made again.
    change: Option<usize>,
}

impl Difference {
    fn new(kind: Kind, recorded: impl fmt::Display, replayed: impl fmt::Display) -> Self {
        let (recorded, replayed) = (recorded.to_string(), replayed.to_string());
        Self { kind, table: None, key: None, column: None, recorded, replayed, change: None }
    }

    /// It was refused this time.
    pub(super) fn refused(recorded: &Transaction, output: &Output) -> Self {
        let problem = output.reply.as_ref().err();
        let replayed = problem.map_or_else(String::new, |problem| format!("{}: {}", problem.code, problem.message));
        Self::new(Kind::Outcome, recorded.outcome.name(), replayed)
    }

    /// Between which host calls it lies: the one that made the change, or those between two marks.
    pub(super) fn host_calls(&self, recorded: &Transaction, (trace, marks): (&Trace, &[u64])) -> Option<HostCalls> {
        if let Some(maker) = self.change.and_then(|change| trace.maker_of(change)) {
            return Some(HostCalls { first: maker.position, last: maker.position, name: maker.call.name() });
        }
        let same = recorded.host_marks.iter().zip(marks).take_while(|(old, new)| old == new).count() as u64;
        let first = same * HOST_MARK_INTERVAL;
        let count = trace.host_calls().count() as u64;
        let name = trace.host_calls().nth(usize::try_from(first).ok()?)?.call.name();
        Some(HostCalls { first, last: (first + HOST_MARK_INTERVAL).min(count) - 1, name })
    }
}

/// The first difference between a record and what came out, up to where it would commit; in fuel only if that is counted alike.
pub(super) fn difference(recorded: &Transaction, done: &Done, counts_fuel: bool) -> Option<Difference> {
    let tx = done.finished.tx.as_ref().expect("invariant: what is compared is a transaction");
    if (&recorded.cause, recorded.time) != (&done.cause, done.moment.0) {
        let text = |cause: &Cause, time| format!("{cause:?} at {time}");
        return Some(Difference::new(
            Kind::Cause,
            text(&recorded.cause, recorded.time),
            text(&done.cause, done.moment.0),
        ));
    }
    let outcome = || Difference::new(Kind::Outcome, text_of(&recorded.outcome), text_of(&done.outcome));
    if recorded.outcome.name() != done.outcome.name() {
        return Some(outcome());
    }
    let flags = if done.finished.touched_ephemeral { FLAG_TOUCHED_EPHEMERAL } else { 0 };
    let (old, new, digest) = (recorded.work, done.finished.work, tx.store().digest());
    changes(&recorded.changes, tx.changes(), tx.store())
        // An answer most often says what was written.
        .or_else(|| (recorded.outcome != done.outcome).then(outcome))
        .or_else(|| {
            let said = |work: interstice_types::transaction::Work| {
                format!("{} host calls with hash {:032x}", work.host_calls, work.host_hash)
            };
            let differs = (old.host_calls, old.host_hash) != (new.host_calls, new.host_hash);
            differs.then(|| Difference::new(Kind::HostCalls, said(old), said(new)))
        })
        .or_else(|| (counts_fuel && old.fuel != new.fuel).then(|| Difference::new(Kind::Fuel, old.fuel, new.fuel)))
        .or_else(|| {
            let said = |digest: u128| format!("{digest:032x}");
            let differs = recorded.state_digest != digest;
            differs.then(|| Difference::new(Kind::Digest, said(recorded.state_digest), said(digest)))
        })
        .or_else(|| {
            let said = |flags: u8| format!("flags {flags}");
            (recorded.flags != flags).then(|| Difference::new(Kind::Outcome, said(recorded.flags), said(flags)))
        })
}

/// The first difference of two lists of changes; `after` has the tables as they came out.
fn changes(recorded: &[Change], replayed: &[Change], after: &Store) -> Option<Difference> {
    // What is in no log is not recorded.
    let mut logged = replayed.iter().enumerate().filter(|(_, change)| !is_unlogged_row(after, change));
    let mut expected = recorded.iter();
    loop {
        let (old, new) = (expected.next(), logged.next());
        match (old, new) {
            (None, None) => return None,
            (Some(old), Some((_, new))) if new.is_as_recorded(old) => {}
            (old, new) => {
                let position = new.map_or(replayed.len(), |(position, _)| position);
                return Some(change(old, new.map(|(_, new)| new), after, position));
            }
        }
    }
}

/// Two changes that differ, or one that is missing.
fn change(old: Option<&Change>, new: Option<&Change>, after: &Store, position: usize) -> Difference {
    let one = old.or(new).expect("invariant: one of them is there");
    let table = after.table(one.table());
    let kind = if matches!(one, Change::Sequence { .. }) { Kind::Sequence } else { Kind::Changes };
    let text = |change: Option<&Change>| change.map_or_else(|| "nothing".to_owned(), |change| told(change, after));
    let found = old.zip(new).zip(table).and_then(|((old, new), table)| column(table, old, new));
    let (column, recorded, replayed) = match found {
        Some((column, recorded, replayed)) => (Some(column), recorded, replayed),
        None => (None, text(old), text(new)),
    };
    Difference {
        table: table.map(|table| full_name(table)),
        key: table.and_then(|table| key_in(table, one)),
        column,
        change: Some(position),
        ..Difference::new(kind, recorded, replayed)
    }
}

/// What is done to which row, if it is put there.
fn rows_of(change: &Change) -> Option<(&'static str, &[u8])> {
    match change {
        Change::Insert { row, .. } => Some(("insert", row)),
        Change::Update { new, .. } => Some(("update", new)),
        _ => None,
    }
}

/// The first column in which two changes differ that put the same row there, or move the same sequence on, and what it holds in each.
fn column(table: &Table, old: &Change, new: &Change) -> Option<(String, String, String)> {
    if let (Change::Sequence { column: of, next: old, .. }, Change::Sequence { column, next: new, .. }) = (old, new) {
        let name = || table.schema().columns[usize::from(*column)].name.clone();
        return (of == column).then(|| (name(), old.to_string(), new.to_string()));
    }
    let ((old_kind, old_row), (new_kind, new_row)) = (rows_of(old)?, rows_of(new)?);
    if (old_kind, old.table(), key_in(table, old)) != (new_kind, new.table(), key_in(table, new)) {
        return None;
    }
    let layout = table.layout();
    let mut columns = table.schema().columns.iter().enumerate();
    let (position, column) =
        columns.find(|(position, _)| layout.column(old_row, *position) != layout.column(new_row, *position))?;
    let text = |row| {
        let bytes = layout.column(row, position);
        json::value_to_json(&column.ty, bytes).map_or_else(|_| to_hex(bytes), |value| value.to_string())
    };
    Some((column.name.clone(), text(old_row), text(new_row)))
}

/// The primary key of the row that a change is about; of several columns a list.
fn key_in(table: &Table, change: &Change) -> Option<Json> {
    let values = match change {
        Change::Insert { row, .. } | Change::Update { new: row, .. } => table.primary_key_values(row),
        Change::Delete { key, .. } => key.clone(),
        _ => return None,
    };
    key_to_json(table, &values)
}

/// A change in a few words.
fn told(change: &Change, after: &Store) -> String {
    let table = after.table(change.table());
    let name = table.map_or_else(|| change.table().to_string(), |table| full_name(table));
    let row = |bytes: &[u8]| {
        let fields = table.map(|table| table.schema().fields()).unwrap_or_default();
        json::record_to_json(&fields, bytes).map_or_else(|_| to_hex(bytes), |row| row.to_string())
    };
    let key = || table.and_then(|table| key_in(table, change)).map(|key| key.to_string()).unwrap_or_default();
    match change {
        Change::Insert { row: new, .. } => format!("insert {name} {}", row(new)),
        Change::Update { new, .. } => format!("update {name} {}", row(new)),
        Change::Delete { .. } => format!("delete {name} {}", key()),
        Change::Sequence { column, next, .. } => format!("sequence {column} of {name} at {next}"),
        Change::CreateTable { .. } => format!("create {name}"),
        Change::AlterTable { .. } => format!("alter {name}"),
        Change::ClearTable { .. } => format!("clear {name}"),
        Change::DropTable { .. } => format!("drop {name}"),
    }
}

fn text_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok(bytes) => format!("ok {}", to_hex(bytes)),
        Outcome::Rejected(problem) | Outcome::Trapped(problem) => {
            format!("{} {}", outcome.name(), String::from_utf8_lossy(problem))
        }
    }
}
