//! Salvage: what of a damaged log can be gone on with, written as a new log elsewhere. The damaged one is not touched.
//!
//! 1. Walk from a segment on, each behind the one before, up to the first damage; what is whole before it can be kept.
//! 2. Copy whole segments byte for byte; of the one with the damage only what stands before it, and seal it there.
//! 3. Begin a new history behind that: a segment of another lineage, whose first frame says that something was given up. It
//!    has its name only once that frame is durable. Receipts of what was kept still hold, those of what was not never will.

use crate::found::{begin_walk, find_among};
use crate::frame::{Frame, FrameKind, Lineage, Place, Position, encode};
use crate::local::{OpenError, io_error};
use crate::log::Tail;
use crate::mark::MarkFile;
use crate::retention::{copy, copy_front};
use crate::segment::{SEGMENT_HEADER_SIZE, SegmentHeader, Stop, encode_footer, is_segment_name, read_header, salt};
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
}

impl Salvage {
    /// The offset of the first transaction that is kept; `None` if none is.
    pub fn first_offset(&self) -> Option<u64> {
        let first = self.whole.first().or(self.cut.as_ref().map(|(header, _)| header));
        first.map(|header| header.first_offset)
    }
}

/// What can be kept of the segments from the one on that holds frame `from`. `None` if even that cannot be begun with.
///
/// # Errors
/// [`OpenError::Io`] or [`OpenError::NewerFormat`]: neither is damage.
pub fn plan<S: Storage>(storage: &S, from: Position) -> Result<Option<Salvage>, OpenError> {
    let mut salvage: Option<Salvage> = None;
    for name in &names_from(storage, from)? {
        let expected = salvage.as_ref().map(|salvage| salvage.tail);
        let (header, mut walk) = match begin_walk(storage, name, expected) {
            Ok(begun) => begun,
            Err(error @ (OpenError::Io { .. } | OpenError::NewerFormat { .. })) => return Err(error),
            Err(_) => break,
        };
        let (mut byte, mut tail) = (walk.byte(), walk.tail());
        while let Some(frame) = walk.next_frame()? {
            if frame.frame.last_part {
                (byte, tail) = (walk.byte(), walk.tail());
            }
        }
        if let Some(Stop::Newer(version)) = walk.stop() {
            return Err(OpenError::NewerFormat { segment: name.clone(), found: u32::from(*version) });
        }
        let mut kept = salvage.take().map(|salvage| salvage.whole).unwrap_or_default();
        if walk.stop() == Some(&Stop::Sealed) && byte == walk.byte() {
            kept.push(header);
            salvage = Some(Salvage { whole: kept, cut: None, tail });
            continue;
        }
        // A segment is named by its first offset: one of which none is left gives its name to the new history.
        let has_offsets = tail.next_offset > header.first_offset;
        let (cut, tail) = if has_offsets { (Some((header, byte)), tail) } else { (None, header.start(tail.epoch)) };
        return Ok((!kept.is_empty() || has_offsets).then_some(Salvage { whole: kept, cut, tail }));
    }
    Ok(salvage)
}

/// Whether the log is whole from the segment on that holds frame `from`.
///
/// # Errors
/// [`OpenError::Io`] or [`OpenError::NewerFormat`]: neither is damage.
pub fn is_whole_from<S: Storage>(storage: &S, from: Position) -> Result<bool, OpenError> {
    let marks = MarkFile::read(storage).map_err(io_error("reading the mark"))?;
    let names = names_from(storage, from)?;
    match find_among(storage, &names, &marks) {
        Ok(found) => Ok(found.is_some_and(|found| found.segments[0].first_frame <= from)),
        Err(error @ (OpenError::Io { .. } | OpenError::NewerFormat { .. })) => Err(error),
        Err(_) => Ok(false),
    }
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
    let log_id = salvage.whole.first().or(salvage.cut.as_ref().map(|(header, _)| header)).map(|header| header.log_id);
    let header = SegmentHeader {
        log_id: log_id.expect("invariant: something is kept"),
        lineage: history.lineage,
        first_offset: next_offset,
        first_frame: position,
        chain,
        salt: salt(&history.salt_seed, position),
    };
    let byte = SEGMENT_HEADER_SIZE as u64;
    let place = Place { position, lineage: history.lineage, epoch, byte, synced_through: next_offset, previous: chain };
    let frame = Frame { payload: history.loss.to_vec(), ..Frame::marker(FrameKind::Loss, next_offset) };
    let mut bytes = header.encode();
    encode(&frame, &place, &header.salt, &mut bytes);
    let mut file = make_now(to, &header, history.segment_size)?;
    file.write_all_at(&bytes, 0)?;
    file.sync()?;
    name_segment(to, &spare_name(&header), &header)
}
