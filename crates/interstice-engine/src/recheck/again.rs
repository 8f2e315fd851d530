//! A recorded transaction run once more to be looked at: what it did step by step, and the lines that it logged, which no record keeps.

use super::Run;
use crate::engine::Engine;
use crate::execution::LogLine;
use crate::execution::trace::Trace;
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Transaction};

/// What was seen while a transaction ran again.
#[derive(Debug, Default)]
pub struct Again {
    /// Its steps; `None` if no module had a part in it.
    pub trace: Option<Box<Trace>>,
    /// What functions logged.
    pub log: Vec<LogLine>,
    /// Why it did not come to be this time.
    pub refused: Option<Problem>,
}

impl Engine {
    /// Runs the cause of the next recorded transaction again, in fresh instances and step by step. The engine is used up: whoever goes
    /// on does it from [`fork`](Self::fork).
    ///
    /// # Errors
    /// Why the module does not load here that the transaction published.
    pub fn run_again(mut self, recorded: &Transaction) -> Result<Again, Box<Problem>> {
        if matches!(recorded.cause, Cause::Genesis { .. } | Cause::Configure) {
            return Ok(Again::default());
        }
        let attempt = self.attempt(recorded, Run::Traced)?;
        let (log, refused) = match attempt {
            Ok(done) => (done.finished.log, None),
            Err(output) => (output.log, output.reply.err()),
        };
        Ok(Again { trace: self.trace.take(), log, refused })
    }
}
