//! Storage that keeps exactly what was synced: a crash loses, tears and reorders the rest, sector by sector.
//!
//! A file has what its readers see and what the disk has. A write changes the first and makes a range dirty; a sync copies the
//! dirty ranges. Names are made, changed and removed in steps, which a sync of the directory makes durable; a crash before it
//! keeps all of them, none, or each by itself. A sync that fails does with them what file systems do (Rebello and others, *Can Applications Recover from
//! fsync Failures?*, 2020): see [`SyncFailure`].

use crate::rng::Rng;
use interstice_log::storage::{Storage, StorageFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes as a whole.
const SECTOR_SIZE: usize = 512;

/// What a failed sync leaves of the data that it was to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFailure {
    /// It is still dirty: a crash may keep some of it, a later sync would write it.
    KeepsDirty,
    /// It is gone: readers see what the disk has.
    DropsDirty,
    /// Readers see it, the disk does not have it, and a later sync says that it worked without writing it.
    ClaimsClean,
}

impl SyncFailure {
    /// One of the three.
    pub fn any(rng: &mut Rng) -> Self {
        [Self::KeepsDirty, Self::DropsDirty, Self::ClaimsClean][rng.below(3) as usize]
    }
}

/// What has failed since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    /// A sync.
    pub sync: Option<SyncFailure>,
    /// A write that wrote a part.
    pub short_write: bool,
    /// A read.
    pub read: bool,
}

/// A disk. Clones share it; it survives its users.
#[derive(Debug, Clone, Default)]
pub struct FaultyStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// What happened to names since they were durable.
    unsynced_names: Vec<Naming>,
    /// Syncs until one fails, none if zero, and what it does then.
    sync_failure: (u64, Option<SyncFailure>),
    /// Writes until one writes only a part, none if zero, and which part, in eighths.
    short_write: (u64, u64),
    /// Reads until one fails; none if zero.
    read_failure_in: u64,
    /// Whether no file can be made or grow.
    full: bool,
    /// Errors given so far.
    errors: u64,
    /// The file that is worked on, and the one that the last error was about.
    at: Option<usize>,
    failed: Option<usize>,
    /// What has failed in this life.
    met: Met,
    /// Operations until the power is gone, if it will go; none works with zero left.
    power: Option<u64>,
    /// Whether syncs only say that they worked.
    lies: bool,
    syncs: u64,
    /// Counts crashes: files opened before one are dead.
    life: u64,
}

/// Something that happens to names, as a whole or not at all.
#[derive(Debug, Clone)]
enum Naming {
    /// A file gets a name, and loses the one that it had.
    Given {
        inode: usize,
        from: Option<String>,
        to: String,
    },
    Removed(String),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Given { inode, from, to } => {
                from.as_ref().and_then(|from| names.remove(from));
                names.insert(to.clone(), *inode);
            }
            Self::Removed(name) => {
                names.remove(name);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last sync.
    unsynced: Vec<(usize, usize)>,
    /// Whether readers may see something else than the disk has.
    differs: bool,
    /// Whether that stays so after a sync.
    forgotten: bool,
}

impl Inode {
    fn sync(&mut self) {
        let size = self.durable.len().max(self.live.len());
        self.durable.resize(size, 0);
        for (from, to) in self.unsynced.drain(..) {
            self.durable[from..to].copy_from_slice(&self.live[from..to]);
        }
        self.differs = self.forgotten;
    }

    fn fail(&mut self, failure: SyncFailure) {
        match failure {
            SyncFailure::KeepsDirty => {}
            SyncFailure::DropsDirty => {
                for (from, to) in self.unsynced.drain(..) {
                    let there = self.durable.get(from..).unwrap_or_default();
                    let there = &there[..there.len().min(to - from)];
                    let (kept, gone) = self.live[from..to].split_at_mut(there.len());
                    kept.copy_from_slice(there);
                    gone.fill(0);
                }
            }
            SyncFailure::ClaimsClean => {
                self.unsynced.clear();
                self.forgotten = true;
            }
        }
    }

    /// What was not synced survives, all, none or sector by sector.
    fn crash(&mut self, keep: u64, rng: &mut Rng) {
        if !std::mem::take(&mut self.differs) {
            return;
        }
        for (from, to) in std::mem::take(&mut self.unsynced) {
            for start in (from..to).step_by(SECTOR_SIZE) {
                let end = (start / SECTOR_SIZE * SECTOR_SIZE + SECTOR_SIZE).min(to).min(start + SECTOR_SIZE);
                let kept = keep == 2 || keep == 1 && rng.one_in(2);
                if kept && end <= self.live.len() {
                    let size = self.durable.len().max(end);
                    self.durable.resize(size, 0);
                    self.durable[start..end].copy_from_slice(&self.live[start..end]);
                }
            }
        }
        self.forgotten = false;
        self.live.clone_from(&self.durable);
    }
}

/// A file on a faulty disk.
#[derive(Debug)]
pub struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
    life: u64,
}

impl FaultyStorage {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, to work on names.
    fn names(&self) -> MutexGuard<'_, Disk> {
        let mut disk = self.disk();
        disk.at = None;
        disk
    }

    /// Makes the `n`th sync from now fail.
    pub fn fail_sync_in(&self, n: u64, failure: SyncFailure) {
        self.disk().sync_failure = (n, Some(failure));
    }

    /// Makes the `n`th write from now write `eighths` of its bytes and fail.
    pub fn cut_write_in(&self, n: u64, eighths: u64) {
        self.disk().short_write = (n, eighths.min(8));
    }

    /// Makes the `n`th read from now fail.
    pub fn fail_read_in(&self, n: u64) {
        self.disk().read_failure_in = n;
    }

    /// Whether there is no space from now on.
    pub fn set_full(&self, full: bool) {
        self.disk().full = full;
    }

    /// Errors that it gave so far, of every kind.
    pub fn errors(&self) -> u64 {
        self.disk().errors
    }

    /// The name of the file that the last error was about, if it was about one.
    pub fn failed_file(&self) -> Option<String> {
        let disk = self.disk();
        let name = disk.names.iter().find(|(_, inode)| Some(**inode) == disk.failed);
        name.map(|(name, _)| name.clone())
    }

    /// What has failed since the process began.
    pub fn met(&self) -> Met {
        self.disk().met
    }

    /// Turns one bit of a file around, for readers and on the disk, as if by age. Nothing if there is no such byte.
    pub fn rot(&self, name: &str, byte: usize, bit: usize) {
        let mut disk = self.disk();
        let Some(inode) = disk.names.get(name).copied() else { return };
        let Inode { live, durable, .. } = &mut disk.inodes[inode];
        [live, durable].into_iter().filter_map(|bytes| bytes.get_mut(byte)).for_each(|byte| *byte ^= 1 << (bit % 8));
    }

    /// Bytes of a file up to the last one that is not zero; none if there is no such file.
    pub fn used(&self, name: &str) -> usize {
        let disk = self.disk();
        let bytes = disk.names.get(name).map(|inode| &disk.inodes[*inode].live);
        bytes.and_then(|bytes| bytes.iter().rposition(|byte| *byte != 0)).map_or(0, |last| last + 1)
    }

    /// The process ends and another one begins: nothing is lost that readers saw, and nothing more is durable.
    pub fn restart(&self) {
        self.disk().begin_life();
    }

    /// Cuts the power behind `n` more operations that change something: none works then until [`crash`](Self::crash).
    pub fn cut_power_in(&self, n: u64) {
        self.disk().power = Some(n);
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.disk().power == Some(0)
    }

    /// Makes every sync from now on do nothing.
    pub fn lie(&self) {
        self.disk().lies = true;
    }

    /// Syncs that worked so far.
    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    /// Power off and on: what was not synced survives sector by sector, or not.
    pub fn crash(&self, rng: &mut Rng) {
        let mut disk = self.disk();
        let keep = rng.below(3);
        for inode in &mut disk.inodes {
            inode.crash(keep, rng);
        }
        let mut names = std::mem::take(&mut disk.durable_names);
        let keep = rng.below(3);
        for naming in std::mem::take(&mut disk.unsynced_names) {
            if keep == 2 || keep == 1 && rng.one_in(2) {
                naming.apply(&mut names);
            }
        }
        disk.durable_names.clone_from(&names);
        disk.names = names;
        disk.begin_life();
    }

    /// Takes a file away, as somebody might while nothing runs; nothing if it is not there.
    pub fn take_away(&self, name: &str) -> Option<Taken> {
        let inode = self.disk().names.remove(name)?;
        Some(Taken { name: name.to_owned(), inode })
    }

    /// Puts a file back that was taken away: nothing has happened.
    pub fn put_back(&self, taken: Taken) {
        self.disk().names.insert(taken.name, taken.inode);
    }
}

/// A file that was taken away.
#[derive(Debug)]
pub struct Taken {
    name: String,
    inode: usize,
}

impl Disk {
    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, name.to_owned()))
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsynced_names.push(naming);
    }

    /// Ends every fault and every open file.
    fn begin_life(&mut self) {
        (self.sync_failure, self.short_write, self.read_failure_in) = ((0, None), (0, 0), 0);
        (self.full, self.power, self.met) = (false, None, Met::default());
        self.life += 1;
    }

    fn error(&mut self, error: io::Error) -> io::Error {
        self.errors += 1;
        self.failed = self.at;
        error
    }

    /// Counts an operation that changes something.
    fn use_power(&mut self) -> io::Result<()> {
        match &mut self.power {
            None => Ok(()),
            Some(0) => Err(self.error(broken())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Counts a sync; how it fails, if it does.
    fn use_sync(&mut self) -> io::Result<Option<SyncFailure>> {
        self.use_power()?;
        if due(&mut self.sync_failure.0) {
            self.met.sync = self.sync_failure.1;
            return Ok(self.sync_failure.1);
        }
        self.syncs += 1;
        Ok(None)
    }
}

/// Counts down to the one that is due.
fn due(left: &mut u64) -> bool {
    let is_due = *left == 1;
    *left = left.saturating_sub(1);
    is_due
}

fn broken() -> io::Error {
    io::Error::other("simulated I/O error")
}

impl Storage for FaultyStorage {
    type File = FaultyFile;
    type Lock = ();

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let disk = self.disk();
        Ok(FaultyFile { disk: Arc::clone(&self.disk), inode: disk.inode(name)?, life: disk.life })
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let mut disk = self.names();
        disk.use_power()?;
        if disk.full {
            return Err(disk.error(io::ErrorKind::StorageFull.into()));
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.name(Naming::Given { inode, from: None, to: name.to_owned() });
        Ok(FaultyFile { disk: Arc::clone(&self.disk), inode, life: disk.life })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.names();
        disk.use_power()?;
        let inode = disk.inode(from)?;
        disk.name(Naming::Given { inode, from: Some(from.to_owned()), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.names();
        disk.use_power()?;
        disk.inode(name)?;
        disk.name(Naming::Removed(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.names();
        if disk.use_sync()?.is_some() {
            return Err(disk.error(broken()));
        }
        if !disk.lies {
            disk.durable_names = disk.names.clone();
            disk.unsynced_names.clear();
        }
        Ok(())
    }

    fn try_lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }
}

impl FaultyFile {
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        disk.at = Some(self.inode);
        if disk.life == self.life { Ok(disk) } else { Err(broken()) }
    }
}

impl StorageFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk()?.inodes[self.inode].live.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let mut disk = self.disk()?;
        if due(&mut disk.read_failure_in) {
            disk.met.read = true;
            return Err(disk.error(broken()));
        }
        let there = disk.inodes[self.inode].live.get(at as usize..at as usize + buffer.len());
        buffer.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.use_power()?;
        if disk.full && at as usize + bytes.len() > disk.inodes[self.inode].live.len() {
            return Err(disk.error(io::ErrorKind::StorageFull.into()));
        }
        let (short, eighths) = (due(&mut disk.short_write.0), disk.short_write.1);
        let count = if short { bytes.len() * eighths as usize / 8 } else { bytes.len() };
        disk.met.short_write |= short;
        let inode = &mut disk.inodes[self.inode];
        let (from, to) = (at as usize, at as usize + count);
        let size = inode.live.len().max(to);
        inode.live.resize(size, 0);
        inode.live[from..to].copy_from_slice(&bytes[..count]);
        inode.unsynced.push((from, to));
        inode.differs = true;
        if short { Err(disk.error(io::ErrorKind::WriteZero.into())) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk()?;
        if let Some(failure) = disk.use_sync()? {
            disk.inodes[self.inode].fail(failure);
            return Err(disk.error(broken()));
        }
        if !disk.lies {
            disk.inodes[self.inode].sync();
        }
        Ok(())
    }
}
