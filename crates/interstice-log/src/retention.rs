//! Retention: which segments may go, and keeping a copy of them elsewhere.

use crate::frame::Position;
use crate::local::{LocalLog, lock};
use crate::segment::SegmentHeader;
use crate::storage::{Storage, StorageFile};
use std::io;

/// Bytes copied in one go.
const COPY_SIZE: u64 = 1 << 20;

/// A segment that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus {
    /// It.
    pub segment: SegmentHeader,
    /// The frame behind its last one.
    pub end: Position,
}

impl<S: Storage> LocalLog<S> {
    /// The sealed segments all of whose frames stand before `bound`, the oldest first, as long as the segments behind them
    /// take `keep` bytes.
    pub fn surplus(&self, bound: Position, keep: u64) -> Vec<Surplus> {
        let shared = lock(&self.shared);
        let count = shared.segments.len() as u64;
        let size_behind = |number: u64| (count - 2 - number) * self.segment_size() + shared.byte;
        let pairs = shared.segments.windows(2).zip(0..);
        let may_go = pairs.take_while(|(pair, number)| pair[1].first_frame <= bound && size_behind(*number) >= keep);
        may_go.map(|(pair, _)| Surplus { segment: pair[0], end: pair[1].first_frame }).collect()
    }

    /// About how many bytes of frames there are behind offset `next_offset`: whole segments, and what is in the open one.
    pub fn size_behind(&self, next_offset: u64) -> u64 {
        let shared = lock(&self.shared);
        let later = shared.segments.iter().filter(|segment| segment.first_offset >= next_offset).count() as u64;
        let open_is_later = shared.segments.last().is_some_and(|open| open.first_offset >= next_offset);
        (later - u64::from(open_is_later)) * self.segment_size() + if open_is_later { shared.byte } else { 0 }
    }
}

/// Copies the file `name` to `to`, where it is durable under that name, and whole, or not there.
///
/// # Errors
/// What either storage says.
pub fn copy<S: Storage, T: Storage>(from: &S, to: &T, name: &str) -> io::Result<u64> {
    let unfinished = format!("unfinished-{name}");
    let source = from.open(name)?;
    let mut target = to.create(&unfinished)?;
    let size = source.size()?;
    let mut bytes = Vec::new();
    for at in (0..size).step_by(COPY_SIZE as usize) {
        bytes.resize((size - at).min(COPY_SIZE) as usize, 0);
        source.read_exact_at(&mut bytes, at)?;
        target.write_all_at(&bytes, at)?;
    }
    target.sync()?;
    to.rename(&unfinished, name)?;
    to.sync_directory()?;
    Ok(size)
}
