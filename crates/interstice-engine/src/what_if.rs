//! What would have been: recorded transactions run again by other code, with other arguments, or without some of them.
//!
//! Two engines go through history beside each other. One applies the records. The other does what caused each of them, with the recorded
//! time and seed, on the tables that it has come to: a difference has its consequences. What both made of rows is compared.
//!
//! 1. What is the alternative's alone is done first: events and schedules that the recorded history does not have.
//! 2. The cause happens again (`happen`), if it does: a call by the name of the function, with the recorded arguments or others; an event, a schedule, a
//!    connection if the alternative has it too (`counterpart`).
//! 3. The record is applied, and both are compared: how they ended, and each row that one of them touched (`rows`).
//!
//! Of a module that is replaced, the other version comes in force where the module was published first, or as soon as the alternative
//! begins; what was published of it later is left out.

mod compared;
mod counterpart;
mod happen;
mod rows;

use crate::catalog::Catalog;
use crate::engine::{Engine, Output};
use crate::module::Loaded;
use crate::publish::{PublishOptions, Wish};
use crate::recorded::RecordedError;
pub use compared::{Compared, Way};
use counterpart::Counterparts;
use interstice_types::change::Change;
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Transaction};
use interstice_types::ty::Type;
use rows::Pairs;
pub use rows::{RowDifference, TableDifference, Told};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Transactions of the alternative alone, between two recorded ones, behind which it is given up: something goes round in a circle.
pub const MAX_EXTRAS: usize = 100_000;
/// Row differences of one transaction that are told; the others are counted.
pub const MAX_ROWS: usize = 20;
/// Row differences at the end that are told; the others are counted.
pub const MAX_STATE_ROWS: usize = 1_000;

/// What is otherwise.
#[derive(Default)]
pub struct Otherwise {
    /// A module that is another version of itself, all the time.
    pub module: Option<Replacement>,
    /// Transactions that do not happen.
    pub dropped: BTreeSet<Offset>,
    /// Calls with other arguments, in JSON: a list in order, or an object by name.
    pub args: BTreeMap<Offset, Json>,
}

/// Other code for a module.
pub struct Replacement {
    /// The artefact as it is stored.
    pub artefact: Vec<u8>,
    /// The artefact as it runs.
    pub loaded: Loaded,
}

/// Why it cannot be said what would have been.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// What the log records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// What is asked for makes no sense with this history.
    #[error("{0}")]
    Refused(Box<Problem>),
}

/// Two histories beside each other.
pub struct WhatIf {
    recorded: Engine,
    alternative: Engine,
    otherwise: Otherwise,
    /// Whether the module that is replaced is in force.
    is_replaced: bool,
    counterparts: Counterparts,
    pairs: Pairs,
    /// The catalogs for which these are.
    paired: [Arc<Catalog>; 2],
    /// What is not compared, and why.
    uncompared: BTreeSet<String>,
    /// Where the random bytes of the alternative's own transactions come from.
    seed: [u8; 16],
    /// What the alternative made since somebody took it, each with the catalog before it; `None` if nobody wants it.
    made: Option<Vec<(Arc<Catalog>, Transaction)>>,
}

/// What the alternative came to in the place of a record.
enum Came {
    /// This.
    To(Box<Output>),
    /// The alternative has no such thing.
    ToNothing,
    /// It was to be left out.
    Dropped,
    /// It stands for what is otherwise: nothing is compared.
    ToBeOtherwise,
}

impl WhatIf {
    /// Begins where `engine` is, whose modules are ready to run.
    pub fn new(engine: Engine, otherwise: Otherwise) -> Self {
        Self {
            recorded: engine.fork(),
            counterparts: Counterparts::new(&engine),
            alternative: engine,
            otherwise,
            is_replaced: false,
            pairs: Pairs::default(),
            paired: [Arc::default(), Arc::default()],
            uncompared: BTreeSet::new(),
            seed: [0; 16],
            made: None,
        }
    }

    /// As [`new`](Self::new), for those who go on from the other history: they can have its transactions, and its functions see the
    /// offsets of these.
    pub fn to_go_on_from(engine: Engine, otherwise: Otherwise) -> Self {
        Self { made: Some(Vec::new()), ..Self::new(engine, otherwise) }
    }

    /// The transactions of the other history since they were taken last, each with the catalog before it.
    pub fn take_made(&mut self) -> Vec<(Arc<Catalog>, Transaction)> {
        self.made.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Has both go on by the next recorded transaction. What the alternative did alone before comes first.
    ///
    /// # Errors
    /// [`WhatIfError`]; nothing more can be said then.
    pub fn follow(&mut self, transaction: &Transaction) -> Result<Vec<Compared>, WhatIfError> {
        self.bring_in_force(transaction.offset)?;
        let mut told = self.extras((transaction.offset, transaction.time))?;
        self.seed = transaction.seed;
        let function = self.recorded.function_of(transaction);
        let returns = self.recorded.returns(&transaction.cause);
        let there = self.alternative.next_offset;
        let came = self.happen(transaction)?;
        if matches!(&came, Came::To(output) if output.transaction.is_some()) {
            self.counterparts.note(&self.alternative, there, transaction.offset);
        }
        let changes = self.recorded.apply_completely(transaction)?;
        self.pair();
        told.push(self.compare(transaction, (&function, returns), (came, &changes)));
        Ok(told)
    }

    /// What the alternative still did behind the last transaction.
    ///
    /// # Errors
    /// [`WhatIfError`]; nothing more can be said then.
    pub fn end(&mut self) -> Result<Vec<Compared>, WhatIfError> {
        self.bring_in_force(self.recorded.next_offset)?;
        let told = self.extras((self.recorded.next_offset, self.recorded.time))?;
        if let (Some(replacement), false) = (&self.otherwise.module, self.is_replaced) {
            return Err(refused(self.never_published(&replacement.loaded.schema.module)));
        }
        Ok(told)
    }

    /// How the tables of both differ.
    pub fn states(&self) -> Vec<TableDifference> {
        self.pairs.states([&self.recorded.store, &self.alternative.store], MAX_STATE_ROWS)
    }

    /// What is not compared, and why.
    pub fn uncompared(&self) -> impl Iterator<Item = &str> {
        self.uncompared.iter().map(String::as_str)
    }

    fn never_published(&self, module: &str) -> Problem {
        let names: Vec<_> =
            self.recorded.catalog.modules().iter().map(|entry| format!("`{}`", entry.schema.module)).collect();
        let problem = Problem::new("unknown-module", format!("module `{module}` was never published in this history"));
        problem.hint(if names.is_empty() {
            "no module was".to_owned()
        } else {
            format!("there is {}", names.join(", "))
        })
    }

    /// The other version of a module that is in force, as soon as no events are pending.
    fn bring_in_force(&mut self, seen: Offset) -> Result<(), WhatIfError> {
        let Some(Replacement { artefact, loaded }) = self.otherwise.module.as_ref().filter(|_| !self.is_replaced)
        else {
            return Ok(());
        };
        let Some((_, entry)) = self.alternative.catalog.module(&loaded.schema.module) else { return Ok(()) };
        if !self.alternative.queue.is_empty() {
            return Ok(());
        }
        let caller = entry.owner.unwrap_or(Identity([0; 32]));
        let wish = Wish { artefact, loaded, caller, options: OPTIONS };
        self.alternative.seen_offset = self.made.is_none().then_some(seen);
        let moment = (self.alternative.time, [0; 16]);
        let performed = self.alternative.publish(&wish, moment);
        self.done(performed).reply.map_err(refused)?;
        self.is_replaced = true;
        Ok(())
    }

    /// Does what only the alternative has to do up to a recorded transaction.
    fn extras(&mut self, (seen, time): (Offset, Timestamp)) -> Result<Vec<Compared>, WhatIfError> {
        let mut told = Vec::new();
        self.alternative.seen_offset = self.made.is_none().then_some(seen);
        while let Some((function, output)) = self.extra(time) {
            if told.len() == MAX_EXTRAS {
                let text =
                    format!("before offset {seen} there is no end of events and schedules that history does not have");
                return Err(refused(Problem::new("runaway", text).at(format!("function `{function}`"))));
            }
            self.pair();
            let changes = output.transaction.as_ref().map_or(&[][..], |transaction| &transaction.changes);
            let sides = [(&self.recorded.store, &[][..]), (&self.alternative.store, changes)];
            let (rows, count) = self.pairs.differences(sides, MAX_ROWS);
            let ending = compared::ending(&output.reply, None);
            told.push(Compared {
                offset: seen,
                function,
                way: Way::Extra,
                outcome: Some((None, Some(ending))),
                rows,
                count,
            });
        }
        Ok(told)
    }

    fn extra(&mut self, time: Timestamp) -> Option<(String, Output)> {
        let moment = (self.alternative.time, self.next_seed());
        if let Some(event) = self.alternative.queue.first() {
            if self.counterparts.is_event_to_come(&self.recorded, &self.alternative) {
                return None;
            }
            let reducer = self.alternative.catalog.event_reducers()[event.id.subscriber as usize];
            let function = self.alternative.catalog.at(reducer.module, reducer.function).full_name();
            return Some((function, self.deliver(moment)));
        }
        let row = counterpart::extra_schedule(&self.recorded, &self.alternative, time)?;
        let function = format!("{}.{}", row.module, row.function);
        let moment = (row.due.max(self.alternative.time), moment.1);
        let target = self.alternative.schedule_target(&row);
        let performed = self.alternative.consume(row, target, moment);
        let output = self.done(performed);
        // What could not even be consumed would come again and again.
        output.transaction.is_some().then_some((function, output))
    }

    /// Random bytes that follow from those of the record before.
    fn next_seed(&mut self) -> [u8; 16] {
        let hash = crate::module::artefact_hash(&self.seed);
        self.seed.copy_from_slice(&hash[..16]);
        self.seed
    }

    /// Finds the tables that both have again if they may be others.
    fn pair(&mut self) {
        let now = [&self.recorded.catalog, &self.alternative.catalog];
        if self.paired.iter().zip(now).all(|(known, now)| Arc::ptr_eq(known, now)) {
            return;
        }
        self.paired = now.map(Arc::clone);
        self.pairs = Pairs::of(&self.recorded.store, &self.alternative.store);
        // Before the module is replaced its tables need not be there at all.
        if self.is_replaced || self.otherwise.module.is_none() {
            self.uncompared.extend(self.pairs.uncompared.drain(..));
        }
    }

    fn compare(
        &self,
        transaction: &Transaction,
        (function, returns): (&str, Option<Type>),
        (came, changes): (Came, &[Change]),
    ) -> Compared {
        let (output, way) = match came {
            Came::To(output) => (Some(output), None),
            Came::ToNothing => (None, Some(Way::Missing)),
            Came::Dropped => (None, Some(Way::Dropped)),
            Came::ToBeOtherwise => return Compared::same(transaction.offset, function),
        };
        let done = output.as_ref().and_then(|output| output.transaction.as_ref());
        let made = done.map_or(&[][..], |done| &done.changes);
        // What a publish does to tables as a whole is seen at the end.
        let (rows, count) = match transaction.cause {
            Cause::Publish { .. } => (Vec::new(), 0),
            _ => self.pairs.differences([(&self.recorded.store, changes), (&self.alternative.store, made)], MAX_ROWS),
        };
        let there = done.and_then(|done| self.alternative.returns(&done.cause)).or_else(|| returns.clone());
        let outcome = output.and_then(|output| {
            let recorded = compared::recorded_ending(&transaction.outcome, returns.as_ref());
            let replayed = compared::ending(&output.reply, there.as_ref());
            (recorded != replayed).then_some((Some(recorded), Some(replayed)))
        });
        let way = way.unwrap_or_else(|| Way::of(transaction, outcome.as_ref(), (&rows, count)));
        Compared { offset: transaction.offset, function: function.to_owned(), way, outcome, rows, count }
    }
}

/// Whatever a publish needed leave for, it had.
const OPTIONS: PublishOptions = PublishOptions { may_break: true, max_failures: 1 };

fn refused(problem: Problem) -> WhatIfError {
    WhatIfError::Refused(Box::new(problem))
}

impl Engine {
    /// What the function returns that a cause runs.
    fn returns(&self, cause: &Cause) -> Option<Type> {
        let Cause::Call { version, function, .. } = cause else { return None };
        Some(self.catalog.in_version(*version, *function)?.function().schema.returns.clone())
    }
}
