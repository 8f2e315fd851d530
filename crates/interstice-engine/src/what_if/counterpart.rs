//! What in one history is what in the other: events, schedules, connections.
//!
//! Numbers do not say: once something has gone another way, offsets, numbers of schedules and of connections are others. An event is the
//! same one if the same reducer hears of the same change of the same row by the same transaction; a schedule, if it runs the same function
//! with the same arguments at the same time; a connection, if the same transaction noted it.

use crate::engine::Engine;
use crate::event::PendingEvent;
use crate::system::schedule::{self, ScheduleRow};
use crate::telling::full_name;
use interstice_store::table::Table;
use interstice_types::id::{Offset, ScheduleId};
use interstice_types::schema::ChangeKind;
use interstice_types::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known of that so far.
pub(super) struct Counterparts {
    /// Where the histories part: what came before is the same in both.
    parting: Offset,
    /// Transactions whose events may still be pending, in order: the offset in the other history, the recorded one.
    offsets: VecDeque<(Offset, Offset)>,
    /// By the recorded number of a connection, the other one.
    connections: BTreeMap<u64, u64>,
}

/// A delivery, so that it is the same in both histories.
#[derive(PartialEq, Eq)]
struct Delivery {
    of: Offset,
    function: String,
    table: String,
    on: ChangeKind,
    key: Vec<u8>,
}

impl Delivery {
    fn new(engine: &Engine, event: &PendingEvent, of: Offset) -> Self {
        let reducer = engine.catalog.event_reducers()[event.id.subscriber as usize];
        let table = engine.store.table(reducer.table).expect("invariant: a reducer listens to a table that is there");
        Self {
            of,
            function: engine.catalog.at(reducer.module, reducer.function).full_name(),
            table: full_name(table),
            on: reducer.on,
            key: table.primary_key_values(&event.rows[0]).to_vec(),
        }
    }
}

impl Counterparts {
    pub(super) fn new(engine: &Engine) -> Self {
        let connections = engine.connections().into_iter().map(|connection| (connection, connection)).collect();
        Self { parting: engine.next_offset, offsets: VecDeque::new(), connections }
    }

    /// The transaction at offset `there` is the recorded one at `recorded`.
    pub(super) fn note(&mut self, alternative: &Engine, there: Offset, recorded: Offset) {
        let oldest = alternative.queue.first().map_or(Offset::MAX, |event| event.id.of);
        while self.offsets.front().is_some_and(|(offset, _)| *offset < oldest) {
            self.offsets.pop_front();
        }
        if oldest <= there {
            self.offsets.push_back((there, recorded));
        }
    }

    pub(super) fn note_connection(&mut self, recorded: u64, there: u64) {
        self.connections.insert(recorded, there);
    }

    pub(super) fn take_connection(&mut self, recorded: u64) -> Option<u64> {
        self.connections.remove(&recorded)
    }

    /// The recorded offset of a transaction of the other history.
    fn recorded(&self, there: Offset) -> Option<Offset> {
        if there < self.parting {
            return Some(there);
        }
        let position = self.offsets.binary_search_by_key(&there, |(offset, _)| *offset).ok()?;
        Some(self.offsets[position].1)
    }

    /// The next delivery of the other history, as the recorded one knows it.
    fn next_delivery(&self, alternative: &Engine) -> Option<Delivery> {
        let event = alternative.queue.first()?;
        Some(Delivery::new(alternative, event, self.recorded(event.id.of)?))
    }

    /// Whether the next delivery of the other history is one that is still to come in the recorded one.
    pub(super) fn is_event_to_come(&self, recorded: &Engine, alternative: &Engine) -> bool {
        let Some(next) = self.next_delivery(alternative) else { return false };
        let to_come = recorded.queue.iter().take_while(|event| event.id.of <= next.of);
        to_come.filter(|event| event.id.of == next.of).any(|event| Delivery::new(recorded, event, next.of) == next)
    }

    /// Whether the next delivery is the same in both.
    pub(super) fn is_same_event(&self, recorded: &Engine, alternative: &Engine) -> bool {
        let first = recorded.queue.first().map(|event| Delivery::new(recorded, event, event.id.of));
        first.is_some_and(|first| self.next_delivery(alternative) == Some(first))
    }
}

/// The schedule `id` of `recorded` as `alternative` has it.
pub(super) fn schedule(recorded: &Engine, alternative: &Engine, id: ScheduleId) -> Option<ScheduleRow> {
    let row = schedule::find(recorded.schedules()?, id)?;
    let there = schedule::all(alternative.schedules()?);
    // Those that are not paused stand in front, the next first.
    let is_behind = |other: &ScheduleRow| !row.paused && (other.paused || other.due > row.due);
    there.take_while(|other| !is_behind(other)).find(|other| what(other) == what(&row))
}

/// A schedule of `alternative` that is due at `time`, and that `recorded` does not have: the first one.
pub(super) fn extra_schedule(recorded: &Engine, alternative: &Engine, time: Timestamp) -> Option<ScheduleRow> {
    let due = |engine: &Engine| engine.schedules().map(|table| due(table, time).collect()).unwrap_or_default();
    let here: Vec<ScheduleRow> = due(alternative);
    if here.is_empty() {
        return None;
    }
    let there: Vec<ScheduleRow> = due(recorded);
    let there: BTreeSet<_> = there.iter().map(what).collect();
    here.into_iter().find(|row| !there.contains(&what(row)))
}

fn due(table: &Table, time: Timestamp) -> impl Iterator<Item = ScheduleRow> + '_ {
    schedule::all(table).take_while(move |row| !row.paused && row.due <= time)
}

/// What makes a schedule the same one.
fn what(row: &ScheduleRow) -> (Timestamp, bool, &str, &str, &[u8]) {
    (row.due, row.declared, &row.module, &row.function, &row.args)
}
