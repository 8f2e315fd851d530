//! The durable side of a database: frames in, durable offsets out, and nothing more after the first failure.

use interstice_log::frame::{Frame, FrameKind};
use interstice_log::log::{CommitLogWriter, Preparation, Receipt, Resolution};
use interstice_types::id::Offset;

/// A log's writer that knows how far the log is durable, and stays failed once it has failed.
pub struct Committer<W> {
    writer: W,
    durable: Offset,
    receipt: Option<Receipt>,
    failed: Option<SettleError>,
}

/// Why nothing more can be made durable. What was waiting may or may not have happened: its callers hear `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log does not take commits any more: {reason}")]
pub struct SettleError {
    /// What the log says.
    pub reason: String,
    /// Whether the log is as it was, and only lacks space to go on.
    pub out_of_space: bool,
}

impl<W: CommitLogWriter> Committer<W> {
    /// Of a writer in office.
    pub fn new(writer: W) -> Self {
        let durable = writer.tail().next_offset;
        Self { writer, durable, receipt: None, failed: None }
    }

    /// Takes frames for the next [`settle`](Self::settle).
    pub fn append(&mut self, frames: &[Frame]) {
        if self.failed.is_some() {
            return;
        }
        for (number, frame) in frames.iter().enumerate() {
            if frame.first_part && !frame.last_part {
                self.writer.expect(size_of_transaction(&frames[number..]));
            }
            let position = self.writer.tail().position;
            self.writer.append(position, frame);
        }
    }

    /// Makes all that was appended durable with one sync; returns the receipt of each frame, in order.
    ///
    /// # Errors
    /// [`SettleError`], now and from now on.
    pub fn settle(&mut self) -> Result<Vec<Receipt>, SettleError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut receipts = Vec::new();
        for (_, resolution) in self.writer.settle() {
            let out_of_space = resolution.is_out_of_space();
            let reason = match resolution {
                Resolution::Durable(receipt) => {
                    self.durable = receipt.next_offset;
                    receipts.push(receipt);
                    continue;
                }
                Resolution::Fenced { reason } | Resolution::Indeterminate { reason } => reason,
                Resolution::Poisoned => "an earlier append failed".to_owned(),
            };
            let error = SettleError { reason, out_of_space };
            self.failed = Some(error.clone());
            return Err(error);
        }
        self.receipt = receipts.last().copied().or(self.receipt);
        Ok(receipts)
    }

    /// Makes a frame durable that certifies the ones before it: until then only they themselves say that they were synced.
    ///
    /// # Errors
    /// [`SettleError`], now and from now on.
    pub fn seal(&mut self) -> Result<(), SettleError> {
        self.append(&[Frame::marker(FrameKind::Seal, self.durable)]);
        self.settle().map(|_| ())
    }

    /// Work ahead of need that the log would like to have done on another thread, if there is some. Ask after each
    /// [`settle`](Self::settle).
    pub fn prepare(&mut self) -> Option<Preparation> {
        self.writer.prepare()
    }

    /// Count of offsets that are durable.
    pub fn durable(&self) -> Offset {
        self.durable
    }

    /// Proof of the newest durable frame of this run.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt
    }
}

/// Bytes of the frames of the transaction that begins with the first of `frames`.
fn size_of_transaction(frames: &[Frame]) -> u64 {
    let parts = frames.iter().position(|frame| frame.last_part).map_or(frames, |last| &frames[..=last]);
    parts.iter().map(Frame::size).sum()
}
