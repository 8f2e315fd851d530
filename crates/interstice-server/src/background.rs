//! Background work: what became of it, and whether it is to end. What fails here fails by itself: the node goes on, and says so
//! in its status, its metrics and its log.

use crate::scrub::Scrubbed;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// What became of background work, and whether it is to end.
#[derive(Debug, Default)]
pub(crate) struct Background {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ending: bool,
    /// The newest snapshot.
    snapshot: Option<Offset>,
    scrubbed: Option<Scrubbed>,
    /// What failed last, by the name of the task.
    alarms: Vec<(&'static str, Problem)>,
}

impl Background {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the threads to end.
    pub(crate) fn end(&self) {
        self.state().ending = true;
        self.changed.notify_all();
    }

    /// Waits so long; false if the thread is to end.
    pub(crate) fn wait(&self, span: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), span, |state| !state.ending);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ending
    }

    /// What a task came to: a problem is an alarm until the task succeeds.
    pub(crate) fn report(&self, task: &'static str, outcome: Result<(), Problem>) {
        let mut state = self.state();
        let before = state.alarms.iter().position(|(of, _)| *of == task).map(|index| state.alarms.remove(index).1);
        match outcome {
            Ok(()) if before.is_none() => {}
            Ok(()) => tracing::info!(task, "an alarm is over"),
            Err(problem) => {
                if before.as_ref() != Some(&problem) {
                    tracing::error!(task, code = &*problem.code, "alarm: {}", problem.message);
                }
                state.alarms.push((task, problem));
            }
        }
    }

    /// The newest snapshot, if there is one.
    pub(crate) fn snapshot(&self) -> Option<Offset> {
        self.state().snapshot
    }

    pub(crate) fn set_snapshot(&self, next_offset: Option<Offset>) {
        self.state().snapshot = next_offset;
    }

    /// What fails, by the name of the task.
    pub(crate) fn alarms(&self) -> Vec<(&'static str, Problem)> {
        self.state().alarms.clone()
    }

    /// What the last scrub did; `None` before the first.
    pub(crate) fn scrubbed(&self) -> Option<Scrubbed> {
        self.state().scrubbed.clone()
    }

    pub(crate) fn set_scrubbed(&self, scrubbed: Scrubbed) {
        self.state().scrubbed = Some(scrubbed);
    }
}

/// Lets this thread do its work with what the others leave of the processors.
pub(crate) fn step_back() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Where that is not allowed, the work is done nevertheless.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

/// What this thread has had of a processor.
pub(crate) fn processor_time() -> Duration {
    let had = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(had.tv_sec.unsigned_abs(), had.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_stands_until_its_task_succeeds() {
        let background = Background::default();
        background.report("snapshot", Err(Problem::new("one", "")));
        background.report("retention", Err(Problem::new("two", "")));
        background.report("snapshot", Err(Problem::new("three", "")));
        let codes = |background: &Background| -> Vec<_> {
            background.alarms().iter().map(|(_, problem)| problem.code.to_string()).collect()
        };
        assert_eq!(codes(&background), ["two", "three"]);
        background.report("retention", Ok(()));
        assert_eq!(codes(&background), ["three"]);
    }
}
