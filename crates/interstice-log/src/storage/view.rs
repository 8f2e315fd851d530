//! A view of other storage: all of it, or some of its files, only read, under names that they had elsewhere.

use super::{Storage, only_read};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Other storage under its own names, or some of its files under others.
#[derive(Debug, Clone)]
pub struct View<S> {
    inner: S,
    /// Names in the view, and in the storage; `None` if all files are there under their own.
    names: Option<Arc<BTreeMap<String, String>>>,
}

impl<S: Storage> View<S> {
    /// All of `inner`, as it is.
    pub fn whole(inner: S) -> Self {
        Self { inner, names: None }
    }

    /// Of `inner` only the files that are named, each as a name in the view and one in the storage. They are only read.
    pub fn of(inner: S, names: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { inner, names: Some(Arc::new(names.into_iter().collect())) }
    }

    /// The storage, if it may be written.
    fn writable(&self) -> io::Result<&S> {
        if self.names.is_none() { Ok(&self.inner) } else { Err(only_read()) }
    }
}

impl<S: Storage> Storage for View<S> {
    type File = S::File;
    /// Nobody writes what is only read: there is nothing to lock then.
    type Lock = Option<S::Lock>;

    fn list(&self) -> io::Result<Vec<String>> {
        self.names.as_ref().map_or_else(|| self.inner.list(), |names| Ok(names.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> io::Result<S::File> {
        let Some(names) = &self.names else { return self.inner.open(name) };
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name}"));
        self.inner.open(names.get(name).ok_or_else(missing)?)
    }

    fn create(&self, name: &str) -> io::Result<S::File> {
        self.writable()?.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.writable()?.sync_directory()
    }

    fn try_lock(&self) -> io::Result<Option<Self::Lock>> {
        match self.names {
            None => Ok(self.inner.try_lock()?.map(Some)),
            Some(_) => Ok(Some(None)),
        }
    }
}
