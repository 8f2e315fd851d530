//! Whether the node lives: running, asked to stop, or failed. The first word counts.

use interstice_types::problem::Problem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Life {
    Running,
    Stopping,
    Failed(Problem),
}

/// Shared by all threads of a node.
#[derive(Debug)]
pub(crate) struct Lifeline {
    life: Mutex<Life>,
    changed: Condvar,
}

impl Lifeline {
    pub(crate) fn new() -> Self {
        Self { life: Mutex::new(Life::Running), changed: Condvar::new() }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the node to end.
    pub(crate) fn stop(&self) {
        let mut life = self.life();
        if *life == Life::Running {
            *life = Life::Stopping;
        }
        self.changed.notify_all();
    }

    /// Whether it was asked to stop, or has failed.
    pub(crate) fn has_ended(&self) -> bool {
        *self.life() != Life::Running
    }

    /// Ends the node: nothing more can be promised.
    pub(crate) fn fail(&self, problem: Problem) {
        let mut life = self.life();
        if !matches!(*life, Life::Failed(_)) {
            *life = Life::Failed(problem);
        }
        self.changed.notify_all();
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(*self.life(), Life::Failed(_))
    }

    /// Why the node takes nothing more; `None` while it runs.
    pub(crate) fn refusal(&self) -> Option<Problem> {
        let why = match &*self.life() {
            Life::Running => return None,
            Life::Stopping => "the node stops".to_owned(),
            Life::Failed(problem) => format!("the node has failed: {}", problem.message),
        };
        Some(interstice_protocol::problems::unavailable(&why))
    }

    /// Waits until the node is no longer running; returns why it failed, if it did.
    pub(crate) fn wait(&self) -> Result<(), Problem> {
        let mut life = self.life();
        while *life == Life::Running {
            life = self.changed.wait(life).unwrap_or_else(PoisonError::into_inner);
        }
        match &*life {
            Life::Failed(problem) => Err(problem.clone()),
            Life::Running | Life::Stopping => Ok(()),
        }
    }
}

/// Fails the node if the thread that holds it panics: a bug ends the node, it does not leave half of one.
pub(crate) struct FailOnPanic<'n> {
    pub(crate) lifeline: &'n Lifeline,
    pub(crate) thread: &'static str,
}

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = format!("the {} thread ended by a bug in the node", self.thread);
            self.lifeline.fail(Problem::new("bug", text).hint("nothing acknowledged is lost: start the node again"));
        }
    }
}
