//! A directory in memory; clones share it. It forgets nothing but at the end of the process.

use super::{Storage, StorageFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by copies until one of them is written.
type Bytes = Arc<Mutex<Arc<Vec<u8>>>>;

/// Files in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    files: Arc<Mutex<BTreeMap<String, Bytes>>>,
    locked: Arc<std::sync::atomic::AtomicBool>,
}

/// A file in memory.
#[derive(Debug, Clone)]
pub struct MemoryFile {
    bytes: Bytes,
}

/// Held as long as the directory is ours.
#[derive(Debug)]
pub struct MemoryLock {
    locked: Arc<std::sync::atomic::AtomicBool>,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.locked.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}

impl MemoryStorage {
    /// Another directory with the same bytes. Cheap: what neither writes is there once.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copied =
            |bytes: &Bytes| Arc::new(Mutex::new(Arc::clone(&bytes.lock().unwrap_or_else(PoisonError::into_inner))));
        let files = self.files().iter().map(|(name, bytes)| (name.clone(), copied(bytes))).collect();
        Self { files: Arc::new(Mutex::new(files)), locked: Arc::default() }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name}"))
}

impl Storage for MemoryStorage {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        let bytes = self.files().get(name).cloned().ok_or_else(|| not_found(name))?;
        Ok(MemoryFile { bytes })
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let bytes = Bytes::default();
        self.files().insert(name.to_owned(), Arc::clone(&bytes));
        Ok(MemoryFile { bytes })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files();
        let bytes = files.remove(from).ok_or_else(|| not_found(from))?;
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files().remove(name).map(|_| ()).ok_or_else(|| not_found(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<Option<MemoryLock>> {
        let taken = self.locked.swap(true, std::sync::atomic::Ordering::SeqCst);
        Ok((!taken).then(|| MemoryLock { locked: Arc::clone(&self.locked) }))
    }
}

impl StorageFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let there = bytes.get(at as usize..at as usize + buffer.len());
        buffer.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut shared = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let there = Arc::make_mut(&mut shared);
        let end = at as usize + bytes.len();
        if there.len() < end {
            there.resize(end, 0);
        }
        there[at as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
