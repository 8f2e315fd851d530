//! One transaction (or query) in progress, and all that a function may ask of its host.
//!
//! Every host call checks, in this order: fuel, the capability that the function's signature declares, the bytes. What
//! is refused here is refused whatever the module's code does.

mod host_hash;
mod scan;

use crate::catalog::{Catalog, FunctionEntry};
use crate::limits::{Limits, charge};
use crate::module::{Call, CallError, Context, Module};
use crate::problems;
use host_hash::HostHash;
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
pub use interstice_store::table::IndexId;
use interstice_store::table::Table;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::{Change, RowBytes};
use interstice_types::codec;
use interstice_types::id::{Identity, Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, TableAccess};
use interstice_types::time::Timestamp;
use interstice_types::transaction::Work;
use scan::{MAX_SCAN_BATCH_SIZE, Scan, as_bytes, lookup_prefix, map_bound};
use std::ops::Bound;
use std::sync::Arc;

/// The modules that an execution may call; an empty slot is a module that is running.
pub type Instances = Vec<Option<Box<dyn Module>>>;

/// What does not change during an execution.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// The time that functions see.
    pub now: Timestamp,
    /// Where random numbers come from.
    pub seed: [u8; 16],
    /// Who called the outermost function.
    pub caller: Identity,
    /// The offset that the transaction gets if it commits.
    pub offset_hint: Offset,
}

/// One transaction or query in progress.
pub struct Execution {
    tables: Tables,
    instances: Instances,
    catalog: Arc<Catalog>,
    surroundings: Surroundings,
    limits: Limits,
    frames: Vec<Frame>,
    scans: Vec<Option<Scan>>,
    log: Vec<LogLine>,
    fuel: u64,
    streams: u64,
    host_calls: u64,
    host_hash: HostHash,
}

enum Tables {
    Write(WriteTx),
    Read(Store),
}

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
    /// 1 error, 2 warning, 3 info, 4 debug.
    pub level: u8,
    /// Control characters escaped, cut at the limit.
    pub text: String,
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
}

impl Execution {
    /// A transaction.
    pub fn write(
        tx: WriteTx,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Self {
        Self::new(Tables::Write(tx), instances, catalog, limits, surroundings)
    }

    /// A query.
    pub fn read(
        store: Store,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Self {
        Self::new(Tables::Read(store), instances, catalog, limits, surroundings)
    }

    fn new(
        tables: Tables,
        instances: Instances,
        catalog: Arc<Catalog>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            tables,
            instances,
            catalog,
            surroundings,
            limits,
            frames: Vec::new(),
            scans: Vec::new(),
            log: Vec::new(),
            fuel: limits.fuel,
            streams: 0,
            host_calls: 0,
            host_hash: HostHash::default(),
        }
    }

    /// Runs `function` of the module at position `module` and everything that it calls.
    ///
    /// A nested function that fails without a trap has its writes undone; the rest stays.
    pub fn invoke(mut self, module: usize, function: u32, args: &[u8]) -> (Self, Result<Vec<u8>, CallError>) {
        let catalog = Arc::clone(&self.catalog);
        let entry = &catalog.modules()[module];
        let name = &entry.schema.module;
        let schema = &entry.functions[function as usize].schema;
        if self.frames.len() >= self.limits.call_depth {
            let text = format!("calls are nested deeper than {}", self.limits.call_depth);
            return (
                self,
                Err(CallError::Trapped(Problem::new("call-depth", text).at(problems::place(name, &schema.name)))),
            );
        }
        let Some(mut instance) = self.instances.get_mut(module).and_then(Option::take) else {
            let problem = if self.frames.iter().any(|frame| frame.module == module) {
                Problem::new("re-entered", format!("module `{name}` is on the call stack already"))
            } else {
                Problem::new("module-unavailable", format!("module `{name}` could not be loaded"))
            };
            return (self, Err(CallError::Trapped(problem.at(problems::place(name, &schema.name)))));
        };
        let calling_module = self.frames.last().map(|frame| catalog.modules()[frame.module].schema.module.as_str());
        let context = Context {
            now: self.surroundings.now,
            caller: self.surroundings.caller,
            calling_module,
            seed: self.surroundings.seed,
            stream: self.streams,
            offset_hint: self.surroundings.offset_hint,
        };
        self.streams += 1;
        self.frames.push(Frame { module, function, scans: self.scans.len() });
        let savepoint = self.tx().map(|tx| tx.savepoint());
        let (mut this, result) = instance.call(&Call { function, args, context }, self);
        let frame = this.frames.pop().expect("invariant: a frame was pushed");
        this.scans.truncate(frame.scans);
        this.instances[module] = Some(instance);
        let result = check_answer(result, name, &entry.functions[function as usize]);
        if let (Err(_), Some(savepoint), Tables::Write(tx)) = (&result, savepoint, &mut this.tables) {
            tx.rollback_to(savepoint);
        }
        (this, result)
    }

    /// Ends it. All modules must be back in their slots.
    pub fn finish(self) -> Finished {
        assert!(self.frames.is_empty(), "invariant: every frame was popped");
        let work =
            Work { fuel: self.limits.fuel - self.fuel, host_calls: self.host_calls, host_hash: self.host_hash.value() };
        let tx = match self.tables {
            Tables::Write(tx) => Some(tx),
            Tables::Read(_) => None,
        };
        Finished { tx, instances: self.instances, work, log: self.log }
    }

    /// Fuel that is left.
    pub fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Takes note of what a module's own instructions left of the fuel.
    pub fn set_fuel(&mut self, left: u64) {
        assert!(left <= self.fuel, "invariant: fuel is only burnt");
        self.fuel = left;
    }

    /// Burns fuel.
    ///
    /// # Errors
    /// [`HostError::Trapped`] if there is not so much left.
    pub fn burn(&mut self, fuel: u64) -> Result<(), HostError> {
        if fuel > self.fuel {
            self.fuel = 0;
            return Err(HostError::Trapped(Problem::new(
                "out-of-fuel",
                format!("the call used up its {} fuel", self.limits.fuel),
            )));
        }
        self.fuel -= fuel;
        Ok(())
    }

    /// Adds a row through handle `handle`; returns it as stored.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn insert(&mut self, handle: u32, row: Vec<u8>) -> Result<RowBytes, HostError> {
        self.enter(host_hash::INSERT, row.len())?;
        let table = self.handle(handle, TableAccess::may_insert)?;
        self.host_hash.fold(u64::from(handle), &row);
        let result = self.tx_mut()?.insert(table, row).map_err(refused);
        self.note(&result);
        result
    }

    /// Replaces the row with the same primary key; returns the old one.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn update(&mut self, handle: u32, row: Vec<u8>) -> Result<RowBytes, HostError> {
        self.enter(host_hash::UPDATE, row.len())?;
        let table = self.handle(handle, TableAccess::may_change)?;
        self.host_hash.fold(u64::from(handle), &row);
        let result = self.tx_mut()?.update(table, row).map_err(refused);
        self.note(&result);
        result
    }

    /// Removes the row whose primary key's columns have these encoded values; returns it, if it was there.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn delete(&mut self, handle: u32, key: &[u8]) -> Result<Option<RowBytes>, HostError> {
        self.enter(host_hash::DELETE, key.len())?;
        let table = self.handle(handle, TableAccess::may_change)?;
        self.host_hash.fold(u64::from(handle), key);
        let result = match self.tx_mut()?.delete(table, key) {
            Ok(row) => Ok(Some(row)),
            Err(WriteError::Apply(interstice_store::table::ApplyError::NoSuchRow { .. })) => Ok(None),
            Err(error) => Err(refused(error)),
        };
        self.note_optional(result)
    }

    /// The row whose columns of `index` have these encoded values. The index must be unique.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn get(&mut self, handle: u32, index: IndexId, values: &[u8]) -> Result<Option<RowBytes>, HostError> {
        self.enter(host_hash::GET, values.len())?;
        let id = self.handle(handle, TableAccess::may_read)?;
        self.host_hash.fold(u64::from(handle) << 16 | u64::from(index.0), values);
        let table = self.table(id)?;
        let prefix = lookup_prefix(table, index, values)?;
        let row = if index == IndexId::PRIMARY {
            table.get(&prefix).cloned()
        } else {
            table.scan(index, &KeyRange::prefix(prefix.as_bytes()), false).next().map(|(_, row)| row.clone())
        };
        self.note_optional(Ok(row))
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn count(&mut self, handle: u32) -> Result<u64, HostError> {
        self.enter(host_hash::COUNT, 0)?;
        let id = self.handle(handle, TableAccess::may_read)?;
        let count = self.table(id)?.count() as u64;
        self.host_hash.fold(count, &[]);
        Ok(count)
    }

    /// Opens a scan over the rows whose first columns of `index` are within bounds of encoded values.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_open(
        &mut self,
        handle: u32,
        index: IndexId,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        reverse: bool,
    ) -> Result<u32, HostError> {
        self.enter(host_hash::SCAN_OPEN, 0)?;
        let id = self.handle(handle, TableAccess::may_read)?;
        if self.scans.iter().flatten().count() >= self.limits.open_scans {
            return Err(trapped("too-many-scans", format!("more than {} scans are open", self.limits.open_scans)));
        }
        let table = Arc::clone(self.table(id)?);
        let lower = map_bound(bounds.0, |values| lookup_prefix(&table, index, values))?;
        let upper = map_bound(bounds.1, |values| lookup_prefix(&table, index, values))?;
        let range = KeyRange::between(as_bytes(&lower), as_bytes(&upper));
        self.host_hash.fold(u64::from(handle) << 16 | u64::from(index.0), range.start.as_bytes());
        self.scans.push(Some(Scan { table, index, range, reverse }));
        Ok(self.scans.len() as u32 - 1)
    }

    /// Appends the scan's next rows to `out`, each behind its length as `u32` LE: as many whole ones as fit in `capacity`
    /// bytes, but at least one. Appends nothing at the end.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_next(&mut self, scan: u32, capacity: usize, out: &mut Vec<u8>) -> Result<(), HostError> {
        self.enter(host_hash::SCAN_NEXT, 0)?;
        let start = out.len();
        let open = self.scans.get_mut(scan as usize).and_then(Option::as_mut);
        let open = open.ok_or_else(|| trapped("invalid-scan", format!("there is no open scan {scan}")))?;
        let rows = open.advance(start + capacity.min(MAX_SCAN_BATCH_SIZE), out);
        self.burn(rows * charge::SCANNED_ROW + (out.len() - start) as u64 / 16 * charge::SIXTEEN_BYTES)?;
        self.host_hash.fold(u64::from(scan), &out[start..]);
        Ok(())
    }

    /// Closes a scan; one that is not open stays so.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_close(&mut self, scan: u32) -> Result<(), HostError> {
        self.enter(host_hash::SCAN_CLOSE, 0)?;
        if let Some(slot) = self.scans.get_mut(scan as usize) {
            *slot = None;
        }
        Ok(())
    }

    /// Calls the imported function with this number in the same transaction.
    pub fn call(mut self, import: u32, args: &[u8]) -> (Self, Result<Vec<u8>, CallError>) {
        if let Err(HostError::Trapped(problem) | HostError::Refused(problem)) = self.enter(host_hash::CALL, args.len())
        {
            return (self, Err(CallError::Trapped(problem)));
        }
        let catalog = Arc::clone(&self.catalog);
        let frame = *self.frames.last().expect("invariant: a host call comes from a running function");
        let target = catalog.modules()[frame.module].imports.get(import as usize).copied().flatten();
        let Some((module, function)) = target else {
            let problem = Problem::new("undeclared-call", format!("the module imports no function number {import}"));
            return (self, Err(CallError::Trapped(problem)));
        };
        let entry = &catalog.modules()[module].functions[function as usize];
        let callable = match entry.schema.kind {
            FunctionKind::Reducer | FunctionKind::Internal => self.tx().is_some(),
            FunctionKind::Query => true,
            FunctionKind::Init | FunctionKind::Event { .. } => false,
        };
        if !callable {
            let problem = problems::wrong_kind(&catalog.modules()[module].schema.module, &entry.schema);
            return (self, Err(CallError::Trapped(problem)));
        }
        if let Err(error) = codec::decode_all(entry.schema.args.iter().map(|arg| &arg.ty), args) {
            let problem = problems::invalid_arguments(&catalog.modules()[module].schema.module, &entry.schema, error);
            return (self, Err(CallError::Trapped(problem)));
        }
        self.host_hash.fold(u64::from(import), args);
        let (mut this, result) = self.invoke(module, function, args);
        if let Ok(bytes) | Err(CallError::Returned(bytes)) = &result {
            this.host_hash.fold(u64::from(result.is_ok()), bytes);
        }
        (this, result)
    }

    /// Logs a line, kept with the transaction's outcome and nowhere else.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn log(&mut self, level: u8, text: &str) -> Result<(), HostError> {
        self.enter(host_hash::LOG, text.len())?;
        self.host_hash.fold(u64::from(level), text.as_bytes());
        if self.log.len() < self.limits.log_lines {
            let frame = *self.frames.last().expect("invariant: a host call comes from a running function");
            let module = self.catalog.modules()[frame.module].schema.module.clone();
            let cut = text.floor_char_boundary(self.limits.log_line_size);
            let text = text[..cut].chars().flat_map(printable).collect();
            self.log.push(LogLine { module, level: level.clamp(1, 4), text });
        }
        Ok(())
    }

    /// The running function's module and name, for people.
    pub fn place(&self) -> String {
        let frame = *self.frames.last().expect("invariant: asked while a function runs");
        let entry = &self.catalog.modules()[frame.module];
        problems::place(&entry.schema.module, &entry.functions[frame.function as usize].schema.name)
    }

    fn tx(&self) -> Option<&WriteTx> {
        match &self.tables {
            Tables::Write(tx) => Some(tx),
            Tables::Read(_) => None,
        }
    }

    fn tx_mut(&mut self) -> Result<&mut WriteTx, HostError> {
        match &mut self.tables {
            Tables::Write(tx) => Ok(tx),
            Tables::Read(_) => Err(trapped("not-permitted", "a query only reads".to_owned())),
        }
    }

    fn enter(&mut self, call: u64, size: usize) -> Result<(), HostError> {
        self.burn(charge::HOST_CALL + size as u64 / 16 * charge::SIXTEEN_BYTES)?;
        self.host_calls += 1;
        self.host_hash.fold(call, &[]);
        Ok(())
    }

    fn handle(&self, handle: u32, allows: fn(TableAccess) -> bool) -> Result<TableId, HostError> {
        let frame = self.frames.last().expect("invariant: a host call comes from a running function");
        let function = &self.catalog.modules()[frame.module].functions[frame.function as usize];
        match function.handles.get(handle as usize) {
            Some(Some((table, access))) if allows(*access) => Ok(*table),
            Some(Some(_)) => Err(trapped("not-permitted", format!("handle {handle} does not allow that"))),
            Some(None) => Err(trapped("unknown-table", format!("the table of handle {handle} is not there"))),
            None => Err(trapped("undeclared-table", format!("the function declares no handle {handle}"))),
        }
    }

    fn table(&self, id: TableId) -> Result<&Arc<Table>, HostError> {
        let store = match &self.tables {
            Tables::Write(tx) => tx.store(),
            Tables::Read(store) => store,
        };
        store.table(id).ok_or_else(|| trapped("unknown-table", format!("there is no table {id}")))
    }

    fn note(&mut self, result: &Result<RowBytes, HostError>) {
        match result {
            Ok(row) => self.host_hash.fold(1, row),
            Err(_) => self.host_hash.fold(0, &[]),
        }
    }

    fn note_optional(&mut self, result: Result<Option<RowBytes>, HostError>) -> Result<Option<RowBytes>, HostError> {
        if let Ok(Some(row)) = &result {
            self.burn(row.len() as u64 / 16 * charge::SIXTEEN_BYTES)?;
            self.host_hash.fold(1, row);
        } else {
            self.host_hash.fold(0, &[]);
        }
        result
    }
}

fn check_answer(
    result: Result<Vec<u8>, CallError>,
    module: &str,
    function: &FunctionEntry,
) -> Result<Vec<u8>, CallError> {
    let place = || problems::place(module, &function.schema.name);
    match result {
        Ok(bytes) => match codec::decode_all([&function.schema.returns], &bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => {
                let problem =
                    Problem::new("invalid-answer", format!("the answer is not a {}: {error}", function.schema.returns));
                Err(CallError::Trapped(problem.at(place())))
            }
        },
        Err(CallError::Refused(problem)) => Err(CallError::Refused(problem.at(place()))),
        Err(CallError::Trapped(problem)) => Err(CallError::Trapped(problem.at(place()))),
        returned => returned,
    }
}

fn refused(error: WriteError) -> HostError {
    let problem = problems::write_refused(&error);
    match error {
        WriteError::TransactionTooLarge | WriteError::InvalidRow { .. } => HostError::Trapped(problem),
        _ => HostError::Refused(problem),
    }
}

fn trapped(code: &'static str, message: String) -> HostError {
    HostError::Trapped(Problem::new(code, message))
}

fn printable(letter: char) -> Vec<char> {
    if letter.is_control() { letter.escape_default().collect() } else { vec![letter] }
}

/// The changes of a transaction in progress, for tests and traces.
impl Execution {
    /// What was changed so far.
    pub fn changes(&self) -> &[Change] {
        self.tx().map_or(&[], WriteTx::changes)
    }
}
