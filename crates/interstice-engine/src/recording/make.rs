//! Making a recording: the state before a stretch of a log, then its transactions one by one.
//!
//! Kept is what happened in the module and in those that it imports. What happened in others is left out, if it changed none of their
//! rows; if it did, there is no recording.

use super::state::is_kept;
use super::text::Text;
use super::touched::Touched;
use super::{
    Ended, ExpectedProblem, Kind, MAX_ROWS, MAX_SPAN, Recorded, Recording, RowChange, SCHEMA, TableState, row,
};
use crate::catalog::Catalog;
use crate::engine::{Engine, Input, Request};
use crate::event::PendingEvent;
use crate::net::net;
use crate::publish::PublishOptions;
use crate::recorded::RecordedError;
use crate::system::{self, connection, schedule};
use crate::telling::full_name;
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{IndexId, Table};
use interstice_types::id::{Identity, Offset};
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::schema::{SYSTEM_MODULE, Schema};
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, FLAG_TOUCHED_EPHEMERAL, Outcome, Transaction};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Follows a log, and makes a recording of it.
pub struct Recorder {
    engine: Engine,
    /// The state before, and the modules of then.
    start: (Store, Arc<Catalog>, Offset),
    module: String,
    modules: Vec<String>,
    recorded: Vec<Recorded>,
    /// Connections that began meanwhile.
    connections: BTreeSet<u64>,
    /// The rows that are needed, if there are so many that not all are kept.
    touched: Option<Touched>,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// What the log records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// A recording cannot hold it.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl From<Problem> for RecorderError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl Recorder {
    /// Begins at `engine`, whose modules are ready to run; about `module` and those that it imports.
    ///
    /// # Errors
    /// `unknown-module`, or `events-pending`.
    pub fn new(engine: Engine, module: &str) -> Result<Self, Problem> {
        let modules = with_imports(engine.catalog(), module).map_err(|_| {
            let text = format!("module `{module}` is not there before offset {}", engine.next_offset());
            Problem::new("unknown-module", text)
                .hint(format!("see when it came with `interstice log dump --module {module} --cause publish`"))
        })?;
        let start = (engine.store().clone(), Arc::clone(engine.catalog()), engine.next_offset());
        let is_ours = |event: &&PendingEvent| {
            let reducer = engine.catalog().event_reducers()[event.id.subscriber as usize];
            modules.contains(&engine.catalog().modules()[reducer.module].schema.module)
        };
        if let Some(event) = engine.queue.iter().find(is_ours) {
            let text = format!("an event of offset {} is still to be delivered at offset {}", event.id.of, start.2);
            return Err(Problem::new("events-pending", text).hint(format!("begin there: `--from {}`", event.id.of)));
        }
        let count = kept_tables(&start.0, &modules).map(|table| table.count()).sum::<usize>();
        let touched = (count > MAX_ROWS).then(Touched::default);
        let (module, recorded, connections) = (module.to_owned(), Vec::new(), BTreeSet::new());
        Ok(Self { engine, start, module, modules, recorded, connections, touched })
    }

    /// What the modules that it is about declare, each behind those that it imports.
    pub fn schemas(&self) -> Vec<Arc<Schema>> {
        let entries = self.modules.iter().filter_map(|module| self.start.1.module(module));
        entries.map(|(_, entry)| Arc::clone(&entry.schema)).collect()
    }

    /// Where it is.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The next transaction of the log; whether it is in the recording.
    ///
    /// # Errors
    /// [`RecorderError`]; there is no recording then.
    pub fn follow(&mut self, transaction: &Transaction) -> Result<bool, RecorderError> {
        if transaction.offset - self.start.2 >= MAX_SPAN {
            let text = format!("a recording has at most {MAX_SPAN} offsets");
            let hint = format!("end before offset {}: `--to {}`", transaction.offset, transaction.offset);
            return Err(Problem::new("recording-too-large", text).hint(hint).into());
        }
        let kept = self.kept(transaction)?;
        if let Some(recorded) = kept {
            self.recorded.push(recorded);
            if let Some(touched) = &mut self.touched {
                touched.note_changes(&self.engine.store, &transaction.changes);
                let (store, catalog) = (self.engine.store.clone(), Arc::clone(&self.engine.catalog));
                let trace = self.engine.rerun(transaction, true)?.trace;
                trace.iter().for_each(|trace| touched.note_trace(&store, &catalog, trace));
            } else {
                self.engine.apply(transaction)?;
            }
            return Ok(true);
        }
        self.engine.apply(transaction)?;
        Ok(false)
    }

    /// The recording, which was tried out: by the modules as they were, in a database that has nothing but what it says, it comes out
    /// as it was recorded.
    ///
    /// # Errors
    /// `nothing-to-record`, `recording-too-large`, `not-reproducible`.
    pub fn finish(self) -> Result<Recording, Problem> {
        let (engine, is_partial) = (self.published()?, self.touched.is_some());
        let recording = self.recording()?;
        // As it will be read: what cannot be written is found here too.
        let found = Recording::read(&recording.text()).and_then(|again| again.reproduce(&engine));
        let text = match found {
            Ok(None) => return Ok(recording),
            Ok(Some(difference)) => difference.to_string(),
            Err(problem) => problem.message.clone(),
        };
        let problem = Problem::new("not-reproducible", format!("in a database with nothing but the recording: {text}"));
        Err(if is_partial {
            let hint = format!(
                "there are more than {MAX_ROWS} rows, so that only those are in a recording that the transactions read or change: one that counts all rows, or looks for one that is not there, cannot be in it; leave it out with a later `--from` or an earlier `--to`"
            );
            problem.hint(hint)
        } else {
            problem.hint("`interstice replay check` says whether it is the module that does not do the same twice")
        })
    }

    /// A database in which the modules are published as they were.
    fn published(&self) -> Result<Engine, Problem> {
        let (store, catalog, _) = &self.start;
        let mut engine = Engine::new(Arc::clone(&self.engine.loader), self.engine.limits);
        let mut step = |request| engine.step(Input { now: Timestamp(0), seed: [0; 16], request }).reply;
        step(Request::Genesis { node: [0; 16] })?;
        for name in &self.modules {
            let (_, entry) = catalog.module(name).expect("invariant: it was looked for");
            let artefact = system::artefact(store, &entry.artefact).expect("invariant: a module's artefact is a row");
            let loaded = self.engine.loader.load(&artefact).map_err(|error| error.problem)?;
            let caller = entry.owner.unwrap_or(Identity([0; 32]));
            step(Request::Publish { artefact, loaded, caller, options: PublishOptions::default() })?;
        }
        Ok(engine)
    }

    fn recording(self) -> Result<Recording, Problem> {
        let (store, catalog, from) = &self.start;
        let to = self.engine.next_offset();
        if self.recorded.is_empty() {
            let text = format!("nothing happened in module `{}` between offsets {from} and {to}", self.module);
            let hint = format!("see when something did with `interstice log dump --module {}`", self.module);
            return Err(Problem::new("nothing-to-record", text).hint(hint));
        }
        if let Some(touched) = self.touched.as_ref().filter(|touched| touched.count() > MAX_ROWS) {
            let text = format!("the transactions look at {} rows, a recording has at most {MAX_ROWS}", touched.count());
            return Err(Problem::new("recording-too-large", text)
                .hint("take fewer transactions: a later `--from`, an earlier `--to`"));
        }
        let mut tables = BTreeMap::new();
        for table in kept_tables(store, &self.modules) {
            let rows: Vec<_> = match &self.touched {
                None => all_rows(table).filter_map(|row| row::to_json(catalog, table, row)).collect(),
                Some(touched) => touched.rows_of(table).filter_map(|row| row::to_json(catalog, table, row)).collect(),
            };
            tables.insert(full_name(table), TableState { sequences: sequences(table), rows });
        }
        let counted = [schedule::find_table(store), connection::find_table(store).filter(|_| self.is_told(catalog))];
        for table in counted.into_iter().flatten().filter_map(|id| store.table(id)) {
            tables.insert(full_name(table), TableState { sequences: sequences(table), rows: Vec::new() });
        }
        tables.retain(|_, state| *state != TableState::default());
        let owner = |module: &String| Some((module.clone(), Text(catalog.module(module)?.1.owner?)));
        Ok(Recording {
            schema: SCHEMA.to_owned(),
            from: Text(*from),
            to: Text(to),
            owners: self.modules.iter().filter_map(owner).collect(),
            tables,
            schedules: self.schedules(),
            transactions: self.recorded,
            module: self.module,
        })
    }

    fn schedules(&self) -> Vec<Json> {
        let (store, catalog, _) = &self.start;
        let table = schedule::find_table(store).and_then(|id| store.table(id));
        let of_ours = |table: &Table, row: &[u8]| self.is_module(schedule::module_in(table, row));
        let rows = table.into_iter().flat_map(|table| all_rows(table).map(|row| (&**table, row)));
        rows.filter(|(table, row)| of_ours(table, row))
            .filter_map(|(table, row)| row::to_json(catalog, table, row))
            .collect()
    }

    fn is_module(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module == name)
    }

    /// What is kept of a transaction; `None` if it is none of these modules.
    fn kept(&mut self, transaction: &Transaction) -> Result<Option<Recorded>, Problem> {
        let offset = transaction.offset;
        let function = self.engine.function_of(transaction);
        let changes = self.changes(transaction);
        if let Cause::Publish { module, .. } = &transaction.cause
            && self.is_module(module)
        {
            let text = format!(
                "module `{module}` was published at offset {offset}: what is before and behind that ran other code"
            );
            let hint = format!("end there with `--to {offset}`, or begin behind it with `--from {}`", offset + 1);
            return Err(Problem::new("publish-within", text).hint(hint));
        }
        if !self.is_ours(&transaction.cause) {
            let Some(change) = changes.first() else { return Ok(None) };
            let text = format!(
                "offset {offset} ({function}) is of another module than `{}` and those that it imports, and changed `{}`",
                self.module, change.table
            );
            return Err(Problem::new("other-module", text)
                .hint("name the project of that module, or take a stretch without that transaction"));
        }
        if transaction.flags & FLAG_TOUCHED_EPHEMERAL != 0 {
            let text = format!("offset {offset} ({function}) saw rows of ephemeral tables, which are in no log");
            return Err(Problem::new("saw-ephemeral", text).hint("take a stretch without that transaction"));
        }
        let told = self.cause(transaction, &function)?;
        let (outcome, value, problem) = self.outcome(transaction);
        Ok(Some(Recorded { outcome, value, problem, changes, ..told }))
    }

    /// Whether what caused a transaction is of these modules.
    fn is_ours(&self, cause: &Cause) -> bool {
        let catalog = &self.engine.catalog;
        let at = |position: usize| self.is_module(&catalog.modules()[position].schema.module);
        let schedule = |id| {
            let row = self.engine.schedules().and_then(|table| schedule::find(table, id));
            row.is_some_and(|row| self.is_module(&row.module))
        };
        match cause {
            Cause::Genesis { .. } | Cause::Configure | Cause::Publish { .. } => false,
            Cause::Call { version, function, .. } => {
                catalog.in_version(*version, *function).is_some_and(|found| at(found.position))
            }
            Cause::Event { event, .. } => {
                catalog.event_reducers().get(event.subscriber as usize).is_some_and(|reducer| at(reducer.module))
            }
            Cause::Schedule { schedule: id, .. } | Cause::Control { schedule: id, .. } => schedule(*id),
            Cause::Connect { .. } | Cause::Disconnect { .. } => self.is_told(catalog),
        }
    }

    /// Whether one of these modules is told of connections.
    fn is_told(&self, catalog: &Catalog) -> bool {
        let mut told = catalog.connect_reducers().iter().chain(catalog.disconnect_reducers());
        told.any(|(module, _)| self.is_module(&catalog.modules()[*module].schema.module))
    }

    /// What it made of rows of these modules, and of their schedules.
    fn changes(&self, transaction: &Transaction) -> Vec<RowChange> {
        // Changes in a log may lack old rows: making them on a clone fills those in.
        let (mut after, mut complete) = (self.engine.store.clone(), transaction.changes.clone());
        if after.apply(&mut complete).is_err() {
            // That is told when the transaction is applied.
            return Vec::new();
        }
        let told = net(&after, &complete, row::is_told).into_iter().filter_map(|net| {
            let table = after.table(net.table).filter(|table| self.is_seen(table, &net.rows))?;
            row::net_to_json(&self.engine.catalog, table, &net.rows)
        });
        told.collect()
    }

    /// Whether a row is of these modules, or one of their schedules.
    fn is_seen(&self, table: &Table, rows: &[Option<RowBytes>; 2]) -> bool {
        if **table.module() != *SYSTEM_MODULE {
            return self.is_module(table.module());
        }
        rows.iter().flatten().next().is_some_and(|row| self.is_module(schedule::module_in(table, row)))
    }

    /// A transaction as far as its cause tells of it.
    fn cause(&mut self, transaction: &Transaction, function: &str) -> Result<Recorded, Problem> {
        let identity = |client| Some(Text(self.engine.identity_in(&transaction.changes, client)));
        let mut told = Recorded::new(transaction, Kind::Call);
        match &transaction.cause {
            Cause::Call { version, function: number, caller, args } => {
                let found =
                    self.engine.catalog.in_version(*version, *number).expect("invariant: it is of a module in force");
                let args = json::record_to_json(&found.function().schema.args, args);
                told.args = Some(args.expect("invariant: recorded arguments are canonical"));
                (told.function, told.caller) = (Some(function.to_owned()), identity(*caller));
            }
            Cause::Event { event, .. } => {
                (told.cause, told.function, told.of) = (Kind::Event, Some(function.to_owned()), Some(Text(event.of)));
            }
            Cause::Schedule { schedule, function: None, due, .. } => {
                let text = format!(
                    "offset {}: schedule {schedule}, which was due at {due}, had no reducer",
                    transaction.offset
                );
                return Err(Problem::new("not-reproducible", text).hint("take a stretch without that transaction"));
            }
            Cause::Schedule { due, .. } => {
                (told.cause, told.function, told.due) = (Kind::Schedule, Some(function.to_owned()), Some(Text(*due)));
            }
            Cause::Connect { caller, connection } => {
                (told.cause, told.caller) = (Kind::Connect, identity(*caller));
                told.connection = Some(Text(*connection));
                self.connections.insert(*connection);
            }
            Cause::Disconnect { connection } => {
                if !self.connections.contains(connection) {
                    return Err(self.began_before(transaction.offset, *connection));
                }
                (told.cause, told.connection) = (Kind::Disconnect, Some(Text(*connection)));
            }
            Cause::Control { caller, action, schedule } => {
                (told.cause, told.caller) = (Kind::Control, identity(*caller));
                (told.action, told.schedule) = (Some(*action), Some(Text(*schedule)));
            }
            Cause::Genesis { .. } | Cause::Configure | Cause::Publish { .. } => {
                panic!("invariant: that is of no module")
            }
        }
        Ok(told)
    }

    fn began_before(&self, offset: Offset, connection: u64) -> Problem {
        let text =
            format!("connection {connection}, which ends at offset {offset}, began before offset {}", self.start.2);
        let client = connection::client_of(&self.engine.store, connection);
        let by =
            client.and_then(|client| self.engine.identity_of(client)).map(|identity| format!(" --caller {identity}"));
        let hint =
            format!("see when with `interstice log dump --cause connect{}`, and begin there", by.unwrap_or_default());
        Problem::new("connection-from-before", text).hint(hint)
    }

    fn outcome(&self, transaction: &Transaction) -> (Ended, Option<Json>, Option<ExpectedProblem>) {
        let problem = |bytes: &[u8]| {
            let problem = Problem::from_json(bytes).expect("invariant: a failed outcome is a problem");
            Some(ExpectedProblem {
                code: problem.code.to_string(),
                message: problem.message.clone(),
                data: problem.data.clone(),
            })
        };
        match &transaction.outcome {
            Outcome::Rejected(bytes) => (Ended::Rejected, None, problem(bytes)),
            Outcome::Trapped(bytes) => (Ended::Trapped, None, problem(bytes)),
            Outcome::Ok(bytes) => {
                let found = match transaction.cause {
                    Cause::Call { version, function, .. } => self.engine.catalog.in_version(version, function),
                    _ => None,
                };
                let value = found.and_then(|found| json::value_to_json(&found.function().schema.returns, bytes).ok());
                (Ended::Ok, value.filter(|value| !value.is_null()), None)
            }
        }
    }
}

impl Recorded {
    fn new(transaction: &Transaction, cause: Kind) -> Self {
        Self {
            offset: Text(transaction.offset),
            time: Text(transaction.time),
            seed: Text(transaction.seed),
            cause,
            function: None,
            args: None,
            caller: None,
            of: None,
            due: None,
            connection: None,
            action: None,
            schedule: None,
            outcome: Ended::Ok,
            value: None,
            problem: None,
            changes: Vec::new(),
        }
    }
}

/// `module` behind those that it imports, and that these import.
fn with_imports(catalog: &Catalog, module: &str) -> Result<Vec<String>, Problem> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    let mut left = vec![(module.to_owned(), false)];
    while let Some((name, is_behind)) = left.pop() {
        if is_behind {
            all.push(name);
        } else if seen.insert(name.clone()) {
            let (_, entry) = catalog.find_module(&name)?;
            left.push((name, true));
            left.extend(entry.schema.imports.iter().map(|import| (import.module.clone(), false)));
        }
    }
    Ok(all)
}

fn kept_tables<'s>(store: &'s Store, modules: &'s [String]) -> impl Iterator<Item = &'s Table> {
    let tables = store.tables().map(|table| &**table);
    tables.filter(|table| is_kept(table) && modules.iter().any(|module| **module == **table.module()))
}

fn all_rows(table: &Table) -> impl Iterator<Item = &[u8]> {
    table.scan(IndexId::PRIMARY, &KeyRange::all(), false).map(|row| -> &[u8] { row })
}

fn sequences(table: &Table) -> BTreeMap<String, Text<u64>> {
    let columns = &table.schema().columns;
    table.sequences().map(|(column, next)| (columns[usize::from(column)].name.clone(), Text(next))).collect()
}
