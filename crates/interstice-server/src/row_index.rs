//! The index of history of a running node: followed beside it, asked by whoever wants to know the history of a row. What it cannot say, for
//! it is behind, damaged or in use for too long, is found by going over everything.

use crate::background;
use crate::lifeline::FailOnPanic;
use crate::node::Node;
use interstice::history::index::{Base, Index, IndexError, STRETCH_SIZE, StretchError, row_history};
use interstice::history::row::RowHistory;
use interstice::history::{HistoryError, Selector};
use interstice::snapshot::Snapshots;
use interstice_log::log::CommitLog;
use interstice_log::storage::Storage;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::problem::Problem;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

/// The name of the task.
const TASK: &str = "index";
/// Between two looks at what was committed.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Bytes of log that are followed at a time, while nobody else has the index.
const PIECE_SIZE: u64 = 256 << 10;
/// For so long whoever asks waits for the thread that follows, which may have hardly any of a processor.
const PATIENCE: Duration = Duration::from_millis(100);
/// Attempts, one behind the other, that may find what they read given up.
const MAX_TRIMMED: u32 = 50;
/// After a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Whoever has it has the index, if it is open.
type Held<'i> = MutexGuard<'i, Option<Open>>;

/// An index that is open, and where the history begins that it is of.
struct Open {
    index: Index<DirectoryStorage>,
    /// As of the last question.
    base: Base<DirectoryStorage>,
}

/// An index and where its files are.
pub(crate) struct RowIndex {
    storage: DirectoryStorage,
    snapshots: Snapshots<DirectoryStorage>,
    /// `None` until it is opened, and after a failure.
    index: Mutex<Option<Open>>,
}

impl RowIndex {
    /// The index in `storage` of the log that `snapshots` are of.
    pub(crate) fn new(storage: DirectoryStorage, snapshots: Snapshots<DirectoryStorage>) -> Self {
        Self { storage, snapshots, index: Mutex::default() }
    }

    /// Goes on a little. Returns whether that was all there is. Some of the past may be given up meanwhile, but not while the index is
    /// opened: `kept` is held for that.
    pub(crate) fn follow<L: CommitLog>(&self, log: &L, kept: &RwLock<()>) -> Result<bool, IndexError> {
        let mut held = self.index.lock().unwrap_or_else(given_up);
        let opening = held.is_none().then(|| kept.read().unwrap_or_else(PoisonError::into_inner));
        let opened = self.opened(log, &mut held);
        drop(opening);
        let followed = opened.and_then(|open| open.index.follow(log, PIECE_SIZE));
        self.settle(followed, &mut held)
    }

    /// The index, opened if it is not.
    fn opened<'o, L: CommitLog>(&self, log: &L, held: &'o mut Option<Open>) -> Result<&'o mut Open, IndexError> {
        match held {
            Some(open) => Ok(open),
            none => {
                let base = Base::of(log, &self.snapshots)?;
                let files = (self.storage.clone(), self.snapshots.log_id());
                let mut index = Index::open(log, files, &base, Some(STRETCH_SIZE))?;
                index.prune(log)?;
                Ok(none.insert(Open { index, base }))
            }
        }
    }

    /// What fails is opened again: without the file that is damaged, if one is.
    fn settle<T>(&self, result: Result<T, IndexError>, held: &mut Option<Open>) -> Result<T, IndexError> {
        if let Err(error) = &result {
            *held = None;
            if let IndexError::Stretch(StretchError::Damaged { name, .. }) = error {
                tracing::warn!("{error}: it is made again");
                self.storage.remove(name)?;
            }
        }
        result
    }

    /// Gives what is not in a file one.
    pub(crate) fn keep(&self) -> Result<(), IndexError> {
        let mut held = self.index.lock().unwrap_or_else(given_up);
        Ok(held.as_mut().map_or(Ok(()), |open| open.index.keep())?)
    }

    /// The history of a row, while nothing of the past is given up; `None` if the index cannot say.
    pub(crate) fn history<L: CommitLog>(
        &self,
        log: &L,
        asked: (&Selector, usize),
    ) -> Result<Option<RowHistory>, HistoryError> {
        let Some(mut held) = self.lock_soon() else { return Ok(None) };
        let found = self.ask(log, asked, &mut held);
        match found {
            Err(HistoryError::Index(error)) => {
                let failed = self.settle::<()>(Err(error), &mut held).err();
                failed.iter().for_each(|error| tracing::debug!("the index is of no use now: {error}"));
                Ok(None)
            }
            found => found,
        }
    }

    fn ask<L: CommitLog>(
        &self,
        log: &L,
        asked: (&Selector, usize),
        held: &mut Option<Open>,
    ) -> Result<Option<RowHistory>, HistoryError> {
        let Open { index, base } = self.opened(log, held)?;
        if !base.holds(log, &self.snapshots)? {
            *base = Base::of(log, &self.snapshots)?;
        }
        if !(index.is_near(log) && index.follow(log, u64::MAX)?) {
            return Ok(None);
        }
        row_history(log, (index, base), asked)
    }

    /// Has the index if nobody else has it for long.
    fn lock_soon(&self) -> Option<Held<'_>> {
        let asked = Instant::now();
        loop {
            match self.index.try_lock() {
                Ok(held) => return Some(held),
                Err(TryLockError::Poisoned(poisoned)) => return Some(given_up(poisoned)),
                Err(TryLockError::WouldBlock) if asked.elapsed() > PATIENCE => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

/// Whoever panicked with the index may have left it in the middle of something: it is opened again.
fn given_up(poisoned: PoisonError<Held<'_>>) -> Held<'_> {
    let mut held = poisoned.into_inner();
    *held = None;
    held
}

/// Works until it is told to end.
pub(crate) fn run(node: &Node) {
    let _failing = FailOnPanic { lifeline: &node.lifeline, thread: TASK };
    background::step_back();
    let (mut pause, mut trimmed) = (Duration::ZERO, 0);
    while node.background.wait(pause) {
        let Some(followed) = node.log.follow_index() else { return };
        // What it was reading was given up: it begins again behind that.
        trimmed = if followed.as_ref().is_err_and(IndexError::is_trimmed) { trimmed + 1 } else { 0 };
        pause = match followed {
            Ok(at_end) => {
                node.background.report(TASK, Ok(()));
                if at_end { LOOK_INTERVAL } else { Duration::ZERO }
            }
            Err(_) if (1..MAX_TRIMMED).contains(&trimmed) => LOOK_INTERVAL,
            Err(error) => {
                let problem = Problem::new("index-failed", error.to_string());
                let hint = "nothing is lost: `interstice history` takes longer until it can be made";
                node.background.report(TASK, Err(problem.hint(hint)));
                REST_AFTER_FAILURE
            }
        };
    }
}
