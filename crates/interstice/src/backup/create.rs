//! Making a backup: what is not kept yet is copied, and proven whole on the way.
//!
//! 1. Take the repository; read its manifests: what they name is there already.
//! 2. Copy segments in order, each behind the one before; of the open one what is durable. Records must decode.
//! 3. Copy snapshots and read them from beginning to end; a damaged one is left out, and said to be.
//! 4. Write the manifest. Then remove what no manifest names: what a crash left, or a backup that somebody removed.

use super::manifest::snapshot_file;
use super::{Backup, KeptFile, Manifest, ManifestError, Repository, SETTINGS_NAME, SegmentFile};
use crate::framing::{UnpackError, Unpacker};
use crate::snapshot::Manifest as SnapshotManifest;
use interstice_log::backup::{
    CopyError, Inventory, Segment, hash_of, hex, keep, keep_bytes, keep_file, kept_name, prove,
};
use interstice_log::frame::{Epoch, Position};
use interstice_log::log::Tail;
use interstice_log::segment::{LogId, SEGMENT_HEADER_SIZE};
use interstice_log::snapshot::{SnapshotError, SnapshotReader, name_of, remove_unfinished};
use interstice_log::storage::view::View;
use interstice_log::storage::{Storage, StorageFile};
use interstice_types::id::{Offset, to_hex};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What is backed up.
#[derive(Debug, Clone)]
pub struct Source<S> {
    /// The files of the log.
    pub log: S,
    /// What of them is durable. Taken after the snapshots were listed.
    pub inventory: Inventory,
    /// The files of the snapshots.
    pub snapshots: S,
    /// The counts of offsets that there are snapshots of, in ascending order.
    pub offsets: Vec<Offset>,
    /// The node's settings, if it has a file of them.
    pub settings: Option<Vec<u8>>,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Created {
    /// The name of its manifest.
    pub name: String,
    /// What it holds.
    pub manifest: Manifest,
    /// False if the same backup was there already.
    pub created: bool,
    /// Segments that were copied.
    pub copied: u64,
    /// Segments that were there already.
    pub there: u64,
    /// Bytes that were copied, of all files.
    pub copied_bytes: u64,
    /// What is worth knowing: a damaged snapshot that was left out.
    pub notices: Vec<String>,
}

/// Why there is no backup. The backups that were there are as they were.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Another process makes one.
    #[error("another backup is being made into the same directory")]
    InUse,
    /// There is a manifest of a newer version.
    #[error(transparent)]
    Manifest(ManifestError),
    /// The repository has backups of another log.
    #[error("the directory has backups of log {found}, and this is log {asked}")]
    AnotherLog {
        /// Whose backups there are.
        found: String,
        /// What was to be backed up.
        asked: String,
    },
    /// A segment is not whole, or a file cannot be read or written.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// What a segment holds are no transactions.
    #[error("segment {segment}: {source}")]
    Unpack {
        /// Its name.
        segment: String,
        /// What is wrong.
        source: UnpackError,
    },
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// The log's beginning was given up, and no good snapshot stands for it.
    #[error("the log begins at offset {first}, and no good snapshot stands for what was before")]
    NoBeginning {
        /// Its first offset.
        first: Offset,
    },
    /// There is no transaction.
    #[error("the log is empty")]
    Empty,
    /// The repository cannot be read or written.
    #[error("the directory of backups: {0}")]
    Io(#[from] io::Error),
}

impl<T: Storage> Repository<T> {
    /// Makes a backup of `source`.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create<S: Storage>(&self, source: &Source<S>) -> Result<Created, CreateError> {
        let _lock = self.manifests.try_lock()?.ok_or(CreateError::InUse)?;
        let log_id = source.inventory.segments.first().ok_or(CreateError::Empty)?.log_id;
        let mut notices = Vec::new();
        let before = self.others(log_id, &mut notices)?;
        remove_unfinished(&self.manifests)?;
        remove_unfinished(&self.files)?;
        let there: BTreeSet<_> = self.files.list()?.into_iter().collect();
        let mut run = Run::new(&self.files, source, there, before.as_deref().unwrap_or_default());
        let segments = run.segments()?;
        let end = segments.last().ok_or(CreateError::Empty)?.end.clone();
        let manifest = Manifest {
            schema: Manifest::shape(),
            log: to_hex(&log_id.0),
            lineage: end.lineage,
            first_offset: source.inventory.segments[0].first_offset,
            next_offset: end.next_offset,
            chain: end.chain,
            time: end.time,
            segments,
            snapshots: Vec::new(),
            settings: run.settings()?,
        };
        let mut backup = Backup { name: String::new(), manifest, files: self.files.clone() };
        backup.manifest.snapshots = run.snapshots(&backup)?;
        let Run { copied, there, copied_bytes, notices: left_out, .. } = run;
        notices.extend(left_out);
        let (bytes, name) = backup.manifest.encode();
        let created = !self.manifests.list()?.contains(&name);
        // An attempt before this one may have left files, or this manifest, whose names are not durable.
        self.files.sync_directory()?;
        if created {
            keep_bytes(&bytes, &self.manifests, &name)?;
        }
        self.manifests.sync_directory()?;
        if let Some(mut manifests) = before {
            manifests.push(backup.manifest.clone());
            self.remove_unnamed(&manifests)?;
        }
        Ok(Created { name, manifest: backup.manifest, created, copied, there, copied_bytes, notices })
    }

    /// The manifests that are there, all of the log `log_id`. `None` if one cannot be read: nobody knows what it names then.
    fn others(&self, log_id: LogId, notices: &mut Vec<String>) -> Result<Option<Vec<Manifest>>, CreateError> {
        let mut manifests = Some(Vec::new());
        for name in self.list()? {
            match self.open(&name) {
                Ok(backup) if backup.log_id() != log_id => {
                    return Err(CreateError::AnotherLog { found: backup.manifest.log, asked: to_hex(&log_id.0) });
                }
                Ok(backup) => manifests.iter_mut().for_each(|known| known.push(backup.manifest.clone())),
                Err(error @ ManifestError::Damaged { .. }) => {
                    notices.push(format!("{error}; what no backup names is not removed until it is gone"));
                    manifests = None;
                }
                Err(error) => return Err(CreateError::Manifest(error)),
            }
        }
        Ok(manifests)
    }

    /// Removes the files that none of `manifests` names.
    fn remove_unnamed(&self, manifests: &[Manifest]) -> io::Result<()> {
        let named: BTreeSet<_> = manifests.iter().flat_map(Manifest::kept).map(|kept| kept.file.as_str()).collect();
        let is_ours = |name: &str| [".log", ".snapshot", ".toml"].iter().any(|ending| name.ends_with(ending));
        for name in self.files.list()?.iter().filter(|name| is_ours(name) && !named.contains(name.as_str())) {
            self.files.remove(name)?;
        }
        self.files.sync_directory()
    }
}

/// A backup in the making.
struct Run<'a, S, T> {
    files: &'a T,
    source: &'a Source<S>,
    /// What the repository has.
    names: BTreeSet<String>,
    /// Of those what a manifest names.
    known: BTreeMap<&'a str, &'a KeptFile>,
    known_segments: BTreeMap<&'a str, &'a SegmentFile>,
    copied: u64,
    there: u64,
    copied_bytes: u64,
    notices: Vec<String>,
}

impl<'a, S: Storage, T: Storage> Run<'a, S, T> {
    fn new(files: &'a T, source: &'a Source<S>, names: BTreeSet<String>, manifests: &'a [Manifest]) -> Self {
        let is_there = |kept: &KeptFile| {
            let size = || files.open(&kept.file).and_then(|file| file.size()).ok();
            names.contains(&kept.file) && size() == Some(kept.bytes)
        };
        let kept = manifests.iter().flat_map(Manifest::kept).filter(|kept| is_there(kept));
        let known: BTreeMap<_, _> = kept.map(|kept| (kept.file.as_str(), kept)).collect();
        let segments = manifests.iter().flat_map(|manifest| &manifest.segments);
        let known_segments = segments.map(|segment| (segment.kept.file.as_str(), segment));
        let known_segments = known_segments.filter(|(file, _)| known.contains_key(file)).collect();
        let (copied, there, copied_bytes, notices) = (0, 0, 0, Vec::new());
        Self { files, source, names, known, known_segments, copied, there, copied_bytes, notices }
    }

    fn segments(&mut self) -> Result<Vec<SegmentFile>, CreateError> {
        let Inventory { segments, byte, end } = &self.source.inventory;
        let mut kept: Vec<SegmentFile> = Vec::new();
        for (number, header) in segments.iter().enumerate() {
            let next = segments.get(number + 1);
            let open_to = next.is_none().then_some(*byte);
            let before = kept.last().map(|segment| segment.end.tail());
            if before.is_some_and(|before| !header.follows(&before)) {
                let (segment, offset) = (header.name(), header.first_offset);
                let reason = "it does not begin where the one before ends".to_owned();
                return Err(CopyError::Damaged { segment, byte: 0, offset, reason }.into());
            }
            if open_to == Some(SEGMENT_HEADER_SIZE as u64) {
                break;
            }
            let segment = Segment { header, epoch: before.map_or(Epoch(0), |before| before.epoch), open_to };
            let file = self.segment(segment, &next.map_or(end.chain, |next| next.chain))?;
            // One without a transaction holds nothing to go back to.
            if file.end.next_offset > header.first_offset {
                kept.push(file);
            }
        }
        Ok(kept)
    }

    /// The segment, which ends with `chain` if all of it is taken.
    fn segment(&mut self, segment: Segment<'_>, chain: &[u8; 32]) -> Result<SegmentFile, CreateError> {
        let file = kept_name(segment.header, chain);
        if let Some(known) = self.known_segments.get(file.as_str()) {
            self.there += 1;
            return Ok((*known).clone());
        }
        let mut records = Records::default();
        // An attempt before this one may have left it.
        let left = self.names.contains(&file).then(|| prove(self.files, &file, segment, |stored| records.take(stored)));
        let kept = if let Some(Ok(kept)) = left {
            self.there += 1;
            kept
        } else {
            records = Records::default();
            let kept = keep(&self.source.log, self.files, segment, |stored| records.take(stored))?;
            self.copied += 1;
            self.copied_bytes += kept.bytes;
            kept
        };
        if let Some(source) = records.failed {
            return Err(CreateError::Unpack { segment: segment.header.name(), source });
        }
        Ok(SegmentFile::new(segment.header, kept_name(segment.header, &kept.end.chain), &kept, records.time))
    }

    fn settings(&mut self) -> Result<Option<KeptFile>, CreateError> {
        let Some(settings) = &self.source.settings else { return Ok(None) };
        let file = format!("{}.toml", hex(&hash_of(settings)));
        if let Some(known) = self.known.get(file.as_str()) {
            return Ok(Some((*known).clone()));
        }
        let kept = keep_bytes(settings, self.files, &file)?;
        self.copied_bytes += kept.0;
        Ok(Some(KeptFile::new(SETTINGS_NAME.to_owned(), file, kept)))
    }

    /// The snapshots that `backup` can be begun with.
    fn snapshots(&mut self, backup: &Backup<T>) -> Result<Vec<KeptFile>, CreateError> {
        let first = self.source.inventory.segments[0];
        let mut kept = Vec::new();
        for next_offset in self.source.offsets.iter().copied() {
            match self.snapshot(next_offset, backup) {
                Ok(found) => kept.extend(found),
                Err(CreateError::Snapshot(error @ SnapshotError::Damaged { .. })) => {
                    self.notices.push(format!("{error}; it is left out"));
                }
                Err(error) => return Err(error),
            }
        }
        if first.first_frame > Position(0) && kept.is_empty() {
            return Err(CreateError::NoBeginning { first: first.first_offset });
        }
        Ok(kept)
    }

    fn snapshot(&mut self, next_offset: Offset, backup: &Backup<T>) -> Result<Option<KeptFile>, CreateError> {
        let reader = SnapshotReader::open(&self.source.snapshots, next_offset).map_err(CreateError::Snapshot)?;
        let decoded = SnapshotManifest::decode(reader.manifest()).map_err(|reason| reader.contradicts(&reason));
        let manifest = decoded.map_err(CreateError::Snapshot)?;
        let first = self.source.inventory.segments[0].first_frame;
        let needed = Position(manifest.events_from.position).min(manifest.end());
        let end = backup.manifest.segments.last().map(|segment| segment.end.tail());
        let reaches = end.is_some_and(|Tail { position, .. }| manifest.end() <= position) && needed >= first;
        let misfit = if reaches { backup.misfit(&manifest) } else { Some("it needs other frames".to_owned()) };
        if let Some(reason) = misfit {
            self.notices.push(format!("snapshot {next_offset} is left out: {reason}"));
            return Ok(None);
        }
        let (name, root) = (name_of(next_offset), reader.root());
        let file = snapshot_file(next_offset, &root);
        if let Some(known) = self.known.get(file.as_str()) {
            return Ok(Some((*known).clone()));
        }
        let unreadable = |source| CopyError::Read { name: name.clone(), source };
        let from = self.source.snapshots.open(&name).map_err(unreadable)?;
        let kept = keep_file(&from, self.files, &file)?;
        let copy = View::of(self.files.clone(), [(name.clone(), file.clone())]);
        let checked = SnapshotReader::open(&copy, next_offset).and_then(|mut copy| copy.check_rest());
        if let Err(error) = checked {
            self.files.remove(&file)?;
            return Err(CreateError::Snapshot(error));
        }
        self.copied_bytes += kept.0;
        Ok(Some(KeptFile::snapshot(next_offset, &root, kept)))
    }
}

/// The transactions of a segment: they must be some.
#[derive(Default)]
struct Records {
    unpacker: Unpacker,
    /// Of the last one.
    time: i64,
    failed: Option<UnpackError>,
}

impl Records {
    fn take(&mut self, stored: &interstice_log::frame::StoredFrame) {
        if self.failed.is_some() {
            return;
        }
        match self.unpacker.unpack(stored) {
            Ok(transactions) => self.time = transactions.last().map_or(self.time, |last| last.time.0),
            Err(error) => self.failed = Some(error),
        }
    }
}
