//! Transactions into frames, and frames into transactions.

use interstice_engine::catalog::Catalog;
use interstice_log::frame::{ALIGNMENT, FRAME_HEADER_SIZE, Frame, FrameKind, MAX_FRAME_PAYLOAD, StoredFrame};
use interstice_log::log::ReadError;
use interstice_types::id::Offset;
use interstice_types::transaction::{RecordError, Transaction};

/// Packs transactions into frames: as many into one as fit, one that is too large into several.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    first_offset: Offset,
    count: u32,
    payload: Vec<u8>,
    full: Vec<Frame>,
}

impl FrameBuilder {
    /// Adds a transaction. `catalog` is the one in force before it.
    pub fn push(&mut self, transaction: &Transaction, catalog: &Catalog) {
        let start = self.payload.len();
        if self.count == 0 {
            self.first_offset = transaction.offset;
        }
        transaction.encode(|table| catalog.keeps_old(table), &mut self.payload);
        self.count += 1;
        if self.payload.len() <= MAX_FRAME_PAYLOAD {
            return;
        }
        let record = self.payload.split_off(start);
        self.count -= 1;
        self.close();
        if record.len() > MAX_FRAME_PAYLOAD {
            self.full.extend(Frame::split(transaction.offset, &record));
        } else {
            (self.first_offset, self.count, self.payload) = (transaction.offset, 1, record);
        }
    }

    /// Bytes that the frames so far take in a log.
    pub fn size(&self) -> u64 {
        let open = (FRAME_HEADER_SIZE + self.payload.len().next_multiple_of(ALIGNMENT as usize)) as u64;
        self.full.iter().map(Frame::size).sum::<u64>() + if self.count > 0 { open } else { 0 }
    }

    /// All frames, in order; the builder is empty then.
    pub fn take(&mut self) -> Vec<Frame> {
        self.close();
        std::mem::take(&mut self.full)
    }

    fn close(&mut self) {
        if self.count > 0 {
            let payload = std::mem::take(&mut self.payload);
            self.full.push(Frame::transactions(self.first_offset, self.count, payload));
            self.count = 0;
        }
    }
}

/// Why a log's frames are not transactions.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A payload is not what its frame says.
    #[error("frame {position}: {source}")]
    Record {
        /// The frame.
        position: u64,
        /// What is wrong.
        source: RecordError,
    },
    /// A frame holds another number of transactions than it says.
    #[error("frame {position} holds other transactions than it says")]
    WrongCount {
        /// The frame.
        position: u64,
    },
}

impl UnpackError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Self::Read(ReadError::Trimmed { .. }))
    }
}

/// Takes frames in order, which begin at the beginning of a transaction, and puts parts together.
#[derive(Debug, Default)]
pub struct Unpacker {
    parts: Vec<u8>,
}

/// Transactions of a sequence of frames, parts put together.
pub struct Transactions<I> {
    frames: I,
    unpacker: Unpacker,
    ready: std::vec::IntoIter<Transaction>,
}

impl<I: Iterator<Item = Result<StoredFrame, ReadError>>> Transactions<I> {
    /// Of `frames`, which begin at the beginning of a transaction.
    pub fn new(frames: I) -> Self {
        Self { frames, unpacker: Unpacker::default(), ready: Vec::new().into_iter() }
    }
}

impl Unpacker {
    /// The transactions that `stored` completes.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn unpack(&mut self, stored: &StoredFrame) -> Result<Vec<Transaction>, UnpackError> {
        let frame = &stored.frame;
        if frame.kind != FrameKind::Transactions {
            return Ok(Vec::new());
        }
        let position = stored.position.0;
        let mut payload = frame.payload.as_slice();
        let whole;
        if !(frame.first_part && frame.last_part) {
            if frame.first_part {
                self.parts.clear();
            }
            self.parts.extend(payload);
            if !frame.last_part {
                return Ok(Vec::new());
            }
            whole = std::mem::take(&mut self.parts);
            payload = &whole;
        }
        let mut transactions = Vec::new();
        while !payload.is_empty() {
            let transaction =
                Transaction::decode(&mut payload).map_err(|source| UnpackError::Record { position, source })?;
            transactions.push(transaction);
        }
        let offsets =
            transactions.iter().zip(frame.first_offset..).all(|(transaction, offset)| transaction.offset == offset);
        if transactions.len() != frame.count as usize || !offsets {
            return Err(UnpackError::WrongCount { position });
        }
        Ok(transactions)
    }
}

/// The transaction at `offset`, which begins in the first of `frames`; `None` if it does not. Of others in that frame only the lengths
/// are looked at.
///
/// # Errors
/// [`UnpackError`].
pub fn transaction_in(
    frames: impl Iterator<Item = Result<StoredFrame, ReadError>>,
    offset: Offset,
) -> Result<Option<Transaction>, UnpackError> {
    let mut unpacker = Unpacker::default();
    for stored in frames {
        let stored = stored?;
        let frame = &stored.frame;
        if frame.kind != FrameKind::Transactions {
            return Ok(None);
        }
        if frame.first_part && frame.last_part {
            return one_of(&stored, offset);
        }
        let found = unpacker.unpack(&stored)?.into_iter().next();
        if found.is_some() || frame.first_offset != offset {
            return Ok(found.filter(|found| found.offset == offset));
        }
    }
    Ok(None)
}

/// The transaction at `offset` of a frame that holds whole ones.
fn one_of(stored: &StoredFrame, offset: Offset) -> Result<Option<Transaction>, UnpackError> {
    let (frame, position) = (&stored.frame, stored.position.0);
    let failed = |source| UnpackError::Record { position, source };
    let mut payload = frame.payload.as_slice();
    let Some(before) = offset.checked_sub(frame.first_offset) else { return Ok(None) };
    for _ in 0..before.min(u64::from(frame.count)) {
        Transaction::skip(&mut payload).map_err(failed)?;
    }
    if payload.is_empty() {
        return Ok(None);
    }
    let found = Transaction::decode(&mut payload).map_err(failed)?;
    if found.offset == offset { Ok(Some(found)) } else { Err(UnpackError::WrongCount { position }) }
}

impl<I: Iterator<Item = Result<StoredFrame, ReadError>>> Iterator for Transactions<I> {
    type Item = Result<Transaction, UnpackError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(transaction) = self.ready.next() {
                return Some(Ok(transaction));
            }
            let unpacked = match self.frames.next()? {
                Ok(stored) => self.unpacker.unpack(&stored),
                Err(error) => Err(error.into()),
            };
            match unpacked {
                Ok(transactions) => self.ready = transactions.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
