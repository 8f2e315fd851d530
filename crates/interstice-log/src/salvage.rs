//! Salvage: what of a log can be gone on with that is damaged, or only wanted up to an offset, written as a new log elsewhere.
//! The log itself is not touched.
//!
//! 1. Walk from a segment on, each behind the one before, up to the first damage, or to the frame that completes a later offset
//!    than is wanted; what is whole before it can be kept.
//! 2. Copy whole segments byte for byte; of the one with the damage only what stands before it, and seal it there.
//! 3. Begin a new history behind that: a segment of another lineage, whose first frame says that something was given up. It
//!    has its name only once that frame is durable. Receipts of what was kept still hold, those of what was not never will.

use crate::found::begin_walk;
use crate::frame::{Epoch, Frame, FrameKind, Lineage, Place, Position, StoredFrame, encode};
use crate::local::{OpenError, io_error};
use crate::log::{Receipt, Tail};
use crate::retention::{copy, copy_front};
use crate::segment::{
    LogId, SEGMENT_HEADER_SIZE, SegmentHeader, Stop, Walk, encode_footer, is_segment_name, read_header, salt,
};
use crate::spare::{make_now, name_segment, spare_name};
use crate::storage::{Storage, StorageFile};
use std::io;

/// What can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Segments that are kept whole, in order.
    pub whole: Vec<SegmentHeader>,
    /// The segment with the damage, and the byte behind the last whole transaction before it.
    pub cut: Option<(SegmentHeader, u64)>,
    /// Where the log ends that is kept.
    pub tail: Tail,
    /// Names the log.
    pub log_id: LogId,
}

impl Salvage {
    /// Nothing of the log: the new history begins behind the frame of `receipt`, at `position`.
    pub fn nothing(log_id: LogId, receipt: &Receipt, position: Position) -> Self {
        let Receipt { lineage, next_offset, chain } = *receipt;
        let tail = Tail { position, next_offset, epoch: Epoch(0), chain, lineage };
        Self { whole: Vec::new(), cut: None, tail, log_id }
    }

    /// The offset of the first transaction that is kept; `None` if none is.
    pub fn first_offset(&self) -> Option<u64> {
        let first = self.whole.first().or(self.cut.as_ref().map(|(header, _)| header));
        first.map(|header| header.first_offset)
    }
}

/// The id of a log, as the first segment has it whose header is whole; `None` if no header is.
///
/// # Errors
/// [`OpenError::Io`].
pub fn log_id<S: Storage>(storage: &S) -> Result<Option<LogId>, OpenError> {
    for name in names_from(storage, Position(0))? {
        let file = storage.open(&name).map_err(io_error("opening a segment"))?;
        if let Ok(header) = read_header(&file, &name)? {
            return Ok(Some(header.log_id));
        }
    }
    Ok(None)
}

/// What can be kept of the segments from the one on that holds frame `from`. `None` if even that cannot be begun with.
///
/// # Errors
/// [`OpenError::Io`] or [`OpenError::NewerFormat`]: neither is damage.
pub fn plan<S: Storage>(storage: &S, from: Position) -> Result<Option<Salvage>, OpenError> {
    let kept = plan_to(storage, from, u64::MAX)?.map(|(salvage, _)| salvage);
    Ok(kept.filter(|salvage| salvage.first_offset().is_some()))
}

/// What there is of a log, from the segment on that holds frame `from`, up to offset `to`, the one behind the last that is kept. If
/// `to` falls inside of a frame, the frame is not kept, and returned.
///
/// # Errors
/// As [`plan`].
pub fn plan_to<S: Storage>(
    storage: &S,
    from: Position,
    to: u64,
) -> Result<Option<(Salvage, Option<StoredFrame>)>, OpenError> {
    let mut salvage: Option<Salvage> = None;
    for name in &names_from(storage, from)? {
        let expected = salvage.as_ref().map(|salvage| salvage.tail);
        let (header, mut walk) = match begin_walk(storage, name, expected) {
            Ok(begun) => begun,
            Err(error @ (OpenError::Io { .. } | OpenError::NewerFormat { .. })) => return Err(error),
            Err(_) => break,
        };
        if salvage.is_some() && header.first_offset >= to {
            break;
        }
        let front = front_of(&mut walk, to)?;
        if let Some(Stop::Newer(version)) = walk.stop() {
            return Err(OpenError::NewerFormat { segment: name.clone(), found: u32::from(*version) });
        }
        let Front { byte, tail, .. } = front;
        let log_id = header.log_id;
        let mut whole = salvage.take().map(|salvage| salvage.whole).unwrap_or_default();
        if walk.stop() == Some(&Stop::Sealed) && byte == walk.byte() {
            whole.push(header);
            salvage = Some(Salvage { whole, cut: None, tail, log_id });
            continue;
        }
        // A segment is named by its first offset: one of which none is left gives its name to the new history.
        let has_offsets = tail.next_offset > header.first_offset;
        let (cut, tail) = if has_offsets { (Some((header, byte)), tail) } else { (None, header.start(tail.epoch)) };
        return Ok(Some((Salvage { whole, cut, tail, log_id }, front.inside)));
    }
    Ok(salvage.map(|salvage| (salvage, None)))
}

/// What of a segment stands before an offset.
struct Front {
    /// Byte behind the last whole transaction.
    byte: u64,
    tail: Tail,
    /// The frame that the offset falls inside of.
    inside: Option<StoredFrame>,
}

/// Walks to the end, or over the first frame that completes an offset behind `to`.
fn front_of<F: StorageFile>(walk: &mut Walk<F>, to: u64) -> Result<Front, OpenError> {
    let mut front = Front { byte: walk.byte(), tail: walk.tail(), inside: None };
    while let Some(stored) = walk.next_frame()? {
        if walk.tail().next_offset > to {
            front.inside = Some(stored).filter(|stored| stored.frame.first_offset < to);
            break;
        }
        if stored.frame.last_part {
            (front.byte, front.tail) = (walk.byte(), walk.tail());
        }
    }
    Ok(front)
}

/// The segments from the last one on that begins at frame `from` or before; all of them if none does.
fn names_from<S: Storage>(storage: &S, from: Position) -> Result<Vec<String>, OpenError> {
    let mut names = storage.list().map_err(io_error("listing the log"))?;
    names.retain(|name| is_segment_name(name));
    names.sort();
    let mut start = 0;
    for (number, name) in names.iter().enumerate() {
        let file = storage.open(name).map_err(io_error("opening a segment"))?;
        if read_header(&file, name)?.is_ok_and(|header| header.first_frame <= from) {
            start = number;
        }
    }
    Ok(names.split_off(start))
}

/// How the history goes on behind what is kept.
#[derive(Debug, Clone, Copy)]
pub struct NewHistory<'a> {
    /// Its lineage.
    pub lineage: Lineage,
    /// Sixteen fresh random bytes.
    pub salt_seed: [u8; 16],
    /// Size of the new segment.
    pub segment_size: u64,
    /// What was given up, opaque.
    pub loss: &'a [u8],
    /// Frames of the next offsets that it begins with.
    pub frames: &'a [Frame],
}

/// Writes what is kept into `to`, and begins the new history behind it.
///
/// # Errors
/// What either storage says; `to` is of no use then.
pub fn write<S: Storage, T: Storage>(from: &S, to: &T, salvage: &Salvage, history: &NewHistory<'_>) -> io::Result<()> {
    salvage.whole.iter().try_for_each(|segment| copy(from, to, &segment.name()).map(|_| ()))?;
    if let Some((segment, end)) = &salvage.cut {
        // Sealed where it is cut.
        let footer = encode_footer(segment, &salvage.tail, *end);
        copy_front(from, to, (&segment.name(), *end), &footer)?;
    }
    let Tail { position, next_offset, epoch, chain, .. } = salvage.tail;
    let header = SegmentHeader {
        log_id: salvage.log_id,
        lineage: history.lineage,
        first_offset: next_offset,
        first_frame: position,
        chain,
        salt: salt(&history.salt_seed, position),
    };
    let loss = Frame { payload: history.loss.to_vec(), ..Frame::marker(FrameKind::Loss, next_offset) };
    let mut bytes = header.encode();
    let (lineage, byte) = (history.lineage, SEGMENT_HEADER_SIZE as u64);
    let mut place = Place { position, lineage, epoch, byte, synced_through: next_offset, previous: chain };
    for frame in std::iter::once(&loss).chain(history.frames) {
        place.previous = encode(frame, &place, &header.salt, &mut bytes);
        (place.position.0, place.byte) = (place.position.0 + 1, bytes.len() as u64);
    }
    let mut file = make_now(to, &header, history.segment_size)?;
    file.write_all_at(&bytes, 0)?;
    file.sync()?;
    name_segment(to, &spare_name(&header), &header)
}
