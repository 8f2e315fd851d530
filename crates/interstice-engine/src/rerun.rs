//! A recorded transaction run again for what it did and the record does not say: the lines that it logged, its steps.
//!
//! 1. Run the cause with the recorded time and seed, up to where it would commit; step by step, if that is wanted.
//! 2. Take what it logged and what it did.
//! 3. If it came out as recorded, commit; else take it back and apply the record. The engine goes on from history either way.

use crate::engine::{Engine, Output};
use crate::execution::LogLine;
use crate::execution::trace::Trace;
use crate::recheck::Run;
use crate::recorded::RecordedError;
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Transaction};

/// What a transaction did when it ran again.
#[derive(Debug, Default)]
pub struct Rerun {
    /// What functions logged.
    pub log: Vec<LogLine>,
    /// Its steps, if they were wanted and a function ran.
    pub trace: Option<Box<Trace>>,
    /// Whether that is what happened.
    pub likeness: Likeness,
}

/// Whether what ran again is what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Likeness {
    /// All that was recorded came out as recorded, or there was nothing to run.
    #[default]
    Same,
    /// Something came out otherwise.
    Otherwise,
    /// The module that ran it cannot run here.
    Unavailable(Box<Problem>),
}

impl Engine {
    /// Runs the cause of the next recorded transaction again, and goes on from the record; `traced` keeps its steps.
    ///
    /// # Errors
    /// [`RecordedError`] if it does not follow; the engine is of no use then.
    pub fn rerun(&mut self, recorded: &Transaction, traced: bool) -> Result<Rerun, RecordedError> {
        if recorded.offset != self.next_offset {
            return Err(RecordedError::WrongOffset { expected: self.next_offset, found: recorded.offset });
        }
        if matches!(recorded.cause, Cause::Genesis { .. } | Cause::Configure) {
            self.apply(recorded)?;
            return Ok(Rerun::default());
        }
        let is_publish = matches!(recorded.cause, Cause::Publish { .. });
        // A publish cannot be taken back change by change.
        let before = is_publish.then(|| self.store.clone());
        let mut attempt = match self.attempt(recorded, if traced { Run::Traced } else { Run::Used }) {
            Ok(attempt) => attempt,
            Err(problem) => {
                self.go_on_from(recorded)?;
                return Ok(Rerun { likeness: Likeness::Unavailable(problem), ..Rerun::default() });
            }
        };
        let log = match &mut attempt {
            Ok(done) => std::mem::take(&mut done.finished.log),
            Err(output) => std::mem::take(&mut output.log),
        };
        let trace = self.trace.take();
        let differs = self.is_otherwise(recorded, &attempt);
        let likeness = match &attempt {
            Err(output) if let Some(problem) = unavailable(output) => Likeness::Unavailable(problem),
            _ if differs => Likeness::Otherwise,
            _ => Likeness::Same,
        };
        match attempt {
            Ok(done) if !differs => drop(self.settle(done)),
            attempt => {
                self.take_back(attempt, before.as_ref());
                self.go_on_from(recorded)?;
            }
        }
        Ok(Rerun { log, trace, likeness })
    }
}

fn unavailable(output: &Output) -> Option<Box<Problem>> {
    output.reply.as_ref().err().filter(|problem| problem.code == "module-unavailable").cloned().map(Box::new)
}
