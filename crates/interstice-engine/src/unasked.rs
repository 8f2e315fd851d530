//! What runs without being asked: events, and schedules that are due. Each is consumed by one transaction, however its reducer ends; a
//! failure leaves a row in `interstice.dead_letter`. Only where the host could not run the module nothing is consumed.

use crate::engine::{Done, Engine, Moment, Output, Performed, Target, refusal};
use crate::event::PendingEvent;
use crate::execution::Finished;
use crate::module::{CallError, HOST_FAULT};
use crate::schedule::{self, Plan};
use crate::system;
use crate::system::dead_letter::{self, Consumed};
use crate::system::schedule::ScheduleRow;
use interstice_store::write::WriteTx;
use interstice_types::id::{Identity, ScheduleId};
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Outcome, ScheduleAction};

/// Why the bookkeeping of what was consumed fits into its transaction.
pub(crate) const ROOM: &str =
    "invariant: a reducer's limits do not hold for the rows that say what became of it, and those are short";

impl Engine {
    /// Delivers the next event.
    pub(crate) fn event(&mut self, moment: Moment) -> Performed {
        let Some(event) = self.queue.first().cloned() else {
            let problem = Problem::new("no-event", "no event is pending");
            return Err(refusal(problem, Vec::new(), self.next_offset).into());
        };
        let reducer = self.catalog.event_reducers()[event.id.subscriber as usize];
        let target = Target { module: reducer.module, function: reducer.function };
        let refused =
            self.event_refusal(&event, target).map(|problem| self.problem_of(target, CallError::Refused(problem)));
        let (mut finished, outcome) = self.run_unasked(refused.map_or(Ok(target), Err), &event.args(), moment)?;
        let tx = transaction_of(&mut finished);
        system::write_event_cursor(tx, event.id).expect(ROOM);
        if let Outcome::Rejected(problem) | Outcome::Trapped(problem) = &outcome {
            let name = self.function_name(target);
            dead_letter::write(tx, Consumed::Event(event.id), &name, problem, moment.0).expect(ROOM);
        }
        Ok(Done::new(Cause::Event { event: event.id, depth: event.depth }, outcome, finished, moment))
    }

    fn event_refusal(&self, event: &PendingEvent, target: Target) -> Option<Problem> {
        if event.depth > self.limits.event_depth {
            let text = format!("the chain of events is longer than {}", self.limits.event_depth);
            return Some(Problem::new("event-depth", text));
        }
        let there = self.instances.get(target.module).is_some_and(Option::is_some);
        (!there).then(|| Problem::new("module-unavailable", "the module could not be loaded"))
    }

    /// Runs the next schedule that is due.
    pub(crate) fn schedule(&mut self, moment: Moment) -> Performed {
        let Some(row) = self.due_schedule(moment.0) else {
            let problem = Problem::new("no-schedule", "no schedule is due");
            return Err(refusal(problem, Vec::new(), self.next_offset).into());
        };
        let target = self.schedule_target(&row);
        self.consume(row, target, moment)
    }

    /// Runs a schedule, unless its time was missed; if it is known that it cannot run, that is its outcome.
    pub(crate) fn consume(&mut self, row: ScheduleRow, found: Result<Target, Problem>, moment: Moment) -> Performed {
        let plan = self.plan(&row, moment.0);
        let version = self.catalog.module(&row.module).map_or(0, |(_, entry)| entry.published_at);
        let function = found.as_ref().ok().map(|target| target.function);
        let target = if plan.skipped { Err(schedule::skipped(&row, moment.0)) } else { found };
        let (mut finished, outcome) = self.run_unasked(target, &row.args, moment)?;
        let cause = Cause::Schedule { schedule: row.id, version, function, due: row.due };
        if let (Outcome::Rejected(problem) | Outcome::Trapped(problem), false) = (&outcome, plan.skipped) {
            let name = format!("{}.{}", row.module, row.function);
            let consumed = Consumed::Schedule(row.id, self.next_offset);
            dead_letter::write(transaction_of(&mut finished), consumed, &name, problem, moment.0).expect(ROOM);
        }
        self.move_on(&mut finished, row, &plan);
        Ok(Done::new(cause, outcome, finished, moment))
    }

    /// Takes a schedule that was consumed away, or gives it its next time. Its own reducer may have taken it away before.
    fn move_on(&self, finished: &mut Finished, row: ScheduleRow, plan: &Plan) {
        let id = self.catalog.schedules().expect("invariant: the row of a schedule is in their table");
        let tx = transaction_of(finished);
        let there = tx.store().table(id).and_then(|table| system::schedule::find(table, row.id));
        match (there, plan.next) {
            (None, _) => {}
            (Some(row), Some(due)) => ScheduleRow { due, ..row }.update(tx, id).expect(ROOM),
            (Some(row), None) => row.delete(tx, id).expect(ROOM),
        }
    }

    /// Does to a schedule what somebody who runs the node wants.
    pub(crate) fn control(
        &mut self,
        what: (ScheduleAction, ScheduleId),
        caller: Identity,
        moment: Moment,
    ) -> Performed {
        let mut tx = std::mem::take(&mut self.store).begin();
        let client = match self.client_of(&mut tx, caller) {
            Ok(client) => client,
            Err(error) => return self.abandon(tx, crate::problems::write_refused(&error)),
        };
        if let Err(problem) = schedule::control(&mut tx, &self.catalog, what, moment.0) {
            return self.abandon(tx, problem);
        }
        let (action, schedule) = what;
        let finished = self.unexecuted(tx);
        let cause = Cause::Control { caller: client, action, schedule };
        Ok(Done::new(cause, Outcome::Ok(Vec::new()), finished, moment))
    }

    /// Takes back what a transaction wrote so far, for which there is no place.
    pub(crate) fn abandon(&mut self, tx: WriteTx, problem: Problem) -> Performed {
        self.store = tx.abort();
        Err(refusal(problem, Vec::new(), self.next_offset).into())
    }

    /// Runs a reducer for nobody, under the identity of its own module; if it is known that it cannot run, that is its outcome.
    ///
    /// # Errors
    /// The host could not run it: nothing was done.
    fn run_unasked(
        &mut self,
        target: Result<Target, Problem>,
        args: &[u8],
        moment: Moment,
    ) -> Result<(Finished, Outcome), Box<Output>> {
        let tx = std::mem::take(&mut self.store).begin();
        let target = match target {
            Ok(target) => target,
            Err(problem) => return Ok((self.unexecuted(tx), Outcome::Rejected(problem.to_json()))),
        };
        let caller = self.catalog.modules()[target.module].identity;
        let (finished, result) = self.execute(tx, target, args, (caller, moment));
        let outcome = match result {
            Ok(answer) => Outcome::Ok(answer),
            Err(CallError::Trapped(problem)) if problem.code == HOST_FAULT => {
                return Err(refusal(problem, self.undo(finished), self.next_offset).into());
            }
            Err(CallError::Trapped(problem)) => Outcome::Trapped(problem.to_json()),
            Err(error) => Outcome::Rejected(self.problem_of(target, error).to_json()),
        };
        Ok((finished, outcome))
    }
}

/// The transaction of a reducer that has ended, however full it is: the rows that say so are not the reducer's.
pub(crate) fn transaction_of(finished: &mut Finished) -> &mut WriteTx {
    let tx = finished.tx.as_mut().expect("invariant: a reducer runs in a transaction");
    tx.lift_limits();
    tx
}
