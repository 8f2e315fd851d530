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
        let (segments, open_size) = {
            let shared = lock(&self.shared);
            (shared.segments.clone(), shared.byte)
        };
        // What cannot be asked for its size counts as empty: then more is kept.
        let size =
            |segment: &SegmentHeader| self.storage().open(&segment.name()).and_then(|file| file.size()).unwrap_or(0);
        let sealed = segments.len().saturating_sub(1);
        let mut behind = open_size + segments[..sealed].iter().map(size).sum::<u64>();
        let mut surplus = Vec::new();
        for pair in segments.windows(2) {
            behind = behind.saturating_sub(size(&pair[0]));
            if pair[1].first_frame > bound || behind < keep {
                break;
            }
            surplus.push(Surplus { segment: pair[0], end: pair[1].first_frame });
        }
        surplus
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
    let size = from.open(name)?.size()?;
    copy_front(from, to, (name, size), &[])?;
    Ok(size)
}

/// As [`copy`], but what has the name there already is never replaced: it must be the same.
///
/// # Errors
/// `AlreadyExists` if it is another file; what either storage says.
pub fn keep_copy<S: Storage, T: Storage>(from: &S, to: &T, name: &str) -> io::Result<()> {
    let there = match to.open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return copy(from, to, name).map(|_| ()),
        there => there?,
    };
    if same_bytes(&from.open(name)?, &there)? {
        return Ok(());
    }
    let text = format!("another file `{name}` is there already, of another history perhaps: it is not replaced");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
}

fn same_bytes<F: StorageFile, G: StorageFile>(one: &F, other: &G) -> io::Result<bool> {
    let size = one.size()?;
    if other.size()? != size {
        return Ok(false);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for at in (0..size).step_by(COPY_SIZE as usize) {
        for bytes in [&mut left, &mut right] {
            bytes.resize((size - at).min(COPY_SIZE) as usize, 0);
        }
        one.read_exact_at(&mut left, at)?;
        other.read_exact_at(&mut right, at)?;
        if left != right {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As [`copy`], but only the first `size` bytes, and behind them `ending`.
pub(crate) fn copy_front<S: Storage, T: Storage>(
    from: &S,
    to: &T,
    (name, size): (&str, u64),
    ending: &[u8],
) -> io::Result<()> {
    let unfinished = format!("unfinished-{name}");
    let source = from.open(name)?;
    let mut target = to.create(&unfinished)?;
    let mut bytes = Vec::new();
    for at in (0..size).step_by(COPY_SIZE as usize) {
        bytes.resize((size - at).min(COPY_SIZE) as usize, 0);
        source.read_exact_at(&mut bytes, at)?;
        target.write_all_at(&bytes, at)?;
    }
    target.write_all_at(ending, size)?;
    target.sync()?;
    to.rename(&unfinished, name)?;
    to.sync_directory()
}
