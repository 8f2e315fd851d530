//! A data directory in the making: nobody takes it for one before it is whole.

use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::to_hex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A data directory in the making. Dropped before it is finished, there is none.
pub(crate) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Makes it beside `out`, under a name that nobody has.
    pub(crate) fn make(out: &Path) -> io::Result<Self> {
        let name = out.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut digits = [0; 8];
        getrandom::fill(&mut digits).map_err(|error| io::Error::other(error.to_string()))?;
        let path = out.with_file_name(format!("{}.unfinished-{}", name.to_string_lossy(), to_hex(&digits)));
        DirectoryStorage::create(&path)?;
        Ok(Self { path })
    }

    /// Where it is meanwhile.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, under which it is whole or not there.
    pub(crate) fn finish(self, out: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::rename(&self.path, out)?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there if it has its name.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
