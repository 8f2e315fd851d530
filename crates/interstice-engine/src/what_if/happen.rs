//! What caused a record, done in the other history.

use super::counterpart;
use super::{Came, OPTIONS, Replacement, WhatIf, WhatIfError, refused};
use crate::engine::{Engine, Input, Moment, Output, Performed, Request, Target, refusal};
use crate::module::HOST_FAULT;
use crate::publish::Wish;
use crate::system;
use interstice_types::codec;
use interstice_types::id::Identity;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Transaction};
use serde_json::Value as Json;
use std::sync::Arc;

impl WhatIf {
    /// Has what caused `transaction` happen in the alternative.
    pub(super) fn happen(&mut self, transaction: &Transaction) -> Result<Came, WhatIfError> {
        let offset = transaction.offset;
        self.alternative.seen_offset = self.made.is_none().then_some(offset);
        let moment = (transaction.time.max(self.alternative.time), transaction.seed);
        if self.otherwise.dropped.contains(&offset) {
            return self.drop(transaction, moment);
        }
        if self.otherwise.args.contains_key(&offset) && !matches!(transaction.cause, Cause::Call { .. }) {
            let text = format!("offset {offset} is no call: {}", self.recorded.function_of(transaction));
            return Err(refused(Problem::new("not-a-call", text).hint("only a call has arguments that can be others")));
        }
        let performed = match &transaction.cause {
            Cause::Genesis { .. } | Cause::Configure => return Ok(self.configure(transaction, moment)),
            Cause::Publish { module, .. } => return self.publish((module, transaction), moment),
            Cause::Call { .. } => self.call(transaction, moment)?,
            Cause::Event { .. } => {
                if !self.counterparts.is_same_event(&self.recorded, &self.alternative) {
                    return Ok(Came::ToNothing);
                }
                return Ok(Came::To(Box::new(self.deliver(moment))));
            }
            Cause::Schedule { schedule, .. } => {
                let row = counterpart::schedule(&self.recorded, &self.alternative, *schedule);
                let Some(row) = row else { return Ok(Came::ToNothing) };
                let target = self.alternative.schedule_target(&row);
                self.alternative.consume(row, target, moment)
            }
            Cause::Connect { caller, connection } => {
                let caller = self.recorded.identity_in(&transaction.changes, *caller);
                let performed = self.alternative.connect(caller, moment);
                if let Ok(done) = &performed
                    && let Cause::Connect { connection: there, .. } = done.cause
                {
                    self.counterparts.note_connection(*connection, there);
                }
                performed
            }
            Cause::Disconnect { connection } => match self.counterparts.take_connection(*connection) {
                Some(connection) => self.alternative.disconnect(connection, moment),
                None => return Ok(Came::ToNothing),
            },
            Cause::Control { caller, action, schedule } => {
                let row = counterpart::schedule(&self.recorded, &self.alternative, *schedule);
                let Some(row) = row else { return Ok(Came::ToNothing) };
                let caller = self.recorded.identity_in(&transaction.changes, *caller);
                self.alternative.control((*action, row.id), caller, moment)
            }
        };
        Ok(Came::To(Box::new(self.done(performed))))
    }

    /// What the alternative came to is its next state.
    pub(super) fn done(&mut self, performed: Performed) -> Output {
        let before = Arc::clone(&self.alternative.catalog);
        let output = match performed {
            Ok(done) => self.alternative.settle(done),
            Err(output) => *output,
        };
        if let (Some(made), Some(transaction)) = (&mut self.made, &output.transaction) {
            made.push((before, transaction.clone()));
        }
        output
    }

    /// Delivers the next event. One that the host could not run is taken off all the same: nobody would try it again.
    pub(super) fn deliver(&mut self, moment: Moment) -> Output {
        let performed = self.alternative.event(moment);
        let output = self.done(performed);
        if output.reply.as_ref().is_err_and(|problem| problem.code == HOST_FAULT) && output.transaction.is_none() {
            drop(self.alternative.queue.pop());
        }
        output
    }

    /// What a node does by itself, with the limits that it had then.
    fn configure(&mut self, transaction: &Transaction, (now, seed): Moment) -> Came {
        let mut after = self.recorded.store.clone();
        let is_whole = after.apply(&mut transaction.changes.clone()).is_ok();
        let limits = is_whole.then(|| system::limit::noted(&after)).flatten();
        self.alternative.own_limits = limits.unwrap_or(self.alternative.own_limits);
        let request = match transaction.cause {
            Cause::Genesis { node } => Request::Genesis { node },
            _ => Request::Configure,
        };
        let performed = self.alternative.perform(Input { now, seed, request });
        self.done(performed);
        Came::ToBeOtherwise
    }

    /// Leaves a transaction out: an event that was to be delivered and a schedule that was due are gone all the same.
    fn drop(&mut self, transaction: &Transaction, moment: Moment) -> Result<Came, WhatIfError> {
        match &transaction.cause {
            Cause::Genesis { .. } | Cause::Configure => {
                let text = format!("offset {} is what a node does by itself", transaction.offset);
                return Err(refused(
                    Problem::new("not-droppable", text).hint("a call, an event, a schedule can be left out"),
                ));
            }
            Cause::Event { .. } if self.counterparts.is_same_event(&self.recorded, &self.alternative) => {
                drop(self.alternative.queue.pop());
            }
            Cause::Schedule { schedule, .. } => {
                if let Some(row) = counterpart::schedule(&self.recorded, &self.alternative, *schedule) {
                    let dropped = Problem::new("dropped", "it was left out");
                    let performed = self.alternative.consume(row, Err(dropped), moment);
                    drop(self.done(performed));
                }
            }
            Cause::Disconnect { connection } => drop(self.counterparts.take_connection(*connection)),
            _ => {}
        }
        Ok(Came::Dropped)
    }

    fn publish(&mut self, (module, transaction): (&str, &Transaction), moment: Moment) -> Result<Came, WhatIfError> {
        let Cause::Publish { caller, .. } = transaction.cause else { panic!("invariant: it is a publish") };
        let caller = self.recorded.identity_in(&transaction.changes, caller);
        if let Some(Replacement { artefact, loaded }) = &self.otherwise.module
            && loaded.schema.module == module
        {
            if !self.is_replaced {
                let wish = Wish { artefact, loaded, caller, options: OPTIONS };
                let performed = self.alternative.publish(&wish, moment);
                self.done(performed).reply.map_err(refused)?;
                self.is_replaced = true;
            }
            return Ok(Came::ToBeOtherwise);
        }
        let artefact = self.recorded.published_artefact(&transaction.changes, module);
        let performed = match self.alternative.loader.load(&artefact) {
            Ok(loaded) => {
                let wish = Wish { artefact: &artefact, loaded: &loaded, caller, options: OPTIONS };
                self.alternative.publish(&wish, moment)
            }
            Err(error) => Err(refusal(error.problem, Vec::new(), 0).into()),
        };
        Ok(Came::To(Box::new(self.done(performed))))
    }

    fn call(&mut self, transaction: &Transaction, moment: Moment) -> Result<Performed, WhatIfError> {
        let caller = self.recorded.caller_of(transaction);
        Ok(match self.target(transaction, caller)? {
            Ok((target, args)) => self.alternative.call(target, args, caller, moment),
            Err(problem) => Err(refusal(problem, Vec::new(), 0).into()),
        })
    }

    /// The function of the alternative that a recorded call calls, and its arguments; or why it cannot be called.
    fn target(
        &self,
        transaction: &Transaction,
        caller: Identity,
    ) -> Result<Result<(Target, Vec<u8>), Problem>, WhatIfError> {
        let Cause::Call { version, function, args, .. } = &transaction.cause else {
            panic!("invariant: it is a call");
        };
        let recorded = self.recorded.catalog.in_version(*version, *function).expect("invariant: it was in force then");
        let (module, name) = (&*recorded.module.schema.module, &*recorded.function().schema.name);
        let kind = &recorded.function().schema.kind;
        let there = self.alternative.catalog.find(kind, module, name);
        if let Some(other) = self.otherwise.args.get(&transaction.offset) {
            // Somebody typed them: what is wrong with them is no finding.
            let args = there.map_err(refused)?.args_of_json(other).map_err(refused)?;
            return Ok(self.alternative.resolve_call((module, name), &args, caller).map(|target| (target, args)));
        }
        Ok(there.and_then(|there| {
            let (old, new) = (&recorded.function().schema.args, &there.function().schema.args);
            let args = if old == new {
                args.clone()
            } else {
                let values = codec::decode_all(old.iter().map(|arg| &arg.ty), args);
                let values = values.expect("invariant: recorded arguments are canonical");
                let list = old.iter().zip(&values).map(|(arg, value)| json::to_json(&arg.ty, value)).collect();
                there.args_of_json(&Json::Array(list))?
            };
            self.alternative.resolve_call((module, name), &args, caller).map(|target| (target, args))
        }))
    }
}

impl Engine {
    fn caller_of(&self, transaction: &Transaction) -> Identity {
        let Cause::Call { caller, .. } = transaction.cause else { panic!("invariant: it is a call") };
        self.identity_in(&transaction.changes, caller)
    }
}
