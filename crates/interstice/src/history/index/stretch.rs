//! A stretch of a log under index, in a file: which transactions changed a row, and where they stand.
//!
//! One file holds one stretch, named by its first offset: `00000000000000040960.index`. All numbers little endian.
//!
//! ```text
//! header 128    magic ISINDX01 ─ version u32 ─ zero u32 ─ log id 16 ─ first offset u64 ─ first frame u64 ─ offset behind the last u64
//!               ─ frame behind the last u64 ─ byte of the last frame u64 ─ size of the outline u64 ─ count of entries u64
//!               ─ CRC32C of the outline u32 ─ zero u32 ─ bytes of log u64 ─ zeros ─ CRC32C u32 of all before
//! chain 64      chain hash of the last frame 32 ─ zeros ─ CRC32C u32 of all before
//! outline       the record of a transaction that makes tables and modules as they were before the stretch
//! blocks        4096 each: entries in order, the last block filled up with zeros, then their count u32 ─ zeros ─ CRC32C u32 of all before
//! entry 16      hash of table and key u32 ─ offset u32 ─ frame u32 ─ byte of the frame, in units of eight, u32
//! ```
//!
//! Offsets and frames in entries count from the first of the stretch. A hash may stand for several rows: whoever finds an entry looks
//! at what the transaction changed. A file is a pure function of the stretch: it can be thrown away at any time and made again.

use interstice_log::frame::{ChainHash, Position};
use interstice_log::segment::LogId;
use interstice_log::snapshot::{list_numbered, unfinished_name};
use interstice_log::storage::{Storage, StorageFile};
use interstice_types::id::{Offset, TableId};
use std::io;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MAGIC: [u8; 8] = *b"ISINDX01";
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 128;
const CHAIN_SIZE: usize = 64;
const BLOCK_SIZE: usize = 4096;
const ENTRY_SIZE: usize = 16;
/// Entries of a block.
const BLOCK_ENTRIES: usize = (BLOCK_SIZE - ENTRY_SIZE) / ENTRY_SIZE;
/// Largest outline.
const MAX_OUTLINE_SIZE: u64 = 256 << 20;
const ENDING: &str = ".index";
/// Bytes of a frame's place that an entry counts as one.
const BYTE_UNIT: u64 = 8;

/// What is looked for under an index: a row, or everything that changed tables and modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hash(u32);

impl Hash {
    /// Tables and modules.
    pub(super) const OUTLINE: Self = Self(0);

    /// The row of `table` whose primary key has these encoded values.
    pub(super) fn of_row(table: TableId, key: &[u8]) -> Self {
        Self((xxh3_64_with_seed(key, u64::from(table.0)) as u32).max(1))
    }
}

/// A transaction, and where the frame stands in which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) offset: Offset,
    pub(super) frame: Position,
    pub(super) byte: u64,
}

/// One line of an index; in order by hash, then by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    hash: Hash,
    offset: u32,
    frame: u32,
    byte: u32,
}

impl Entry {
    /// In a stretch that begins at `begin`.
    pub(super) fn new(hash: Hash, place: Place, begin: End) -> Self {
        let from = |begin: u64, number: u64| {
            u32::try_from(number - begin).expect("invariant: a stretch is far shorter than four billion transactions")
        };
        Self {
            hash,
            offset: from(begin.offset, place.offset),
            frame: from(begin.frame.0, place.frame.0),
            // Only a hint: where it does not fit, the frame is looked for.
            byte: u32::try_from(place.byte / BYTE_UNIT).unwrap_or(0),
        }
    }

    pub(super) fn hash(self) -> Hash {
        self.hash
    }

    pub(super) fn place(self, begin: End) -> Place {
        Place {
            offset: begin.offset + Offset::from(self.offset),
            frame: Position(begin.frame.0 + u64::from(self.frame)),
            byte: u64::from(self.byte) * BYTE_UNIT,
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        for number in [self.hash.0, self.offset, self.frame, self.byte] {
            out.extend(number.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Self {
        let [hash, offset, frame, byte] = [0, 4, 8, 12].map(|at| u32_at(bytes, at));
        Self { hash: Hash(hash), offset, frame, byte }
    }
}

/// An end of a stretch: the offset and the frame that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) offset: Offset,
    pub(super) frame: Position,
}

/// The last frame of a stretch: where it stands, and its chain hash, which says what all before it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastFrame {
    pub(super) byte: u64,
    pub(super) chain: ChainHash,
}

/// What a stretch's file says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) log_id: LogId,
    pub(super) begin: End,
    pub(super) end: End,
    pub(super) last: LastFrame,
    /// Bytes of log in it.
    pub(super) log_size: u64,
    pub(super) entries: u64,
    outline_size: u64,
    outline_crc: u32,
}

/// Why a stretch's file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StretchError {
    /// Its bytes are not what was written, or a later version wrote them.
    #[error("index {name} is damaged at byte {byte}: {reason}")]
    Damaged {
        /// The file.
        name: String,
        /// Where in it.
        byte: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The storage failed.
    #[error("index {name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// What the storage says.
        source: io::Error,
    },
}

/// The first offsets of the stretches that have files, in order.
pub(super) fn list<S: Storage>(storage: &S) -> io::Result<Vec<Offset>> {
    list_numbered(storage, ENDING)
}

/// The file of the stretch that begins with `offset`.
pub(super) fn name_of(offset: Offset) -> String {
    format!("{offset:020}{ENDING}")
}

/// Writes a stretch whose `entries` are in order; whole or not at all.
///
/// # Errors
/// What the storage says.
pub(super) fn write<S: Storage>(storage: &S, head: &Head, outline: &[u8], entries: &[Entry]) -> io::Result<()> {
    if head.outline_size > MAX_OUTLINE_SIZE {
        let text = format!(
            "tables and modules take {} bytes, an index has at most {MAX_OUTLINE_SIZE} for them",
            outline.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let name = name_of(head.begin.offset);
    let unfinished = unfinished_name(&name);
    let mut bytes = head.encode();
    bytes.extend(outline);
    for block in entries.chunks(BLOCK_ENTRIES) {
        let start = bytes.len();
        block.iter().for_each(|entry| entry.encode(&mut bytes));
        bytes.resize(start + BLOCK_SIZE - ENTRY_SIZE, 0);
        bytes.extend((block.len() as u32).to_le_bytes());
        close(&mut bytes, start, BLOCK_SIZE);
    }
    let mut file = storage.create(&unfinished)?;
    file.write_all_at(&bytes, 0)?;
    file.sync()?;
    storage.rename(&unfinished, &name)?;
    storage.sync_directory()
}

impl Head {
    /// Of a stretch with this outline before it and so many bytes of log.
    pub(super) fn new(
        log_id: LogId,
        (begin, end, last): (End, End, LastFrame),
        log_size: u64,
        outline: &[u8],
        entries: &[Entry],
    ) -> Self {
        let (outline_size, outline_crc) = (outline.len() as u64, crc32c::crc32c(outline));
        Self { log_id, begin, end, last, log_size, entries: entries.len() as u64, outline_size, outline_crc }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_SIZE + CHAIN_SIZE);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.log_id.0);
        let (begin, end) = (self.begin, self.end);
        let numbers = [begin.offset, begin.frame.0, end.offset, end.frame.0, self.last.byte];
        numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        [self.outline_size, self.entries].iter().for_each(|number| out.extend(number.to_le_bytes()));
        out.extend(self.outline_crc.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.log_size.to_le_bytes());
        close(&mut out, 0, HEADER_SIZE);
        out.extend(self.last.chain);
        close(&mut out, HEADER_SIZE, CHAIN_SIZE);
        out
    }

    fn decode(bytes: &[u8; HEADER_SIZE + CHAIN_SIZE]) -> Option<Self> {
        let (header, chain) = bytes.split_at(HEADER_SIZE);
        let sound = is_closed(header) && is_closed(chain) && header[..8] == MAGIC && u32_at(header, 8) == VERSION;
        let [first, first_frame, behind, frame_behind, byte, outline_size, entries, log_size] =
            [32, 40, 48, 56, 64, 72, 80, 96].map(|at| u64_at(header, at));
        let (begin, end) = (
            End { offset: first, frame: Position(first_frame) },
            End { offset: behind, frame: Position(frame_behind) },
        );
        let mut last = LastFrame { byte, chain: [0; 32] };
        last.chain.copy_from_slice(&chain[..32]);
        let mut log_id = LogId([0; 16]);
        log_id.0.copy_from_slice(&header[16..32]);
        let spans = begin.offset <= end.offset && begin.frame < end.frame && outline_size <= MAX_OUTLINE_SIZE;
        let outline_crc = u32_at(header, 88);
        (sound && spans).then_some(Self { log_id, begin, end, last, log_size, entries, outline_size, outline_crc })
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.block_byte(self.blocks())
    }

    fn blocks(&self) -> u64 {
        self.entries.div_ceil(BLOCK_ENTRIES as u64)
    }

    fn block_byte(&self, block: u64) -> u64 {
        ((HEADER_SIZE + CHAIN_SIZE) as u64 + self.outline_size).saturating_add(block.saturating_mul(BLOCK_SIZE as u64))
    }
}

/// A stretch's file, open.
pub(super) struct StretchFile<F> {
    file: F,
    name: String,
    head: Head,
}

impl<F: StorageFile> StretchFile<F> {
    /// Opens the stretch that begins with `offset`.
    ///
    /// # Errors
    /// [`StretchError`].
    pub(super) fn open<S: Storage<File = F>>(storage: &S, offset: Offset) -> Result<Self, StretchError> {
        let name = name_of(offset);
        let failed = |source| StretchError::Io { name: name.clone(), source };
        let damaged = |reason| StretchError::Damaged { name: name.clone(), byte: 0, reason };
        let file = storage.open(&name).map_err(failed)?;
        let size = file.size().map_err(failed)?;
        let mut bytes = [0; HEADER_SIZE + CHAIN_SIZE];
        if size < bytes.len() as u64 {
            return Err(damaged("the file is cut"));
        }
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let head = Head::decode(&bytes).ok_or_else(|| damaged("the header's checksum does not hold"))?;
        if head.begin.offset != offset || head.size() != size {
            return Err(damaged("it is another stretch's, or cut"));
        }
        Ok(Self { file, name, head })
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// The outline before the stretch.
    ///
    /// # Errors
    /// [`StretchError`].
    pub(super) fn outline(&self) -> Result<Vec<u8>, StretchError> {
        let mut bytes = vec![0; self.head.outline_size as usize];
        self.read(&mut bytes, (HEADER_SIZE + CHAIN_SIZE) as u64)?;
        if crc32c::crc32c(&bytes) == self.head.outline_crc {
            Ok(bytes)
        } else {
            Err(self.damaged((HEADER_SIZE + CHAIN_SIZE) as u64, "the outline's checksum does not hold"))
        }
    }

    /// All places under `hash`, in order.
    ///
    /// # Errors
    /// [`StretchError`].
    pub(super) fn find(&self, hash: Hash) -> Result<Vec<Place>, StretchError> {
        let mut found = Vec::new();
        let first = self.first_block_with(hash)?;
        for block in first..self.head.blocks() {
            let entries = self.block(block)?;
            found.extend(entries.iter().filter(|one| one.hash == hash).map(|one| one.place(self.head.begin)));
            if entries.last().is_none_or(|last| last.hash > hash) {
                break;
            }
        }
        Ok(found)
    }

    /// The first block whose last entry does not come before `hash`.
    fn first_block_with(&self, hash: Hash) -> Result<u64, StretchError> {
        let (mut low, mut high) = self.about(hash)?;
        while low < high {
            let middle = low.midpoint(high);
            if self.block(middle)?.last().is_some_and(|last| last.hash < hash) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Blocks among which that one is: hashes are spread evenly, so it is not far from where `hash` stands among all that there may
    /// be.
    fn about(&self, hash: Hash) -> Result<(u64, u64), StretchError> {
        /// Blocks on either side.
        const MARGIN: u64 = 4;
        let blocks = self.head.blocks();
        let middle = (u64::from(hash.0) * blocks) >> u32::BITS;
        let (low, high) = (middle.saturating_sub(MARGIN), (middle + MARGIN).min(blocks));
        let begins = low == 0 || self.block(low - 1)?.last().is_some_and(|last| last.hash < hash);
        let ends = high == blocks || self.block(high)?.last().is_some_and(|last| last.hash >= hash);
        Ok(if begins && ends { (low, high) } else { (0, blocks) })
    }

    fn block(&self, number: u64) -> Result<Vec<Entry>, StretchError> {
        let byte = self.head.block_byte(number);
        let mut bytes = [0; BLOCK_SIZE];
        self.read(&mut bytes, byte)?;
        let left = self.head.entries - number * BLOCK_ENTRIES as u64;
        let count = left.min(BLOCK_ENTRIES as u64) as usize;
        if !is_closed(&bytes) || u32_at(&bytes, BLOCK_SIZE - ENTRY_SIZE) as usize != count {
            return Err(self.damaged(byte, "a block's checksum does not hold"));
        }
        Ok(bytes.chunks_exact(ENTRY_SIZE).take(count).map(Entry::decode).collect())
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// [`StretchError`].
    pub(super) fn entries(&self) -> Result<Vec<Entry>, StretchError> {
        let blocks = (0..self.head.blocks()).map(|number| self.block(number));
        Ok(blocks.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Whether it is what somebody made again, the outline apart; looks at every byte.
    ///
    /// # Errors
    /// [`StretchError`].
    pub(super) fn is_same(&self, head: &Head, entries: &[Entry]) -> Result<bool, StretchError> {
        Ok(self.head == *head && self.entries()? == entries)
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), StretchError> {
        let failed = |source| StretchError::Io { name: self.name.clone(), source };
        self.file.read_exact_at(bytes, at).map_err(failed)
    }

    fn damaged(&self, byte: u64, reason: &'static str) -> StretchError {
        StretchError::Damaged { name: self.name.clone(), byte, reason }
    }
}

/// Fills what begins at `start` up to `size`, a checksum of all of it last.
fn close(bytes: &mut Vec<u8>, start: usize, size: usize) {
    bytes.resize(start + size - 4, 0);
    let crc = crc32c::crc32c(&bytes[start..]);
    bytes.extend(crc.to_le_bytes());
}

fn is_closed(bytes: &[u8]) -> bool {
    let end = bytes.len() - 4;
    crc32c::crc32c(&bytes[..end]) == u32_at(bytes, end)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("invariant: the field lies inside"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("invariant: the field lies inside"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use interstice_log::storage::memory::MemoryStorage;
    use interstice_types::id::to_hex;

    const BEGIN: End = End { offset: 40_960, frame: Position(7) };

    fn written(entries: &[Entry]) -> (MemoryStorage, Head) {
        let (storage, end) = (MemoryStorage::default(), End { offset: 40_963, frame: Position(9) });
        let last = LastFrame { byte: 4_096, chain: [5; 32] };
        let head = Head::new(LogId([1; 16]), (BEGIN, end, last), 1_234, b"outline", entries);
        write(&storage, &head, b"outline", entries).unwrap();
        (storage, head)
    }

    fn place(offset: Offset, byte: u64) -> Place {
        Place { offset, frame: Position(8), byte }
    }

    #[test]
    fn the_bytes_of_a_stretch_are_fixed() {
        let row = Hash::of_row(TableId(3), &[1, 2]);
        let entries =
            [Entry::new(Hash::OUTLINE, place(40_960, 128), BEGIN), Entry::new(row, place(40_962, 4_096), BEGIN)];
        let (storage, _) = written(&entries);
        let file = storage.open("00000000000000040960.index").unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let (front, block) = bytes.split_at(HEADER_SIZE + CHAIN_SIZE + 7);
        let lines = front.chunks(32).chain([&block[..32], &block[BLOCK_SIZE - 16..]]).map(to_hex);
        expect![[r"
            4953494e44583031010000000000000001010101010101010101010101010101
            00a0000000000000070000000000000003a00000000000000900000000000000
            001000000000000007000000000000000200000000000000217c199000000000
            d204000000000000000000000000000000000000000000000000000075445fb5
            0505050505050505050505050505050505050505050505050505050505050505
            000000000000000000000000000000000000000000000000000000009ee56665
            6f75746c696e65
            00000000000000000100000010000000a344035e020000000100000000020000
            02000000000000000000000004667b00
        "]]
        .assert_eq(&(lines.collect::<Vec<_>>().join("\n") + "\n"));
    }

    /// As many entries as fill no block, one, several, with hashes that many share, and more.
    #[test]
    fn what_is_looked_for_is_found_and_nothing_else() {
        for count in [0, 1, 254, 255, 256, 3_000, 20_000_u64] {
            for spread in [1, 100, u64::from(u32::MAX)] {
                let hash = |number: u64| Hash((number.wrapping_mul(2_654_435_761) % spread) as u32);
                let mut entries: Vec<_> = (0..count)
                    .map(|number| Entry::new(hash(number), place(BEGIN.offset + number, number * 8), BEGIN))
                    .collect();
                entries.sort_unstable();
                let (storage, head) = written(&entries);
                let file = StretchFile::open(&storage, BEGIN.offset).unwrap();
                assert_eq!((file.head(), file.entries().unwrap()), (&head, entries.clone()));
                for wanted in (0..count.min(300)).map(hash).chain([Hash(0), Hash(77), Hash(u32::MAX)]) {
                    let places = entries.iter().filter(|one| one.hash == wanted).map(|one| one.place(BEGIN));
                    assert_eq!(file.find(wanted).unwrap(), places.collect::<Vec<_>>(), "{count} {spread} {wanted:?}");
                }
            }
        }
    }
}
