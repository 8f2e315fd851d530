//! Storage that is read at a pace, and from the disk: for work that must not be in the way of other work.

use super::{Storage, StorageFile, only_read};
use std::io;
use std::sync::Arc;

/// Asked before each read.
pub trait Pace: Send + Sync + 'static {
    /// Waits as long as it takes; an error ends whatever reads.
    ///
    /// # Errors
    /// That there is to be no more reading.
    fn before_read(&self, bytes: usize) -> io::Result<()>;
}

/// Another storage, read at a pace. It is not written.
#[derive(Clone)]
pub struct PacedStorage<S> {
    inner: S,
    pace: Arc<dyn Pace>,
}

impl<S> PacedStorage<S> {
    /// `inner`, at `pace`.
    pub fn new(inner: S, pace: Arc<dyn Pace>) -> Self {
        Self { inner, pace }
    }
}

/// An open file of a [`PacedStorage`].
pub struct PacedFile<F> {
    inner: F,
    pace: Arc<dyn Pace>,
}

impl<S: Storage> Storage for PacedStorage<S> {
    type File = PacedFile<S::File>;
    type Lock = S::Lock;

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        let inner = self.inner.open(name)?;
        inner.forget_cached()?;
        Ok(PacedFile { inner, pace: Arc::clone(&self.pace) })
    }

    fn try_lock(&self) -> io::Result<Option<S::Lock>> {
        Err(only_read())
    }
}

impl<F: StorageFile> StorageFile for PacedFile<F> {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.pace.before_read(buffer.len())?;
        self.inner.read_exact_at(buffer, at)
    }
}
