//! One transaction (or query) in progress, and all that a function may ask of its host.
//!
//! Every host call checks, in this order: whether the transaction still goes on, fuel, the capability that the function's
//! signature declares, the bytes. What is refused here is refused whatever the module's code does.
//!
//! *Reading order*: this file, `invoke`, `row_calls`, `scan`, `schedule_calls`, `meter`, `host_hash`, `trace`.

mod host_hash;
mod invoke;
mod meter;
mod row_calls;
mod scan;
mod schedule_calls;
pub mod trace;

use crate::catalog::Catalog;
use crate::limits::Limits;
use crate::module::Module;
use crate::schedule::Pending;
pub use host_hash::HostCall;
use interstice_store::store::{SharedTable, Store};
pub use interstice_store::table::IndexId;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::Change;
use interstice_types::id::{Identity, Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::TableAccess;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Work;
use meter::Meter;
use scan::Scan;
pub use scan::ScanRequest;
use schedule_calls::Scheduled;
use std::sync::Arc;
use trace::Trace;

/// The modules that an execution may call; an empty slot is a module that is running.
pub type Instances = Vec<Option<Box<dyn Module>>>;

/// What does not change during an execution.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The time that functions see.
    pub now: Timestamp,
    /// Where random numbers come from.
    pub seed: [u8; 16],
    /// Who called the outermost function.
    pub caller: Identity,
    /// The offset that the transaction gets if it commits.
    pub offset_hint: Offset,
    /// How many schedules modules have.
    pub schedules: Pending,
}

/// One transaction or query in progress. Boxed: it moves into every call and out again.
pub struct Execution {
    tables: Tables,
    instances: Instances,
    catalog: Arc<Catalog>,
    surroundings: Surroundings,
    limits: Limits,
    /// The function that runs.
    running: Option<Frame>,
    /// Those that wait for it, the outermost first.
    waiting: Vec<Frame>,
    scans: Vec<Option<Scan>>,
    scheduled: Scheduled,
    log: Vec<LogLine>,
    streams: u64,
    meter: Meter,
    /// Whether a table was touched whose rows are in no log.
    touched_ephemeral: bool,
}

enum Tables {
    Write(WriteTx),
    Read(Store),
    /// A publish whose code sees a table as it was, if it sees one now.
    Migrate(WriteTx, Option<SharedTable>),
}

/// Stands for the table as it was before a migration.
pub(crate) const FORMER: TableId = TableId(u32::MAX);

/// A function on the call stack.
#[derive(Debug, Clone, Copy)]
struct Frame {
    module: usize,
    function: u32,
    /// Scans opened before it.
    scans: usize,
}

/// A line that a function logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The module that logged it.
    pub module: String,
    /// The function of it that ran.
    pub function: String,
    /// The number of its level: see [`level_name`](Self::level_name).
    pub level: u8,
    /// Control characters escaped, cut at the limit.
    pub text: String,
    /// Whether what the function wrote was undone: it failed, or one that called it.
    pub undone: bool,
}

impl LogLine {
    /// The levels by number, from 1.
    pub const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

    /// What a level is called.
    pub fn level_name(level: u8) -> &'static str {
        Self::LEVELS[usize::from(level.clamp(1, 4)) - 1]
    }
}

/// Why a host call did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostError {
    /// A constraint said no. The function may go on.
    Refused(Problem),
    /// The function did what it must not, or ran out of a resource. The call ends.
    Trapped(Problem),
}

/// What is left of an execution when its outermost function has ended.
pub struct Finished {
    /// The transaction, if it was one.
    pub tx: Option<WriteTx>,
    /// The modules, all of them back in their slots.
    pub instances: Instances,
    /// What was done.
    pub work: Work,
    /// What was logged.
    pub log: Vec<LogLine>,
    /// Whether a table was touched whose rows are in no log.
    pub touched_ephemeral: bool,
    /// Marks in the hash of its host calls.
    pub host_marks: Vec<u64>,
}

impl Execution {
    /// A transaction.
    #[inline]
    pub fn write(
        tx: WriteTx,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Box<Self> {
        Self::new(Tables::Write(tx), instances, catalog, limits, surroundings)
    }

    /// A publish that changes rows.
    pub(crate) fn migrate(
        tx: WriteTx,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Box<Self> {
        Self::new(Tables::Migrate(tx, None), instances, catalog, limits, surroundings)
    }

    /// A query.
    pub fn read(
        store: Store,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Box<Self> {
        Self::new(Tables::Read(store), instances, catalog, limits, surroundings)
    }

    #[inline]
    fn new(
        tables: Tables,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Box<Self> {
        Box::new(Self {
            tables,
            instances,
            catalog,
            surroundings,
            limits,
            running: None,
            waiting: Vec::new(),
            scans: Vec::new(),
            scheduled: Scheduled::new(),
            log: Vec::new(),
            streams: 0,
            meter: Meter::new(limits.fuel),
            touched_ephemeral: false,
        })
    }

    /// Ends it. All modules must be back in their slots.
    pub fn finish(mut self: Box<Self>) -> Finished {
        assert!(self.running.is_none(), "invariant: every function has ended");
        let work = self.meter.work();
        let host_marks = self.meter.take_marks();
        // Out of the box field by field: the whole of it is a large copy.
        let Self { tables, instances, log, touched_ephemeral, .. } = *self;
        let tx = match tables {
            Tables::Write(tx) | Tables::Migrate(tx, _) => Some(tx),
            Tables::Read(_) => None,
        };
        Finished { tx, instances, work, log, touched_ephemeral, host_marks }
    }

    /// Fuel that is left.
    pub fn fuel(&self) -> u64 {
        self.meter.fuel()
    }

    /// Keeps what it does from now on step by step, to be told when it has ended.
    pub fn trace(&mut self) {
        self.meter.trace();
    }

    /// What it kept.
    pub(crate) fn take_trace(&mut self) -> Option<Box<Trace>> {
        self.meter.take_trace()
    }

    /// A host call begins, with a number and bytes from the guest.
    #[inline]
    fn enter(&mut self, call: HostCall, number: u64, bytes: &[u8]) -> Result<(), HostError> {
        if self.meter.is_traced() {
            self.note_changes();
        }
        self.meter.enter(call, number, bytes)
    }

    #[cold]
    fn note_changes(&mut self) {
        let changes = self.tables.tx().map_or(0, |tx| tx.changes().len());
        self.meter.trace_mut().expect("invariant: somebody wants to know").set_changes(changes);
    }

    /// Charges a module's own instructions.
    ///
    /// # Errors
    /// [`HostError::Trapped`] if there is not so much fuel left: that ends the transaction.
    pub fn burn(&mut self, fuel: u64) -> Result<(), HostError> {
        self.meter.burn(fuel)
    }

    /// Bytes of rows that were written so far, undone ones included.
    pub(crate) fn written_size(&self) -> usize {
        self.tables.tx().map_or(0, WriteTx::written_size)
    }

    /// Bytes of rows that were undone count no longer: `written` is what there were before.
    pub(crate) fn give_back(&mut self, written: usize) {
        self.tables.tx_mut().expect("invariant: only what writes gives back").give_back(written);
    }

    /// Runs the next of several functions that do not know of each other: each has all fuel, and the trap of one is its own.
    pub(crate) fn next(&mut self) {
        self.meter.take_trap();
        self.meter.refuel(self.limits.fuel);
    }

    /// Shows the code a table as it was, or none any more.
    pub(crate) fn show_former(&mut self, table: Option<SharedTable>) {
        match &mut self.tables {
            Tables::Migrate(_, former) => *former = table,
            Tables::Write(_) | Tables::Read(_) => panic!("invariant: only a migration sees a table as it was"),
        }
    }

    /// Adds a row that a migration gave.
    pub(crate) fn put_migrated(&mut self, table: TableId, row: &[u8]) -> Result<(), WriteError> {
        let tx = self.tables.tx_mut().expect("invariant: a migration writes");
        tx.insert_ahead(table, row).map(|_| ())
    }

    /// Whether every row of a table passes the checks with these numbers, and names rows that are there.
    pub(crate) fn check_constraints(&self, table: TableId, checks: &[usize]) -> Result<(), WriteError> {
        let tx = self.tables.tx().expect("invariant: a publish writes");
        let rows = tx.store().table(table).expect("invariant: the table is there");
        match checks.iter().find_map(|number| rows.first_failing(*number)) {
            Some(failed) => Err(Box::new(failed).into()),
            None => tx.check_references(table),
        }
    }

    /// Code of the running module says that the function with this number in it begins; kept where steps are.
    pub fn enter_code(&mut self, function: u32) {
        let fuel = self.meter.fuel();
        if let Some(trace) = self.meter.trace_mut() {
            trace.enter_code(function, fuel);
        }
    }

    /// Code of the running module says that the function that began last, and has not ended, ends.
    pub fn leave_code(&mut self) {
        let fuel = self.meter.fuel();
        if let Some(trace) = self.meter.trace_mut() {
            trace.leave_code(fuel);
        }
    }

    /// Whether what it does is kept step by step.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.meter.is_traced()
    }

    /// Logs a line, handed over with the outcome and in no log: who wants it again runs the transaction again.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn log(&mut self, level: u8, text: &str) -> Result<(), HostError> {
        self.enter(HostCall::Log, u64::from(level), text.as_bytes())?;
        if self.log.len() < self.limits.log_lines {
            let frame = self.frame();
            let entry = &self.catalog.modules()[frame.module];
            let (module, function) = (&entry.schema.module, &entry.functions[frame.function as usize].schema.name);
            let (module, function) = (module.clone(), function.clone());
            let cut = text.floor_char_boundary(self.limits.log_line_size);
            let text = text[..cut].chars().flat_map(printable).collect();
            self.log.push(LogLine { module, function, level: level.clamp(1, 4), text, undone: false });
        }
        Ok(())
    }

    /// The running function's module and name, for people.
    pub fn place(&self) -> String {
        let frame = self.frame();
        self.catalog.place(frame.module, frame.function)
    }

    /// What was changed so far, for tests and traces.
    pub fn changes(&self) -> &[Change] {
        self.tables.tx().map_or(&[], WriteTx::changes)
    }

    fn frame(&self) -> Frame {
        self.running.expect("invariant: a host call comes from a running function")
    }

    fn handle(&mut self, handle: u32, allows: fn(TableAccess) -> bool) -> Result<TableId, HostError> {
        let frame = self.frame();
        let function = &self.catalog.modules()[frame.module].functions[frame.function as usize];
        match function.handles.get(handle as usize) {
            Some(Some((table, access))) if allows(*access) => {
                self.touched_ephemeral |= self.catalog.is_ephemeral(*table);
                Ok(*table)
            }
            Some(Some(_)) => Err(trapped("not-permitted", format!("handle {handle} does not allow that"))),
            Some(None) => Err(trapped("unknown-table", format!("the table of handle {handle} is not there"))),
            None => Err(trapped("undeclared-table", format!("the function declares no handle {handle}"))),
        }
    }
}

impl Tables {
    fn tx(&self) -> Option<&WriteTx> {
        match self {
            Self::Write(tx) | Self::Migrate(tx, _) => Some(tx),
            Self::Read(_) => None,
        }
    }

    fn tx_mut(&mut self) -> Result<&mut WriteTx, HostError> {
        match self {
            Self::Write(tx) | Self::Migrate(tx, _) => Ok(tx),
            Self::Read(_) => Err(trapped("not-permitted", "a query only reads".to_owned())),
        }
    }

    fn table(&self, id: TableId) -> Result<&SharedTable, HostError> {
        let table = match self {
            Self::Migrate(_, former) if id == FORMER => former.as_ref(),
            Self::Write(tx) | Self::Migrate(tx, _) => tx.store().table(id),
            Self::Read(store) => store.table(id),
        };
        table.ok_or_else(|| trapped("unknown-table", format!("there is no table {id}")))
    }
}

fn trapped(code: &'static str, message: String) -> HostError {
    HostError::Trapped(Problem::new(code, message))
}

fn printable(letter: char) -> Vec<char> {
    if letter.is_control() { letter.escape_default().collect() } else { vec![letter] }
}
