//! The past of a running node: its log and its snapshots, told, verified, run again, folded, trimmed.

use crate::row_index::RowIndex;
use crate::settings::{Keep, RetentionSettings};
use interstice::check::{CheckError, CheckReport, Scope, check};
use interstice::framing::{Transactions, UnpackError};
use interstice::history::index::IndexError;
use interstice::history::row::{RowHistory, row_history};
use interstice::history::{HistoryError, Selector, Stats, tell};
use interstice::moment::{Moment, MomentError, state_at};
use interstice::opened::Start;
use interstice::snapshot::build::{BuildError, Built, Rest, build};
use interstice::snapshot::load::{LoadError, load, load_before};
use interstice::snapshot::{Looked, Snapshots};
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::backup::{Inventory, read_piece};
use interstice_log::frame::Position;
use interstice_log::local::LocalLog;
use interstice_log::log::{CommitLog, ReadError, Receipt, Room, Standing, Tail};
use interstice_log::retention::{Surplus, keep_copy};
use interstice_log::segment::SegmentHeader;
use interstice_log::snapshot::{SnapshotError, name_of};
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::storage::paced::{Pace, PacedStorage};
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::{SegmentReport, VerifyReport, verify, verify_once};
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use serde_json::Value as Json;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard, TryLockError};

/// What loading a state and running modules on it takes.
pub(crate) type Kit = (Arc<dyn ModuleLoader>, Limits);

/// A commit log that a node can run on.
pub trait NodeLog: CommitLog<Writer: Send + 'static, Frames: Send> + Send + Sync + 'static {
    /// Looks at every byte and reports every fault.
    ///
    /// # Errors
    /// If the log cannot be listed.
    fn verify(&self) -> io::Result<VerifyReport>;

    /// Looks at every byte at `pace`; reports the segments that are still there.
    ///
    /// # Errors
    /// If the log cannot be listed.
    fn scrub(&self, pace: &Arc<dyn Pace>) -> io::Result<Vec<SegmentReport>>;

    /// About how many bytes of log stand behind offset `next_offset`.
    fn size_behind(&self, next_offset: Offset) -> u64;

    /// The segments before `bound` that may go as long as `keep` bytes stay, the oldest first.
    fn surplus(&self, bound: Position, keep: u64) -> Vec<Surplus>;

    /// Copies a segment into the directory `to`.
    ///
    /// # Errors
    /// What either directory says.
    fn archive(&self, segment: &SegmentHeader, to: &Path) -> io::Result<()>;

    /// What there is to be backed up, and the size of each segment's file.
    ///
    /// # Errors
    /// What the storage says.
    fn inventory(&self) -> io::Result<(Inventory, Vec<u64>)>;

    /// Durable bytes of the segment `name`.
    ///
    /// # Errors
    /// `NotFound` if the segment is not there any more.
    fn read_durable(&self, name: &str, piece: (u64, u64)) -> io::Result<Vec<u8>>;
}

impl<S: Storage<Lock: Sync>> NodeLog for LocalLog<S> {
    fn verify(&self) -> io::Result<VerifyReport> {
        verify(self.storage())
    }

    fn scrub(&self, pace: &Arc<dyn Pace>) -> io::Result<Vec<SegmentReport>> {
        let (report, _) = verify_once(&PacedStorage::new(self.storage().clone(), Arc::clone(pace)))?;
        // What was given up meanwhile is not missing.
        let first = self.segments()[0].first_offset;
        Ok(report.segments.into_iter().filter(|segment| segment.first_offset >= first).collect())
    }

    fn size_behind(&self, next_offset: Offset) -> u64 {
        LocalLog::size_behind(self, next_offset)
    }

    fn surplus(&self, bound: Position, keep: u64) -> Vec<Surplus> {
        LocalLog::surplus(self, bound, keep)
    }

    fn archive(&self, segment: &SegmentHeader, to: &Path) -> io::Result<()> {
        let to = DirectoryStorage::create(to)?;
        keep_copy(self.storage(), &to, &segment.name())
    }

    fn inventory(&self) -> io::Result<(Inventory, Vec<u64>)> {
        let inventory = LocalLog::inventory(self);
        let size = |segment: &SegmentHeader| self.storage().open(&segment.name())?.size();
        let mut sizes = inventory.segments.iter().map(size).collect::<io::Result<Vec<_>>>()?;
        sizes.iter_mut().last().into_iter().for_each(|open| *open = inventory.byte);
        Ok((inventory, sizes))
    }

    fn read_durable(&self, name: &str, piece: (u64, u64)) -> io::Result<Vec<u8>> {
        LocalLog::read_durable(self, name, piece)
    }
}

/// A log and the snapshots that were made of it.
pub(crate) struct Past<L> {
    pub(crate) log: L,
    /// `None` in memory.
    pub(crate) snapshots: Option<Snapshots<DirectoryStorage>>,
    /// Which transactions changed a row; `None` in memory.
    pub(crate) index: Option<RowIndex>,
    /// Held while a snapshot is made.
    making: Mutex<()>,
    /// Read while the past is told or run again, written while some of it is given up.
    kept: RwLock<()>,
}

/// Why the log was not trimmed. It is as it was, but for what went before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetainError {
    /// A snapshot that recovery would need is damaged.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// What a segment holds cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// It cannot be copied or removed.
    #[error("{0}")]
    Io(String),
}

/// The same for any log, behind one pointer.
pub(crate) trait LogAccess: Send + Sync {
    /// Gives every transaction that is selected to `take`, until it breaks off, or `goes_on` says no.
    fn tell(
        &self,
        kit: Kit,
        selector: &Selector,
        goes_on: &dyn Fn() -> bool,
        take: &mut dyn FnMut(&Json) -> ControlFlow<()>,
    ) -> Result<(), PastError>;

    /// What the selected transactions are made of.
    fn stats(&self, kit: Kit, selector: &Selector) -> Result<Stats, PastError>;

    /// The newest `limit` changes that are selected of a row.
    fn row_history(&self, kit: Kit, selector: &Selector, limit: usize) -> Result<RowHistory, PastError>;

    /// Has the index of rows go on a little; whether that was all there is. `None` in memory.
    fn follow_index(&self) -> Option<Result<bool, IndexError>>;

    /// Gives what the index has not in files one.
    fn keep_index(&self) -> Result<(), IndexError>;

    /// The state at a moment; no module is loaded.
    fn state_at(&self, kit: Kit, moment: Moment) -> Result<Engine, PastError>;

    /// Runs everything again that there is.
    fn check(&self, kit: Kit) -> Result<CheckReport, PastError>;

    /// Looks at every byte.
    fn verify(&self) -> io::Result<VerifyReport>;

    /// Looks at every byte of the log at `pace`.
    fn scrub_segments(&self, pace: &Arc<dyn Pace>) -> io::Result<Vec<SegmentReport>>;

    /// Looks at every byte of the snapshots at `pace`.
    fn scrub_snapshots(&self, pace: &Arc<dyn Pace>) -> io::Result<Vec<Looked>>;

    /// The snapshots; if `whole`, every byte of them. `None` in memory.
    fn snapshots(&self, whole: bool) -> Option<io::Result<Vec<Looked>>>;

    /// Makes a snapshot at the end of what is durable, unless there is one. `None` in memory.
    fn make_snapshot(&self, rest: Rest<'_>) -> Option<Result<Option<Built>, BuildError>>;

    /// About how many bytes, and how many transactions there are behind offset `next_offset`.
    fn behind(&self, next_offset: Offset) -> (u64, u64);

    /// Gives up what need not be kept; false if that has to wait, because somebody reads it.
    fn retain(&self, settings: &RetentionSettings, now: Timestamp) -> Result<bool, RetainError>;

    /// What there is to be backed up.
    fn backup_source(&self) -> io::Result<BackupFiles>;

    /// Bytes of a file of what there is to be backed up. `NotFound` if it is not there any more.
    fn read_file(&self, file: &BackupFile, piece: (u64, u64)) -> io::Result<Vec<u8>>;

    /// Whether its history is the one of `receipt`.
    fn standing(&self, receipt: &Receipt) -> Result<Standing, ReadError>;
    /// Where it ends.
    fn tail(&self) -> Tail;
    /// Space that it has reserved.
    fn room(&self) -> Option<Room>;
}

/// What there is to be backed up.
pub(crate) struct BackupFiles {
    /// The log.
    pub(crate) inventory: Inventory,
    /// Bytes of each segment that are given.
    pub(crate) sizes: Vec<u64>,
    /// Count of offsets and size of each snapshot.
    pub(crate) snapshots: Vec<(Offset, u64)>,
}

/// A file of what there is to be backed up.
pub(crate) enum BackupFile {
    /// A segment, by its name.
    Segment(String),
    /// A snapshot, by its name.
    Snapshot(String),
}

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
    /// There is no state to begin with.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What follows cannot be told.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// What follows cannot be run again.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// There is no state at the moment that is asked for.
    #[error(transparent)]
    Moment(#[from] MomentError),
}

impl<L: NodeLog> Past<L> {
    pub(crate) fn new(log: L, files: Option<(Snapshots<DirectoryStorage>, RowIndex)>) -> Self {
        let (snapshots, index) = files.unzip();
        Self { log, snapshots, index, making: Mutex::default(), kept: RwLock::default() }
    }

    /// Held while some of the past goes; `None` while somebody reads it.
    fn giving_up(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.kept.try_write() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Where recovery begins, beside what was left aside.
    pub(crate) fn newest(&self, (loader, limits): Kit) -> Result<(Start, Vec<SnapshotError>), LoadError> {
        match &self.snapshots {
            Some(snapshots) => load(&self.log, snapshots, (loader, limits)),
            None => Ok((Start::empty(loader, limits), Vec::new())),
        }
    }

    /// A state with at most so many offsets behind it.
    fn start(&self, most: Offset, (loader, limits): Kit) -> Result<Start, LoadError> {
        match &self.snapshots {
            Some(snapshots) => load_before(&self.log, snapshots, most, (loader, limits)).map(|(start, _)| start),
            None => Ok(Start::empty(loader, limits)),
        }
    }

    fn earliest(&self, kit: Kit) -> Result<Start, LoadError> {
        let most = self.snapshots.as_ref().map_or(Ok(0), |snapshots| snapshots.earliest(&self.log))?;
        self.start(most, kit)
    }

    /// Those of `segments` behind which the next one began before `oldest`.
    fn older(&self, segments: Vec<Surplus>, oldest: Timestamp) -> Result<Vec<Surplus>, UnpackError> {
        let mut older = Vec::new();
        for surplus in segments {
            let behind = self.log.read(surplus.end).map_err(UnpackError::from)?;
            match Transactions::new(behind).next().transpose()? {
                Some(first) if first.time < oldest => older.push(surplus),
                _ => break,
            }
        }
        Ok(older)
    }
}

impl<L: NodeLog> LogAccess for Past<L> {
    fn tell(
        &self,
        kit: Kit,
        selector: &Selector,
        goes_on: &dyn Fn() -> bool,
        take: &mut dyn FnMut(&Json) -> ControlFlow<()>,
    ) -> Result<(), PastError> {
        let _kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tell(&self.log, self.start(selector.from(), kit)?, selector, goes_on, |told| take(&told))?)
    }

    fn stats(&self, kit: Kit, selector: &Selector) -> Result<Stats, PastError> {
        let _kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Stats::of(&self.log, self.start(selector.from(), kit)?, selector)?)
    }

    fn row_history(&self, kit: Kit, selector: &Selector, limit: usize) -> Result<RowHistory, PastError> {
        let _kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let index = self.index.as_ref();
        let found = index.map(|index| index.history(&self.log, (selector, limit)));
        match found.transpose()?.flatten() {
            Some(found) => Ok(found),
            None => Ok(row_history(&self.log, self.earliest(kit)?, selector, limit)?),
        }
    }

    fn follow_index(&self) -> Option<Result<bool, IndexError>> {
        self.index.as_ref().map(|index| index.follow(&self.log, &self.kept))
    }

    fn keep_index(&self) -> Result<(), IndexError> {
        self.index.as_ref().map_or(Ok(()), RowIndex::keep)
    }

    fn state_at(&self, kit: Kit, moment: Moment) -> Result<Engine, PastError> {
        let _kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let snapshots = self.snapshots.as_ref();
        let newest = snapshots.map(|snapshots| snapshots.newest(|one| moment.is_reached_from(one)));
        let newest = newest.transpose().map_err(LoadError::from)?.flatten();
        let start = self.start(newest.map_or(0, |snapshot| snapshot.next_offset), kit)?;
        Ok(state_at(&self.log, start, moment)?)
    }

    fn check(&self, kit: Kit) -> Result<CheckReport, PastError> {
        let _kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        Ok(check(&self.log, self.earliest(kit)?, Scope::ALL, &|_| {})?)
    }

    fn verify(&self) -> io::Result<VerifyReport> {
        NodeLog::verify(&self.log)
    }

    fn scrub_segments(&self, pace: &Arc<dyn Pace>) -> io::Result<Vec<SegmentReport>> {
        self.log.scrub(pace)
    }

    fn scrub_snapshots(&self, pace: &Arc<dyn Pace>) -> io::Result<Vec<Looked>> {
        let Some(snapshots) = &self.snapshots else { return Ok(Vec::new()) };
        let looked = snapshots.on(PacedStorage::new(snapshots.storage().clone(), Arc::clone(pace))).look(true)?;
        // What another one took the place of meanwhile is not missing.
        let there = snapshots.list()?;
        Ok(looked.into_iter().filter(|looked| there.contains(&looked.next_offset)).collect())
    }

    fn snapshots(&self, whole: bool) -> Option<io::Result<Vec<Looked>>> {
        self.snapshots.as_ref().map(|snapshots| snapshots.look(whole))
    }

    fn make_snapshot(&self, rest: Rest<'_>) -> Option<Result<Option<Built>, BuildError>> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshots = self.snapshots.as_ref()?;
        let built = build(&self.log, snapshots, rest);
        // Somebody who reads one now has a surplus one live until the next is made.
        let pruned = self.giving_up().filter(|_| built.is_ok()).map_or(Ok(()), |_| snapshots.prune());
        Some(built.and_then(|built| pruned.map(|()| built).map_err(BuildError::from)))
    }

    fn behind(&self, next_offset: Offset) -> (u64, u64) {
        let transactions = CommitLog::tail(&self.log).next_offset.saturating_sub(next_offset);
        (self.log.size_behind(next_offset), transactions)
    }

    fn retain(&self, settings: &RetentionSettings, now: Timestamp) -> Result<bool, RetainError> {
        let (Some(snapshots), false) = (&self.snapshots, settings.keep == Keep::All) else { return Ok(true) };
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before the work, and again before anything goes: readers wait for the last step only.
        if self.giving_up().is_none() {
            return Ok(false);
        }
        let Some(bound) = snapshots.trim_bound()? else { return Ok(true) };
        let surplus = match settings.keep {
            Keep::All => Vec::new(),
            Keep::Bytes(keep) => self.log.surplus(bound, keep),
            Keep::Time(span) => {
                let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
                self.older(self.log.surplus(bound, 0), Timestamp(now.0.saturating_sub(span)))?
            }
        };
        let failed = |error: &dyn std::fmt::Display| RetainError::Io(error.to_string());
        if let Some(archive) = &settings.archive {
            let copied = surplus.iter().try_for_each(|surplus| self.log.archive(&surplus.segment, archive));
            copied.map_err(|error| failed(&error))?;
        }
        let Some(_alone) = self.giving_up() else { return Ok(false) };
        if let Some(last) = surplus.last() {
            self.log.trim(last.end).map_err(|error| failed(&error))?;
        }
        Ok(true)
    }

    fn backup_source(&self) -> io::Result<BackupFiles> {
        let _kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        // Snapshots first: the log is behind each of them then.
        let looked = self.snapshots.as_ref().map_or_else(|| Ok(Vec::new()), |snapshots| snapshots.look(false))?;
        let snapshots = looked.iter().map(|looked| (looked.next_offset, looked.bytes)).collect();
        let (inventory, sizes) = self.log.inventory()?;
        Ok(BackupFiles { inventory, sizes, snapshots })
    }

    fn read_file(&self, file: &BackupFile, piece: (u64, u64)) -> io::Result<Vec<u8>> {
        match (file, &self.snapshots) {
            (BackupFile::Segment(name), _) => self.log.read_durable(name, piece),
            (BackupFile::Snapshot(name), Some(snapshots)) => {
                // A name that is none of theirs might be a path.
                let there = snapshots.list()?.into_iter().map(name_of).find(|there| there == name);
                let file = snapshots.storage().open(&there.ok_or(io::ErrorKind::NotFound)?)?;
                let end = file.size()?;
                read_piece(&file, piece, end)
            }
            (BackupFile::Snapshot(_), None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn standing(&self, receipt: &Receipt) -> Result<Standing, ReadError> {
        CommitLog::standing(&self.log, receipt)
    }

    fn tail(&self) -> Tail {
        CommitLog::tail(&self.log)
    }

    fn room(&self) -> Option<Room> {
        CommitLog::room(&self.log)
    }
}
