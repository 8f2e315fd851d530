//! `interstice.dead_letter`: what ran without being asked and failed, one row each, for somebody to look at.

use super::{DEAD_LETTER, insert, rows, table};
use interstice_store::store::Store;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::Change;
use interstice_types::codec::Reader;
use interstice_types::id::{Offset, ScheduleId};
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableSchema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::EventId;
use interstice_types::ty::Type;
use interstice_types::value::Value;

/// Bytes of a problem's JSON from which on it is cut.
const MAX_PROBLEM_SIZE: usize = 1 << 20;
/// Bytes that are kept of the message of one that is cut.
const MAX_MESSAGE_SIZE: usize = 1 << 10;

/// The table, as a node makes it.
pub(super) fn schema() -> TableSchema {
    let columns = [
        ("of", Type::U64),
        ("change", Type::U32),
        ("subscriber", Type::U32),
        ("function", Type::String),
        ("problem", Type::String),
        ("time", Type::Timestamp),
        ("schedule", Type::U64),
    ];
    let mut letters = table("dead_letter", &columns, 3);
    letters.columns[6].default = Some("00".repeat(8));
    letters
}

/// What a transaction consumed without being asked to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumed {
    /// An event.
    Event(EventId),
    /// A schedule, at this offset. What such a transaction changes raises no events if its reducer failed: the offset is no event's.
    Schedule(ScheduleId, Offset),
    /// A connection that began or ended at this offset, told to the reducer at this place among those that are told. Its change is none
    /// that a transaction has, as those of others at that offset may be events.
    Connection(Offset, u32),
}

/// Records that the reducer of an event, a schedule or a connection failed.
///
/// # Errors
/// If the transaction is full.
pub fn write(
    tx: &mut WriteTx,
    consumed: Consumed,
    function: &str,
    problem: &[u8],
    time: Timestamp,
) -> Result<(), WriteError> {
    let (event, schedule) = match consumed {
        Consumed::Event(event) => (event, ScheduleId(0)),
        Consumed::Schedule(schedule, of) => (EventId { of, change: 0, subscriber: 0 }, schedule),
        Consumed::Connection(of, subscriber) => (EventId { of, change: u32::MAX, subscriber }, ScheduleId(0)),
    };
    let problem = bounded(problem);
    let values = [
        ("of", Value::U64(event.of)),
        ("change", Value::U32(event.change)),
        ("subscriber", Value::U32(event.subscriber)),
        ("schedule", Value::U64(schedule.0)),
        ("function", Value::from(function)),
        ("problem", Value::String(problem)),
        ("time", Value::Timestamp(time)),
    ];
    insert(tx, DEAD_LETTER, &values)
}

/// The problems of the dead letters that `changes` put there.
pub(crate) fn problems_in(changes: &[Change]) -> Vec<Problem> {
    let rows = changes.iter().filter_map(|change| match change {
        Change::Insert { table: DEAD_LETTER, row } => Some(row),
        _ => None,
    });
    // The first columns are the same in every store.
    let problem = |row: &RowBytes| {
        let mut reader = Reader::new(row);
        reader.array::<16>("the event").ok()?;
        reader.string().ok()?;
        Problem::from_json(reader.string().ok()?.as_bytes()).ok()
    };
    rows.filter_map(problem).collect()
}

/// A problem as it stands in a row. One of [`MAX_PROBLEM_SIZE`] bytes and more is cut to its code and the beginning of its message: an
/// error may be nearly as large as a row, and its JSON larger.
fn bounded(json: &[u8]) -> String {
    if json.len() < MAX_PROBLEM_SIZE {
        return String::from_utf8_lossy(json).into_owned();
    }
    let mut problem = Problem::from_json(json).expect("invariant: an outcome holds a problem");
    let cut = problem.message.floor_char_boundary(MAX_MESSAGE_SIZE);
    problem.message = format!("{}… ({} bytes)", &problem.message[..cut], problem.message.len());
    problem.data = None;
    String::from_utf8(problem.to_json()).expect("invariant: JSON is UTF-8")
}

/// An event or a schedule whose reducer failed: a row of `interstice.dead_letter`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// `module.reducer`.
    pub function: String,
    /// Why.
    pub problem: Problem,
    /// When it failed.
    pub time: Timestamp,
}

/// All rows of `interstice.dead_letter`, in the order of their keys.
pub fn all(store: &Store) -> Vec<DeadLetter> {
    let rows = rows(store, DEAD_LETTER).into_iter().map(|values| match &values[..] {
        // A store that was made by a node without schedules has one column less.
        [_, _, _, Value::String(function), Value::String(problem), Value::Timestamp(time), ..] => DeadLetter {
            function: function.clone(),
            problem: Problem::from_json(problem.as_bytes()).expect("invariant: a dead letter holds a problem"),
            time: *time,
        },
        _ => panic!("invariant: the columns of interstice.dead_letter"),
    });
    rows.collect()
}
