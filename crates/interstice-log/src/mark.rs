//! `durable.mark`: says outside of the segments how far the log is durable.
//!
//! Two slots, at bytes 0 and 4096; each is 512 bytes, the rest of the 8192 is zeros. All numbers little endian.
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 8 | `ISTMARK1` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | zero |
//! | 16 | 16 | log id |
//! | 32 | 16 | lineage |
//! | 48 | 8 | counter; an even one stands in the first slot |
//! | 56 | 8 | count of durable offsets |
//! | 64 | 8 | index of the next frame |
//! | 72 | 32 | chain hash of the frame before |
//! | 104 | 404 | zeros |
//! | 508 | 4 | CRC32C of bytes 0..508 |
//!
//! 1. A mark is written only for frames that are synced, into the slot of the older one, and synced: whatever becomes of that
//!    write, the other slot stands. A slot is one sector, which disks write whole.
//! 2. When the log is idle, the seal frame is synced first, then the mark: the newest frame that holds transactions is then
//!    certified by the seal and by the mark.
//! 3. Under load it is written once for each segment, behind the first transactions in it: a segment that is gone as a whole is
//!    then missed, though nothing in it can say so.
//! 4. Opening reads the mark before it lists the segments: a writer beside it only makes the log longer than the mark says.
//! 5. Opening writes both slots anew once the tail is durable, and before anything is appended: neither then speaks of a
//!    frame that was cut, and one that was only in the memory of the machine is durable.

use crate::evidence::{Proof, Proven};
use crate::frame::{ChainHash, Lineage, Position, array_at, u32_at, u64_at};
use crate::log::Tail;
use crate::planted::{self, Bug};
use crate::segment::{FORMAT_VERSION, LogId, SegmentHeader};
use crate::storage::{Storage, StorageFile};
use std::{fmt, io};

/// Its name.
pub const MARK_NAME: &str = "durable.mark";
/// Its size in bytes.
pub const MARK_SIZE: usize = 8192;

/// Bytes from one slot to the next: no two share a page.
const SLOT_STRIDE: u64 = 4096;
/// Bytes of a slot.
const SLOT_SIZE: usize = 512;
const MARK_MAGIC: [u8; 8] = *b"ISTMARK1";
/// The name while it is made; the next open removes what a crash leaves of it.
const UNFINISHED_NAME: &str = "spare-durable.mark";

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The log.
    pub log_id: LogId,
    /// The history.
    pub lineage: Lineage,
    /// A later mark has a higher one.
    pub counter: u64,
    /// Count of durable offsets.
    pub next_offset: u64,
    /// The first frame that was not durable.
    pub next_frame: Position,
    /// The chain hash of the frame before that.
    pub chain: ChainHash,
}

impl Mark {
    /// The mark of a log that is durable up to `tail`.
    pub(crate) fn new(log_id: LogId, counter: u64, tail: &Tail) -> Self {
        let Tail { lineage, next_offset, position: next_frame, chain, .. } = *tail;
        Self { log_id, lineage, counter, next_offset, next_frame, chain }
    }

    /// Where its slot begins.
    pub fn byte(&self) -> u64 {
        self.counter % 2 * SLOT_STRIDE
    }

    /// What it proves.
    pub(crate) fn proven(&self) -> Proven {
        Proven { count: self.next_offset, by: Proof::Mark, byte: self.byte() }
    }

    /// Whether a log that came by `tail` is not the one that it was written for.
    pub(crate) fn contradicts(&self, tail: &Tail) -> bool {
        self.next_frame == tail.position && (self.chain, self.next_offset) != (tail.chain, tail.next_offset)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SLOT_SIZE);
        out.extend(MARK_MAGIC);
        out.extend(FORMAT_VERSION.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.log_id.0);
        out.extend(self.lineage.0);
        out.extend(self.counter.to_le_bytes());
        out.extend(self.next_offset.to_le_bytes());
        out.extend(self.next_frame.0.to_le_bytes());
        out.extend(self.chain);
        out.resize(SLOT_SIZE - 4, 0);
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }
}

/// What stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A mark.
    Mark(Mark),
    /// Bytes that are none.
    Damaged,
    /// The mark of a newer version.
    Newer(u32),
}

/// What stands in both slots of the file; `None` if it is not there.
///
/// # Errors
/// What the storage says.
pub fn slots<S: Storage>(storage: &S) -> io::Result<Option<[Slot; 2]>> {
    Ok(MarkFile::read(storage)?.slots)
}

fn decode(bytes: &[u8; SLOT_SIZE], byte: u64) -> Slot {
    let crc = crc32c::crc32c(&bytes[..SLOT_SIZE - 4]);
    if bytes[..8] != MARK_MAGIC || crc != u32_at(bytes, SLOT_SIZE - 4) {
        return Slot::Damaged;
    }
    match u32_at(bytes, 8) {
        FORMAT_VERSION => {}
        newer => return Slot::Newer(newer),
    }
    let mark = Mark {
        log_id: LogId(array_at(bytes, 16)),
        lineage: Lineage(array_at(bytes, 32)),
        counter: u64_at(bytes, 48),
        next_offset: u64_at(bytes, 56),
        next_frame: Position(u64_at(bytes, 64)),
        chain: array_at(bytes, 72),
    };
    if mark.byte() == byte { Slot::Mark(mark) } else { Slot::Damaged }
}

/// The file as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarkFile {
    /// `None` if there is no such file.
    slots: Option<[Slot; 2]>,
}

/// What is to be said of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarkFinding {
    /// Whether the log has no mark that counts, and should have one.
    pub(crate) is_fault: bool,
    pub(crate) byte: u64,
    pub(crate) text: String,
}

impl fmt::Display for MarkFinding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{MARK_NAME}`, byte {}: {}", self.byte, self.text)
    }
}

impl MarkFile {
    /// A log without the file.
    pub(crate) const MISSING: Self = Self { slots: None };

    /// Reads the file.
    ///
    /// # Errors
    /// What the storage says: never taken for damage.
    pub(crate) fn read<S: Storage>(storage: &S) -> io::Result<Self> {
        let file = match storage.open(MARK_NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::MISSING),
            Err(error) => return Err(error),
        };
        let mut slots = [Slot::Damaged; 2];
        for (slot, number) in slots.iter_mut().zip(0_u64..) {
            let (mut bytes, byte) = ([0; SLOT_SIZE], number * SLOT_STRIDE);
            match file.read_exact_at(&mut bytes, byte) {
                Ok(()) => *slot = decode(&bytes, byte),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { slots: Some(slots) })
    }

    /// The version that wrote it, if that is a newer one.
    pub(crate) fn newer(&self) -> Option<u32> {
        self.slots.iter().flatten().find_map(|slot| if let Slot::Newer(version) = slot { Some(*version) } else { None })
    }

    fn marks(&self) -> impl Iterator<Item = Mark> {
        let marks = |slot| if let Slot::Mark(mark) = slot { Some(mark) } else { None };
        self.slots.into_iter().flatten().filter_map(marks)
    }

    /// The newest mark of this log and history.
    pub(crate) fn of(&self, header: &SegmentHeader) -> Option<Mark> {
        let ours = |mark: &Mark| {
            (mark.log_id, mark.lineage) == (header.log_id, header.lineage) || planted::is(Bug::ForeignMarkCounts)
        };
        self.marks().filter(ours).max_by_key(|mark| mark.counter)
    }

    /// The newest mark, whichever log it is of.
    pub(crate) fn newest(&self) -> Option<Mark> {
        self.marks().max_by_key(|mark| mark.counter)
    }

    /// What is to be said of it, beside a log that begins with `header` and of which frames are there or not.
    pub(crate) fn finding(&self, header: &SegmentHeader, has_frames: bool) -> Option<MarkFinding> {
        let finding = |is_fault, byte, text: &str| Some(MarkFinding { is_fault, byte, text: text.to_owned() });
        let Some(slots) = self.slots else {
            let text = "the file is not there: nothing but the segments says how far they were durable";
            return has_frames.then(|| finding(false, 0, text)).flatten();
        };
        let damaged: Vec<u64> = slots
            .iter()
            .zip([0, SLOT_STRIDE])
            .filter(|(slot, _)| **slot == Slot::Damaged)
            .map(|(_, byte)| byte)
            .collect();
        match damaged[..] {
            [_, _] => {
                finding(true, 0, "both slots are damaged: nothing but the segments says how far they were durable")
            }
            _ if self.of(header).is_none() => {
                finding(true, 0, "it belongs to another log or history, and proves nothing")
            }
            [byte] => finding(false, byte, "the slot is damaged; the other one counts"),
            _ => None,
        }
    }

    /// Writes both slots for a log that is durable up to `tail`, the older one first; returns the next counter.
    ///
    /// # Errors
    /// What the storage says.
    pub(crate) fn renew<S: Storage>(&self, storage: &S, log_id: LogId, tail: &Tail) -> io::Result<u64> {
        let first = self.newest().map_or(0, |mark| mark.counter.wrapping_add(1));
        let marks = [first, first.wrapping_add(1)].map(|counter| Mark::new(log_id, counter, tail));
        if self.slots.is_none() {
            create(storage, &marks)?;
        } else {
            let mut file = storage.open(MARK_NAME)?;
            marks.iter().try_for_each(|mark| write(&mut file, mark))?;
        }
        Ok(first.wrapping_add(2))
    }
}

/// Makes the file under another name first: it is never there but whole.
fn create<S: Storage>(storage: &S, marks: &[Mark]) -> io::Result<()> {
    let mut file = storage.create(UNFINISHED_NAME)?;
    file.write_all_at(&[0; MARK_SIZE], 0)?;
    marks.iter().try_for_each(|mark| file.write_all_at(&mark.encode(), mark.byte()))?;
    file.sync()?;
    storage.rename(UNFINISHED_NAME, MARK_NAME)?;
    storage.sync_directory()
}

/// Writes a mark into its slot and makes it durable.
///
/// # Errors
/// What the storage says.
pub(crate) fn write<F: StorageFile>(file: &mut F, mark: &Mark) -> io::Result<()> {
    file.write_all_at(&mark.encode(), mark.byte())?;
    if planted::is(Bug::MarkUnsynced) { Ok(()) } else { file.sync() }
}
