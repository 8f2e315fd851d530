//! Forks: the beginning of a history, up to an offset, which goes on as another history in other files.
//!
//! 1. Whole frames up to the offset are taken over byte for byte: receipts of them still hold. Behind them another history begins,
//!    whose first frame says what it comes from.
//! 2. If the offset falls inside of a frame, its transactions before the offset are written again in the new history: what was
//!    acknowledged together with later ones has no receipt there.
//! 3. Snapshots go along that the log which is taken over reaches to. With one, the log before it may stay behind.

use crate::framing::UnpackError;
use crate::snapshot::Manifest;
use interstice_log::frame::{Frame, Lineage, Position, StoredFrame};
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, OpenError};
use interstice_log::log::Tail;
use interstice_log::retention::copy;
use interstice_log::salvage::{self, NewHistory, Salvage};
use interstice_log::snapshot::name_of;
use interstice_log::storage::Storage;
use interstice_types::id::Offset;
use interstice_types::transaction::Transaction;
use std::io;

/// What is written of a history.
#[derive(Debug)]
pub struct Plan {
    /// The offset behind the last that is taken over.
    pub to: Offset,
    /// What is taken over byte for byte.
    salvage: Salvage,
    /// What is written again.
    frames: Vec<Frame>,
    /// The snapshots that go along.
    pub snapshots: Vec<Offset>,
}

/// Why a history cannot be planned to go on elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// What a frame holds are no transactions.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

impl Plan {
    /// Of `log`, from the segment on that holds frame `from`, what stands before offset `to`; of `snapshots` those that it reaches to.
    /// `None` if it has nothing there that could be begun with.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new<S: Storage>(
        log: &S,
        (from, to): (Position, Offset),
        snapshots: &[Manifest],
    ) -> Result<Option<Self>, PlanError> {
        let Some((salvage, inside)) = salvage::plan_to(log, from, to)? else { return Ok(None) };
        let frames = inside.map(|stored| front_of(&stored, to)).transpose()?.into_iter().collect();
        let stands_before = |snapshot: &&Manifest| {
            snapshot.next_offset <= salvage.tail.next_offset && snapshot.end() <= salvage.tail.position
        };
        let snapshots = snapshots.iter().filter(stands_before).map(|snapshot| snapshot.next_offset).collect();
        Ok(Some(Self { to, salvage, frames, snapshots }))
    }

    /// Where what is taken over byte for byte ends.
    pub fn cut(&self) -> &Tail {
        &self.salvage.tail
    }

    /// The offset of the first transaction that is taken over; that of the cut if none is.
    pub fn first_offset(&self) -> Offset {
        self.salvage.first_offset().unwrap_or(self.salvage.tail.next_offset)
    }

    /// Writes it from `log` and `snapshots` into empty directories, as the history `lineage`, which says `origin` for good;
    /// `salt_seed` are fresh random bytes.
    ///
    /// # Errors
    /// What the storage says; what was written is of no use then.
    pub fn write<S: Storage, T: Storage>(
        &self,
        (log, snapshots): (&S, &S),
        (to_log, to_snapshots): (&T, &T),
        (lineage, salt_seed): (Lineage, [u8; 16]),
        origin: &str,
    ) -> io::Result<()> {
        for next_offset in &self.snapshots {
            copy(snapshots, to_snapshots, &name_of(*next_offset))?;
        }
        let (segment_size, loss, frames) = (DEFAULT_SEGMENT_SIZE, origin.as_bytes(), self.frames.as_slice());
        let history = NewHistory { lineage, salt_seed, segment_size, loss, frames };
        salvage::write(log, to_log, &self.salvage, &history)
    }
}

/// The transactions of a frame before offset `to`, as a frame.
fn front_of(stored: &StoredFrame, to: Offset) -> Result<Frame, UnpackError> {
    let (frame, position) = (&stored.frame, stored.position.0);
    let count = to - frame.first_offset;
    let mut rest = frame.payload.as_slice();
    for _ in 0..count {
        Transaction::decode(&mut rest).map_err(|source| UnpackError::Record { position, source })?;
    }
    let size = frame.payload.len() - rest.len();
    // Fewer than the frame has, whose count is a u32.
    Ok(Frame::transactions(frame.first_offset, count as u32, frame.payload[..size].to_vec()))
}
