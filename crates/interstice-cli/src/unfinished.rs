//! A directory in the making: nobody takes it for what it is to be before it is whole.

use crate::failure::{Failure, exit};
use interstice::backup::SETTINGS_NAME;
use interstice_log::backup::{CopyError, keep_bytes};
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::to_hex;
use interstice_types::problem::Problem;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A directory in which there is something is never written into.
pub(crate) fn refuse_used(out: &Path) -> Result<(), Failure> {
    let free = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    let hint = "name a directory that is not there yet, or is empty";
    if free { Ok(()) } else { Err(Failure::usage(format!("`{}` is there already", out.display()), hint)) }
}

/// What stands in the way of writing `out`.
pub(crate) fn not_written(out: &Path, error: &io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if !full {
        return Failure::file(out, error);
    }
    let hint = format!("make room and begin again: `df -h {}`", out.display());
    let problem = Problem::new("disk-full", format!("there is no space left for `{}`: {error}", out.display()));
    Failure::new(exit::IO, problem.hint(hint))
}

/// Writes the settings of a node into its data directory, if it has some.
pub(crate) fn write_settings(settings: Option<Vec<u8>>, top: &DirectoryStorage) -> io::Result<()> {
    let Some(settings) = settings else { return Ok(()) };
    keep_bytes(&settings, top, SETTINGS_NAME).map(drop).map_err(|error| match error {
        CopyError::Write { source, .. } | CopyError::Read { source, .. } => source,
        damaged @ CopyError::Damaged { .. } => io::Error::other(damaged),
    })
}

/// A directory in the making. Dropped before it is finished, there is none.
pub(crate) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Makes a data directory, which only its owner reads, beside `out`, under a name that nobody has.
    pub(crate) fn make(out: &Path) -> io::Result<Self> {
        let path = beside(out)?;
        DirectoryStorage::create(&path)?;
        Ok(Self { path })
    }

    /// As [`make`](Self::make), for a directory of files that are like others of their owner.
    pub(crate) fn make_of_files(out: &Path) -> io::Result<Self> {
        let path = beside(out)?;
        std::fs::create_dir_all(&path)?;
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

/// A name beside `out` that nobody has.
fn beside(out: &Path) -> io::Result<PathBuf> {
    let name = out.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut digits = [0; 8];
    getrandom::fill(&mut digits).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(out.with_file_name(format!("{}.unfinished-{}", name.to_string_lossy(), to_hex(&digits))))
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there if it has its name.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
