//! Frames: what is synced together, and the bytes in front of it.
//!
//! All numbers little endian; both checksums are CRC32C seeded with the segment's salt, so that bytes which a client wrote
//! or an earlier use of the file left never pass as a frame.
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `ISFR` |
//! | 4 | 2 | version, 1 |
//! | 6 | 2 | header size, 152 |
//! | 8 | 1 | kind |
//! | 9 | 1 | flags: 1 first part, 2 last part |
//! | 10 | 2 | zero |
//! | 12 | 4 | part |
//! | 16 | 8 | frame index |
//! | 24 | 16 | lineage |
//! | 40 | 8 | epoch |
//! | 48 | 8 | position of this header in its segment |
//! | 56 | 8 | first offset |
//! | 64 | 4 | count of offsets that it completes |
//! | 68 | 4 | payload size |
//! | 72 | 8 | synced through: count of offsets that were durable when it was written |
//! | 80 | 32 | chain hash of the frame before |
//! | 112 | 32 | chain hash: BLAKE3 of bytes 0..112 ‖ payload |
//! | 144 | 4 | CRC32C of the payload |
//! | 148 | 4 | CRC32C of bytes 0..148 |

use crate::planted::{self, Bug};

/// Bytes in front of a payload.
pub const FRAME_HEADER_SIZE: usize = 152;
/// Largest payload of a frame.
pub const MAX_FRAME_PAYLOAD: usize = 512 << 10;
/// Frames and footers begin at multiples of this.
pub const ALIGNMENT: u64 = 8;

/// The first four bytes of a frame.
pub const FRAME_MAGIC: [u8; 4] = *b"ISFR";
const FRAME_VERSION: u16 = 1;
const FLAG_FIRST_PART: u8 = 1;
const FLAG_LAST_PART: u8 = 2;

/// The number of a frame, of any kind, from 0 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// The number of a writer: a later one has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Names one history; a fork or a repair starts another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lineage(pub [u8; 16]);

/// BLAKE3 over everything up to a frame.
pub type ChainHash = [u8; 32];

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Transactions.
    Transactions,
    /// A writer begins.
    Epoch,
    /// The log is idle; certifies what came before.
    Seal,
    /// Another history begins: what a repair gave up, or what was restored.
    Loss,
}

/// What a caller appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// Whether a transaction begins here.
    pub first_part: bool,
    /// Whether a transaction ends here.
    pub last_part: bool,
    /// The number of the part, 0 for the first.
    pub part: u32,
    /// The offset of the first transaction in it.
    pub first_offset: u64,
    /// Offsets that it completes; 0 for a part that is not the last, and for kinds without transactions.
    pub count: u32,
    /// Opaque; at most [`MAX_FRAME_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of `count` whole transactions.
    pub fn transactions(first_offset: u64, count: u32, payload: Vec<u8>) -> Self {
        Self { kind: FrameKind::Transactions, first_part: true, last_part: true, part: 0, first_offset, count, payload }
    }

    /// A frame without transactions.
    pub fn marker(kind: FrameKind, next_offset: u64) -> Self {
        Self {
            kind,
            first_part: true,
            last_part: true,
            part: 0,
            first_offset: next_offset,
            count: 0,
            payload: Vec::new(),
        }
    }

    /// One transaction of any size, as the frames that it takes.
    pub fn split(offset: u64, payload: &[u8]) -> Vec<Self> {
        let parts: Vec<&[u8]> = payload.chunks(MAX_FRAME_PAYLOAD).collect();
        let last = parts.len().saturating_sub(1);
        let frame = |(part, bytes): (usize, &[u8])| Self {
            kind: FrameKind::Transactions,
            first_part: part == 0,
            last_part: part == last,
            part: part as u32,
            first_offset: offset,
            count: u32::from(part == last),
            payload: bytes.to_vec(),
        };
        parts.into_iter().enumerate().map(frame).collect()
    }

    /// Bytes that it takes in a log.
    pub fn size(&self) -> u64 {
        frame_size(self.payload.len()) as u64
    }

    /// Why this frame cannot stand where `next_offset` is the next offset and `next_part` the part that is due, if so.
    /// An epoch frame may stand anywhere: it voids a transaction that the writer before did not finish.
    pub(crate) fn fault(&self, next_offset: u64, next_part: u32) -> Option<&'static str> {
        let marker = self.kind != FrameKind::Transactions;
        let count_fits = match (marker, self.first_part, self.last_part) {
            (true, ..) | (false, _, false) => self.count == 0,
            (false, true, true) => self.count > 0,
            (false, false, true) => self.count == 1,
        };
        let due = if self.kind == FrameKind::Epoch { 0 } else { next_part };
        let checks = [
            (self.payload.len() <= MAX_FRAME_PAYLOAD, "the payload is larger than a frame's limit"),
            (self.first_offset == next_offset, "the frame's offsets are not the next ones"),
            (next_offset.checked_add(u64::from(self.count)).is_some(), "the offsets are used up"),
            (self.part == due && self.first_part == (due == 0), "the part is not the next one of its transaction"),
            (!marker || self.last_part, "only a transaction has parts"),
            (count_fits, "the count of offsets does not fit the part"),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
    }

    /// The part that is due behind this frame.
    pub(crate) fn next_part(&self) -> u32 {
        if self.last_part { 0 } else { self.part.saturating_add(1) }
    }
}

/// A frame as it stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFrame {
    /// Its number.
    pub position: Position,
    /// Its writer.
    pub epoch: Epoch,
    /// Its history.
    pub lineage: Lineage,
    /// Count of offsets that were durable when it was written.
    pub synced_through: u64,
    /// The byte of its file at which it stands, for [`read_at`](crate::log::CommitLog::read_at); 0 where there is no file.
    pub byte: u64,
    /// Over everything up to and including it.
    pub chain: ChainHash,
    /// What was appended.
    pub frame: Frame,
}

/// What a frame's header says beside the frame itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) lineage: Lineage,
    pub(crate) epoch: Epoch,
    pub(crate) byte: u64,
    pub(crate) synced_through: u64,
    pub(crate) previous: ChainHash,
}

/// A header whose checksum held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) place: Place,
    pub(crate) kind: FrameKind,
    pub(crate) flags: u8,
    pub(crate) part: u32,
    pub(crate) first_offset: u64,
    pub(crate) count: u32,
    pub(crate) payload_size: usize,
    pub(crate) chain: ChainHash,
    pub(crate) payload_crc: u32,
    chained: [u8; 112],
}

/// Appends header, payload and padding; returns the chain hash.
pub(crate) fn encode(frame: &Frame, place: &Place, salt: &[u8; 16], out: &mut Vec<u8>) -> ChainHash {
    assert!(frame.payload.len() <= MAX_FRAME_PAYLOAD, "invariant: a payload is at most {MAX_FRAME_PAYLOAD} bytes");
    let start = out.len();
    out.extend(FRAME_MAGIC);
    out.extend(FRAME_VERSION.to_le_bytes());
    out.extend((FRAME_HEADER_SIZE as u16).to_le_bytes());
    out.push(kind_number(frame.kind));
    out.push((u8::from(frame.first_part) * FLAG_FIRST_PART) | (u8::from(frame.last_part) * FLAG_LAST_PART));
    out.extend([0, 0]);
    out.extend(frame.part.to_le_bytes());
    out.extend(place.position.0.to_le_bytes());
    out.extend(place.lineage.0);
    out.extend(place.epoch.0.to_le_bytes());
    out.extend(place.byte.to_le_bytes());
    out.extend(frame.first_offset.to_le_bytes());
    out.extend(frame.count.to_le_bytes());
    out.extend((frame.payload.len() as u32).to_le_bytes());
    out.extend(place.synced_through.to_le_bytes());
    out.extend(place.previous);
    let chain = chain_of(&out[start..], &frame.payload);
    out.extend(chain);
    out.extend(salted_crc(salt, &frame.payload).to_le_bytes());
    let crc = salted_crc(salt, &out[start..]);
    out.extend(crc.to_le_bytes());
    assert_eq!(out.len() - start, FRAME_HEADER_SIZE, "invariant: the header has its size");
    out.extend(&frame.payload);
    out.resize(start + frame_size(frame.payload.len()), 0);
    chain
}

/// Bytes of a frame with so much payload.
pub(crate) fn frame_size(payload: usize) -> usize {
    FRAME_HEADER_SIZE + payload.next_multiple_of(ALIGNMENT as usize)
}

/// Reads a header. `None` if it is not one of this segment's; `Err` with the version if it is a newer one.
pub(crate) fn decode(bytes: &[u8; FRAME_HEADER_SIZE], salt: &[u8; 16]) -> Result<Option<Header>, u16> {
    let is_whole = u32_at(bytes, 148) == salted_crc(salt, &bytes[..148]) || planted::is(Bug::HeaderUnchecked);
    if bytes[..4] != FRAME_MAGIC || !is_whole {
        return Ok(None);
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version != FRAME_VERSION {
        return Err(version);
    }
    let payload_size = u32_at(bytes, 68) as usize;
    let fits = payload_size <= MAX_FRAME_PAYLOAD && bytes[9] <= FLAG_FIRST_PART | FLAG_LAST_PART;
    let Some(kind) = kind_of(bytes[8]).filter(|_| fits) else { return Ok(None) };
    let place = Place {
        position: Position(u64_at(bytes, 16)),
        lineage: Lineage(array_at(bytes, 24)),
        epoch: Epoch(u64_at(bytes, 40)),
        byte: u64_at(bytes, 48),
        synced_through: u64_at(bytes, 72),
        previous: array_at(bytes, 80),
    };
    Ok(Some(Header {
        place,
        kind,
        flags: bytes[9],
        part: u32_at(bytes, 12),
        first_offset: u64_at(bytes, 56),
        count: u32_at(bytes, 64),
        payload_size,
        chain: array_at(bytes, 112),
        payload_crc: u32_at(bytes, 144),
        chained: array_at(bytes, 0),
    }))
}

impl Header {
    /// Whether `payload` is what the header was written with.
    pub(crate) fn admits(&self, payload: &[u8], salt: &[u8; 16]) -> bool {
        let is_whole = self.payload_crc == salted_crc(salt, payload) && self.chain == chain_of(&self.chained, payload);
        is_whole || planted::is(Bug::PayloadUnchecked)
    }

    pub(crate) fn into_stored(self, payload: Vec<u8>) -> StoredFrame {
        StoredFrame {
            position: self.place.position,
            epoch: self.place.epoch,
            lineage: self.place.lineage,
            synced_through: self.place.synced_through,
            byte: self.place.byte,
            chain: self.chain,
            frame: Frame {
                kind: self.kind,
                first_part: self.flags & FLAG_FIRST_PART != 0,
                last_part: self.flags & FLAG_LAST_PART != 0,
                part: self.part,
                first_offset: self.first_offset,
                count: self.count,
                payload,
            },
        }
    }
}

/// BLAKE3 of the header's first 112 bytes ‖ payload.
pub(crate) fn chain_of(chained: &[u8], payload: &[u8]) -> ChainHash {
    *blake3::Hasher::new().update(chained).update(payload).finalize().as_bytes()
}

/// CRC32C of salt ‖ bytes.
pub(crate) fn salted_crc(salt: &[u8; 16], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(salt), bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("invariant: the field lies inside of the header")
}

fn kind_number(kind: FrameKind) -> u8 {
    match kind {
        FrameKind::Transactions => 0,
        FrameKind::Epoch => 1,
        FrameKind::Seal => 2,
        FrameKind::Loss => 3,
    }
}

fn kind_of(number: u8) -> Option<FrameKind> {
    [FrameKind::Transactions, FrameKind::Epoch, FrameKind::Seal, FrameKind::Loss].get(usize::from(number)).copied()
}
