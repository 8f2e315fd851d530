//! Walking over history in both directions without beginning anew at each step.
//!
//! A state is a value that shares with the next one all that did not change, so some of them are kept:
//!
//! 1. *Scenes*: transactions one behind the other, each with the state before it, [`MAX_SCENES`] at most. Within them a step back costs
//!    nothing.
//! 2. *Marks*: the states before transactions whose offsets are multiples of [`MARK_INTERVAL`]; of those farther behind fewer and fewer
//!    stay, so that at any distance there is one within about that distance again. Where scenes end, the walk goes back to the nearest
//!    mark, forward from there, and fills scenes up to where it is wanted; on the way it lays marks anew.
//!    A log is read from the beginning of a segment on, so that it pays to take many at a time.
//! 3. *Snapshots* and the beginning of the log, for what no mark is before, or none that is near.
//!
//! So going back step by step over n transactions applies each of them about log n times in all, and never needs more states than scenes
//! and four times log n marks.

use super::DebugError;
use crate::framing::{UnpackError, Unpacker};
use crate::opened::Start;
use crate::snapshot::Snapshots;
use crate::snapshot::load::load_before;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::frame::{FrameKind, Position};
use interstice_log::log::CommitLog;
use interstice_log::storage::Storage;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Most transactions that are kept with the states before them.
pub const MAX_SCENES: usize = 4_096;
/// What these may have changed in all, in pages of tables that are copied for it: about 64 MiB.
const MAX_SCENES_PAGES: usize = 16_384;
/// Bytes of a change that are about one such page.
const PAGE_SIZE: usize = 4_096;
/// Offsets between two marks.
pub const MARK_INTERVAL: Offset = 4_096;
/// A snapshot is loaded if it saves applying so many transactions, else the walk is quicker.
const SNAPSHOT_WORTH: Offset = 100_000;
/// Transactions between two looks at whether the walk is to go on.
const ASKED_INTERVAL: u64 = 256;

/// Where history is.
pub struct History<L, S> {
    /// Its log.
    pub log: L,
    /// Snapshots of it.
    pub snapshots: Snapshots<S>,
    /// Makes its modules.
    pub loader: Arc<dyn ModuleLoader>,
}

/// A transaction, and the state that it was made on.
pub(super) struct Scene {
    pub(super) before: Engine,
    pub(super) transaction: Arc<Transaction>,
    pages: usize,
}

/// Scenes one behind the other, without gaps.
#[derive(Default)]
struct Scenes {
    list: VecDeque<Scene>,
    pages: usize,
}

/// A state from which the log goes on at a frame.
struct Mark {
    before: Engine,
    position: Position,
}

/// The state behind what was read, and what comes next.
struct Front<L: CommitLog> {
    engine: Engine,
    reader: Reader<L::Frames>,
}

/// Transactions, each with the frame in which it begins.
struct Reader<I> {
    frames: I,
    unpacker: Unpacker,
    ready: std::vec::IntoIter<Transaction>,
    begins: Position,
    in_parts: bool,
}

/// Whether whoever waits still does.
pub type GoesOn<'g> = &'g dyn Fn() -> bool;

/// Walks over a history.
pub(super) struct Walk<L: CommitLog, S> {
    history: History<L, S>,
    /// The first offset before which a state can be made.
    first: Offset,
    scenes: Scenes,
    /// Behind the last scene, or ahead of everything.
    front: Option<Front<L>>,
    marks: BTreeMap<Offset, Mark>,
    /// The state that was loaded last.
    base: Option<(Offset, Mark)>,
    applied: u64,
}

impl<L: CommitLog, S: Storage> Walk<L, S> {
    pub(super) fn new(history: History<L, S>, first: Offset) -> Self {
        Self { history, first, scenes: Scenes::default(), front: None, marks: BTreeMap::new(), base: None, applied: 0 }
    }

    /// What it walks over.
    pub(super) fn history(&self) -> &History<L, S> {
        &self.history
    }

    /// Transactions that were applied so far.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// States that are kept: scenes and marks.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.scenes.list.len(), self.marks.len())
    }

    /// The scene at `offset`, if it is there.
    pub(super) fn scene(&self, offset: Offset) -> Option<&Scene> {
        let first = self.first_scene()?;
        self.scenes.list.get(usize::try_from(offset.checked_sub(first)?).ok()?)
    }

    /// The first offset of the scenes that are there.
    pub(super) fn first_scene(&self) -> Option<Offset> {
        self.scenes.list.front().map(|scene| scene.transaction.offset)
    }

    /// The state behind the transaction at `offset`, if its scene is there.
    pub(super) fn behind(&self, offset: Offset) -> Option<&Engine> {
        self.scene(offset)?;
        let next = self.scene(offset + 1).map(|scene| &scene.before);
        next.or_else(|| self.front.as_ref().map(|front| &front.engine))
    }

    /// Has the scene at `offset` there, and as many of those before it as there is room for if the walk comes from behind it.
    ///
    /// # Errors
    /// [`DebugError`]; the walk can be tried again.
    pub(super) fn go(&mut self, offset: Offset, goes_on: GoesOn<'_>) -> Result<(), DebugError> {
        if self.scene(offset).is_some() {
            return Ok(());
        }
        let next = self.front.as_ref().map(|front| front.engine.next_offset());
        let is_near = next.is_some_and(|next| next <= offset && offset - next < MAX_SCENES as Offset);
        if is_near && !self.scenes.list.is_empty() {
            let front = self.front.take().expect("invariant: it was just looked at");
            return self.fill(front, (offset, offset), goes_on);
        }
        let is_back = self.first_scene().is_some_and(|first| offset < first);
        let from = if is_back { offset.saturating_sub(MAX_SCENES as Offset - 1).max(self.first) } else { offset };
        // Where there are scenes there is a front.
        self.scenes = Scenes::default();
        let front = self.approach(from)?;
        self.marks.split_off(&from.saturating_add(1));
        self.fill(front, (from, offset), goes_on)
    }

    /// Walks on from `front`, and keeps scenes from offset `from` on, up to that at `to`.
    fn fill(
        &mut self,
        mut front: Front<L>,
        (from, to): (Offset, Offset),
        goes_on: GoesOn<'_>,
    ) -> Result<(), DebugError> {
        // Where it fails nothing is known any more but the marks.
        let mut scenes = std::mem::take(&mut self.scenes);
        loop {
            let offset = front.engine.next_offset();
            let (transaction, position) = front.reader.next(offset)?;
            self.lay_mark(&front.engine, position);
            let transaction = Arc::new(transaction);
            if offset >= from || !scenes.list.is_empty() {
                scenes.push(Scene::new(front.engine.fork(), Arc::clone(&transaction)));
            }
            self.apply(&mut front.engine, &transaction)?;
            if offset == to {
                break;
            }
            if self.applied.is_multiple_of(ASKED_INTERVAL) && !goes_on() {
                return Err(DebugError::Interrupted);
            }
        }
        (self.scenes, self.front) = (scenes, Some(front));
        Ok(())
    }

    /// Goes forward from behind `offset`, whose scene is there, and stops at the first transaction before `end` for which `judge` says
    /// so behind it; what it says before it is kept for that. Returns where it is then, whose scene need not be there, and what `judge` said.
    ///
    /// # Errors
    /// [`DebugError`]; the walk can be tried again.
    pub(super) fn seek<J: Judge>(
        &mut self,
        offset: Offset,
        end: Offset,
        judge: &mut J,
        goes_on: GoesOn<'_>,
    ) -> Result<(Offset, Option<J::Verdict>), DebugError> {
        let mut at = offset;
        while let (Some(scene), Some(behind)) = (self.scene(at + 1), self.behind(at + 1)) {
            if at + 1 >= end {
                return Ok((at, None));
            }
            at += 1;
            if let Some(verdict) = judge.judge(&scene.before, &scene.transaction, behind) {
                return Ok((at, Some(verdict)));
            }
        }
        let mut front = self.front.take().expect("invariant: behind scenes there is a front");
        self.scenes = Scenes::default();
        while at + 1 < end {
            let (transaction, position) = front.reader.next(at + 1)?;
            self.lay_mark(&front.engine, position);
            let before = judge.is_suspect(&front.engine, &transaction).then(|| front.engine.fork());
            self.apply(&mut front.engine, &transaction)?;
            at += 1;
            let verdict = before.and_then(|before| {
                let verdict = judge.judge(&before, &transaction, &front.engine)?;
                self.scenes.push(Scene::new(before, Arc::new(transaction)));
                Some(verdict)
            });
            if verdict.is_some() {
                self.front = Some(front);
                return Ok((at, verdict));
            }
            if self.applied.is_multiple_of(ASKED_INTERVAL) && !goes_on() {
                break;
            }
        }
        self.front = Some(front);
        Ok((at, None))
    }

    /// The last transaction before `offset`, not before `first`, for which `judge` says something; where it is then.
    ///
    /// # Errors
    /// [`DebugError`]; the walk can be tried again.
    pub(super) fn seek_back<J: Judge>(
        &mut self,
        offset: Offset,
        first: Offset,
        judge: &mut J,
        goes_on: GoesOn<'_>,
    ) -> Result<(Offset, Option<J::Verdict>), DebugError> {
        let mut at = offset;
        while at > first {
            match self.go(at - 1, goes_on) {
                Err(DebugError::Interrupted) => break,
                gone => gone?,
            }
            let front = self.first_scene().expect("invariant: a scene is there").max(first);
            for offset in (front..at).rev() {
                let scene = self.scene(offset).expect("invariant: scenes have no gaps");
                let behind = self.behind(offset).expect("invariant: behind a scene there is a state");
                if let Some(verdict) = judge.judge(&scene.before, &scene.transaction, behind) {
                    return Ok((offset, Some(verdict)));
                }
            }
            at = front;
            if !goes_on() {
                break;
            }
        }
        Ok((at, None))
    }

    /// The offset of the last transaction that is not later than `time`; `None` if there is none.
    ///
    /// # Errors
    /// [`DebugError`].
    pub(super) fn offset_at(&mut self, time: Timestamp) -> Result<Option<Offset>, DebugError> {
        let newest =
            self.history.snapshots.newest(|snapshot| snapshot.time <= time.0).map_err(DebugError::Snapshots)?;
        let newest = newest.map_or(self.first, |snapshot| snapshot.next_offset.max(self.first));
        let known = self.known().filter(|(_, mark)| mark.before.time() <= time).map(|(offset, _)| offset).max();
        let from = known.unwrap_or(0).max(newest).min(self.history.log.tail().next_offset);
        // The scenes that are there stay, and what is behind them.
        let kept = self.front.take();
        let front = self.approach(from);
        self.front = kept;
        let Front { engine, mut reader } = front?;
        let mut next = engine.next_offset();
        let mut last = (engine.time() <= time).then(|| next.checked_sub(1)).flatten();
        while next < self.history.log.tail().next_offset {
            let (transaction, _) = reader.next(next)?;
            if transaction.time > time {
                break;
            }
            (last, next) = (Some(next), next + 1);
        }
        Ok(last)
    }

    /// The states that are kept, without scenes.
    fn known(&self) -> impl Iterator<Item = (Offset, &Mark)> {
        let base = self.base.iter().map(|(offset, mark)| (*offset, mark));
        self.marks.iter().map(|(offset, mark)| (*offset, mark)).chain(base)
    }

    /// The nearest state with at most `offset` offsets behind it: where the walk is, a mark, or a snapshot.
    fn approach(&mut self, offset: Offset) -> Result<Front<L>, DebugError> {
        let nearest = self.known().filter(|(at, _)| *at <= offset).max_by_key(|(at, _)| *at);
        let nearest = nearest.map(|(at, mark)| (at, mark.before.fork(), mark.position));
        let front = self.front.take_if(|front| front.engine.next_offset() <= offset);
        let here = front.as_ref().map(|front| front.engine.next_offset());
        let known = here.into_iter().chain(nearest.as_ref().map(|(at, ..)| *at)).max();
        if known.is_none_or(|known| offset - known > SNAPSHOT_WORTH) {
            let snapshots = self.history.snapshots.list().map_err(DebugError::Snapshots)?;
            let newest = snapshots.into_iter().filter(|snapshot| *snapshot <= offset).max();
            let is_worth = newest.is_some_and(|newest| known.is_none_or(|known| newest > known + SNAPSHOT_WORTH));
            if known.is_none() || is_worth {
                return self.load(offset);
            }
        }
        match (front, nearest) {
            (Some(front), Some((at, ..))) if front.engine.next_offset() >= at => Ok(front),
            (_, Some((_, engine, position))) => Ok(Front { engine, reader: self.reader(position)? }),
            (Some(front), None) => Ok(front),
            (None, None) => panic!("invariant: what is not known was loaded"),
        }
    }

    fn load(&mut self, offset: Offset) -> Result<Front<L>, DebugError> {
        let kit = (Arc::clone(&self.history.loader), Limits::default());
        let (start, _) = load_before(&self.history.log, &self.history.snapshots, offset, kit)?;
        let Start { engine, position, .. } = start;
        self.base = Some((engine.next_offset(), Mark { before: engine.fork(), position }));
        Ok(Front { engine, reader: self.reader(position)? })
    }

    fn reader(&self, position: Position) -> Result<Reader<L::Frames>, DebugError> {
        let frames = self.history.log.read(position).map_err(UnpackError::from)?;
        let ready = Vec::new().into_iter();
        Ok(Reader { frames, unpacker: Unpacker::default(), ready, begins: position, in_parts: false })
    }

    fn apply(&mut self, engine: &mut Engine, transaction: &Transaction) -> Result<(), DebugError> {
        self.applied += 1;
        Ok(engine.apply(transaction)?)
    }

    /// Keeps the state where a mark is to be, and gives marks up that are too near to each other for how far they are behind.
    fn lay_mark(&mut self, engine: &Engine, position: Position) {
        let offset = engine.next_offset();
        if !offset.is_multiple_of(MARK_INTERVAL) {
            return;
        }
        self.marks.insert(offset, Mark { before: engine.fork(), position });
        let here = offset / MARK_INTERVAL;
        self.marks.retain(|offset, _| {
            let number = offset / MARK_INTERVAL;
            number >= here || u128::from(here - number) <= 4_u128 << number.trailing_zeros()
        });
    }
}

/// Says where a walk is to stop.
pub(super) trait Judge {
    /// Why.
    type Verdict;

    /// Whether [`judge`](Self::judge) may say something of `transaction`, which was made on `before`.
    fn is_suspect(&mut self, before: &Engine, transaction: &Transaction) -> bool;

    /// Why the walk stops at `transaction`, if it does.
    fn judge(&mut self, before: &Engine, transaction: &Transaction, behind: &Engine) -> Option<Self::Verdict>;
}

impl Scene {
    fn new(before: Engine, transaction: Arc<Transaction>) -> Self {
        let pages = transaction.changes.iter().map(|change| pages_of(change, &before)).sum();
        Self { before, transaction, pages }
    }
}

impl Scenes {
    fn push(&mut self, scene: Scene) {
        self.pages += scene.pages;
        self.list.push_back(scene);
        while self.list.len() > MAX_SCENES || (self.pages > MAX_SCENES_PAGES && self.list.len() > 1) {
            self.pages -= self.list.pop_front().expect("invariant: there are several").pages;
        }
    }
}

/// About how many pages of a table are copied for a change.
fn pages_of(change: &Change, before: &Engine) -> usize {
    let rows = |table| before.store().table(table).map_or(0, |table| table.count());
    match change {
        Change::Insert { row, .. } | Change::Update { new: row, .. } => 1 + row.len() / PAGE_SIZE,
        Change::Delete { .. } | Change::Sequence { .. } | Change::CreateTable { .. } => 1,
        Change::AlterTable { table, .. } | Change::ClearTable { table } | Change::DropTable { table } => {
            1 + rows(*table)
        }
    }
}

impl<I: Iterator<Item = Result<interstice_log::frame::StoredFrame, interstice_log::log::ReadError>>> Reader<I> {
    /// The transaction at `offset`, which comes behind where it is, and the frame in which it begins.
    fn next(&mut self, offset: Offset) -> Result<(Transaction, Position), DebugError> {
        loop {
            match self.ready.next() {
                Some(transaction) if transaction.offset < offset => {}
                Some(transaction) => return Ok((transaction, self.begins)),
                None => {
                    let stored = self.frames.next().ok_or(DebugError::Ended { offset })?;
                    let stored = stored.map_err(UnpackError::from)?;
                    if stored.frame.kind == FrameKind::Transactions {
                        if !self.in_parts {
                            self.begins = stored.position;
                        }
                        self.in_parts = !stored.frame.last_part;
                    }
                    self.ready = self.unpacker.unpack(&stored)?.into_iter();
                }
            }
        }
    }
}
