//! A log in memory: the same promises, as durable as the process. Clones share it.

use crate::frame::{ChainHash, Epoch, Frame, FrameKind, Lineage, Position, StoredFrame};
use crate::log::{ClaimError, CommitLog, CommitLogWriter, ReadError, Receipt, Resolution, Tail, Ticket, TrimError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log in memory.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    frames: Vec<StoredFrame>,
    first: Position,
    tail: Tail,
}

impl MemoryLog {
    /// An empty log.
    pub fn new(lineage: Lineage) -> Self {
        let tail = Tail { position: Position(0), next_offset: 0, epoch: Epoch(0), chain: [0; 32], lineage };
        Self { shared: Arc::new(Mutex::new(Shared { frames: Vec::new(), first: Position(0), tail })) }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CommitLog for MemoryLog {
    type Writer = MemoryWriter;
    type Frames = std::vec::IntoIter<Result<StoredFrame, ReadError>>;

    fn read(&self, from: Position) -> Result<Self::Frames, ReadError> {
        let shared = self.shared();
        if from < shared.first {
            return Err(ReadError::Trimmed { asked: from, first: shared.first });
        }
        if from > shared.tail.position {
            return Err(ReadError::Regressed { asked: from, end: shared.tail.position });
        }
        let skipped = (from.0 - shared.first.0) as usize;
        let frames: Vec<_> = shared.frames[skipped..].iter().cloned().map(Ok).collect();
        Ok(frames.into_iter())
    }

    fn claim(&mut self, expected: Position, epoch: Epoch) -> Result<MemoryWriter, ClaimError> {
        let tail = {
            let mut shared = self.shared();
            if shared.tail.position != expected {
                return Err(ClaimError::WrongTail { expected, found: shared.tail.position });
            }
            if epoch <= shared.tail.epoch {
                return Err(ClaimError::OldEpoch { asked: epoch, last: shared.tail.epoch });
            }
            shared.tail.epoch = epoch;
            shared.tail
        };
        let mut writer = MemoryWriter {
            log: self.clone(),
            tail,
            waiting: Vec::new(),
            appended: Vec::new(),
            next_ticket: 0,
            next_part: 0,
            failed: false,
        };
        writer.append(expected, &Frame::marker(FrameKind::Epoch, tail.next_offset));
        match writer.settle().pop() {
            Some((_, Resolution::Durable(_))) => Ok(writer),
            other => Err(ClaimError::Failed { reason: format!("{other:?}") }),
        }
    }

    fn trim(&self, up_to: Position) -> Result<(), TrimError> {
        let mut shared = self.shared();
        if up_to > shared.tail.position {
            return Err(TrimError::Regressed { asked: up_to, end: shared.tail.position });
        }
        let count = up_to.0.saturating_sub(shared.first.0) as usize;
        shared.frames.drain(..count);
        shared.first = shared.first.max(up_to);
        Ok(())
    }

    fn tail(&self) -> Tail {
        self.shared().tail
    }
}

/// Appends to a log in memory.
pub struct MemoryWriter {
    log: MemoryLog,
    tail: Tail,
    waiting: Vec<StoredFrame>,
    appended: Vec<(Ticket, Result<Receipt, Resolution>)>,
    next_ticket: u64,
    next_part: u32,
    failed: bool,
}

impl MemoryWriter {
    fn place(&mut self, frame: &Frame) -> Receipt {
        let synced_through = self.log.shared().tail.next_offset;
        let chain: ChainHash = *blake3::Hasher::new()
            .update(&self.tail.chain)
            .update(&self.tail.position.0.to_le_bytes())
            .update(&frame.payload)
            .finalize()
            .as_bytes();
        let Tail { position, epoch, lineage, .. } = self.tail;
        self.waiting.push(StoredFrame {
            position,
            epoch,
            lineage,
            synced_through,
            byte: 0,
            chain,
            frame: frame.clone(),
        });
        self.tail.position.0 += 1;
        self.tail.next_offset += u64::from(frame.count);
        self.tail.chain = chain;
        Receipt { lineage, next_offset: self.tail.next_offset, chain }
    }
}

impl CommitLogWriter for MemoryWriter {
    fn append(&mut self, expected: Position, frame: &Frame) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let outcome = if self.failed {
            Err(Resolution::Poisoned)
        } else if expected != self.tail.position {
            self.failed = true;
            let reason = format!("the log ends at frame {}, not at {}", self.tail.position.0, expected.0);
            Err(Resolution::Fenced { reason })
        } else if let Some(fault) = frame.fault(self.tail.next_offset, self.next_part) {
            self.failed = true;
            Err(Resolution::Fenced { reason: fault.to_owned() })
        } else {
            self.next_part = frame.next_part();
            Ok(self.place(frame))
        };
        self.appended.push((ticket, outcome));
        ticket
    }

    fn settle(&mut self) -> Vec<(Ticket, Resolution)> {
        let log = self.log.clone();
        let mut shared = log.shared();
        let stale = shared.tail.epoch != self.tail.epoch;
        self.failed |= stale;
        let mut poisoned = false;
        let mut resolved = Vec::with_capacity(self.appended.len());
        let mut durable = 0;
        for (ticket, outcome) in self.appended.drain(..) {
            let resolution = match outcome {
                _ if poisoned => Resolution::Poisoned,
                Ok(_) if stale => Resolution::Fenced { reason: "another writer has claimed the log".to_owned() },
                Ok(receipt) => {
                    durable += 1;
                    Resolution::Durable(receipt)
                }
                Err(resolution) => resolution,
            };
            poisoned |= !matches!(resolution, Resolution::Durable(_));
            resolved.push((ticket, resolution));
        }
        let kept: Vec<_> = self.waiting.drain(..).take(durable).collect();
        if let Some(last) = kept.last() {
            shared.tail.position = Position(last.position.0 + 1);
            shared.tail.next_offset = last.frame.first_offset + u64::from(last.frame.count);
            shared.tail.chain = last.chain;
        }
        shared.frames.extend(kept);
        resolved
    }

    fn tail(&self) -> Tail {
        self.tail
    }
}
