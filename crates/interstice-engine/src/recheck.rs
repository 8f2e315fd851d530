//! Running a recorded transaction's cause again and comparing everything that it recorded.
//!
//! What a node does by itself, making its own tables, is not run again: no module has a part in it, and a later node would make
//! more of them. Its changes are applied, and the digest after them is compared.
//!
//! 1. Keep a clone of the engine's state.
//! 2. Run the cause with the recorded time and seed.
//! 3. Compare outcome, changes, work and digest.
//! 4. Go back to the clone and apply the record: whatever the comparison said, the engine goes on from history.

use crate::engine::{Engine, Input, Output, Request, Unlogged};
use crate::module::LoadError;
use crate::publish::PublishOptions;
use crate::recorded::RecordedError;
use crate::schedule::Times;
use crate::system;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, FLAG_TOUCHED_EPHEMERAL, Outcome, Transaction};
use std::fmt;
use std::sync::Arc;

/// How a transaction came out when its cause ran again.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// As recorded.
    Same,
    /// Otherwise.
    Divergent(Divergence),
    /// It saw rows that are in no log, so that nothing can be said of it.
    Incomparable,
}

/// The first difference between a record and its re-execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Which transaction.
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// `outcome`, `changes`, `work` or `digest`.
    pub kind: &'static str,
    /// The table, if it is about one.
    pub table: Option<TableId>,
    /// What is recorded.
    pub recorded: String,
    /// What came out.
    pub replayed: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "offset {} ({}): {}: recorded {}, replayed {}",
            self.offset, self.function, self.kind, self.recorded, self.replayed
        )
    }
}

/// Why a transaction could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum RecheckError {
    /// The record is not the next of this engine.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// The published artefact does not load here.
    #[error("the module published at {offset} does not load: {source}")]
    Load {
        /// Which transaction.
        offset: Offset,
        /// Why.
        source: LoadError,
    },
}

impl Engine {
    /// Runs the cause of the next recorded transaction again, compares, and goes on from the record.
    ///
    /// # Errors
    /// [`RecheckError`] if it cannot be run or applied; the engine is of no use then.
    pub fn recheck(&mut self, transaction: &Transaction) -> Result<Verdict, RecheckError> {
        if matches!(transaction.cause, Cause::Genesis { .. } | Cause::Configure) {
            self.apply(transaction)?;
            return Ok(Verdict::Same);
        }
        if transaction.flags & FLAG_TOUCHED_EPHEMERAL != 0 {
            self.apply(transaction)?;
            return Ok(Verdict::Incomparable);
        }
        let before = (self.store.clone(), Arc::clone(&self.catalog), self.queue.clone(), self.time);
        let last_changed = self.last_changed.clone();
        let pending_schedules = self.pending_schedules.clone();
        // What was known of time zones then counts, not what is known now.
        let table = self.schedules();
        self.times = table.map(|table| Times::recorded(table, &transaction.changes)).unwrap_or_default();
        let output = self.run_again(transaction)?;
        (self.times, self.pending_schedules) = (Times::Known, pending_schedules);
        let function = self.function_of(transaction);
        (self.store, self.catalog, self.queue, self.time) = before;
        (self.next_offset, self.last_changed) = (transaction.offset, last_changed);
        let keeps_old = |table| self.catalog.keeps_old(table);
        let verdict = compare(transaction, output, &function, &keeps_old);
        self.apply(transaction)?;
        if matches!(transaction.cause, Cause::Publish { .. }) {
            let failures = self.load_modules();
            if let Some((_, source)) = failures.into_iter().next() {
                return Err(RecheckError::Load { offset: transaction.offset, source });
            }
        }
        Ok(verdict)
    }

    fn run_again(&mut self, transaction: &Transaction) -> Result<Output, RecheckError> {
        let (offset, changes) = (transaction.offset, &transaction.changes);
        if offset != self.next_offset {
            return Err(RecordedError::WrongOffset { expected: self.next_offset, found: offset }.into());
        }
        let request = match &transaction.cause {
            Cause::Genesis { .. } | Cause::Configure => panic!("invariant: what a node does by itself is only applied"),
            Cause::Publish { caller, module } => {
                let artefact = self.published_artefact(changes, module);
                let loaded = self.loader.load(&artefact).map_err(|source| RecheckError::Load { offset, source })?;
                let caller = self.identity_in(changes, *caller);
                // It was published: whatever it needed leave for, it had.
                let options = PublishOptions { may_break: true, ..PublishOptions::default() };
                Request::Publish { artefact, loaded, caller, options }
            }
            Cause::Call { version, function, caller, args } => {
                let entry = self.catalog.modules().iter().find(|entry| entry.published_at == *version);
                let Some(entry) = entry else { return Ok(self.nothing_again()) };
                let function = entry.schema.functions.get(*function as usize).map_or("", |f| f.name.as_str()).into();
                let caller = self.identity_in(changes, *caller);
                Request::Call { module: entry.schema.module.as_str().into(), function, args: args.clone(), caller }
            }
            Cause::Event { .. } => Request::NextEvent,
            Cause::Schedule { .. } => Request::NextSchedule,
            Cause::Connect { caller, .. } => Request::Connect { caller: self.identity_in(changes, *caller) },
            Cause::Disconnect { connection } => Request::Disconnect { connection: *connection },
            Cause::Control { caller, action, schedule } => {
                let caller = self.identity_in(changes, *caller);
                Request::Control { action: *action, schedule: *schedule, caller }
            }
        };
        Ok(self.step(Input { now: transaction.time, seed: transaction.seed, request }))
    }

    /// What comes of a call to a version that is not in force.
    fn nothing_again(&self) -> Output {
        Output {
            transaction: None,
            unlogged: Unlogged::default(),
            reply: Err(Problem::new("not-run", "the version that ran it is not in force")),
            rests_on: self.next_offset,
            log: Vec::new(),
        }
    }

    /// The identity with number `client`, which the transaction itself may have given.
    fn identity_in(
        &self,
        changes: &[Change],
        client: interstice_types::id::ClientId,
    ) -> interstice_types::id::Identity {
        let known = self.identity_of(client).or_else(|| system::identity_given(changes, client));
        known.unwrap_or(interstice_types::id::Identity([0; 32]))
    }

    fn published_artefact(&self, changes: &[Change], module: &str) -> Vec<u8> {
        let mut after = self.store.clone();
        if after.apply(&mut changes.to_vec()).is_err() {
            return Vec::new();
        }
        let row = system::modules(&after).into_iter().find(|row| row.name == module);
        row.and_then(|row| system::artefact(&after, &row.artefact)).unwrap_or_default()
    }

    /// What ran, for people.
    pub fn function_of(&self, transaction: &Transaction) -> String {
        let named = |entry: &crate::catalog::ModuleEntry, function: u32| {
            let name = entry.schema.functions.get(function as usize).map_or("?", |f| f.name.as_str());
            format!("{}.{name}", entry.schema.module)
        };
        match &transaction.cause {
            Cause::Call { version, function, .. } => {
                let entry = self.catalog.modules().iter().find(|entry| entry.published_at == *version);
                entry.map_or_else(|| "?".to_owned(), |entry| named(entry, *function))
            }
            Cause::Event { event, .. } => match self.catalog.event_reducers().get(event.subscriber as usize) {
                Some(reducer) => named(&self.catalog.modules()[reducer.module], reducer.function),
                None => "?".to_owned(),
            },
            Cause::Schedule { version, function, .. } => {
                let entry = self.catalog.modules().iter().find(|entry| entry.published_at == *version);
                entry.zip(*function).map_or_else(|| "?".to_owned(), |(entry, function)| named(entry, function))
            }
            Cause::Publish { module, .. } => format!("publish {module}"),
            Cause::Connect { connection, .. } => format!("connect {connection}"),
            Cause::Disconnect { connection } => format!("disconnect {connection}"),
            Cause::Control { action, schedule, .. } => format!("{} schedule {schedule}", action.name()),
            Cause::Genesis { .. } | Cause::Configure => transaction.cause.name().to_owned(),
        }
    }
}

fn compare(recorded: &Transaction, output: Output, function: &str, keeps_old: &dyn Fn(TableId) -> bool) -> Verdict {
    let divergence = |kind, table, recorded_text: String, replayed: String| {
        Verdict::Divergent(Divergence {
            offset: recorded.offset,
            function: function.to_owned(),
            kind,
            table,
            recorded: recorded_text,
            replayed,
        })
    };
    let Some(replayed) = output.transaction else {
        let problem =
            output.reply.err().map_or_else(String::new, |problem| format!("{}: {}", problem.code, problem.message));
        return divergence("outcome", None, recorded.outcome.name().to_owned(), problem);
    };
    if replayed.outcome != recorded.outcome {
        return divergence("outcome", None, text_of(&recorded.outcome), text_of(&replayed.outcome));
    }
    let logged = |change: &Change| change.logged(keeps_old(change.table()));
    let changes: Vec<_> = replayed.changes.iter().map(logged).collect();
    let expected: Vec<_> = recorded.changes.iter().map(logged).collect();
    if changes.len() != expected.len() {
        let count = |n: usize| format!("{n} changes");
        return divergence("changes", None, count(expected.len()), count(changes.len()));
    }
    if let Some((old, new)) = expected.iter().zip(&changes).find(|(old, new)| old != new) {
        return divergence("changes", Some(old.table()), format!("{old:?}"), format!("{new:?}"));
    }
    if replayed.work != recorded.work {
        return divergence("work", None, format!("{:?}", recorded.work), format!("{:?}", replayed.work));
    }
    if replayed.state_digest != recorded.state_digest {
        let hex = |digest: u128| format!("{digest:032x}");
        return divergence("digest", None, hex(recorded.state_digest), hex(replayed.state_digest));
    }
    Verdict::Same
}

fn text_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok(bytes) => format!("ok {}", interstice_types::id::to_hex(bytes)),
        Outcome::Rejected(problem) | Outcome::Trapped(problem) => {
            format!("{} {}", outcome.name(), String::from_utf8_lossy(problem))
        }
    }
}
