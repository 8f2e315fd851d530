//! Segments: header, frames, footer; and the walk over one.
//!
//! Header, 4096 bytes: magic `ISTSEG01` ‖ version u32 ‖ zero u32 ‖ log id 16 ‖ lineage 16 ‖ first offset u64 ‖ first frame
//! u64 ‖ chain hash at the start 32 ‖ salt 16 ‖ zeros ‖ CRC32C u32 of all before it.
//!
//! Footer, 96 bytes behind the last frame of a sealed segment: magic `ISFT` ‖ zero u32 ‖ first offset u64 ‖ next offset u64
//! ‖ next frame u64 ‖ own position u64 ‖ chain hash 32 ‖ zeros ‖ salted CRC32C u32 of all before it.

use crate::evidence::{Proof, Proven};
use crate::frame::{
    self, ALIGNMENT, ChainHash, Epoch, FRAME_HEADER_SIZE, FRAME_MAGIC, Header, Lineage, Position, StoredFrame,
    array_at, frame_size, salted_crc, u32_at, u64_at,
};
use crate::log::{ReadError, Tail};
use crate::planted::{self, Bug};
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
        segment_name(self.first_offset)
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

    /// Whether the segment begins where `tail` ends, be it in the same history or in one that begins there.
    pub fn follows(&self, tail: &Tail) -> bool {
        self.start(tail.epoch) == Tail { lineage: self.lineage, ..*tail } || planted::is(Bug::GapUnchecked)
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
    proven: Proven,
    next_part: u32,
}

/// Bytes between two valid frames that are not the frames which were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Byte behind the last valid frame before it.
    pub from_byte: u64,
    /// Byte of the frame or footer behind it.
    pub to_byte: u64,
    /// The first offset that stood in it.
    pub from_offset: u64,
    /// The first offset that did not.
    pub to_offset: u64,
}

/// Bytes that only this segment can have.
enum Trace {
    Frame(Box<Header>),
    /// A footer, and the end that it gives the log.
    Footer(Tail),
}

/// What stands behind the last valid frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// What the segment proves, there and before.
    pub proven: Proven,
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
        let proven = Proven { count: header.first_offset, by: Proof::Beginning, byte: 0 };
        Ok(Self { file, header, size, byte, tail, stop: None, proven, next_part: 0 })
    }

    /// As [`new`](Self::new), but starts at the frame at `byte`, if the frame `position` stands there; from the beginning if not.
    ///
    /// # Errors
    /// What the storage says.
    pub(crate) fn new_at(
        file: F,
        header: SegmentHeader,
        (position, byte): (Position, u64),
        epoch: Epoch,
    ) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io { segment: header.name(), source };
        let mut walk = Self::new(file, header, epoch).map_err(failed)?;
        if byte >= walk.byte && byte.saturating_add(FRAME_HEADER_SIZE as u64) <= walk.size {
            let mut bytes = [0; FRAME_HEADER_SIZE];
            walk.read_at(&mut bytes, byte)?;
            if let Some(trace @ Trace::Frame(found)) = &walk.trace(&bytes, byte)
                && found.place.position == position
            {
                walk.resume_at(trace, byte);
                walk.next_part = found.part;
            }
        }
        Ok(walk)
    }

    /// Byte behind the last valid frame.
    pub fn byte(&self) -> u64 {
        self.byte
    }

    /// The log's end behind the last valid frame.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// What the valid frames prove.
    pub fn proven(&self) -> Proven {
        self.proven
    }

    /// Size of the file.
    pub fn size(&self) -> u64 {
        self.size
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

    /// Lets [`next_frame`](Self::next_frame) read again what it ended at. A writer beside it writes in order: what was not
    /// there, while something behind it was, was being written.
    ///
    /// # Errors
    /// What the storage says.
    pub fn look_again(&mut self) -> Result<(), ReadError> {
        let size = self.file.size();
        self.size = size.map_err(|source| ReadError::Io { segment: self.header.name(), source })?;
        self.stop = None;
        Ok(())
    }

    fn read_frame(&mut self) -> Result<Result<StoredFrame, Stop>, ReadError> {
        let left = self.size.saturating_sub(self.byte);
        if left < FRAME_HEADER_SIZE as u64 {
            return self.read_end(left as usize).map(Err);
        }
        let mut bytes = [0; FRAME_HEADER_SIZE];
        match self.read_at(&mut bytes, self.byte) {
            Err(_) if planted::is(Bug::ReadErrorIsEnd) => return Ok(Err(Stop::CleanEnd)),
            read => read?,
        }
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
        let by = Proof::Frame(stored.position);
        self.proven = self.proven.or(Proven { count: stored.synced_through, by, byte: self.byte });
        self.byte += size;
        self.tail.position.0 = self.tail.position.0.saturating_add(1);
        self.tail.next_offset += u64::from(stored.frame.count);
        self.tail.epoch = stored.epoch;
        self.tail.chain = stored.chain;
        self.next_part = stored.frame.next_part();
        Ok(Ok(stored))
    }

    fn misplaced(&self, header: &Header) -> Option<&'static str> {
        let place = &header.place;
        let checks = [
            (place.position == self.tail.position, "the frame's number is not the next one"),
            (place.lineage == self.header.lineage, "the frame belongs to another history"),
            (place.byte == self.byte, "the frame was written for another place"),
            (place.previous == self.tail.chain || planted::is(Bug::ChainUnchecked), "the chain is broken"),
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

    /// Bytes of the file as they are.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<(), ReadError> {
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
        let mut behind = Behind { proven: self.proven, used_to: self.byte };
        if self.stop == Some(Stop::Sealed) {
            return Ok(behind);
        }
        let mut at = self.byte;
        while at < self.size {
            let window = self.window(at, WINDOW)?;
            if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
                behind.used_to = at + last as u64 + 1;
                self.traces(&window, at, WINDOW, |trace, byte| {
                    let (count, by) = match trace {
                        Trace::Frame(header) => (header.place.synced_through, Proof::Frame(header.place.position)),
                        Trace::Footer(tail) => (tail.next_offset, Proof::Footer),
                    };
                    behind.proven = behind.proven.or(Proven { count, by, byte });
                    false
                });
            }
            at += WINDOW;
        }
        Ok(behind)
    }

    /// Goes on, once it has ended at bytes that are no frame, at the next frame or footer that only this segment can have.
    /// `None` if there is none. The parts of a transaction whose first one is lost are lost with it.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the storage fails.
    pub fn resume(&mut self) -> Result<Option<Hole>, ReadError> {
        /// Bytes looked at in one go: few, for a damaged segment may have many holes.
        const WINDOW: u64 = 16 << 10;
        let mut at = self.byte + ALIGNMENT;
        while at < self.size {
            let window = self.window(at, WINDOW)?;
            let mut found = None;
            self.traces(&window, at, WINDOW, |trace, byte| {
                let begins = match &trace {
                    Trace::Frame(header) => header.part == 0 && header.first_offset >= self.tail.next_offset,
                    Trace::Footer(_) => true,
                };
                if begins {
                    found = Some((trace, byte));
                }
                begins
            });
            if let Some((trace, byte)) = found {
                return Ok(Some(self.resume_at(&trace, byte)));
            }
            at += WINDOW;
        }
        Ok(None)
    }

    fn resume_at(&mut self, trace: &Trace, byte: u64) -> Hole {
        let (from_byte, from_offset) = (self.byte, self.tail.next_offset);
        (self.byte, self.next_part) = (byte, 0);
        match trace {
            Trace::Frame(header) => {
                let place = &header.place;
                let (position, epoch, next_offset) = (place.position, place.epoch, header.first_offset);
                self.tail = Tail { position, next_offset, epoch, chain: place.previous, lineage: place.lineage };
                self.stop = None;
            }
            Trace::Footer(tail) => (self.tail, self.stop) = (*tail, Some(Stop::Sealed)),
        }
        Hole { from_byte, to_byte: byte, from_offset, to_offset: self.tail.next_offset }
    }

    /// The bytes from `at` on: as many as asked for, and those of a header that begins among them.
    fn window(&self, at: u64, size: u64) -> Result<Vec<u8>, ReadError> {
        let mut window = vec![0; (self.size - at).min(size + FRAME_HEADER_SIZE as u64) as usize];
        self.read_at(&mut window, at)?;
        Ok(window)
    }

    /// Shows the traces that begin in the first `size` bytes of `window`, which was read at byte `at`, until one is taken.
    fn traces(&self, window: &[u8], at: u64, size: u64, mut take: impl FnMut(Trace, u64) -> bool) {
        for start in (0..window.len().min(size as usize)).step_by(ALIGNMENT as usize) {
            // Both magics begin with it, and few other bytes do.
            if window[start] != FRAME_MAGIC[0] {
                continue;
            }
            let byte = at + start as u64;
            if self.trace(&window[start..], byte).is_some_and(|trace| take(trace, byte)) {
                return;
            }
        }
    }

    /// What `bytes`, found at byte `at`, are, if they are a header or a footer of this segment that the walk has not passed.
    fn trace(&self, bytes: &[u8], at: u64) -> Option<Trace> {
        if bytes.len() >= FRAME_HEADER_SIZE && bytes[..4] == FRAME_MAGIC {
            let Ok(Some(header)) = frame::decode(&array_at(bytes, 0), &self.header.salt) else { return None };
            let place = &header.place;
            let ours = place.byte == at && place.lineage == self.header.lineage && place.position >= self.tail.position;
            return ours.then(|| Trace::Frame(Box::new(header)));
        }
        if bytes.len() >= FOOTER_SIZE && bytes[..4] == FOOTER_MAGIC {
            let (next_offset, position) = (u64_at(bytes, 16), Position(u64_at(bytes, 24)));
            let tail = Tail { position, next_offset, chain: array_at(bytes, 40), ..self.tail };
            let goes_on = position >= self.tail.position && next_offset >= self.tail.next_offset;
            let ours = goes_on && bytes[..FOOTER_SIZE] == encode_footer(&self.header, &tail, at)[..];
            return ours.then_some(Trace::Footer(tail));
        }
        None
    }
}

fn invalid(reason: &str) -> Stop {
    Stop::Invalid { reason: reason.to_owned() }
}

/// The salt of the segment that begins with frame `first_frame`.
pub(crate) fn salt(seed: &[u8; 16], first_frame: Position) -> [u8; 16] {
    if planted::is(Bug::SaltConstant) {
        return [0; 16];
    }
    let hash = blake3::Hasher::new().update(seed).update(&first_frame.0.to_le_bytes()).finalize();
    array_at(hash.as_bytes(), 0)
}

/// The name of the segment that begins with `first_offset`.
pub fn segment_name(first_offset: u64) -> String {
    format!("{first_offset:020}.log")
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
