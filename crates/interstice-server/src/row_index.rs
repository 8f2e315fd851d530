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
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The name of the task.
const TASK: &str = "index";
/// Between two looks at what was committed.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Bytes of log that are followed at a time, while nobody else has the index.
const PIECE_SIZE: u64 = 256 << 10;
/// For so long whoever asks waits for the thread that follows, which may have hardly any of a processor.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes of log that whoever asks follows: with more it is as quick to go over everything.
const MAX_BEHIND: u64 = 1 << 30;
/// After a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// An index and where its files are.
pub(crate) struct RowIndex {
    storage: DirectoryStorage,
    snapshots: Snapshots<DirectoryStorage>,
    /// `None` until it is opened, and after a failure.
    index: Mutex<Option<Index<DirectoryStorage>>>,
}

impl RowIndex {
    /// The index in `storage` of the log that `snapshots` are of.
    pub(crate) fn new(storage: DirectoryStorage, snapshots: Snapshots<DirectoryStorage>) -> Self {
        Self { storage, snapshots, index: Mutex::default() }
    }

    /// Goes on a little. Returns whether that was all there is.
    pub(crate) fn follow<L: CommitLog>(&self, log: &L) -> Result<bool, IndexError> {
        let mut held = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = self.follow_held(log, &mut held, PIECE_SIZE);
        self.settle(followed, &mut held)
    }

    fn follow_held<L: CommitLog>(
        &self,
        log: &L,
        held: &mut Option<Index<DirectoryStorage>>,
        bytes: u64,
    ) -> Result<bool, IndexError> {
        let index = match held {
            Some(index) => index,
            none => none.insert(self.open(log)?),
        };
        index.follow(log, bytes)
    }

    fn open<L: CommitLog>(&self, log: &L) -> Result<Index<DirectoryStorage>, IndexError> {
        let base = Base::of(log, &self.snapshots)?;
        let files = (self.storage.clone(), self.snapshots.log_id());
        let mut index = Index::open(log, files, &base, Some(STRETCH_SIZE))?;
        index.prune(log)?;
        Ok(index)
    }

    /// What fails is opened again: without the file that is damaged, if one is.
    fn settle<T>(
        &self,
        result: Result<T, IndexError>,
        held: &mut Option<Index<DirectoryStorage>>,
    ) -> Result<T, IndexError> {
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
        let mut held = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(held.as_mut().map_or(Ok(()), Index::keep)?)
    }

    /// The history of a row; `None` if the index cannot say.
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
        held: &mut Option<Index<DirectoryStorage>>,
    ) -> Result<Option<RowHistory>, HistoryError> {
        let base = Base::of(log, &self.snapshots).map_err(IndexError::from)?;
        if !self.follow_held(log, held, MAX_BEHIND)? {
            return Ok(None);
        }
        let index = held.as_ref().expect("invariant: what was followed is open");
        row_history(log, (index, &base), asked)
    }

    /// Has the index if nobody else has it for long.
    fn lock_soon(&self) -> Option<MutexGuard<'_, Option<Index<DirectoryStorage>>>> {
        let asked = Instant::now();
        loop {
            match self.index.try_lock() {
                Ok(held) => return Some(held),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if asked.elapsed() > PATIENCE => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

/// Works until it is told to end.
pub(crate) fn run(node: &Node) {
    let _failing = FailOnPanic { lifeline: &node.lifeline, thread: TASK };
    background::step_back();
    let mut pause = Duration::ZERO;
    while node.background.wait(pause) {
        pause = match node.log.follow_index() {
            None => return,
            Some(Ok(at_end)) => {
                node.background.report(TASK, Ok(()));
                if at_end { LOOK_INTERVAL } else { Duration::ZERO }
            }
            // What it was reading was given up: it begins again behind that.
            Some(Err(error)) if error.is_trimmed() => LOOK_INTERVAL,
            Some(Err(error)) => {
                let problem = Problem::new("index-failed", error.to_string());
                let hint = "nothing is lost: `interstice history` takes longer until it can be made";
                node.background.report(TASK, Err(problem.hint(hint)));
                REST_AFTER_FAILURE
            }
        };
    }
    if let Err(error) = node.log.keep_index() {
        tracing::warn!("the newest part of the index was not kept, it will be made again: {error}");
    }
}
