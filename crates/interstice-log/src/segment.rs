//! Segments: header, frames, footer; and the walk over one.
//!
//! Header, 4096 bytes: magic `ISTSEG01` ‖ version u32 ‖ zero u32 ‖ log id 16 ‖ lineage 16 ‖ first offset u64 ‖ first frame
//! u64 ‖ chain hash at the start 32 ‖ salt 16 ‖ zeros ‖ CRC32C u32 of all before it.
//!
//! Footer, 96 bytes behind the last frame of a sealed segment: magic `ISFT` ‖ zero u32 ‖ first offset u64 ‖ next offset u64
//! ‖ next frame u64 ‖ own position u64 ‖ chain hash 32 ‖ zeros ‖ salted CRC32C u32 of all before it.

use crate::frame::{
    self, ALIGNMENT, ChainHash, Epoch, FRAME_HEADER_SIZE, FRAME_MAGIC, Header, Lineage, Position, StoredFrame,
    array_at, frame_size, salted_crc, u32_at, u64_at,
};
use crate::log::{ReadError, Tail};
use crate::storage::StorageFile;

/// Bytes in front of the first frame.
pub const SEGMENT_HEADER_SIZE: usize = 4096;
/// Bytes behind the last frame of a sealed segment.
pub const FOOTER_SIZE: usize = 96;
/// The format of segments and frames.
pub const FORMAT_VERSION: u32 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"ISTSEG01";
const FOOTER_MAGIC: [u8; 4] = *b"ISFT";

/// Names a log, whatever happens to its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogId(pub [u8; 16]);

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log that it belongs to.
    pub log_id: LogId,
    /// The history that it belongs to.
    pub lineage: Lineage,
    /// The offset that its first transaction has.
    pub first_offset: u64,
    /// The number of its first frame.
    pub first_frame: Position,
    /// The chain hash of the frame before.
    pub chain: ChainHash,
    /// Seeds its checksums.
    pub salt: [u8; 16],
}

/// Why a header cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderFault {
    /// It was written by a newer version.
    Newer(u32),
    /// Its bytes are not a header.
    Invalid,
}

impl SegmentHeader {
    /// The segment's file name.
    pub fn name(&self) -> String {
        format!("{:020}.log", self.first_offset)
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_SIZE);
        out.extend(SEGMENT_MAGIC);
        out.extend(FORMAT_VERSION.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.log_id.0);
        out.extend(self.lineage.0);
        out.extend(self.first_offset.to_le_bytes());
        out.extend(self.first_frame.0.to_le_bytes());
        out.extend(self.chain);
        out.extend(self.salt);
        out.resize(SEGMENT_HEADER_SIZE - 4, 0);
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`HeaderFault`].
    pub fn decode(bytes: &[u8; SEGMENT_HEADER_SIZE]) -> Result<Self, HeaderFault> {
        let crc = crc32c::crc32c(&bytes[..SEGMENT_HEADER_SIZE - 4]);
        if bytes[..8] != SEGMENT_MAGIC || crc != u32_at(bytes, SEGMENT_HEADER_SIZE - 4) {
            return Err(HeaderFault::Invalid);
        }
        match u32_at(bytes, 8) {
            FORMAT_VERSION => {}
            newer => return Err(HeaderFault::Newer(newer)),
        }
        Ok(Self {
            log_id: LogId(array_at(bytes, 16)),
            lineage: Lineage(array_at(bytes, 32)),
            first_offset: u64_at(bytes, 48),
            first_frame: Position(u64_at(bytes, 56)),
            chain: array_at(bytes, 64),
            salt: array_at(bytes, 96),
        })
    }

    /// Where the log ends before the segment's first frame.
    pub fn start(&self, epoch: Epoch) -> Tail {
        let (position, next_offset) = (self.first_frame, self.first_offset);
        Tail { position, next_offset, epoch, chain: self.chain, lineage: self.lineage }
    }
}

/// The bytes of a footer at byte `at` of a segment that ends with `tail`.
pub(crate) fn encode_footer(header: &SegmentHeader, tail: &Tail, at: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(FOOTER_SIZE);
    out.extend(FOOTER_MAGIC);
    out.extend([0; 4]);
    out.extend(header.first_offset.to_le_bytes());
    out.extend(tail.next_offset.to_le_bytes());
    out.extend(tail.position.0.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend(tail.chain);
    out.resize(FOOTER_SIZE - 4, 0);
    out.extend(salted_crc(&header.salt, &out).to_le_bytes());
    out
}

/// Where and why a walk over a segment came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Zeros or the end of the file: nothing more was written.
    CleanEnd,
    /// A footer that fits.
    Sealed,
    /// Bytes that are not the next frame.
    Invalid {
        /// What is wrong with them.
        reason: String,
    },
    /// A frame of a newer version.
    Newer(u16),
}

/// A walk over the frames of one segment, each checked against checksum, chain and position.
pub struct Walk<F> {
    file: F,
    header: SegmentHeader,
    size: u64,
    byte: u64,
    tail: Tail,
    stop: Option<Stop>,
    synced_through: u64,
    next_part: u32,
}

/// What stands behind the last valid frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Count of offsets that frames and footers there prove durable.
    pub durable: u64,
    /// Byte behind the last one that is not zero.
    pub used_to: u64,
}

impl<F: StorageFile> Walk<F> {
    /// Starts behind the header. `epoch` is that of the frame before.
    ///
    /// # Errors
    /// What the storage says.
    pub fn new(file: F, header: SegmentHeader, epoch: Epoch) -> std::io::Result<Self> {
        let size = file.size()?;
        let tail = header.start(epoch);
        let byte = SEGMENT_HEADER_SIZE as u64;
        Ok(Self { file, header, size, byte, tail, stop: None, synced_through: 0, next_part: 0 })
    }

    /// Byte behind the last valid frame.
    pub fn byte(&self) -> u64 {
        self.byte
    }

    /// The log's end behind the last valid frame.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Size of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The highest `synced_through` of the valid frames.
    pub fn synced_through(&self) -> u64 {
        self.synced_through
    }

    /// The file.
    pub fn into_file(self) -> F {
        self.file
    }

    /// Why it ended, once [`next_frame`](Self::next_frame) has returned `None`.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// The next valid frame; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the storage fails: never taken for an end.
    pub fn next_frame(&mut self) -> Result<Option<StoredFrame>, ReadError> {
        if self.stop.is_some() {
            return Ok(None);
        }
        let stop = match self.read_frame()? {
            Ok(stored) => return Ok(Some(stored)),
            Err(stop) => stop,
        };
        self.stop = Some(stop);
        Ok(None)
    }

    fn read_frame(&mut self) -> Result<Result<StoredFrame, Stop>, ReadError> {
        let left = self.size.saturating_sub(self.byte);
        if left < FRAME_HEADER_SIZE as u64 {
            return self.read_end(left as usize).map(Err);
        }
        let mut bytes = [0; FRAME_HEADER_SIZE];
        self.read_at(&mut bytes, self.byte)?;
        if bytes[..4] != FRAME_MAGIC {
            return self.read_end(FRAME_HEADER_SIZE).map(Err);
        }
        let header = match frame::decode(&bytes, &self.header.salt) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Err(invalid("the frame header's checksum does not hold"))),
            Err(version) => return Ok(Err(Stop::Newer(version))),
        };
        if let Some(reason) = self.misplaced(&header) {
            return Ok(Err(invalid(reason)));
        }
        if self.byte + frame_size(header.payload_size) as u64 > self.size {
            return Ok(Err(invalid("the frame is cut")));
        }
        let mut payload = vec![0; header.payload_size];
        self.read_at(&mut payload, self.byte + FRAME_HEADER_SIZE as u64)?;
        if !header.admits(&payload, &self.header.salt) {
            return Ok(Err(invalid("the payload's checksum or chain hash does not hold")));
        }
        let size = frame_size(header.payload_size) as u64;
        let stored = header.into_stored(payload);
        if let Some(reason) = stored.frame.fault(self.tail.next_offset, self.next_part) {
            return Ok(Err(invalid(reason)));
        }
        self.byte += size;
        self.tail.position.0 = self.tail.position.0.saturating_add(1);
        self.tail.next_offset += u64::from(stored.frame.count);
        self.tail.epoch = stored.epoch;
        self.tail.chain = stored.chain;
        self.synced_through = self.synced_through.max(stored.synced_through);
        self.next_part = stored.frame.next_part();
        Ok(Ok(stored))
    }

    fn misplaced(&self, header: &Header) -> Option<&'static str> {
        let place = &header.place;
        let checks = [
            (place.position == self.tail.position, "the frame's number is not the next one"),
            (place.lineage == self.header.lineage, "the frame belongs to another history"),
            (place.byte == self.byte, "the frame was written for another place"),
            (place.previous == self.tail.chain, "the chain is broken"),
            (place.epoch >= self.tail.epoch, "the frame's writer was replaced before"),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
    }

    /// What stands where no frame does: zeros, a footer, or something else.
    fn read_end(&self, size: usize) -> Result<Stop, ReadError> {
        let mut bytes = vec![0; size.min(FRAME_HEADER_SIZE)];
        self.read_at(&mut bytes, self.byte)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Stop::CleanEnd);
        }
        let footer = encode_footer(&self.header, &self.tail, self.byte);
        if bytes.len() >= FOOTER_SIZE && bytes[..FOOTER_SIZE] == footer[..] {
            return Ok(Stop::Sealed);
        }
        Ok(invalid("neither a frame nor zeros"))
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.file.read_exact_at(buffer, at).map_err(|source| ReadError::Io { segment: self.header.name(), source })
    }

    /// Looks behind the last valid frame for bytes that are not zero, and among them for headers and footers that only
    /// this segment can have.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the storage fails.
    pub fn behind(&self) -> Result<Behind, ReadError> {
        /// Bytes looked at in one go.
        const WINDOW: u64 = 1 << 20;
        let mut behind = Behind { durable: 0, used_to: self.byte };
        if self.stop == Some(Stop::Sealed) {
            return Ok(behind);
        }
        let mut at = self.byte;
        while at < self.size {
            let size = (self.size - at).min(WINDOW + FRAME_HEADER_SIZE as u64);
            let mut window = vec![0; size as usize];
            self.read_at(&mut window, at)?;
            if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
                behind.used_to = at + last as u64 + 1;
                for start in (0..window.len().min(WINDOW as usize)).step_by(ALIGNMENT as usize) {
                    let proven = self.proven_by(&window[start..], at + start as u64);
                    behind.durable = behind.durable.max(proven.unwrap_or(0));
                }
            }
            at += WINDOW;
        }
        Ok(behind)
    }

    /// The count of offsets that `bytes`, found at byte `at`, prove durable, if they are a header or a footer.
    fn proven_by(&self, bytes: &[u8], at: u64) -> Option<u64> {
        if bytes.len() >= FRAME_HEADER_SIZE && bytes[..4] == FRAME_MAGIC {
            let Ok(Some(header)) = frame::decode(&array_at(bytes, 0), &self.header.salt) else { return None };
            let place = &header.place;
            let ours = place.byte == at && place.lineage == self.header.lineage && place.position >= self.tail.position;
            return ours.then_some(place.synced_through);
        }
        if bytes.len() >= FOOTER_SIZE && bytes[..4] == FOOTER_MAGIC {
            let crc = salted_crc(&self.header.salt, &bytes[..FOOTER_SIZE - 4]);
            let ours = u64_at(bytes, 32) == at && crc == u32_at(bytes, FOOTER_SIZE - 4);
            return ours.then(|| u64_at(bytes, 16));
        }
        None
    }
}

fn invalid(reason: &str) -> Stop {
    Stop::Invalid { reason: reason.to_owned() }
}

/// The salt of the segment that begins with frame `first_frame`.
pub(crate) fn salt(seed: &[u8; 16], first_frame: Position) -> [u8; 16] {
    let hash = blake3::Hasher::new().update(seed).update(&first_frame.0.to_le_bytes()).finalize();
    array_at(hash.as_bytes(), 0)
}

/// Whether `name` is that of a segment.
pub(crate) fn is_segment_name(name: &str) -> bool {
    name.strip_suffix(".log").is_some_and(|stem| stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads the header of the segment `name`.
pub(crate) fn read_header<F: StorageFile>(
    file: &F,
    name: &str,
) -> Result<Result<SegmentHeader, HeaderFault>, ReadError> {
    let mut bytes = [0; SEGMENT_HEADER_SIZE];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(SegmentHeader::decode(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Err(HeaderFault::Invalid)),
        Err(source) => Err(ReadError::Io { segment: name.to_owned(), source }),
    }
}
