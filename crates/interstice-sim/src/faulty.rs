//! Storage that keeps exactly what was synced: a crash loses, tears and reorders the rest, sector by sector.

use crate::rng::Rng;
use interstice_log::storage::{Storage, StorageFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes as a whole.
const SECTOR_SIZE: usize = 512;

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
    /// Syncs until one fails; none if zero.
    sync_failure_in: u64,
    /// Operations until the power is gone, if it will go; none works with zero left.
    power: Option<u64>,
    /// Whether syncs only say that they worked.
    lies: bool,
    syncs: u64,
    /// Counts crashes: files opened before one are dead.
    life: u64,
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last sync.
    unsynced: Vec<(usize, usize)>,
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

    /// Makes the `n`th sync from now fail.
    pub fn fail_sync_in(&self, n: u64) {
        self.disk().sync_failure_in = n;
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

    /// Turns a bit of a file, on the disk itself; the number counts round and round.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn rot(&self, name: &str, bit: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let inode = disk.inode(name)?;
        let Inode { live, durable, .. } = &mut disk.inodes[inode];
        let bit = bit % (live.len() as u64 * 8);
        for bytes in [live, durable] {
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Ok(())
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
            let mut survived = inode.durable.clone();
            for (from, to) in std::mem::take(&mut inode.unsynced) {
                for start in (from..to).step_by(SECTOR_SIZE) {
                    let end = (start / SECTOR_SIZE * SECTOR_SIZE + SECTOR_SIZE).min(to).min(start + SECTOR_SIZE);
                    let kept = keep == 2 || keep == 1 && rng.one_in(2);
                    if kept && end <= inode.live.len() {
                        let size = survived.len().max(end);
                        survived.resize(size, 0);
                        survived[start..end].copy_from_slice(&inode.live[start..end]);
                    }
                }
            }
            inode.live.clone_from(&survived);
            inode.durable = survived;
        }
        if rng.one_in(2) {
            disk.names = disk.durable_names.clone();
        } else {
            disk.durable_names = disk.names.clone();
        }
        disk.sync_failure_in = 0;
        disk.power = None;
        disk.life += 1;
    }
}

impl Disk {
    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, name.to_owned()))
    }

    /// Counts an operation that changes something.
    fn use_power(&mut self) -> io::Result<()> {
        match &mut self.power {
            None => Ok(()),
            Some(0) => Err(broken()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Counts a sync.
    fn use_sync(&mut self) -> io::Result<()> {
        self.use_power()?;
        let fails = self.sync_failure_in == 1;
        self.sync_failure_in = self.sync_failure_in.saturating_sub(1);
        if fails {
            return Err(broken());
        }
        self.syncs += 1;
        Ok(())
    }
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
        let mut disk = self.disk();
        disk.use_power()?;
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.names.insert(name.to_owned(), inode);
        Ok(FaultyFile { disk: Arc::clone(&self.disk), inode, life: disk.life })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.use_power()?;
        let inode = disk.inode(from)?;
        disk.names.remove(from);
        disk.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.use_power()?;
        disk.inode(name)?;
        disk.names.remove(name);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.use_sync()?;
        if !disk.lies {
            disk.durable_names = disk.names.clone();
        }
        Ok(())
    }

    fn try_lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }
}

impl FaultyFile {
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if disk.life == self.life { Ok(disk) } else { Err(broken()) }
    }
}

impl StorageFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk()?.inodes[self.inode].live.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let disk = self.disk()?;
        let there = disk.inodes[self.inode].live.get(at as usize..at as usize + buffer.len());
        buffer.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.use_power()?;
        let inode = &mut disk.inodes[self.inode];
        let (from, to) = (at as usize, at as usize + bytes.len());
        let size = inode.live.len().max(to);
        inode.live.resize(size, 0);
        inode.live[from..to].copy_from_slice(bytes);
        inode.unsynced.push((from, to));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.use_sync()?;
        if !disk.lies {
            let inode = &mut disk.inodes[self.inode];
            inode.durable.clone_from(&inode.live);
            inode.unsynced.clear();
        }
        Ok(())
    }
}
