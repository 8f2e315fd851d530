//! Backups: a log, its snapshots and its settings at a moment, kept elsewhere.
//!
//! A repository is a directory with a small manifest for each backup, and the files that they share:
//!
//! ```text
//! 00000000000000000602-1f0c….json             a backup: what it holds, under the hash of each file
//! files/00000000000000000000-9ab1….log        a segment, sealed: its name holds the chain hash of its last frame
//! files/00000000000000000400-77e0….snapshot   a snapshot, by the hash of what it holds
//! files/51cd….toml                            the settings, by their hash
//! lock                                        held while a backup is made
//! ```
//!
//! *Invariants*
//! 1. A manifest gets its name after everything that it names is durable: there are whole backups only.
//! 2. What is kept was proven whole when it was copied: frames, chain and records of a segment, every chunk of a snapshot.
//! 3. What a backup names is removed by nobody but a person.
//!
//! *Reading order*: `manifest`, [`create`], [`verify`], [`restore`].

pub mod create;
mod manifest;
pub mod restore;
pub mod verify;

pub use manifest::{End, KeptFile, MAX_MANIFEST_SIZE, Manifest, ManifestError, SegmentFile};

use crate::snapshot::Manifest as SnapshotManifest;
use interstice_log::backup::read_piece;
use interstice_log::local::LocalLog;
use interstice_log::log::{CommitLog, Standing};
use interstice_log::segment::LogId;
use interstice_log::snapshot::unfinished_name;
use interstice_log::storage::view::View;
use interstice_log::storage::{Storage, StorageFile};
use interstice_types::id::decode_hex;
use std::io;

/// The directory of files in a repository.
pub const FILES_DIRECTORY: &str = "files";
/// The name of the settings in a data directory.
pub const SETTINGS_NAME: &str = "config.toml";
/// How the name of a manifest ends.
const ENDING: &str = ".json";

/// A directory of backups.
#[derive(Debug, Clone)]
pub struct Repository<T> {
    manifests: T,
    files: T,
}

/// A backup.
#[derive(Debug, Clone)]
pub struct Backup<T> {
    /// The name of its manifest.
    pub name: String,
    /// What it holds.
    pub manifest: Manifest,
    files: T,
}

impl<T: Storage> Repository<T> {
    /// The one with these manifests and files.
    pub fn new(manifests: T, files: T) -> Self {
        Self { manifests, files }
    }

    /// The names of its manifests, the earliest offsets first.
    ///
    /// # Errors
    /// What the storage says.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.manifests.list()?;
        names.retain(|name| name.ends_with(ENDING) && !name.starts_with(&unfinished_name("")));
        names.sort();
        Ok(names)
    }

    /// The backup whose manifest is `name`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn open(&self, name: &str) -> Result<Backup<T>, ManifestError> {
        let unreadable = |source| ManifestError::Io { name: name.to_owned(), source };
        let file = self.manifests.open(name).map_err(unreadable)?;
        let size = file.size().map_err(unreadable)?;
        if size > MAX_MANIFEST_SIZE {
            return Err(ManifestError::damaged(name, "it is larger than a manifest can be"));
        }
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            bytes.extend(read_piece(&file, (bytes.len() as u64, size), size).map_err(unreadable)?);
        }
        let manifest = Manifest::decode(&bytes, name)?;
        Ok(Backup { name: name.to_owned(), manifest, files: self.files.clone() })
    }
}

impl<T: Storage> Backup<T> {
    /// Its log, as a directory of segments.
    pub fn log(&self) -> View<T> {
        self.segments_from(0)
    }

    /// Its log from its segment number `first` on.
    fn segments_from(&self, first: usize) -> View<T> {
        self.view(self.manifest.segments[first..].iter().map(|segment| &segment.kept))
    }

    /// Its snapshots, as a directory.
    pub fn snapshots(&self) -> View<T> {
        self.view(self.manifest.snapshots.iter())
    }

    fn view<'a>(&self, kept: impl Iterator<Item = &'a KeptFile>) -> View<T> {
        View::of(self.files.clone(), kept.map(|kept| (kept.name.clone(), kept.file.clone())))
    }

    /// Names the log that it is of.
    pub fn log_id(&self) -> LogId {
        LogId(decode_hex(&self.manifest.log).expect("invariant: checked when it was read"))
    }

    /// Why the snapshot with this manifest cannot be begun with, if it cannot: its frame must stand in the log.
    fn misfit(&self, snapshot: &SnapshotManifest) -> Option<String> {
        let misfit = |reason: &str| Some(format!("snapshot {}: {reason}", snapshot.next_offset));
        let holds = |segment: &&SegmentFile| segment.end.next_offset >= snapshot.next_offset;
        let Some(segment) = self.manifest.segments.iter().find(holds) else {
            return misfit("the log ends before it");
        };
        // Trimmed right behind it: that its frame is not there says nothing.
        if self.manifest.first_offset >= snapshot.next_offset {
            return None;
        }
        let standing = LocalLog::open_read_only(self.view(std::iter::once(&segment.kept)))
            .map_err(|error| error.to_string())
            .and_then(|log| log.standing(&snapshot.receipt()).map_err(|error| error.to_string()));
        match standing {
            Ok(Standing::Held) => None,
            Ok(_) => misfit("it was made of another history than the log's"),
            Err(error) => misfit(&error),
        }
    }
}
