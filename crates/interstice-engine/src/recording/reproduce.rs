//! What a recording says happens again, and is compared.

use super::row::{self, from_json};
use super::state::find;
use super::{Ended, Kind, Recorded, Recording, RowChange};
use crate::engine::{Engine, Input, Output, Request};
use crate::net::net;
use crate::system::schedule;
use crate::telling::{full_name, key_to_json};
use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::schema::FunctionKind;
use interstice_types::transaction::{Cause, Outcome, Transaction, Work};
use interstice_types::ty::Type;
use interstice_types::{codec, json};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What came of a transaction.
#[derive(Clone, Copy)]
pub struct Came<'c> {
    /// The answer, or why it failed.
    pub reply: &'c Result<Vec<u8>, Problem>,
    /// What it changed, complete.
    pub changes: &'c [Change],
}

/// The first difference between a recording and what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which transaction.
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// What differs: `outcome`, `value`, `cause`, or a row as in `bank.account 7 balance`.
    pub what: String,
    /// What was recorded.
    pub recorded: String,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, function, what, recorded, found } = self;
        write!(f, "offset {offset} ({function}): {what}: recorded {recorded}, found {found}")
    }
}

/// What a transaction is to make of rows, or made: by table and key, before and behind it.
type Rows = BTreeMap<(TableId, Vec<u8>), [Option<RowBytes>; 2]>;

impl Recording {
    /// Does it all on `engine`, in which its modules are published; gives the first difference.
    ///
    /// # Errors
    /// `invalid-recording`, if it does not fit the modules.
    pub fn reproduce(&self, engine: &Engine) -> Result<Option<Difference>, Problem> {
        let (store, moment) = self.state(engine)?;
        let mut engine = engine.restored_with(store, moment);
        for recorded in &self.transactions {
            while engine.next_offset() < recorded.offset() {
                engine.apply(&filler(&engine)).expect("invariant: a filler follows");
            }
            let request = match recorded.request(&engine)? {
                Ok(request) => request,
                Err(difference) => return Ok(Some(difference)),
            };
            let Output { transaction, reply, .. } = engine.step(recorded.input(request));
            let changes = transaction.map(|transaction| transaction.changes).unwrap_or_default();
            if let Some(difference) = recorded.compare(&engine, Came { reply: &reply, changes: &changes })? {
                return Ok(Some(difference));
            }
        }
        Ok(None)
    }
}

/// A transaction that does nothing, as the next one of `engine`: it stands for one that the recording does not have.
pub fn filler(engine: &Engine) -> Transaction {
    Transaction {
        offset: engine.next_offset(),
        time: engine.time(),
        seed: [0; 16],
        cause: Cause::Configure,
        outcome: Outcome::Ok(Vec::new()),
        changes: Vec::new(),
        work: Work::default(),
        host_marks: Vec::new(),
        state_digest: engine.store().digest(),
        flags: 0,
    }
}

impl Recorded {
    /// `request` at its time, with its random bytes.
    pub fn input(&self, request: Request) -> Input {
        Input { now: self.time.0, seed: self.seed.0, request }
    }

    /// What has it happen again; or that what is to happen next is something else.
    ///
    /// # Errors
    /// What is wrong with the recording.
    pub fn request(&self, engine: &Engine) -> Result<Result<Request, Difference>, Problem> {
        let complete = "invariant: a recording was checked when it was read";
        let caller = || self.caller.expect(complete).0;
        Ok(Ok(match self.cause {
            Kind::Call => {
                let name = self.function.as_deref().expect(complete);
                let (module, function) =
                    name.split_once('.').ok_or_else(|| self.wrong("`function` is not as in `module.function`"))?;
                let found = engine
                    .catalog()
                    .find(&FunctionKind::Reducer, module, function)
                    .map_err(|problem| problem.at(self.place()))?;
                let args = self.args.as_ref().expect(complete);
                let args = found.args_of_json(args).map_err(|problem| self.wrong(problem.message.clone()))?;
                Request::Call { module: module.into(), function: function.into(), args, caller: caller() }
            }
            Kind::Event => return Ok(self.next_event(engine)),
            Kind::Schedule => return Ok(self.next_schedule(engine)),
            Kind::Connect => Request::Connect { caller: caller() },
            Kind::Disconnect => Request::Disconnect { connection: self.connection.expect(complete).0 },
            Kind::Control => Request::Control {
                action: self.action.expect(complete),
                schedule: self.schedule.expect(complete).0,
                caller: caller(),
            },
        }))
    }

    fn next_event(&self, engine: &Engine) -> Result<Request, Difference> {
        let found = engine.queue.first().map(|event| {
            let reducer = engine.catalog().event_reducers()[event.id.subscriber as usize];
            let function = engine.catalog().at(reducer.module, reducer.function).full_name();
            format!("an event of offset {} for {function}", event.id.of)
        });
        let of = self.of.expect("invariant: an event was checked when it was read").0;
        let recorded = format!("an event of offset {of} for {}", self.name());
        match found {
            Some(found) if found == recorded => Ok(Request::NextEvent),
            found => Err(self.differs("cause", recorded, found.unwrap_or_else(|| "no event".to_owned()))),
        }
    }

    fn next_schedule(&self, engine: &Engine) -> Result<Request, Difference> {
        let told = |function: &str, due| format!("{function}, due {due}");
        let next = engine.schedules().and_then(schedule::first).filter(|row| row.due <= self.time.0);
        let found = next.map(|row| told(&format!("{}.{}", row.module, row.function), row.due));
        let due = self.due.expect("invariant: a schedule was checked when it was read").0;
        let recorded = told(&self.name(), due);
        match found {
            Some(found) if found == recorded => Ok(Request::NextSchedule),
            found => {
                Err(self.differs("cause", recorded, found.unwrap_or_else(|| "no schedule that is due".to_owned())))
            }
        }
    }

    /// What of `came`, behind which `engine` is, is not as it is to be: the first difference.
    ///
    /// # Errors
    /// What is wrong with the recording.
    pub fn compare(&self, engine: &Engine, came: Came<'_>) -> Result<Option<Difference>, Problem> {
        if let Some(difference) = self.compare_ending(engine, came.reply)? {
            return Ok(Some(difference));
        }
        let (expected, found) = (self.expected(engine)?, touched(engine.store(), came.changes));
        let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
        for at in keys {
            let table = table(engine.store(), at.0);
            let [before, behind] = found.get(at).cloned().unwrap_or_else(|| {
                let row = row_at(table, &at.1);
                [row.clone(), row]
            });
            // Of a row of which nothing is said nothing is to become.
            let wanted = expected.get(at).map_or(before, |[_, wanted]| wanted.clone());
            if wanted != behind {
                return Ok(Some(self.row_differs(table, &at.1, [wanted, behind])));
            }
        }
        Ok(None)
    }

    fn compare_ending(&self, engine: &Engine, reply: &Result<Vec<u8>, Problem>) -> Result<Option<Difference>, Problem> {
        let ending = |reply: &Result<Vec<u8>, Problem>| match reply {
            Ok(_) => "ok".to_owned(),
            Err(problem) => format!("{}: {}", problem.code, problem.message),
        };
        Ok(match (self.outcome, reply) {
            (Ended::Ok, Ok(answer)) => self.compare_value(engine, answer)?,
            (Ended::Ok, Err(_)) => Some(self.differs("outcome", "ok".to_owned(), ending(reply))),
            (ended, Ok(_)) => {
                let word = if ended == Ended::Trapped { "trapped" } else { "rejected" };
                let recorded = self.problem.as_ref().map(|problem| format!("{}: {}", problem.code, problem.message));
                Some(self.differs("outcome", recorded.unwrap_or_else(|| word.to_owned()), ending(reply)))
            }
            (_, Err(found)) => {
                let wanted = self.problem.as_ref().filter(|wanted| {
                    *wanted.code != *found.code
                        || wanted.data.as_ref().is_some_and(|data| Some(data) != found.data.as_ref())
                });
                wanted.map(|wanted| {
                    let told = |code: &str, data: Option<&Json>| {
                        data.map_or_else(|| code.to_owned(), |data| format!("{code} {data}"))
                    };
                    let recorded = told(&wanted.code, wanted.data.as_ref());
                    self.differs("outcome", recorded, told(&found.code, found.data.as_ref()))
                })
            }
        })
    }

    fn compare_value(&self, engine: &Engine, answer: &[u8]) -> Result<Option<Difference>, Problem> {
        if let (Kind::Connect, Some(connection)) = (self.cause, self.connection) {
            let bytes = connection.0.to_le_bytes();
            let found = || json::value_to_json(&Type::U64, answer).unwrap_or_default();
            return Ok(
                (bytes != answer).then(|| self.differs("connection", connection.0.to_string(), found().to_string()))
            );
        }
        let function =
            self.function.as_deref().filter(|_| self.cause == Kind::Call).and_then(|name| name.split_once('.'));
        let Some((module, function)) = function else { return Ok(None) };
        let found = engine.catalog().find(&FunctionKind::Reducer, module, function)?;
        let ty = &found.function().schema.returns;
        let wanted = json::from_json(ty, self.value.as_ref().unwrap_or(&Json::Null));
        let wanted = wanted.map_err(|error| self.wrong(format!("`value`: {error}")))?;
        let values = codec::decode_all([ty], answer).expect("invariant: an answer is of the type that is declared");
        let is_same = codec::encode_all([ty], std::slice::from_ref(&wanted)) == answer;
        Ok((!is_same).then(|| self.differs("value", json::to_text(ty, &wanted), json::to_text(ty, &values[0]))))
    }

    /// What it is to make of rows.
    fn expected(&self, engine: &Engine) -> Result<Rows, Problem> {
        let mut rows = Rows::new();
        for RowChange { table, insert, update, delete } in &self.changes {
            let (row, is_there) = match (insert, update, delete) {
                (Some(row), None, None) => (row, true),
                (None, Some(update), None) => (&update.new, true),
                (None, None, Some(row)) => (row, false),
                _ => return Err(self.wrong("a change is one of `insert`, `update` and `delete`")),
            };
            let table = find(engine.store(), engine.catalog(), table).map_err(|problem| problem.at(self.place()))?;
            let row = from_json(engine.catalog(), table, row).map_err(|text| self.wrong(text))?;
            let key = table.primary_key_values(&row).to_vec();
            rows.insert((table.id(), key), [None, is_there.then_some(row)]);
        }
        Ok(rows)
    }

    fn row_differs(&self, table: &Table, key: &[u8], [wanted, found]: [Option<RowBytes>; 2]) -> Difference {
        let key = key_to_json(table, key).unwrap_or_default();
        let row = format!("{} {}", full_name(table), digits(&key));
        let fields = table.schema().fields();
        let values = |row: &RowBytes| {
            codec::decode_all(fields.iter().map(|field| &field.ty), row).expect("invariant: rows are canonical")
        };
        if let (Some(wanted), Some(found)) = (&wanted, &found) {
            let layout = table.layout();
            let other =
                (0..fields.len()).find(|column| layout.column(wanted, *column) != layout.column(found, *column));
            let column = other.expect("invariant: rows with other bytes have other values");
            let (wanted, found) = (values(wanted), values(found));
            let told = |value| json::to_text(&fields[column].ty, value);
            return self.differs(
                &format!("{row} {}", fields[column].name),
                told(&wanted[column]),
                told(&found[column]),
            );
        }
        let told = |row: &Option<RowBytes>| {
            row.as_ref().map_or_else(|| "no row".to_owned(), |row| json::fields_to_text(&fields, &values(row)))
        };
        self.differs(&row, told(&wanted), told(&found))
    }

    fn differs(&self, what: &str, recorded: String, found: String) -> Difference {
        Difference { offset: self.offset(), function: self.name(), what: what.to_owned(), recorded, found }
    }
}

/// A key as text: numbers without the quotes that JSON gives them.
fn digits(key: &Json) -> String {
    match key {
        Json::String(text) if text.parse::<i128>().is_ok() => text.clone(),
        other => other.to_string(),
    }
}

/// What changes made of the rows that recordings tell of.
fn touched(store: &Store, changes: &[Change]) -> Rows {
    net(store, changes, row::is_told).into_iter().map(|net| ((net.table, net.key), net.rows)).collect()
}

fn table(store: &Store, id: TableId) -> &Table {
    store.table(id).expect("invariant: what runs changes rows of tables that stay")
}

fn row_at(table: &Table, key: &[u8]) -> Option<RowBytes> {
    let key = table.lookup_key(key, &mut Vec::new()).ok()?;
    table.get(&key).map(RowBytes::from)
}
