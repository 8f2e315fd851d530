//! The engine: one input at a time, each a transaction or a refusal.

use crate::catalog::Catalog;
use crate::event::EventQueue;
use crate::execution::trace::Trace;
use crate::execution::{Execution, Finished, Instances, LogLine, Surroundings};
use crate::last_changed::LastChanged;
use crate::limits::Limits;
use crate::lookup::Found;
use crate::module::{CallError, LoadError, Loaded, ModuleLoader};
use crate::problems;
use crate::publish::{self, PublishOptions, Wish};
use crate::schedule::{Pending, Times};
use crate::system;
use interstice_store::store::Store;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::Change;
use interstice_types::id::{ClientId, Identity, Offset, ScheduleId};
use interstice_types::problem::Problem;
use interstice_types::schema::{Durability, FunctionKind};
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, FLAG_TOUCHED_EPHEMERAL, Outcome, ScheduleAction, Transaction, Work};
use interstice_types::unrecorded::{Unrecorded, is_left_out};
use std::sync::Arc;

/// The state machine of a node.
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) instances: Instances,
    pub(crate) queue: EventQueue,
    /// Those in force: the ones that are noted, if some are.
    pub(crate) limits: Limits,
    /// Those that this node is to have.
    pub(crate) own_limits: Limits,
    pub(crate) loader: Arc<dyn ModuleLoader>,
    pub(crate) next_offset: Offset,
    pub(crate) time: Timestamp,
    pub(crate) last_changed: LastChanged,
    pub(crate) last_caller: Option<(Identity, ClientId)>,
    /// Commits since the last transaction that are in no log.
    pub(crate) unlogged: u32,
    pub(crate) pending_schedules: Pending,
    /// Where times come from; a record, while it is run again.
    pub(crate) times: Times,
    /// The offset that functions see, where it is not the next one: that of the record in whose place something runs.
    pub(crate) seen_offset: Option<Offset>,
    /// Whether executions are to keep what they do step by step.
    pub(crate) tracing: bool,
    /// What the last one that was to keep it did.
    pub(crate) trace: Option<Box<Trace>>,
}

/// Something to do, with the time and the randomness to do it with.
pub struct Input {
    /// The wall clock; the transaction's time is never earlier than the one before.
    pub now: Timestamp,
    /// Sixteen fresh random bytes, never used before.
    pub seed: [u8; 16],
    /// What to do.
    pub request: Request,
}

/// What to do.
#[derive(Clone)]
pub enum Request {
    /// Make the system tables: the first input of a new log.
    Genesis {
        /// Names the node.
        node: [u8; 16],
    },
    /// Give the node the system tables that it did not know when the log began, and note its limits; nothing happens if all of that is as
    /// it should be.
    Configure,
    /// Bring a module in force.
    Publish {
        /// The artefact as it is stored.
        artefact: Vec<u8>,
        /// The artefact as it runs.
        loaded: Loaded,
        /// Who publishes.
        caller: Identity,
        /// How.
        options: PublishOptions,
    },
    /// Call a reducer.
    Call {
        /// The module's name.
        module: Arc<str>,
        /// The reducer's name.
        function: Arc<str>,
        /// Canonical argument bytes.
        args: Vec<u8>,
        /// Who calls.
        caller: Identity,
    },
    /// Deliver the next pending event; nothing happens if there is none.
    NextEvent,
    /// Run the next schedule that is due; nothing happens if none is.
    NextSchedule,
    /// A client has a connection: tell the modules that ask for it; nothing happens if none does.
    Connect {
        /// Who.
        caller: Identity,
    },
    /// A connection ended.
    Disconnect {
        /// Its number, the answer of [`Request::Connect`].
        connection: u64,
    },
    /// Do something with a schedule.
    Control {
        /// What.
        action: ScheduleAction,
        /// With which.
        schedule: ScheduleId,
        /// Who wants it.
        caller: Identity,
    },
}

/// What came of an input.
#[derive(Debug)]
pub struct Output {
    /// The transaction to log, if there is one.
    pub transaction: Option<Transaction>,
    /// What was changed beside it.
    pub unlogged: Unlogged,
    /// The function's answer, or why nothing was done.
    pub reply: Result<Vec<u8>, Problem>,
    /// How many offsets must be durable before the reply may leave: those of the transaction, or of what a refused call
    /// could see.
    pub rests_on: Offset,
    /// What functions logged.
    pub log: Vec<LogLine>,
}

/// Changes of tables that are in no log, with when they were made.
#[derive(Debug, Clone, Default)]
pub struct Unlogged {
    /// Complete, in the order they were made.
    pub changes: Vec<Change>,
    /// Count of offsets that there are then.
    pub next_offset: Offset,
    /// How many commits since the last offset were in no log, this one included; 0 if this one is in it.
    pub number: u32,
}

impl Engine {
    /// An engine without a past. Its first input is [`Request::Genesis`], or the first recorded transaction.
    pub fn new(loader: Arc<dyn ModuleLoader>, limits: Limits) -> Self {
        Self {
            store: Store::new(),
            catalog: Arc::default(),
            instances: Vec::new(),
            queue: EventQueue::default(),
            limits,
            own_limits: limits,
            loader,
            next_offset: 0,
            time: Timestamp(i64::MIN),
            last_changed: LastChanged::default(),
            last_caller: None,
            unlogged: 0,
            pending_schedules: Pending::default(),
            times: Times::Known,
            seen_offset: None,
            tracing: false,
            trace: None,
        }
    }

    /// All tables as they are now. A clone of it is O(1).
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The modules in force.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The offset that the next transaction gets.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The time of the newest transaction.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Events that are still to be delivered.
    pub fn pending_events(&self) -> &EventQueue {
        &self.queue
    }

    /// When each table and the catalog last changed.
    pub fn last_changed(&self) -> &LastChanged {
        &self.last_changed
    }

    /// The bounds on one call.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether what functions do from now on is kept step by step, for [`take_trace`](Self::take_trace).
    pub fn set_tracing(&mut self, tracing: bool) {
        self.tracing = tracing;
    }

    /// What the last execution did that was kept step by step.
    pub fn take_trace(&mut self) -> Option<Box<Trace>> {
        self.trace.take()
    }

    /// Does one thing. Whatever is refused has changed nothing.
    pub fn step(&mut self, input: Input) -> Output {
        match self.perform(input) {
            Ok(done) => self.settle(done),
            Err(output) => *output,
        }
    }

    /// Does one thing up to where it commits.
    #[inline]
    pub(crate) fn perform(&mut self, input: Input) -> Performed {
        let time = input.now.max(self.time);
        match input.request {
            Request::Genesis { node } => Ok(self.genesis(node, (time, input.seed))),
            Request::Configure => self.configure((time, input.seed)),
            Request::Publish { artefact, loaded, caller, options } => {
                let wish = Wish { artefact: &artefact, loaded: &loaded, caller, options };
                self.publish(&wish, (time, input.seed))
            }
            Request::Call { module, function, args, caller } => {
                match self.resolve_call((&module, &function), &args, caller) {
                    Ok(target) => self.call(target, args, caller, (time, input.seed)),
                    Err(problem) => Err(refusal(problem, Vec::new(), self.last_changed.catalog()).into()),
                }
            }
            Request::NextEvent => self.event((time, input.seed)),
            Request::NextSchedule => self.schedule((time, input.seed)),
            Request::Connect { caller } => self.connect(caller, (time, input.seed)),
            Request::Disconnect { connection } => self.disconnect(connection, (time, input.seed)),
            Request::Control { action, schedule, caller } => {
                self.control((action, schedule), caller, (time, input.seed))
            }
        }
    }

    /// Makes the modules in force ready to run; what cannot be loaded answers calls with `module-unavailable`.
    ///
    /// # Errors
    /// None of its own: the names of the modules that could not be loaded, and why.
    pub fn load_modules(&mut self) -> Vec<(String, LoadError)> {
        let mut failures = Vec::new();
        let mut catalog = Catalog::build(&self.store, &self.catalog);
        for position in 0..catalog.modules().len() {
            let entry = &catalog.modules()[position];
            if entry.factory.is_some() {
                continue;
            }
            let artefact =
                system::artefact(&self.store, &entry.artefact).expect("invariant: a module's artefact is a row");
            match self.loader.load(&artefact) {
                Ok(loaded) => catalog.set_factory(position, loaded.factory),
                Err(error) => failures.push((entry.schema.module.clone(), error)),
            }
        }
        self.catalog = Arc::new(catalog);
        self.instances = instantiate(&self.catalog);
        failures
    }

    fn genesis(&mut self, node: [u8; 16], moment: Moment) -> Done {
        assert_eq!(self.next_offset, 0, "invariant: genesis comes first");
        self.update_system(Cause::Genesis { node }, moment)
    }

    fn configure(&mut self, moment: Moment) -> Performed {
        if !system::is_outdated(&self.store, &self.own_limits) {
            let problem = Problem::new("up-to-date", "the system tables are as they should be");
            return Err(refusal(problem, Vec::new(), 0).into());
        }
        Ok(self.update_system(Cause::Configure, moment))
    }

    fn update_system(&mut self, cause: Cause, moment: Moment) -> Done {
        let mut tx = std::mem::take(&mut self.store).begin();
        system::update_tables(&mut tx, &self.own_limits)
            .expect("invariant: the system tables of a store can be brought up to date");
        let finished = self.unexecuted(tx);
        Done::new(cause, Outcome::Ok(Vec::new()), finished, moment)
    }

    pub(crate) fn publish(&mut self, wish: &Wish<'_>, moment: Moment) -> Performed {
        if !self.queue.is_empty() {
            let text = format!("{} events are still to be delivered", self.queue.len());
            let problem = Problem::new("events-pending", text).hint("publish again in a moment");
            return Err(refusal(problem, Vec::new(), self.next_offset).into());
        }
        let before = self.store.clone();
        match publish::run(self, wish, moment) {
            Ok(publish::Published { cause, finished, catalog }) => {
                let mut done = Done::new(cause, Outcome::Ok(Vec::new()), finished, moment);
                done.catalog = Some(catalog);
                Ok(done)
            }
            Err(problem) => {
                self.store = before;
                self.instances = instantiate(&self.catalog);
                Err(refusal(problem, Vec::new(), self.next_offset).into())
            }
        }
    }

    pub(crate) fn resolve_call(
        &self,
        (module, function): (&str, &str),
        args: &[u8],
        caller: Identity,
    ) -> Result<Target, Problem> {
        self.admit(&self.catalog.find(&FunctionKind::Reducer, module, function)?, args, caller)
    }

    /// Whether a reducer can be called so.
    pub(crate) fn admit(&self, found: &Found<'_>, args: &[u8], caller: Identity) -> Result<Target, Problem> {
        found.check_caller(caller)?;
        found.check(args)?;
        if self.instances.get(found.position).is_none_or(Option::is_none) {
            let text = format!("module `{}` could not be loaded", found.module.schema.module);
            return Err(Problem::new("module-unavailable", text));
        }
        Ok(Target { module: found.position, function: found.number })
    }

    pub(crate) fn call(&mut self, target: Target, args: Vec<u8>, caller: Identity, moment: Moment) -> Performed {
        let mut tx = std::mem::take(&mut self.store).begin();
        let client = match self.client_of(&mut tx, caller) {
            Ok(client) => client,
            Err(error) => {
                self.store = tx.abort();
                return Err(refusal(problems::write_refused(&error), Vec::new(), self.next_offset).into());
            }
        };
        let version = self.catalog.modules()[target.module].published_at;
        let (finished, result) = self.execute(tx, target, &args, (caller, moment));
        match result {
            Ok(answer) => {
                let args = if is_left_out(Unrecorded::Cause) { Vec::new() } else { args };
                let cause = Cause::Call { version, function: target.function, caller: client, args };
                let (outcome, called) = (Outcome::Ok(answer), Some(target));
                Ok(Done { cause, outcome, finished, moment, called, catalog: None })
            }
            Err(error) => {
                let problem = self.problem_of(target, error);
                let rests_on = self.last_changed.function(&self.catalog, target.module, target.function);
                Err(refusal(problem, self.undo(finished), rests_on).into())
            }
        }
    }

    /// The number of a caller. Whoever calls is likely to have called before: the last one's number is kept, once it is in a
    /// row that is committed, for such a row stays.
    pub(crate) fn client_of(&mut self, tx: &mut WriteTx, caller: Identity) -> Result<ClientId, WriteError> {
        match self.last_caller {
            Some((known, client)) if known == caller => return Ok(client),
            _ => self.last_caller = system::find_client(tx.store(), caller).map(|client| (caller, client)),
        }
        self.last_caller.map_or_else(|| system::client_id(tx, caller), |(_, client)| Ok(client))
    }

    pub(crate) fn unexecuted(&mut self, tx: WriteTx) -> Finished {
        Finished {
            tx: Some(tx),
            instances: std::mem::take(&mut self.instances),
            work: Work::default(),
            log: Vec::new(),
            touched_ephemeral: false,
            host_marks: Vec::new(),
        }
    }

    /// Whether a call changed nothing that is in the log.
    fn is_unlogged(&self, finished: &Finished) -> bool {
        let tx = finished.tx.as_ref().expect("invariant: a call is a transaction");
        tx.changes().iter().all(|change| self.catalog.is_ephemeral(change.table()))
    }

    /// Such a call takes no offset, and waits for nothing but what it could see.
    fn commit_unlogged(&mut self, target: Target, outcome: &Outcome, finished: Finished) -> Output {
        let (store, changes) = finished.tx.expect("invariant: a call is a transaction").commit();
        (self.store, self.instances) = (store, finished.instances);
        let rests_on = self.last_changed.function(&self.catalog, target.module, target.function);
        self.last_changed.note(&changes, rests_on);
        self.unlogged = self.unlogged.saturating_add(u32::from(!changes.is_empty()));
        let unlogged = Unlogged { changes, next_offset: self.next_offset, number: self.unlogged };
        Output { transaction: None, unlogged, reply: reply_of(outcome), rests_on, log: finished.log }
    }

    pub(crate) fn execute(
        &mut self,
        tx: WriteTx,
        target: Target,
        args: &[u8],
        (caller, moment): (Identity, Moment),
    ) -> (Finished, Result<Vec<u8>, CallError>) {
        let (execution, result) = self.begin(tx, caller, moment).invoke(target.module, target.function, args);
        (self.finish(execution), result)
    }

    /// Ends an execution; what it kept of what it did is there to be told.
    #[inline]
    pub(crate) fn finish(&mut self, mut execution: Box<Execution>) -> Finished {
        if self.tracing {
            self.trace = execution.take_trace();
        }
        execution.finish()
    }

    /// What functions that `caller` calls see around them.
    pub(crate) fn surroundings(&self, caller: Identity, (now, seed): Moment) -> Surroundings {
        let offset_hint = self.seen_offset.unwrap_or(self.next_offset);
        Surroundings { now, seed, caller, offset_hint, schedules: self.pending_schedules.clone() }
    }

    /// An execution of functions as `caller`.
    pub(crate) fn begin(&mut self, tx: WriteTx, caller: Identity, moment: Moment) -> Box<Execution> {
        let surroundings = self.surroundings(caller, moment);
        let instances = std::mem::take(&mut self.instances);
        let mut execution = Execution::write(tx, instances, Arc::clone(&self.catalog), self.limits, surroundings);
        if self.tracing {
            execution.trace();
        }
        execution
    }

    /// Goes back to what was before an execution; what it logged is left.
    pub(crate) fn undo(&mut self, finished: Finished) -> Vec<LogLine> {
        self.store = finished.tx.expect("invariant: what is undone is a transaction").abort();
        self.instances = finished.instances;
        finished.log
    }

    /// Makes what was done the next state.
    #[inline]
    pub(crate) fn settle(&mut self, done: Done) -> Output {
        let Done { cause, outcome, finished, moment, called, catalog } = done;
        if let Some(target) = called.filter(|_| self.is_unlogged(&finished)) {
            return self.commit_unlogged(target, &outcome, finished);
        }
        let output = self.commit(cause, outcome, finished, moment);
        if let Some(catalog) = catalog {
            self.instances = instantiate(&catalog);
            self.catalog = catalog;
        }
        output
    }

    #[inline]
    fn commit(&mut self, cause: Cause, outcome: Outcome, finished: Finished, (time, seed): Moment) -> Output {
        let (store, mut changes) = finished.tx.expect("invariant: what commits is a transaction").commit();
        let may_have = self.catalog.has_ephemeral() || matches!(cause, Cause::Publish { .. });
        let unlogged = if may_have { take_unlogged(&store, &mut changes) } else { Vec::new() };
        self.instances = finished.instances;
        self.store = store;
        let reply = reply_of(&outcome);
        let transaction = Transaction {
            offset: self.next_offset,
            time,
            seed,
            cause,
            outcome,
            changes,
            work: finished.work,
            host_marks: finished.host_marks,
            state_digest: self.store.digest(),
            flags: if finished.touched_ephemeral { FLAG_TOUCHED_EPHEMERAL } else { 0 },
        };
        self.advance(&transaction, &transaction.changes);
        self.last_changed.note(&unlogged, self.next_offset);
        let unlogged = Unlogged { changes: unlogged, next_offset: self.next_offset, number: 0 };
        Output { rests_on: self.next_offset, transaction: Some(transaction), unlogged, reply, log: finished.log }
    }

    /// The bookkeeping behind a commit, the same whether it was just made or is read from a log.
    pub(crate) fn advance(&mut self, transaction: &Transaction, changes: &[Change]) {
        self.next_offset = transaction.offset + 1;
        self.unlogged = 0;
        self.time = transaction.time;
        self.last_changed.advance(transaction, changes);
        if let Some(schedules) = self.catalog.schedules().and_then(|id| self.store.table(id)) {
            self.pending_schedules.advance(schedules, changes);
        }
        let depth = match transaction.cause {
            Cause::Event { event, depth } => {
                let consumed = self.queue.pop().expect("invariant: an event transaction has its event");
                assert_eq!(consumed.id, event, "invariant: events are consumed in order");
                depth
            }
            Cause::Publish { .. } | Cause::Genesis { .. } | Cause::Configure => {
                self.limits = system::limit::noted(&self.store).unwrap_or(self.limits);
                self.catalog = Arc::new(Catalog::build(&self.store, &self.catalog));
                return;
            }
            Cause::Call { .. }
            | Cause::Schedule { .. }
            | Cause::Connect { .. }
            | Cause::Disconnect { .. }
            | Cause::Control { .. } => 0,
        };
        self.queue.raise(&self.catalog, transaction.offset, depth, changes);
    }

    pub(crate) fn problem_of(&self, target: Target, error: CallError) -> Problem {
        self.catalog.call_failed(target.module, target.function, error).hint("nothing was written")
    }

    pub(crate) fn function_name(&self, target: Target) -> String {
        let entry = &self.catalog.modules()[target.module];
        format!("{}.{}", entry.schema.module, entry.functions[target.function as usize].schema.name)
    }

    /// Who has this number.
    pub fn identity_of(&self, client: ClientId) -> Option<Identity> {
        match self.last_caller {
            Some((known, number)) if number == client => Some(known),
            _ => system::identity_of(&self.store, client),
        }
    }
}

/// Takes out what is not logged.
fn take_unlogged(store: &Store, changes: &mut Vec<Change>) -> Vec<Change> {
    changes.extract_if(.., |change| is_unlogged_row(store, change)).collect()
}

/// Whether a change is about rows that are in no log.
pub(crate) fn is_unlogged_row(store: &Store, change: &Change) -> bool {
    let is_ephemeral = |id| store.table(id).is_some_and(|table| table.schema().durability == Durability::Ephemeral);
    change.is_of_rows() && is_ephemeral(change.table())
}

/// What an input came to, up to where it commits: a transaction, or the output of an input that is none.
pub(crate) type Performed = Result<Done, Box<Output>>;

/// A transaction that is ready to commit.
pub(crate) struct Done {
    pub(crate) cause: Cause,
    pub(crate) outcome: Outcome,
    pub(crate) finished: Finished,
    pub(crate) moment: Moment,
    /// Of a call, what was called: one that changed nothing in the log is not in it either.
    pub(crate) called: Option<Target>,
    /// Of a publish, what is in force behind it.
    pub(crate) catalog: Option<Arc<Catalog>>,
}

impl Done {
    pub(crate) fn new(cause: Cause, outcome: Outcome, finished: Finished, moment: Moment) -> Self {
        Self { cause, outcome, finished, moment, called: None, catalog: None }
    }
}

/// When, and the random bytes.
pub(crate) type Moment = (Timestamp, [u8; 16]);

/// A function in the catalog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) module: usize,
    pub(crate) function: u32,
}

/// One instance of each module that is loaded.
pub(crate) fn instantiate(catalog: &Catalog) -> Instances {
    catalog.modules().iter().map(|entry| entry.factory.as_ref()?.instantiate().ok()).collect()
}

/// The output of an input that changed nothing.
pub(crate) fn refusal(problem: Problem, log: Vec<LogLine>, rests_on: Offset) -> Output {
    Output { transaction: None, unlogged: Unlogged::default(), reply: Err(problem), rests_on, log }
}

fn reply_of(outcome: &Outcome) -> Result<Vec<u8>, Problem> {
    match outcome {
        Outcome::Ok(answer) => Ok(answer.clone()),
        Outcome::Rejected(problem) | Outcome::Trapped(problem) => {
            Err(Problem::from_json(problem).expect("invariant: a failed outcome is a problem"))
        }
    }
}
