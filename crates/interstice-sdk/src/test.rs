//! Module code on the real engine and store, natively: several callers, events, schedules, time that the test moves, crash and reopen.
//!
//! ```test_harness
//! use interstice_sdk::prelude::*;
//! use interstice_sdk::test::TestDatabase;
//!
//! #[table]
//! pub struct Word {
//!     #[primary_key]
//!     pub text: String,
//! }
//!
//! #[reducer]
//! fn say(words: Insert<Word>, text: String) {
//!     words.insert(Word { text });
//! }
//!
//! #[interstice_sdk::test]
//! fn a_word_is_said_once(db: &mut TestDatabase) {
//!     db.call::<()>("say", ("hello",)).unwrap();
//!     assert_eq!(db.rows::<Word>()[0].text, "hello");
//!     let again = db.call::<()>("say", ("hello",)).unwrap_err();
//!     assert_eq!(again.code, "duplicate-key");
//!     db.reopen();
//!     assert_eq!(db.rows::<Word>().len(), 1);
//! }
//! ```

mod agreement;
mod compiled;
mod former;
mod module;
mod recording;
mod run;

use crate::datatype::{Datatype, Input, encode_str, from_bytes, to_bytes};
use crate::registry::{self, Package};
use crate::table::{FormerTable, Table};
use compiled::Compiled;
use interstice_engine::engine::{Input as EngineInput, Request};
use interstice_engine::execution::{IndexId, LogLine};
use interstice_engine::publish::PublishOptions;
use interstice_engine::system::dead_letter::{self, DeadLetter};
use interstice_store::range::KeyRange;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::time::{Duration, Timestamp};
use module::NativeLoader;
use run::{Run, Step};
use std::sync::Arc;

/// When the clock of a test begins: 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp(1_767_225_600_000_000);

/// A database in memory that runs modules of this process.
///
/// With the feature `test-wasm`, and the environment variable `INTERSTICE_TEST_WASM` naming a directory with the modules'
/// artefacts, it is two: everything is done a second time by the compiled modules, and a test fails where they differ in an answer,
/// a changed row or a line of the log. `interstice test` sets that up.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table]
/// pub struct Egg {
///     #[primary_key(auto_inc)]
///     pub id: u64,
///     pub laid: Timestamp,
///     pub by: Identity,
/// }
///
/// #[reducer]
/// fn lay(ctx: &ReducerContext, eggs: Insert<Egg>) -> u64 {
///     info!("an egg");
///     let egg = eggs.insert(Egg { id: 0, laid: ctx.now(), by: ctx.caller() });
///     ctx.schedule::<hatch>(Duration::from_hours(1), (egg.id,));
///     egg.id
/// }
///
/// #[reducer(access = internal)]
/// fn hatch(eggs: Write<Egg>, id: u64) -> Result<(), String> {
///     eggs.delete(id).filter(|egg| egg.id != 2).ok_or("it was a stone".to_owned())?;
///     Ok(())
/// }
///
/// #[query]
/// fn count(eggs: Read<Egg>) -> u64 {
///     eggs.count()
/// }
///
/// #[test]
/// fn eggs_hatch() {
///     let mut db = TestDatabase::new(env!("CARGO_PKG_NAME")); // what `#[interstice_sdk::test]` gives
///     let hen = db.act_as("hen");
///     assert_eq!(db.call::<u64>("lay", ()), Ok(1));
///     assert_eq!(db.call::<u64>("lay", ()), Ok(2));
///     assert_eq!(db.query::<u64>("count", ()), Ok(2));
///     let egg = &db.rows::<Egg>()[0];
///     assert!(egg.by == hen && egg.laid < db.now());
///     assert_eq!(db.take_log()[0].text, "an egg");
///
///     db.reopen(); // a crash: what was committed is there, what is due is still due
///     assert_eq!(db.next_due(), Some(egg.laid.saturating_add(Duration::from_hours(1))));
///     db.advance(Duration::from_mins(10));
///     assert_eq!(db.rows::<Egg>().len(), 2);
///     db.reopen_after(Duration::from_hours(2)); // nobody was there
///     assert_eq!(db.rows::<Egg>().len(), 1);
///     assert_eq!(db.dead_letters()[0].problem.message, "it was a stone");
///
///     db.publish(env!("CARGO_PKG_NAME")); // the same version again changes nothing
///     assert!(db.try_publish(env!("CARGO_PKG_NAME")).is_ok());
///     assert_eq!(db.next_due(), None);
///     assert!(db.assert_replays() > 5);
/// }
/// ```
///
/// Of modules as they were, [`of_version`](Self::of_version) and [`put`](Self::put):
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// interstice_sdk::old_schema!(v1 = "schema/v1.json");
///
/// #[table(public)]
/// pub struct User {
///     #[primary_key]
///     pub id: u64,
///     pub name: String,
///     #[default(100)]
///     pub points: u32,
/// }
///
/// #[test]
/// fn points_are_given() {
///     let v1 = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/schema/v1.json"));
///     let mut db = TestDatabase::of_version(env!("CARGO_PKG_NAME"), v1);
///     db.put(&v1::User { id: 1, name: "ada".to_owned() });
///     db.publish(env!("CARGO_PKG_NAME"));
///     assert_eq!(db.rows::<User>()[0].points, 100);
/// }
/// ```
pub struct TestDatabase {
    native: Run,
    compiled: Option<Compiled>,
    module: String,
    caller: Identity,
    now: Timestamp,
    inputs: u128,
    log: Vec<LogLine>,
}

impl TestDatabase {
    /// A database with the module of crate `package` published, behind those that it imports.
    ///
    /// # Panics
    /// If there is no such crate in this process, or a module cannot be published.
    pub fn new(package: &str) -> Self {
        let mut database = Self::empty(package);
        database.publish(package);
        database
    }

    /// A database with the module of crate `package` as `schema/vN.json` says that it was published once: its tables, into which
    /// [`put`](Self::put) adds rows, and none of its functions. [`publish`](Self::publish) migrates them.
    ///
    /// # Panics
    /// If the schema is none of that module, or cannot be published.
    pub fn of_version(package: &str, schema_json: &str) -> Self {
        let mut database = Self::empty(package);
        let artefact = former::artefact_of(schema_json);
        let compiled = database.compiled.is_some().then(|| artefact.clone());
        database.publish_artefacts(artefact, compiled).unwrap_or_else(|problem| panic!("{problem}"));
        let there = database.native.engine().catalog().module(&database.module).is_some();
        assert!(there, "the schema is of another module than `{}`", database.module);
        database
    }

    /// Adds a row to a table of a module as it was.
    ///
    /// # Panics
    /// If the database is not of that version, or a constraint does not allow the row.
    pub fn put<T: FormerTable>(&mut self, row: &T) {
        let (module, function) = (self.module.as_str().into(), former::put_into(T::NAME).into());
        let request = Request::Call { module, function, args: to_bytes(row), caller: self.caller };
        self.step(request).unwrap_or_else(|problem| panic!("{problem}"));
    }

    fn empty(package: &str) -> Self {
        let mut database = Self {
            native: Run::new(Arc::new(NativeLoader)),
            compiled: Compiled::of_environment(),
            module: module_name(package),
            caller: Identity::of_name("owner"),
            now: BEGINNING,
            inputs: 0,
            log: Vec::new(),
        };
        let made = database.step(Request::Genesis { node: [0; 16] });
        made.expect("invariant: a new database takes its genesis");
        database
    }

    /// Publishes the module of crate `package`, and before it those that it imports and that are not there yet.
    ///
    /// # Panics
    /// If there is no such crate in this process, or a module cannot be published.
    pub fn publish(&mut self, package: &str) {
        self.try_publish(package).unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// As [`publish`](Self::publish), for what may be refused.
    ///
    /// # Errors
    /// Why it was not published; nothing has changed.
    ///
    /// # Panics
    /// If there is no such crate in this process.
    pub fn try_publish(&mut self, package: &str) -> Result<(), Problem> {
        let package = find_package(package);
        for import in registry::describe(package).imports {
            if self.native.engine().catalog().module(&import.module).is_none() {
                self.try_publish(&import.module.replace('_', "-"))?;
            }
        }
        let compiled = self.compiled.as_ref().map(|compiled| compiled.artefact_of(&module_name(package.name)));
        self.publish_artefacts(module::artefact_of(package), compiled)
    }

    fn publish_artefacts(&mut self, native: Vec<u8>, compiled: Option<Vec<u8>>) -> Result<(), Problem> {
        let (caller, options) = (self.caller, PublishOptions::default());
        let request = |run: &Run, artefact: Vec<u8>| {
            let loaded = run.load(&artefact)?;
            Ok::<_, Problem>(Request::Publish { artefact, loaded, caller, options })
        };
        let native = request(&self.native, native)?;
        let compiled = self.compiled.as_ref().zip(compiled);
        let compiled = compiled.map(|(compiled, artefact)| request(&compiled.run, artefact)).transpose()?;
        self.step_each(native, compiled)?;
        self.run_events();
        Ok(())
    }

    /// Who calls from now on: the local development identity of `name`.
    pub fn act_as(&mut self, name: &str) -> Identity {
        self.caller = Identity::of_name(name);
        self.caller
    }

    /// Calls a reducer of the crate's module, or of another as `module.reducer`, then runs all events.
    ///
    /// # Errors
    /// Why it changed nothing; a typed error is in `data`.
    pub fn call<R: Datatype>(&mut self, function: &str, args: impl Arguments) -> Result<R, Problem> {
        let (module, function) = self.split(function);
        let request = Request::Call {
            module: module.into(),
            function: function.into(),
            args: args.to_bytes(),
            caller: self.caller,
        };
        let answer = self.step(request);
        self.run_events();
        answer.map(|bytes| from_bytes(&bytes))
    }

    /// Opens a connection as the caller of now, and tells the modules that ask for it; returns its number.
    ///
    /// ```test_harness
    /// # use interstice_sdk::prelude::*;
    /// # use interstice_sdk::test::TestDatabase;
    /// # #[table(public, ephemeral)]
    /// # pub struct Online { #[primary_key] pub connection: u64, pub who: Identity }
    /// #[reducer(on = connect)]
    /// fn arrive(ctx: &ReducerContext, connection: u64, online: Insert<Online>) {
    ///     online.insert(Online { connection, who: ctx.caller() });
    /// }
    ///
    /// #[reducer(on = disconnect)]
    /// fn depart(connection: u64, online: Write<Online>) {
    ///     online.delete(connection);
    /// }
    ///
    /// #[interstice_sdk::test]
    /// fn ada_comes_and_goes(db: &mut TestDatabase) {
    ///     let ada = db.act_as("ada");
    ///     let connection = db.connect();
    ///     assert_eq!(db.rows::<Online>()[0].who, ada);
    ///     db.disconnect(connection);
    ///     assert!(db.rows::<Online>().is_empty());
    /// }
    /// ```
    ///
    /// # Panics
    /// If no module has a reducer on `connect` or `disconnect`.
    pub fn connect(&mut self) -> u64 {
        let number = self.step(Request::Connect { caller: self.caller }).unwrap_or_else(|problem| panic!("{problem}"));
        self.run_events();
        from_bytes(&number)
    }

    /// Ends a connection.
    ///
    /// # Panics
    /// If it is not there.
    pub fn disconnect(&mut self, connection: u64) {
        self.end(connection);
        self.run_events();
    }

    fn end(&mut self, connection: u64) {
        self.step(Request::Disconnect { connection }).unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Asks a query of the crate's module, or of another as `module.query`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn query<R: Datatype>(&mut self, function: &str, args: impl Arguments) -> Result<R, Problem> {
        let (module, function) = self.split(function);
        let (args, caller) = (args.to_bytes(), self.caller);
        let answer = self.native.query((&module, &function), &args, caller);
        if let Some(compiled) = &mut self.compiled {
            agreement::assert_answers(&function, &answer, &compiled.run.query((&module, &function), &args, caller));
        }
        Ok(from_bytes(&answer?))
    }

    /// All rows of a table in the order of their primary keys.
    ///
    /// # Panics
    /// If the table is not there.
    pub fn rows<T: Table>(&self) -> Vec<T> {
        let module = T::MODULE.unwrap_or(&self.module);
        let engine = self.native.engine();
        let table = engine.catalog().table(module, T::NAME).and_then(|id| engine.store().table(id));
        let table = table.unwrap_or_else(|| panic!("there is no table `{module}.{}`", T::NAME));
        let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
        rows.map(|row| T::decode(&mut Input::new(row))).collect()
    }

    /// The time of the next transactions.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the clock on. Schedules that become due on the way run in order, each at its time, and the events that they raise;
    /// without a span, those that are due now.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now.saturating_add(span);
        self.run_schedules(end);
        self.now = self.now.max(end);
    }

    /// As [`reopen`](Self::reopen), but nobody was there meanwhile: schedules that became due run now, late.
    ///
    /// # Panics
    /// As [`reopen`](Self::reopen).
    pub fn reopen_after(&mut self, span: Duration) {
        self.reopen();
        self.now = self.now.saturating_add(span);
        self.run_schedules(self.now);
    }

    /// When the next schedule is due; `None` if there is none.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.native.engine().next_wakeup()
    }

    /// Events and schedules whose reducer failed.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        dead_letter::all(self.native.engine().store())
    }

    /// What functions logged since this was last asked.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.log)
    }

    /// Forgets everything in memory and recovers from the transactions, as after a crash. Connections end with it.
    ///
    /// # Panics
    /// If they do not give the same state.
    pub fn reopen(&mut self) {
        self.native.reopen();
        self.compiled.iter_mut().for_each(|compiled| compiled.run.reopen());
        for connection in self.native.engine().connections() {
            self.end(connection);
        }
        self.run_events();
    }

    /// Runs the cause of every transaction again and compares; returns how many there were, behind [`reproduce`](Self::reproduce) from its
    /// first one on.
    ///
    /// # Panics
    /// At the first that comes out otherwise.
    pub fn assert_replays(&self) -> usize {
        self.compiled.iter().for_each(|compiled| compiled.run.assert_replays());
        self.native.assert_replays();
        self.native.transactions()
    }

    fn run_events(&mut self) {
        while !self.native.engine().pending_events().is_empty() {
            // A failed event is a transaction too, and stands in `interstice.dead_letter`.
            let _ = self.step(Request::NextEvent);
        }
    }

    fn run_schedules(&mut self, until: Timestamp) {
        while let Some(due) = self.native.engine().next_wakeup().filter(|due| *due <= until) {
            // One step is one microsecond: the transaction is exactly at its time.
            self.now = self.now.max(Timestamp(due.0.saturating_sub(1)));
            // A failed schedule is a transaction too, and stands in `interstice.dead_letter`.
            let _ = self.step(Request::NextSchedule);
            self.run_events();
        }
    }

    fn step(&mut self, request: Request) -> Result<Vec<u8>, Problem> {
        let compiled = self.compiled.is_some().then(|| request.clone());
        self.step_each(request, compiled)
    }

    fn step_each(&mut self, native: Request, compiled: Option<Request>) -> Result<Vec<u8>, Problem> {
        self.inputs += 1;
        self.now = self.now.saturating_add(Duration::from_micros(1));
        // Numbers are never used twice, which is all that the seed of a test needs.
        let (now, seed) = (self.now, self.inputs.to_le_bytes());
        self.step_at((now, seed), native, compiled).reply
    }

    /// Does something natively and compiled; gives what came of it natively, which is the same.
    fn step_at(&mut self, (now, seed): (Timestamp, [u8; 16]), native: Request, compiled: Option<Request>) -> Step {
        let name = agreement::name_of(&native);
        let mut step = self.native.step(EngineInput { now, seed, request: native });
        if let Some((Compiled { run, .. }, request)) = self.compiled.as_mut().zip(compiled) {
            let again = run.step(EngineInput { now, seed, request });
            agreement::assert_steps(&name, (&self.native, &step), (run, &again));
        }
        self.log.append(&mut step.log);
        step
    }

    fn split(&self, function: &str) -> (String, String) {
        match function.split_once('.') {
            Some((module, function)) => (module.to_owned(), function.to_owned()),
            None => (self.module.clone(), function.to_owned()),
        }
    }
}

fn module_name(package: &str) -> String {
    package.replace('-', "_")
}

fn find_package(name: &str) -> Package {
    let packages = registry::packages();
    let found = packages.iter().find(|package| module_name(package.name) == module_name(name));
    let names: Vec<_> = packages.iter().map(|package| package.name).collect();
    *found.unwrap_or_else(|| panic!("no crate `{name}` declares tables or functions here, only {names:?}"))
}

/// The arguments of a call: a tuple with one value for each.
pub trait Arguments {
    /// Their bytes in order.
    fn to_bytes(&self) -> Vec<u8>;
}

/// One argument: a datatype, or a `&str` where a string is wanted.
pub trait Argument {
    /// Appends its bytes.
    fn append(&self, out: &mut Vec<u8>);
}

impl<T: Datatype> Argument for T {
    fn append(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

impl Argument for &str {
    fn append(&self, out: &mut Vec<u8>) {
        encode_str(self, out);
    }
}

macro_rules! arguments {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            fn to_bytes(&self) -> Vec<u8> {
                #[allow(unused_mut, reason = "no argument, nothing to append")]
                let mut out = Vec::new();
                $(self.$index.append(&mut out);)*
                out
            }
        }
    )*};
}

arguments! {
    () (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4) (A 0, B 1, C 2, D 3, E 4, F 5)
}
