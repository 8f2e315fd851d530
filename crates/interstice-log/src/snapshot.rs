//! Snapshots as files: opaque chunks and an opaque manifest, each under its hash, installed whole or not at all.
//!
//! One file holds one snapshot, named by the count of offsets that it stands for: `00000000000000040960.snapshot`.
//!
//! ```text
//! header 64     magic ISSNAP01 ─ version u32 ─ zero u32 ─ log id 16 ─ count of offsets u64 ─ zeros ─ CRC32C u32 of all before
//! chunk         size of what follows u32 ─ BLAKE3 of the rest 32 ─ size of the bytes u32 ─ the bytes, compressed by zstd
//! …
//! end           zero u32
//! manifest      as a chunk
//! footer 64     magic ISSNFT01 ─ byte of the manifest u64 ─ BLAKE3 of header ‖ each chunk's BLAKE3 ‖ the manifest's 32 ─ zeros ─ CRC32C
//! ```
//!
//! It is written under a name that begins with `unfinished-`, synced, and renamed: what has a snapshot's name is whole, or
//! was damaged later. Whatever is read is checked against its hash before it is given out.

use crate::frame::{array_at, u32_at, u64_at};
use crate::planted::{self, Bug};
use crate::segment::LogId;
use crate::storage::{Storage, StorageFile};
use std::io;

/// Largest chunk, before it is compressed. A row larger than that is a chunk of its own.
pub const USUAL_CHUNK_SIZE: usize = 256 << 10;
/// Largest chunk or manifest that is read.
pub const MAX_CHUNK_SIZE: usize = 64 << 20;
/// The format of snapshots.
pub const SNAPSHOT_VERSION: u32 = 1;

const HEADER_SIZE: usize = 64;
const FOOTER_SIZE: usize = 64;
const PART_HEAD_SIZE: usize = 40;
const HEADER_MAGIC: [u8; 8] = *b"ISSNAP01";
const FOOTER_MAGIC: [u8; 8] = *b"ISSNFT01";
const ENDING: &str = ".snapshot";
const UNFINISHED: &str = "unfinished-";
/// Speed over size: a snapshot is read more eagerly than kept.
const COMPRESSION_LEVEL: i32 = 1;
/// Bytes gathered before they are written.
const WRITE_SIZE: usize = 1 << 20;

/// What a snapshot's file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The log that it was made of.
    pub log_id: LogId,
    /// The count of offsets that it stands for.
    pub next_offset: u64,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its bytes are not what was written.
    #[error("snapshot {name} is damaged at byte {byte}: {reason}")]
    Damaged {
        /// The file.
        name: String,
        /// Where in it.
        byte: u64,
        /// What is wrong.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("snapshot {name} has format {found}, this version reads up to {SNAPSHOT_VERSION}")]
    NewerFormat {
        /// The file.
        name: String,
        /// Its format.
        found: u32,
    },
    /// The storage failed.
    #[error("snapshot {name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// What the storage says.
        source: io::Error,
    },
}

/// The file of the snapshot of so many offsets.
pub fn name_of(next_offset: u64) -> String {
    format!("{next_offset:020}{ENDING}")
}

/// What a file says of itself in its head, or the version of its format if that is a newer one; `None` if it is no snapshot's.
///
/// # Errors
/// What the storage says.
pub fn head_of<F: StorageFile>(file: &F) -> io::Result<Option<Result<SnapshotHeader, u32>>> {
    let mut bytes = [0; HEADER_SIZE];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(decode_header(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The snapshots that there are, by the count of offsets that they stand for, in ascending order.
///
/// # Errors
/// What the storage says.
pub fn list<S: Storage>(storage: &S) -> io::Result<Vec<u64>> {
    list_numbered(storage, ENDING)
}

/// The numbers that files with this ending are named by, in twenty digits each, in ascending order.
///
/// # Errors
/// What the storage says.
pub fn list_numbered<S: Storage>(storage: &S, ending: &str) -> io::Result<Vec<u64>> {
    let names = storage.list()?;
    let stems = names.iter().filter_map(|name| name.strip_suffix(ending));
    let mut found: Vec<u64> = stems.filter(|stem| stem.len() == 20).filter_map(|stem| stem.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes the snapshot of so many offsets.
///
/// # Errors
/// What the storage says.
pub fn remove<S: Storage>(storage: &S, next_offset: u64) -> io::Result<()> {
    storage.remove(&name_of(next_offset))?;
    storage.sync_directory()
}

/// The name of a file that is of no use after a crash.
pub fn unfinished_name(what: &str) -> String {
    format!("{UNFINISHED}{what}")
}

/// Removes what a crash left unfinished.
///
/// # Errors
/// What the storage says.
pub fn remove_unfinished<S: Storage>(storage: &S) -> io::Result<()> {
    for name in storage.list()?.iter().filter(|name| name.starts_with(UNFINISHED)) {
        storage.remove(name)?;
    }
    Ok(())
}

/// Writes one snapshot. Dropped before [`finish`](Self::finish), there is none.
pub struct SnapshotWriter<S: Storage> {
    storage: S,
    file: S::File,
    header: SnapshotHeader,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    byte: u64,
    hasher: blake3::Hasher,
    finished: bool,
}

impl<S: Storage> SnapshotWriter<S> {
    /// Begins one.
    ///
    /// # Errors
    /// What the storage says.
    pub fn create(storage: S, header: SnapshotHeader) -> io::Result<Self> {
        let file = storage.create(&unfinished_name(&name_of(header.next_offset)))?;
        let buffer = encode_header(&header);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&buffer);
        Ok(Self { storage, file, header, buffer, byte: 0, hasher, finished: false })
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// What the storage says.
    ///
    /// # Panics
    /// If it is empty or larger than [`MAX_CHUNK_SIZE`].
    pub fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!bytes.is_empty(), "invariant: an empty chunk would end the snapshot");
        self.part(bytes)
    }

    /// Adds the manifest, makes everything durable and gives the file its name. Returns the file's size.
    ///
    /// # Errors
    /// What the storage says: there is no such snapshot then.
    pub fn finish(mut self, manifest: &[u8]) -> io::Result<u64> {
        self.buffer.extend([0; 4]);
        let manifest_byte = self.byte + self.buffer.len() as u64;
        self.part(manifest)?;
        let footer = encode_footer(manifest_byte, self.hasher.finalize().as_bytes());
        self.buffer.extend(footer);
        self.flush()?;
        if !planted::is(Bug::SnapshotUnsynced) {
            self.file.sync()?;
        }
        let name = name_of(self.header.next_offset);
        self.storage.rename(&unfinished_name(&name), &name)?;
        self.finished = true;
        self.storage.sync_directory()?;
        Ok(self.byte)
    }

    fn part(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(bytes.len() <= MAX_CHUNK_SIZE, "invariant: a chunk is at most {MAX_CHUNK_SIZE} bytes");
        let compressed = zstd::bulk::compress(bytes, COMPRESSION_LEVEL)?;
        let raw_size = (bytes.len() as u32).to_le_bytes();
        let hash = hash_of(&raw_size, &compressed);
        self.hasher.update(&hash);
        self.buffer.extend((compressed.len() as u32 + PART_HEAD_SIZE as u32 - 4).to_le_bytes());
        self.buffer.extend(hash);
        self.buffer.extend(raw_size);
        self.buffer.extend(compressed);
        if self.buffer.len() >= WRITE_SIZE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.byte)?;
        self.byte += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<S: Storage> Drop for SnapshotWriter<S> {
    fn drop(&mut self) {
        if !self.finished {
            // Only gives space back: the next start removes what is left of it.
            let _ = self.storage.remove(&unfinished_name(&name_of(self.header.next_offset)));
        }
    }
}

/// Reads one snapshot from its beginning to its end.
pub struct SnapshotReader<F> {
    file: F,
    name: String,
    header: SnapshotHeader,
    manifest: Vec<u8>,
    manifest_byte: u64,
    /// Where the next chunk begins.
    byte: u64,
    /// Over the hashes of the chunks so far.
    hasher: blake3::Hasher,
    manifest_hash: [u8; 32],
    root: [u8; 32],
    ended: bool,
}

impl<F: StorageFile> SnapshotReader<F> {
    /// Opens the snapshot of `next_offset` offsets: header, footer and manifest are checked, chunks when they are read.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open<S: Storage<File = F>>(storage: &S, next_offset: u64) -> Result<Self, SnapshotError> {
        let name = name_of(next_offset);
        let io = |source| SnapshotError::Io { name: name.clone(), source };
        let damaged =
            |byte, reason: &str| SnapshotError::Damaged { name: name.clone(), byte, reason: reason.to_owned() };
        let file = storage.open(&name).map_err(io)?;
        let size = file.size().map_err(io)?;
        if size < (HEADER_SIZE + FOOTER_SIZE + PART_HEAD_SIZE) as u64 {
            return Err(damaged(size, "the file is cut"));
        }
        let mut bytes = [0; HEADER_SIZE];
        file.read_exact_at(&mut bytes, 0).map_err(io)?;
        let header = match decode_header(&bytes) {
            Some(Ok(header)) if header.next_offset == next_offset => header,
            Some(Err(found)) => return Err(SnapshotError::NewerFormat { name, found }),
            _ => return Err(damaged(0, "the header's checksum does not hold, or it is another snapshot's")),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        let footer_byte = size - FOOTER_SIZE as u64;
        file.read_exact_at(&mut bytes, footer_byte).map_err(io)?;
        let (manifest_byte, root) =
            decode_footer(&bytes).ok_or_else(|| damaged(footer_byte, "the footer's checksum does not hold"))?;
        let part = read_part(&file, manifest_byte, footer_byte).map_err(|fault| fault.of(&name))?;
        let Part { bytes: manifest, hash: manifest_hash, end } =
            part.ok_or_else(|| damaged(manifest_byte, "there is no manifest"))?;
        if end != footer_byte {
            return Err(damaged(end, "something stands between manifest and footer"));
        }
        let byte = HEADER_SIZE as u64;
        Ok(Self { file, name, header, manifest, manifest_byte, byte, hasher, manifest_hash, root, ended: false })
    }

    /// What its file says of it.
    pub fn header(&self) -> SnapshotHeader {
        self.header
    }

    /// BLAKE3 over the hashes of all its parts: names what it holds.
    pub fn root(&self) -> [u8; 32] {
        self.root
    }

    /// Its manifest.
    pub fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// The error of a snapshot whose bytes are what was written, and yet cannot be.
    pub fn contradicts(&self, reason: &str) -> SnapshotError {
        SnapshotError::Damaged { name: self.name.clone(), byte: self.byte, reason: reason.to_owned() }
    }

    /// The next chunk; `None` behind the last, and only if all of them together are what was written.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        if self.ended {
            return Ok(None);
        }
        let part = read_part(&self.file, self.byte, self.manifest_byte).map_err(|fault| fault.of(&self.name))?;
        if let Some(Part { bytes, hash, end }) = part {
            self.hasher.update(&hash);
            self.byte = end;
            return Ok(Some(bytes));
        }
        self.ended = true;
        self.hasher.update(&self.manifest_hash);
        let whole = self.byte + 4 == self.manifest_byte && *self.hasher.finalize().as_bytes() == self.root;
        let reason = "a chunk is missing, or not where it was written".to_owned();
        whole.then_some(None).ok_or(SnapshotError::Damaged { name: self.name.clone(), byte: self.byte, reason })
    }

    /// Reads on to the end: every byte that is left is looked at.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn check_rest(&mut self) -> Result<(), SnapshotError> {
        while self.next_chunk()?.is_some() {}
        Ok(())
    }
}

/// A chunk or manifest, decompressed and checked.
struct Part {
    bytes: Vec<u8>,
    hash: [u8; 32],
    /// The byte behind it.
    end: u64,
}

/// What is wrong with a part.
enum PartFault {
    Damaged { byte: u64, reason: &'static str },
    Io(io::Error),
}

impl PartFault {
    fn of(self, name: &str) -> SnapshotError {
        let name = name.to_owned();
        match self {
            Self::Damaged { byte, reason } => SnapshotError::Damaged { name, byte, reason: reason.to_owned() },
            Self::Io(source) => SnapshotError::Io { name, source },
        }
    }
}

/// The part at `byte`, which ends at `limit` or before; `None` if there is a zero instead.
fn read_part<F: StorageFile>(file: &F, byte: u64, limit: u64) -> Result<Option<Part>, PartFault> {
    let damaged = |reason| PartFault::Damaged { byte, reason };
    let mut size = [0; 4];
    let left = limit.checked_sub(byte).filter(|left| *left >= 4).ok_or_else(|| damaged("it lies behind the end"))?;
    file.read_exact_at(&mut size, byte).map_err(PartFault::Io)?;
    let size = u32::from_le_bytes(size);
    if size == 0 {
        return Ok(None);
    }
    let whole = u64::from(size) + 4;
    if whole > left || whole < PART_HEAD_SIZE as u64 || whole > 2 * MAX_CHUNK_SIZE as u64 {
        return Err(damaged("its size cannot be"));
    }
    let mut stored = vec![0; size as usize];
    file.read_exact_at(&mut stored, byte + 4).map_err(PartFault::Io)?;
    let (head, compressed) = stored.split_at(PART_HEAD_SIZE - 4);
    let hash: [u8; 32] = array_at(head, 0);
    if hash_of(&head[32..], compressed) != hash && !planted::is(Bug::ChunkUnchecked) {
        return Err(damaged("its hash does not hold"));
    }
    let raw_size = u32_at(head, 32) as usize;
    let fits = raw_size <= MAX_CHUNK_SIZE;
    let bytes = fits.then(|| zstd::bulk::decompress(compressed, raw_size).ok()).flatten();
    let bytes = bytes.filter(|bytes| bytes.len() == raw_size).ok_or_else(|| damaged("it does not decompress"))?;
    Ok(Some(Part { bytes, hash, end: byte + whole }))
}

/// BLAKE3 of the size of the bytes ‖ their compressed form: checked before anything is decompressed.
fn hash_of(raw_size: &[u8], compressed: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(raw_size).update(compressed).finalize().as_bytes()
}

fn encode_header(header: &SnapshotHeader) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_SIZE);
    out.extend(HEADER_MAGIC);
    out.extend(SNAPSHOT_VERSION.to_le_bytes());
    out.extend([0; 4]);
    out.extend(header.log_id.0);
    out.extend(header.next_offset.to_le_bytes());
    close(out)
}

/// The header, or the version if it is a newer one; `None` if the checksum does not hold.
fn decode_header(bytes: &[u8; HEADER_SIZE]) -> Option<Result<SnapshotHeader, u32>> {
    if !is_closed(bytes, HEADER_MAGIC) {
        return None;
    }
    match u32_at(bytes, 8) {
        SNAPSHOT_VERSION => {
            Some(Ok(SnapshotHeader { log_id: LogId(array_at(bytes, 16)), next_offset: u64_at(bytes, 32) }))
        }
        newer => Some(Err(newer)),
    }
}

fn encode_footer(manifest_byte: u64, root: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FOOTER_SIZE);
    out.extend(FOOTER_MAGIC);
    out.extend(manifest_byte.to_le_bytes());
    out.extend(root);
    close(out)
}

fn decode_footer(bytes: &[u8; FOOTER_SIZE]) -> Option<(u64, [u8; 32])> {
    is_closed(bytes, FOOTER_MAGIC).then(|| (u64_at(bytes, 8), array_at(bytes, 16)))
}

/// Pads to the size of a header or footer, checksum included.
fn close(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(HEADER_SIZE - 4, 0);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn is_closed(bytes: &[u8; HEADER_SIZE], magic: [u8; 8]) -> bool {
    bytes[..8] == magic && u32_at(bytes, HEADER_SIZE - 4) == crc32c::crc32c(&bytes[..HEADER_SIZE - 4])
}
