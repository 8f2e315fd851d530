//! Backups: segments copied for keeps, each proven whole while it is copied.
//!
//! A kept segment is a sealed one: header, frames, footer, and no byte more. Of an open segment the front is taken up to the last
//! whole transaction that is durable, and sealed there. Its name holds the chain hash of its last frame, which stands for
//! everything before it: what has that name already need not be read again.
//!
//! 1. Read a segment once, in large pieces, and walk over its frames: checksums, chain, place.
//! 2. What was walked over is written under an `unfinished-` name and hashed.
//! 3. Behind the last whole transaction comes a footer; only then, and durable, does the copy get its name.

use crate::frame::{ChainHash, Epoch, StoredFrame};
use crate::local::{LocalLog, lock};
use crate::log::{ReadError, Tail};
use crate::segment::{FOOTER_SIZE, SEGMENT_HEADER_SIZE, SegmentHeader, Stop, Walk, encode_footer};
use crate::snapshot::unfinished_name;
use crate::storage::read_ahead::{PIECE_SIZE, ReadAhead};
use crate::storage::{Storage, StorageFile};
use std::io;

/// BLAKE3 of a file.
pub type FileHash = [u8; 32];

/// What there is of a log to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// In order; the last one is open.
    pub segments: Vec<SegmentHeader>,
    /// Byte behind the last durable frame of the open one.
    pub byte: u64,
    /// Where the log ends there.
    pub end: Tail,
}

/// A segment that was walked over, and copied or found to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its size.
    pub bytes: u64,
    /// Of all of it.
    pub hash: FileHash,
    /// Where the log ends that ends with it.
    pub end: Tail,
}

/// Why a segment was not copied. There is no copy then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It is not whole.
    #[error("segment {segment} is damaged at byte {byte}, from offset {offset}: {reason}")]
    Damaged {
        /// Its name.
        segment: String,
        /// Where in it.
        byte: u64,
        /// The first offset that it costs.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be read.
    #[error("reading {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the storage says.
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error("writing {name}: {source}")]
    Write {
        /// The file.
        name: String,
        /// What the storage says.
        source: io::Error,
    },
}

impl<S: Storage> LocalLog<S> {
    /// What there is to be kept: all that is durable.
    pub fn inventory(&self) -> Inventory {
        let shared = lock(&self.shared);
        Inventory { segments: shared.segments.clone(), byte: shared.byte, end: shared.tail }
    }

    /// Up to `size` bytes of the segment `name` from byte `at` on, fewer at its end and at most [`PIECE_SIZE`]. Of the open segment
    /// only what is durable is given.
    ///
    /// # Errors
    /// `NotFound` if the segment is not there, or not any more; else what the storage says.
    pub fn read_durable(&self, name: &str, (at, size): (u64, u64)) -> io::Result<Vec<u8>> {
        let (is_there, open) = {
            let shared = lock(&self.shared);
            let is_there = shared.segments.iter().any(|segment| segment.name() == name);
            (is_there, shared.segments.last().filter(|last| last.name() == name).map(|_| shared.byte))
        };
        if !is_there {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no segment {name}")));
        }
        let file = self.storage().open(name)?;
        let end = open.map_or_else(|| file.size(), Ok)?;
        read_piece(&file, (at, size), end)
    }
}

/// Up to `size` bytes of `file` from byte `at` on, at most [`PIECE_SIZE`], which end at byte `end` at the latest.
///
/// # Errors
/// What the storage says.
pub fn read_piece<F: StorageFile>(file: &F, (at, size): (u64, u64), end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; end.saturating_sub(at).min(size).min(PIECE_SIZE) as usize];
    if !bytes.is_empty() {
        file.read_exact_at(&mut bytes, at)?;
    }
    Ok(bytes)
}

/// The name under which a segment is kept that ends with the chain hash `chain`.
pub fn kept_name(segment: &SegmentHeader, chain: &ChainHash) -> String {
    format!("{:020}-{}.log", segment.first_offset, hex(chain))
}

/// A hash as it stands in names.
pub fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// Which segment is kept, and how.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// It.
    pub header: &'a SegmentHeader,
    /// The writer of the frame before it.
    pub epoch: Epoch,
    /// Byte behind which nothing of it is taken; `None` if it is sealed.
    pub open_to: Option<u64>,
}

/// Copies the segment from `from` to `to`, where it is durable under its [`kept_name`], and whole, or not there. `each` is
/// shown every frame.
///
/// # Errors
/// [`CopyError`].
pub fn keep<S: Storage, T: Storage>(
    from: &S,
    to: &T,
    segment: Segment<'_>,
    each: impl FnMut(&StoredFrame),
) -> Result<Kept, CopyError> {
    let name = segment.header.name();
    let mut target = Target::create(to, &unfinished_name(&name))?;
    let file = from.open(&name).map_err(|source| CopyError::Read { name: name.clone(), source })?;
    let (end, byte) = walk(file, segment, |bytes| target.write(bytes), each)?;
    let footer = encode_footer(segment.header, &end, byte);
    if target.byte > byte {
        // The parts of a transaction that is not whole are taken off again.
        target = target.front(byte)?;
    }
    target.write(&footer)?;
    let (bytes, hash) = target.finish(&kept_name(segment.header, &end.chain))?;
    Ok(Kept { bytes, hash, end })
}

/// Walks over a segment that is kept already as `name`, and must be as [`keep`] would leave it.
///
/// # Errors
/// [`CopyError`].
pub fn prove<T: Storage>(
    kept: &T,
    name: &str,
    segment: Segment<'_>,
    each: impl FnMut(&StoredFrame),
) -> Result<Kept, CopyError> {
    let read = |source| CopyError::Read { name: name.to_owned(), source };
    let file = kept.open(name).map_err(read)?;
    let size = file.size().map_err(read)?;
    let (end, byte) = walk(file, Segment { open_to: None, ..segment }, |_| Ok(()), each)?;
    let (bytes, hash) = hash_file(kept, name).map_err(read)?;
    let reason = "bytes stand behind its footer".to_owned();
    let damage = CopyError::Damaged { segment: name.to_owned(), byte, offset: end.next_offset, reason };
    if size == byte + FOOTER_SIZE as u64 { Ok(Kept { bytes, hash, end }) } else { Err(damage) }
}

/// Shows `take` the header and every frame's bytes, `each` every frame; returns where the last whole transaction ends.
fn walk<F: StorageFile>(
    file: F,
    Segment { header, epoch, open_to }: Segment<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), CopyError>,
    mut each: impl FnMut(&StoredFrame),
) -> Result<(Tail, u64), CopyError> {
    let name = header.name();
    let unreadable = |source| CopyError::Read { name: name.clone(), source };
    let file = ReadAhead::new(file, open_to.unwrap_or(u64::MAX)).map_err(unreadable)?;
    let mut walk = Walk::new(file, *header, epoch).map_err(unreadable)?;
    let damaged = |walk: &Walk<_>, reason: &str| {
        let (byte, offset) = (walk.byte(), walk.tail().next_offset);
        CopyError::Damaged { segment: name.clone(), byte, offset, reason: reason.to_owned() }
    };
    let mut bytes = vec![0; SEGMENT_HEADER_SIZE];
    walk.read_at(&mut bytes, 0).map_err(|error| unreadable(io_of(error)))?;
    if bytes != header.encode() {
        return Err(damaged(&walk, "its header is not the one that it was named for"));
    }
    take(&bytes)?;
    let (mut end, mut byte, mut from) = (walk.tail(), walk.byte(), walk.byte());
    while let Some(stored) = walk.next_frame().map_err(|error| unreadable(io_of(error)))? {
        bytes.resize((walk.byte() - from) as usize, 0);
        walk.read_at(&mut bytes, from).map_err(|error| unreadable(io_of(error)))?;
        take(&bytes)?;
        from = walk.byte();
        if stored.frame.last_part {
            (end, byte) = (walk.tail(), walk.byte());
        }
        each(&stored);
    }
    let whole = match open_to {
        None => walk.stop() == Some(&Stop::Sealed) && byte == walk.byte(),
        Some(limit) => walk.byte() == limit,
    };
    let reason = match walk.stop() {
        Some(Stop::Invalid { reason }) => reason.clone(),
        Some(Stop::Newer(version)) => format!("a frame written by format {version}"),
        _ => "the segment ends before it should".to_owned(),
    };
    if whole { Ok((end, byte)) } else { Err(damaged(&walk, &reason)) }
}

fn io_of(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

/// A file in the making. Dropped before it is finished, there is none.
struct Target<'a, T: Storage> {
    storage: &'a T,
    name: String,
    file: Option<T::File>,
    byte: u64,
    hasher: blake3::Hasher,
}

impl<'a, T: Storage> Target<'a, T> {
    fn create(storage: &'a T, name: &str) -> Result<Self, CopyError> {
        let file = storage.create(name).map_err(|source| CopyError::Write { name: name.to_owned(), source })?;
        Ok(Self { storage, name: name.to_owned(), file: Some(file), byte: 0, hasher: blake3::Hasher::new() })
    }

    fn failed(&self) -> impl Fn(io::Error) -> CopyError + use<T> {
        let name = self.name.clone();
        move |source| CopyError::Write { name: name.clone(), source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        let failed = self.failed();
        let file = self.file.as_mut().expect("invariant: it is not finished");
        file.write_all_at(bytes, self.byte).map_err(failed)?;
        self.hasher.update(bytes);
        self.byte += bytes.len() as u64;
        Ok(())
    }

    /// The first `size` bytes of it, as a file in the making.
    fn front(self, size: u64) -> Result<Self, CopyError> {
        let mut front = Self::create(self.storage, &format!("{}-front", self.name))?;
        let file = self.file.as_ref().expect("invariant: it is not finished");
        for at in (0..size).step_by(PIECE_SIZE as usize) {
            let piece = read_piece(file, (at, PIECE_SIZE), size).map_err(self.failed())?;
            front.write(&piece)?;
        }
        Ok(front)
    }

    /// Makes it durable under `name`; returns its size and hash.
    fn finish(mut self, name: &str) -> Result<(u64, FileHash), CopyError> {
        let failed = self.failed();
        let mut file = self.file.take().expect("invariant: it is finished once");
        let named = file.sync().and_then(|()| self.storage.rename(&self.name, name));
        if named.is_err() {
            self.file = Some(file);
        }
        named.and_then(|()| self.storage.sync_directory()).map_err(failed)?;
        Ok((self.byte, *self.hasher.finalize().as_bytes()))
    }
}

impl<T: Storage> Drop for Target<'_, T> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Only gives space back: the next backup removes what is left of it.
            let _ = self.storage.remove(&self.name);
        }
    }
}

/// Copies a file as it is, and hashes it. It is durable under `name` then, or not there.
///
/// # Errors
/// [`CopyError::Read`] or [`CopyError::Write`].
pub fn keep_file<F: StorageFile, T: Storage>(file: &F, to: &T, name: &str) -> Result<(u64, FileHash), CopyError> {
    let unreadable = |source| CopyError::Read { name: name.to_owned(), source };
    let size = file.size().map_err(unreadable)?;
    let mut target = Target::create(to, &unfinished_name(name))?;
    for at in (0..size).step_by(PIECE_SIZE as usize) {
        target.write(&read_piece(file, (at, PIECE_SIZE), size).map_err(unreadable)?)?;
    }
    target.finish(name)
}

/// Writes a small file. It is durable under `name` then, or not there.
///
/// # Errors
/// [`CopyError::Write`].
pub fn keep_bytes<T: Storage>(bytes: &[u8], to: &T, name: &str) -> Result<(u64, FileHash), CopyError> {
    let mut target = Target::create(to, &unfinished_name(name))?;
    target.write(bytes)?;
    target.finish(name)
}

/// Size and hash of a file.
///
/// # Errors
/// What the storage says.
pub fn hash_file<S: Storage>(storage: &S, name: &str) -> io::Result<(u64, FileHash)> {
    let file = storage.open(name)?;
    let (size, mut hasher) = (file.size()?, blake3::Hasher::new());
    for at in (0..size).step_by(PIECE_SIZE as usize) {
        hasher.update(&read_piece(&file, (at, PIECE_SIZE), size)?);
    }
    Ok((size, *hasher.finalize().as_bytes()))
}

/// The hash of bytes.
pub fn hash_of(bytes: &[u8]) -> FileHash {
    *blake3::hash(bytes).as_bytes()
}
