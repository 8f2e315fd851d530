//! The seam: what every commit log promises, on one machine or on many.
//!
//! Three rules, which the conformance suite holds against each implementation: an append names the position that it
//! expects; every frame carries its writer's epoch, and frames of an older one are void; acknowledgements resolve strictly
//! in order and the first failure poisons all that follow.

use crate::frame::{ChainHash, Epoch, Frame, FrameKind, Lineage, Position, StoredFrame};
use std::io;

/// A durable sequence of frames.
pub trait CommitLog {
    /// Appends to it.
    type Writer: CommitLogWriter;
    /// Walks over it.
    type Frames: Iterator<Item = Result<StoredFrame, ReadError>>;

    /// The frames from `from` on, gapless.
    ///
    /// # Errors
    /// [`ReadError::Trimmed`] or [`ReadError::Regressed`].
    fn read(&self, from: Position) -> Result<Self::Frames, ReadError>;

    /// As [`read`](Self::read), by somebody who noted at which [byte](StoredFrame::byte) the first frame stands: an implementation that
    /// can begin there does, and finds it all the same if it does not stand there.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_at(&self, from: Position, _byte: u64) -> Result<Self::Frames, ReadError> {
        self.read(from)
    }

    /// Becomes the writer: appends a durable epoch frame iff the tail is at `expected` and `epoch` is newer than the last.
    ///
    /// # Errors
    /// [`ClaimError`]: nothing was appended.
    fn claim(&mut self, expected: Position, epoch: Epoch) -> Result<Self::Writer, ClaimError>;

    /// Gives up frames before `up_to`, as far as whole segments allow.
    ///
    /// # Errors
    /// [`TrimError`].
    fn trim(&self, up_to: Position) -> Result<(), TrimError>;

    /// Where the log ends.
    fn tail(&self) -> Tail;

    /// Space that is reserved for what is appended next; `None` if this log needs none.
    fn room(&self) -> Option<Room> {
        None
    }

    /// Whether this history is the one in which `receipt` was given. This looks from the beginning; an implementation that
    /// knows where to look says so itself.
    ///
    /// # Errors
    /// [`ReadError`] if the frames that would say so cannot be read.
    fn standing(&self, receipt: &Receipt) -> Result<Standing, ReadError> {
        if receipt.next_offset > self.tail().next_offset {
            return Ok(Standing::Diverged);
        }
        match self.read(Position(0)) {
            Err(ReadError::Trimmed { first, .. }) => standing_among(self.read(first)?, receipt, true),
            frames => standing_among(frames?, receipt, false),
        }
    }
}

/// Space that is reserved behind the durable end of a log, in bytes of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What the open segment still takes.
    pub open: u64,
    /// What the segment takes that is made ahead; `None` if it is not there.
    pub spare: Option<u64>,
    /// What a segment takes.
    pub segment: u64,
}

impl Room {
    /// Whether a transaction of so many bytes has its place, in the open segment or in the one behind it.
    pub fn holds(&self, size: u64) -> bool {
        size <= self.open || self.spare.is_some_and(|spare| size <= spare)
    }
}

/// What a history says of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was given in this history.
    Held,
    /// It was not: this history ends before it, or is another one.
    Diverged,
    /// The frames that would say so were given up.
    Unverifiable,
}

/// Looks for the frame of `receipt` among `frames`: the one that completes its last offset, or one without offsets behind
/// that. Whether frames before these were given up decides what it means if they begin too late.
pub(crate) fn standing_among(
    frames: impl Iterator<Item = Result<StoredFrame, ReadError>>,
    receipt: &Receipt,
    trimmed: bool,
) -> Result<Standing, ReadError> {
    let mut begins_too_late = trimmed;
    for stored in frames {
        let stored = match stored {
            // Given up while it was looked for.
            Err(ReadError::Trimmed { .. }) => return Ok(Standing::Unverifiable),
            stored => stored?,
        };
        if begins_too_late && stored.frame.first_offset >= receipt.next_offset {
            return Ok(Standing::Unverifiable);
        }
        begins_too_late = false;
        let next_offset = stored.frame.first_offset.saturating_add(u64::from(stored.frame.count));
        if next_offset > receipt.next_offset {
            break;
        }
        if (next_offset, stored.lineage, stored.chain) == (receipt.next_offset, receipt.lineage, receipt.chain) {
            return Ok(Standing::Held);
        }
    }
    Ok(if begins_too_late { Standing::Unverifiable } else { Standing::Diverged })
}

/// The one that may append.
pub trait CommitLogWriter: Send {
    /// Takes a frame that is to stand at `expected`. Nothing is durable before [`settle`](Self::settle) says so.
    fn append(&mut self, expected: Position, frame: &Frame) -> Ticket;

    /// Says that a transaction comes next whose frames have so many bytes in all: they are to stand together. A log without
    /// segments has nothing to do for it.
    fn expect(&mut self, _size: u64) {}

    /// Makes all that was appended durable with one sync, and says for each, in order, what became of it.
    fn settle(&mut self) -> Vec<(Ticket, Resolution)>;

    /// Makes all that was appended durable like [`settle`](Self::settle), and certifies it: by a seal frame, whose resolution
    /// is the last one, and by whatever else the log has for that. For when nothing more is waiting.
    fn seal(&mut self) -> Vec<(Ticket, Resolution)> {
        let tail = self.tail();
        self.append(tail.position, &Frame::marker(FrameKind::Seal, tail.next_offset));
        self.settle()
    }

    /// Work ahead of need, if there is some: whoever has another thread runs it there, so that no later append waits for it.
    ///
    /// It may be run at any time or dropped: nothing but the speed of appends depends on it. Its error is no error of the
    /// log, which will do the work itself and say what it finds then.
    fn prepare(&mut self) -> Option<Preparation> {
        None
    }

    /// Where the log ends if all that was appended becomes durable.
    fn tail(&self) -> Tail;
}

/// Work that a writer gives out, for any thread.
pub type Preparation = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Stands for an append until it resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is durable.
    Durable(Receipt),
    /// It is not in the log: another writer has claimed it, the frame does not fit the tail, or there is no space for the
    /// next segment ([`is_out_of_space`](Self::is_out_of_space)).
    Fenced {
        /// Why.
        reason: String,
    },
    /// It may or may not be in the log: a write or a sync failed.
    Indeterminate {
        /// Why.
        reason: String,
    },
    /// One before it failed. Like that one, it may or may not be in the log, but never without that one.
    Poisoned,
}

/// Begins the reason of an append that found no space for the next segment.
const OUT_OF_SPACE: &str = "no space for the next segment";

impl Resolution {
    pub(crate) fn out_of_space(error: &io::Error) -> Self {
        Self::Fenced { reason: format!("{OUT_OF_SPACE}: {error}") }
    }

    /// Whether there was no space for the next segment. The frame is not in the log, the log is as it was, and can be
    /// claimed again once there is space.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Fenced { reason } if reason.starts_with(OUT_OF_SPACE))
    }
}

/// Proves to a client which history its transaction stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The history.
    pub lineage: Lineage,
    /// Count of offsets that are durable with it.
    pub next_offset: u64,
    /// The chain hash of its frame.
    pub chain: ChainHash,
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The number that the next frame gets.
    pub position: Position,
    /// The offset that the next transaction gets.
    pub next_offset: u64,
    /// The last writer.
    pub epoch: Epoch,
    /// The chain hash of the last frame.
    pub chain: ChainHash,
    /// The history.
    pub lineage: Lineage,
}

/// Why frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// They were given up.
    #[error("frame {} was trimmed, the first one is {}", asked.0, first.0)]
    Trimmed {
        /// What was asked for.
        asked: Position,
        /// What there is.
        first: Position,
    },
    /// The log ends before.
    #[error("frame {} is behind the end of the log, {}", asked.0, end.0)]
    Regressed {
        /// What was asked for.
        asked: Position,
        /// Where it ends.
        end: Position,
    },
    /// The bytes are not what was written.
    #[error("segment {segment}, byte {byte}: {reason}")]
    Corrupt {
        /// The segment's name.
        segment: String,
        /// Where in it.
        byte: u64,
        /// What is wrong.
        reason: String,
    },
    /// The storage failed.
    #[error("segment {segment} cannot be read: {source}")]
    Io {
        /// The segment's name.
        segment: String,
        /// What the storage says.
        source: io::Error,
    },
}

/// Why a claim was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The log has moved on.
    #[error("the log ends at frame {}, not at {}", found.0, expected.0)]
    WrongTail {
        /// What was expected.
        expected: Position,
        /// Where it ends.
        found: Position,
    },
    /// There is as new a writer.
    #[error("epoch {} is not newer than {}", asked.0, last.0)]
    OldEpoch {
        /// What was asked for.
        asked: Epoch,
        /// The last one.
        last: Epoch,
    },
    /// The log was opened for reading, or its writer failed.
    #[error("the log does not take appends: {reason}")]
    NotWritable {
        /// Why.
        reason: String,
    },
    /// The storage failed.
    #[error("the epoch could not be made durable: {reason}")]
    Failed {
        /// What the storage says.
        reason: String,
    },
}

/// Why frames could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// The log ends before.
    #[error("frame {} is behind the end of the log, {}", asked.0, end.0)]
    Regressed {
        /// What was asked for.
        asked: Position,
        /// Where it ends.
        end: Position,
    },
    /// The storage failed.
    #[error("segment {segment} cannot be removed: {source}")]
    Io {
        /// The segment's name.
        segment: String,
        /// What the storage says.
        source: io::Error,
    },
}
