//! Running a recorded transaction's cause again and comparing everything that it recorded.
//!
//! What a node does by itself, making its own tables, is not run again: no module has a part in it, and a later node would make
//! more of them. Its changes are applied, and the digest after them is compared.
//!
//! 1. Run the cause with the recorded time and seed, up to where it would commit.
//! 2. Compare cause, outcome, changes, host calls, fuel and digest; fuel not where modules run on an engine that counts it otherwise
//!    ([`ModuleLoader::counts_fuel`](crate::module::ModuleLoader::counts_fuel)).
//! 3. If all of it is the same, commit: the state is the recorded one. Else take it back, run the cause once more, in fresh instances
//!    and step by step, to say where it parts from the record, and apply the record: whatever the comparison said, the engine goes
//!    on from history.
//!
//! A call runs in the instance that the call before it left behind, as on a node; one transaction of [`FRESH_INTERVAL`] runs in a
//! fresh one too, and must not be able to tell.

mod beside;
mod compare;

use crate::engine::{Engine, Performed, instantiate, refusal};
use crate::module::HOST_FAULT;
use crate::publish::{PublishOptions, Wish};
use crate::recorded::RecordedError;
use crate::schedule::Times;
use crate::system::{self, dead_letter};
pub use beside::{Before, Beside};
use compare::Difference;
pub use compare::{HostCalls, Kind};
use interstice_store::store::Store;
use interstice_types::change::Change;
use interstice_types::id::{ClientId, Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, FLAG_TOUCHED_EPHEMERAL, Outcome, Transaction};
use serde_json::Value as Json;
use std::fmt;

/// One transaction of so many is run in a fresh instance too.
pub const FRESH_INTERVAL: u64 = 64;

/// How a transaction came out when its cause ran again.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// As recorded.
    Same,
    /// Otherwise.
    Divergent(Box<Divergence>),
    /// Nothing can be said of it.
    Incomparable(Reason),
}

/// Why nothing can be said of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It saw rows that are in no log.
    Ephemeral,
    /// A resource limit ended it, then or now: how far it came depends on more than the module.
    ResourceLimit(Box<Problem>),
    /// The module that ran it cannot run here.
    Unavailable(Box<Problem>),
}

/// The instances that came out otherwise than the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// One that had run calls before; a fresh one came out as recorded.
    Used,
    /// A fresh one; one that had run calls before came out as recorded.
    Fresh,
    /// All.
    All,
}

impl Instances {
    /// Its kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Fresh => "fresh",
            Self::All => "all",
        }
    }
}

/// The first difference between a record and its re-execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Which transaction.
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// What differs.
    pub kind: Kind,
    /// `module.table`, if it is about one.
    pub table: Option<String>,
    /// The primary key of the row that it is about; of several columns a list.
    pub key: Option<Json>,
    /// The column.
    pub column: Option<String>,
    /// The host calls between which it lies, as they were made again.
    pub host_calls: Option<HostCalls>,
    /// Where it came out otherwise.
    pub instances: Instances,
    /// What is recorded.
    pub recorded: String,
    /// What came out.
    pub replayed: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} ({}): {}", self.offset, self.function, self.kind.name())?;
        self.table.iter().try_for_each(|table| write!(f, " {table}"))?;
        self.key.iter().try_for_each(|key| write!(f, " {key}"))?;
        self.column.iter().try_for_each(|column| write!(f, " {column}"))?;
        write!(f, ": recorded {}, replayed {}", self.recorded, self.replayed)?;
        self.host_calls.iter().try_for_each(|calls| write!(f, " ({calls})"))?;
        match self.instances {
            Instances::Used => write!(f, "; a fresh instance does as recorded"),
            Instances::Fresh => write!(f, "; only in a fresh instance"),
            Instances::All => Ok(()),
        }
    }
}

/// Which instances run a cause again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// Those that are there.
    Used,
    Fresh,
    /// Fresh, step by step.
    Traced,
}

impl Engine {
    /// Runs the cause of the next recorded transaction again, compares, and goes on from the record.
    ///
    /// # Errors
    /// [`RecordedError`] if it does not follow; the engine is of no use then.
    pub fn recheck(&mut self, transaction: &Transaction) -> Result<Verdict, RecordedError> {
        self.check_again(transaction, Run::Used)
    }

    /// As [`recheck`](Self::recheck), in fresh instances only.
    ///
    /// # Errors
    /// [`RecordedError`] if it does not follow; the engine is of no use then.
    pub fn recheck_fresh(&mut self, transaction: &Transaction) -> Result<Verdict, RecordedError> {
        self.check_again(transaction, Run::Fresh)
    }

    fn check_again(&mut self, recorded: &Transaction, first: Run) -> Result<Verdict, RecordedError> {
        if recorded.offset != self.next_offset {
            return Err(RecordedError::WrongOffset { expected: self.next_offset, found: recorded.offset });
        }
        if let Some(verdict) = verdict_of(recorded) {
            return self.go_on_from(recorded).map(|()| verdict);
        }
        // A publish cannot be taken back change by change.
        let before = matches!(recorded.cause, Cause::Publish { .. }).then(|| self.store.clone());
        let mut attempt = match self.attempt(recorded, first) {
            Ok(attempt) => attempt,
            Err(problem) => {
                self.go_on_from(recorded)?;
                return Ok(Verdict::Incomparable(Reason::Unavailable(problem)));
            }
        };
        let (mut difference, mut instances) = (self.parting(recorded, &attempt), Instances::Used);
        // A publish runs in fresh ones as it is.
        let is_sample = recorded.offset.is_multiple_of(FRESH_INTERVAL) && first == Run::Used && before.is_none();
        let mut used = None;
        if difference.is_none() && is_sample {
            self.take_back(attempt, None);
            used = Some(std::mem::take(&mut self.instances));
            attempt = self.attempt(recorded, Run::Fresh).expect("invariant: it was just run");
            (difference, instances) = (self.parting(recorded, &attempt), Instances::Fresh);
        }
        let Some(difference) = difference else {
            let Ok(done) = attempt else { panic!("invariant: what is as recorded is a transaction") };
            self.settle(done);
            self.instances = used.unwrap_or_else(|| std::mem::take(&mut self.instances));
            return Ok(Verdict::Same);
        };
        let reason = incomparable(recorded, &attempt);
        self.take_back(attempt, before.as_ref());
        let verdict = if let Some(reason) = reason {
            Verdict::Incomparable(reason)
        } else {
            let divergence = self.narrow_down(recorded, difference, (first, instances), before.as_ref());
            Verdict::Divergent(Box::new(divergence))
        };
        self.go_on_from(recorded).map(|()| verdict)
    }

    /// Applies the record.
    pub(crate) fn go_on_from(&mut self, recorded: &Transaction) -> Result<(), RecordedError> {
        self.apply(recorded)?;
        if matches!(recorded.cause, Cause::Publish { .. }) {
            // What does not load answers that it is not available.
            self.load_modules();
        }
        Ok(())
    }

    /// Runs the cause again, up to where it would commit.
    ///
    /// # Errors
    /// The module that it published does not load here.
    pub(crate) fn attempt(&mut self, recorded: &Transaction, run: Run) -> Result<Performed, Box<Problem>> {
        if run != Run::Used {
            self.instances = instantiate(&self.catalog);
        }
        // What was known of time zones then counts, not what is known now.
        let table = self.schedules();
        self.times = table.map(|table| Times::recorded(table, &recorded.changes)).unwrap_or_default();
        self.tracing = run == Run::Traced;
        let attempt = self.cause_again(recorded);
        self.tracing = false;
        self.times = Times::Known;
        attempt
    }

    /// Whether an attempt came out otherwise than recorded.
    pub(crate) fn is_otherwise(&self, recorded: &Transaction, attempt: &Performed) -> bool {
        self.parting(recorded, attempt).is_some()
    }

    /// What of an attempt is not as recorded.
    fn parting(&self, recorded: &Transaction, attempt: &Performed) -> Option<Difference> {
        match attempt {
            Ok(done) => compare::difference(recorded, done, self.loader.counts_fuel()),
            Err(output) => Some(Difference::refused(recorded, output)),
        }
    }

    /// Takes back what was not committed.
    pub(crate) fn take_back(&mut self, attempt: Performed, before: Option<&Store>) {
        match (attempt, before) {
            (Err(_), _) => {}
            (Ok(done), None) => drop(self.undo(done.finished)),
            (Ok(_), Some(before)) => {
                self.store = before.clone();
                self.instances = instantiate(&self.catalog);
            }
        }
    }

    /// Where it parts from the record: runs it once more, step by step.
    fn narrow_down(
        &mut self,
        recorded: &Transaction,
        difference: Difference,
        (first, instances): (Run, Instances),
        before: Option<&Store>,
    ) -> Divergence {
        let again = self.attempt(recorded, Run::Traced).expect("invariant: it was just run");
        let differs = self.parting(recorded, &again).is_some();
        let marks = again.as_ref().map_or(&[][..], |done| &done.finished.host_marks);
        let host_calls = self.trace.take().and_then(|trace| difference.host_calls(recorded, (&trace, marks)));
        self.take_back(again, before);
        let Difference { kind, table, key, column, recorded: old, replayed, .. } = difference;
        let instances = match (instances, differs || first == Run::Fresh) {
            (Instances::Used, true) => Instances::All,
            (instances, _) => instances,
        };
        let (offset, function) = (recorded.offset, self.function_of(recorded));
        Divergence { offset, function, kind, table, key, column, host_calls, instances, recorded: old, replayed }
    }

    /// Has what caused `transaction` happen again, up to where it would commit.
    ///
    /// # Errors
    /// The module that it published does not load here.
    fn cause_again(&mut self, transaction: &Transaction) -> Result<Performed, Box<Problem>> {
        let (changes, moment) = (&transaction.changes, (transaction.time.max(self.time), transaction.seed));
        Ok(match &transaction.cause {
            Cause::Genesis { .. } | Cause::Configure => panic!("invariant: what a node does by itself is only applied"),
            Cause::Publish { caller, module } => {
                let artefact = self.published_artefact(changes, module);
                let loaded = self.loader.load(&artefact).map_err(|error| Box::new(error.problem))?;
                let caller = self.identity_in(changes, *caller);
                // It was published: whatever it needed leave for, it had.
                let options = PublishOptions { may_break: true, ..PublishOptions::default() };
                self.publish(&Wish { artefact: &artefact, loaded: &loaded, caller, options }, moment)
            }
            Cause::Call { version, function, caller, args } => {
                let caller = self.identity_in(changes, *caller);
                let found = self.catalog.in_version(*version, *function);
                match found.ok_or_else(not_in_force).and_then(|found| self.admit(&found, args, caller)) {
                    Ok(target) => self.call(target, args.clone(), caller, moment),
                    Err(problem) => Err(refusal(problem, Vec::new(), self.next_offset).into()),
                }
            }
            Cause::Event { .. } => self.event(moment),
            Cause::Schedule { .. } => self.schedule(moment),
            Cause::Connect { caller, .. } => self.connect(self.identity_in(changes, *caller), moment),
            Cause::Disconnect { connection } => self.disconnect(*connection, moment),
            Cause::Control { caller, action, schedule } => {
                self.control((*action, *schedule), self.identity_in(changes, *caller), moment)
            }
        })
    }

    /// The identity with number `client`, which the transaction itself may have given.
    pub(crate) fn identity_in(&self, changes: &[Change], client: ClientId) -> Identity {
        let known = self.identity_of(client).or_else(|| system::identity_given(changes, client));
        known.unwrap_or(Identity([0; 32]))
    }

    pub(crate) fn published_artefact(&self, changes: &[Change], module: &str) -> Vec<u8> {
        let mut after = self.store.clone();
        if after.apply(&mut changes.to_vec()).is_err() {
            return Vec::new();
        }
        let row = system::modules(&after).into_iter().find(|row| row.name == module);
        row.and_then(|row| system::artefact(&after, &row.artefact)).unwrap_or_default()
    }

    /// What ran, for people.
    pub fn function_of(&self, transaction: &Transaction) -> String {
        let found = match &transaction.cause {
            Cause::Call { version, function, .. } => self.catalog.in_version(*version, *function),
            Cause::Event { event, .. } => {
                let reducer = self.catalog.event_reducers().get(event.subscriber as usize);
                reducer.map(|reducer| self.catalog.at(reducer.module, reducer.function))
            }
            Cause::Schedule { version, function, .. } => {
                function.and_then(|function| self.catalog.in_version(*version, function))
            }
            Cause::Publish { module, .. } => return format!("publish {module}"),
            Cause::Connect { connection, .. } => return format!("connect {connection}"),
            Cause::Disconnect { connection } => return format!("disconnect {connection}"),
            Cause::Control { action, schedule, .. } => return format!("{} schedule {schedule}", action.name()),
            Cause::Genesis { .. } | Cause::Configure => return transaction.cause.name().to_owned(),
        };
        found.map_or_else(|| "?".to_owned(), |found| found.full_name())
    }
}

fn not_in_force() -> Problem {
    Problem::new("not-run", "the version that ran it is not in force")
}

/// What can be said of a transaction without running it again.
fn verdict_of(recorded: &Transaction) -> Option<Verdict> {
    if matches!(recorded.cause, Cause::Genesis { .. } | Cause::Configure) {
        return Some(Verdict::Same);
    }
    if recorded.flags & FLAG_TOUCHED_EPHEMERAL != 0 {
        return Some(Verdict::Incomparable(Reason::Ephemeral));
    }
    let mut problems = problems_in(&recorded.outcome, &recorded.cause, &recorded.changes);
    let problem = problems.find(is_resource_limit)?;
    Some(Verdict::Incomparable(Reason::ResourceLimit(problem.into())))
}

/// Why a difference says nothing, if so.
fn incomparable(recorded: &Transaction, attempt: &Performed) -> Option<Reason> {
    let problems: Vec<_> = match attempt {
        Err(output) => output.reply.as_ref().err().cloned().into_iter().collect(),
        Ok(done) => {
            let tx = done.finished.tx.as_ref().expect("invariant: what is compared is a transaction");
            problems_in(&done.outcome, &done.cause, tx.changes()).collect()
        }
    };
    let unavailable = |problem: &Problem| problem.code == "module-unavailable";
    let was_unavailable =
        || problems_in(&recorded.outcome, &recorded.cause, &recorded.changes).any(|one| unavailable(&one));
    if let Some(problem) = problems.iter().find(|problem| unavailable(problem)).filter(|_| !was_unavailable()) {
        return Some(Reason::Unavailable(Box::new(problem.clone())));
    }
    let limit = problems.into_iter().find(is_resource_limit)?;
    Some(Reason::ResourceLimit(limit.into()))
}

/// Codes of traps that say that a resource was used up, and not what the module did.
const RESOURCE_LIMITS: [&str; 4] = ["out-of-fuel", "stack-overflow", "no-instance-slot", HOST_FAULT];

fn is_resource_limit(problem: &Problem) -> bool {
    RESOURCE_LIMITS.contains(&&*problem.code)
}

/// Why what ran did not end well: the outcome says it, but of the reducers that are told of a connection, whose dead letters do.
fn problems_in(outcome: &Outcome, cause: &Cause, changes: &[Change]) -> impl Iterator<Item = Problem> {
    let tells = matches!(cause, Cause::Connect { .. } | Cause::Disconnect { .. });
    let letters = if tells { dead_letter::problems_in(changes) } else { Vec::new() };
    problem_in(outcome).into_iter().chain(letters)
}

fn problem_in(outcome: &Outcome) -> Option<Problem> {
    match outcome {
        Outcome::Ok(_) => None,
        Outcome::Rejected(problem) | Outcome::Trapped(problem) => Problem::from_json(problem).ok(),
    }
}
