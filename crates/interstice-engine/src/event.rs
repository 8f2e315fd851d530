//! The event queue: not stored, but derived from what was committed.
//!
//! Every commit appends one entry for each (change, event reducer) that fits, in the order of [`EventId`]; every event
//! transaction takes the first one off. Applying a log does the same, so a recovered queue is the queue before the crash.
//! An engine that begins behind a snapshot queues what was pending then from the transactions that raised it.

use crate::catalog::Catalog;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::row::RowBytes;
use interstice_types::schema::ChangeKind;
use interstice_types::transaction::EventId;
use std::collections::VecDeque;

/// One delivery that is still to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingEvent {
    /// Names it.
    pub id: EventId,
    /// Events in the chain that led here, this one included.
    pub depth: u32,
    /// The rows that the reducer gets: the row, or old and new.
    pub rows: Vec<RowBytes>,
}

impl PendingEvent {
    /// The argument bytes of the reducer.
    pub fn args(&self) -> Vec<u8> {
        self.rows.iter().flat_map(|row| row.iter().copied()).collect()
    }
}

/// Deliveries that are still to be made, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventQueue {
    pending: VecDeque<PendingEvent>,
}

impl EventQueue {
    /// The next one.
    pub fn first(&self) -> Option<&PendingEvent> {
        self.pending.front()
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PendingEvent> {
        self.pending.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes the next one off.
    pub fn pop(&mut self) -> Option<PendingEvent> {
        self.pending.pop_front()
    }

    /// Appends what the complete `changes` of transaction `of` raise, `depth` events into a chain.
    pub fn raise(&mut self, catalog: &Catalog, of: Offset, depth: u32, changes: &[Change]) {
        for (number, change) in changes.iter().enumerate() {
            let table = change.table();
            if !catalog.raises_events(table) {
                continue;
            }
            for (subscriber, reducer) in catalog.event_reducers().iter().enumerate() {
                if reducer.table == table && kind_of(change) == Some(reducer.on) {
                    let id = EventId { of, change: number as u32, subscriber: subscriber as u32 };
                    self.pending.push_back(PendingEvent { id, depth: depth + 1, rows: rows_of(change) });
                }
            }
        }
    }

    /// Forgets what was consumed before: everything up to and including `cursor`.
    pub fn forget(&mut self, cursor: EventId) {
        while self.pending.front().is_some_and(|pending| pending.id <= cursor) {
            self.pending.pop_front();
        }
    }
}

impl FromIterator<PendingEvent> for EventQueue {
    fn from_iter<I: IntoIterator<Item = PendingEvent>>(events: I) -> Self {
        Self { pending: events.into_iter().collect() }
    }
}

fn kind_of(change: &Change) -> Option<ChangeKind> {
    match change {
        Change::Insert { .. } => Some(ChangeKind::Insert),
        Change::Update { .. } => Some(ChangeKind::Update),
        Change::Delete { .. } => Some(ChangeKind::Delete),
        Change::Sequence { .. }
        | Change::CreateTable { .. }
        | Change::AlterTable { .. }
        | Change::ClearTable { .. }
        | Change::DropTable { .. } => None,
    }
}

/// What a reducer of this change gets. Where there is one, the change has its old row also as it stands in the log.
fn rows_of(change: &Change) -> Vec<RowBytes> {
    let complete = "invariant: a change that a reducer listens to has its old row";
    match change {
        Change::Insert { row, .. } => vec![row.clone()],
        Change::Update { old, new, .. } => vec![old.clone().expect(complete), new.clone()],
        Change::Delete { old, .. } => vec![old.clone().expect(complete)],
        other => panic!("invariant: nobody listens to {other:?}"),
    }
}
