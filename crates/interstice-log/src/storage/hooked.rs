//! Storage that asks before it does something: where a disk is made to fail, to fill up or to wait.

use super::{Storage, StorageFile};
use std::io;
use std::sync::Arc;

/// Something that is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A file is made.
    Create,
    /// A file is read.
    Read {
        /// From which byte.
        at: u64,
    },
    /// A file is written.
    Write {
        /// Whether it was made by this open file.
        created: bool,
    },
    /// A file is synced.
    Sync,
    /// A file gets another name.
    Rename,
    /// A file is removed.
    Remove,
    /// Names are made durable.
    SyncDirectory,
}

/// What is asked; an error takes the place of the operation.
pub type Hook = Arc<dyn Fn(Operation) -> io::Result<()> + Send + Sync>;

/// Other storage behind a hook. Clones share both.
#[derive(Clone)]
pub struct HookedStorage<S> {
    inner: S,
    hook: Hook,
}

/// A file of other storage behind a hook.
pub struct HookedFile<F> {
    inner: F,
    hook: Hook,
    created: bool,
}

impl<S: Storage> HookedStorage<S> {
    /// `inner` behind `hook`.
    pub fn new(inner: S, hook: impl Fn(Operation) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { inner, hook: Arc::new(hook) }
    }

    fn file(&self, inner: S::File, created: bool) -> HookedFile<S::File> {
        HookedFile { inner, hook: Arc::clone(&self.hook), created }
    }
}

impl<S: Storage> Storage for HookedStorage<S> {
    type File = HookedFile<S::File>;
    type Lock = S::Lock;

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        Ok(self.file(self.inner.open(name)?, false))
    }

    fn create(&self, name: &str) -> io::Result<Self::File> {
        (self.hook)(Operation::Create)?;
        Ok(self.file(self.inner.create(name)?, true))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (self.hook)(Operation::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        (self.hook)(Operation::Remove)?;
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        (self.hook)(Operation::SyncDirectory)?;
        self.inner.sync_directory()
    }

    fn try_lock(&self) -> io::Result<Option<S::Lock>> {
        self.inner.try_lock()
    }
}

impl<F: StorageFile> StorageFile for HookedFile<F> {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        (self.hook)(Operation::Read { at })?;
        self.inner.read_exact_at(buffer, at)
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        (self.hook)(Operation::Write { created: self.created })?;
        self.inner.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        (self.hook)(Operation::Sync)?;
        self.inner.sync()
    }
}
