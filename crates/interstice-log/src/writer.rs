//! The writer of a local log: frames gather in a buffer, one write and one sync make them durable.

use crate::frame::{self, Frame, FrameKind, Place, Position};
use crate::local::{OpenOptions, Shared, lock};
use crate::log::{CommitLogWriter, Preparation, Receipt, Resolution, Tail, Ticket};
use crate::mark::{self, MARK_NAME, Mark};
use crate::planted::{self, Bug};
use crate::segment::{FOOTER_SIZE, SEGMENT_HEADER_SIZE, SegmentHeader, encode_footer, salt};
use crate::spare::{self, Spare, SparePlan};
use crate::storage::{Storage, StorageFile};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The next segment is prepared once one part in so many of a segment is used: a log that stays small needs none, and one
/// that is written at full speed leaves time for it.
const PREPARE_FROM_PART: u64 = 16;

/// The segment that takes frames.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenSegment {
    pub(crate) header: SegmentHeader,
    /// Byte behind its last frame.
    pub(crate) byte: u64,
}

/// Appends to a local log.
pub struct LocalWriter<S: Storage> {
    storage: S,
    options: OpenOptions,
    shared: Arc<Mutex<Shared>>,
    file: S::File,
    mark: S::File,
    segment: OpenSegment,
    /// Whether the segment has its footer.
    sealed: bool,
    tail: Tail,
    synced_through: u64,
    buffer: Vec<u8>,
    appended: Vec<Appended>,
    next_ticket: u64,
    /// The part that is due.
    next_part: u32,
    /// Bytes of the transaction that comes next.
    expected: u64,
    /// Whether a transaction has begun behind which no segment may end.
    mid_transaction: bool,
    /// Frames before this one are durable.
    durable: Position,
    failed: bool,
}

/// An append that has not resolved.
struct Appended {
    ticket: Ticket,
    outcome: Result<(Position, Receipt), Resolution>,
}

impl<S: Storage> LocalWriter<S> {
    pub(crate) fn new(
        storage: S,
        options: OpenOptions,
        shared: Arc<Mutex<Shared>>,
        (segment, sealed): (OpenSegment, bool),
        tail: Tail,
    ) -> io::Result<Self> {
        let file = storage.open(&segment.header.name())?;
        let mark = storage.open(MARK_NAME)?;
        lock(&shared).reserved = reserved(&file)?;
        let mid_transaction = lock(&shared).mid_transaction;
        Ok(Self {
            storage,
            options,
            shared,
            file,
            mark,
            segment,
            sealed,
            tail,
            synced_through: tail.next_offset,
            buffer: Vec::new(),
            appended: Vec::new(),
            next_ticket: 0,
            next_part: 0,
            expected: 0,
            mid_transaction,
            durable: tail.position,
            failed: false,
        })
    }

    fn encode(&mut self, frame: &Frame) -> Result<(Position, Receipt), Resolution> {
        // Nothing is written behind the space that was reserved, but for a transaction that no segment could take.
        let size = std::mem::take(&mut self.expected).max(frame.size());
        let full = self.segment.byte + self.buffer.len() as u64 + size > self.options.segment_size;
        let has_offsets = self.tail.next_offset > self.segment.header.first_offset;
        if self.sealed || full && has_offsets && !self.mid_transaction {
            self.rotate()?;
        }
        let place = Place {
            position: self.tail.position,
            lineage: self.tail.lineage,
            epoch: self.tail.epoch,
            byte: self.segment.byte + self.buffer.len() as u64,
            synced_through: self.synced_through,
            previous: self.tail.chain,
        };
        self.tail.chain = frame::encode(frame, &place, &self.segment.header.salt, &mut self.buffer);
        self.tail.position.0 += 1;
        self.tail.next_offset += u64::from(frame.count);
        self.next_part = frame.next_part();
        self.mid_transaction = !frame.last_part;
        let Tail { lineage, next_offset, chain, .. } = self.tail;
        Ok((place.position, Receipt { lineage, next_offset, chain }))
    }

    /// Writes and syncs what is in the buffer. The office is held.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if planted::is(Bug::MarkBeforeSync) {
            self.publish_tail();
            self.write_mark()?;
        }
        self.mark_segment()?;
        match self.file.write_all_at(&self.buffer, self.segment.byte) {
            Err(error) if planted::is(Bug::ShortWriteIgnored) && error.kind() == io::ErrorKind::WriteZero => {}
            written => written?,
        }
        match if planted::is(Bug::FrameUnsynced) { Ok(()) } else { self.file.sync() } {
            Err(_) if planted::is(Bug::SyncErrorIgnored) => {}
            Err(_) if planted::is(Bug::SyncRetried) => self.file.sync()?,
            synced => synced?,
        }
        self.segment.byte += self.buffer.len() as u64;
        self.buffer.clear();
        self.synced_through = self.tail.next_offset;
        self.durable = self.tail.position;
        self.publish_tail();
        Ok(())
    }

    /// Seals the open segment and opens the next one. The footer is durable before the next segment has its name.
    fn rotate(&mut self) -> Result<(), Resolution> {
        let office = Arc::clone(&lock(&self.shared).office);
        let _held = office.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_replaced() {
            self.failed = true;
            self.buffer.clear();
            return Err(Resolution::Fenced { reason: "another writer has claimed the log".to_owned() });
        }
        self.finish_segment().map_err(|error| self.indeterminate(&error))?;
        let header = SegmentHeader {
            first_offset: self.tail.next_offset,
            first_frame: self.tail.position,
            chain: self.tail.chain,
            salt: salt(&self.options.salt_seed, self.tail.position),
            ..self.segment.header
        };
        let (spare, file) = match self.next_file(&header) {
            Ok(next) => next,
            Err(error) if is_full(&error) => {
                self.failed = true;
                return Err(Resolution::out_of_space(&error));
            }
            Err(error) => return Err(self.indeterminate(&error)),
        };
        spare::name_segment(&self.storage, &spare, &header).map_err(|error| self.indeterminate(&error))?;
        lock(&self.shared).reserved = reserved(&file).map_err(|error| self.indeterminate(&error))?;
        self.file = file;
        self.segment = OpenSegment { header, byte: SEGMENT_HEADER_SIZE as u64 };
        self.sealed = false;
        lock(&self.shared).segments.push(header);
        self.publish_tail();
        Ok(())
    }

    /// The next segment's file, durable with its header but without its name: the one made ahead, or one made now.
    fn next_file(&mut self, header: &SegmentHeader) -> io::Result<(String, S::File)> {
        let size = self.options.segment_size;
        let ahead = self.take_spare().and_then(|name| Some((spare::open_spare(&self.storage, &name, size)?, name)));
        let (name, file) = match ahead {
            Some((file, name)) => (name, Ok(file)),
            None => (spare::spare_name(header), spare::make_now(&self.storage, header, size)),
        };
        let begun = file.and_then(|mut file| spare::begin(&mut file, header).map(|()| file));
        if begun.as_ref().is_err_and(is_full) {
            // Only gives space back: the next open removes what is left of it.
            let _ = self.storage.remove(&name);
        }
        Ok((name, begun?))
    }

    /// The name of the file that was made ahead; from now on there is none.
    fn take_spare(&self) -> Option<String> {
        let spare = &mut lock(&self.shared).spare;
        match std::mem::take(spare) {
            Spare::Ready(name) => Some(name),
            unready => {
                *spare = unready;
                None
            }
        }
    }

    /// Makes what is in the buffer durable, then the footer.
    fn finish_segment(&mut self) -> io::Result<()> {
        self.flush()?;
        if !self.sealed {
            let footer = encode_footer(&self.segment.header, &self.tail, self.segment.byte);
            self.file.write_all_at(&footer, self.segment.byte)?;
            if !planted::is(Bug::FooterUnsynced) {
                self.file.sync()?;
            }
            self.sealed = true;
            lock(&self.shared).sealed = true;
        }
        Ok(())
    }

    /// Writes the mark, unless another writer has the log.
    ///
    /// # Errors
    /// What became of the seal frame, if the mark failed: nothing is written any more.
    fn certify(&mut self) -> Result<(), Resolution> {
        let office = Arc::clone(&lock(&self.shared).office);
        let _held = office.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_replaced() || planted::is(Bug::IdleUnmarked) {
            // The log goes on without this writer, and so does the mark.
            return Ok(());
        }
        self.write_mark().map_err(|error| self.indeterminate(&error))
    }

    /// Writes the mark for what is durable. The office is held.
    fn write_mark(&mut self) -> io::Result<()> {
        let (counter, tail) = {
            let shared = lock(&self.shared);
            (shared.mark_counter, shared.tail)
        };
        mark::write(&mut self.mark, &Mark::new(self.segment.header.log_id, counter, &tail))?;
        let mut shared = lock(&self.shared);
        (shared.mark_counter, shared.marked) = (counter.wrapping_add(1), tail.next_offset);
        Ok(())
    }

    /// Writes the mark if it proves no transaction of the open segment yet, and some there are durable: if the segment were gone
    /// as a whole, nothing else could say so. The office is held.
    fn mark_segment(&mut self) -> io::Result<()> {
        let first_offset = self.segment.header.first_offset;
        let is_due = !planted::is(Bug::SegmentUnmarked)
            && lock(&self.shared).marked <= first_offset
            && self.synced_through > first_offset;
        if is_due { self.write_mark() } else { Ok(()) }
    }

    fn is_replaced(&self) -> bool {
        lock(&self.shared).epoch != self.tail.epoch && !planted::is(Bug::StaleWriterGoesOn)
    }

    fn indeterminate(&mut self, error: &io::Error) -> Resolution {
        let reason = error.to_string();
        self.failed = true;
        lock(&self.shared).failed = Some(reason.clone());
        Resolution::Indeterminate { reason }
    }

    /// Why this writer may not append, if it may not.
    fn fence(&self, expected: Position, frame: &Frame) -> Option<Resolution> {
        if self.failed && !planted::is(Bug::FenceIgnored) {
            return Some(Resolution::Poisoned);
        }
        let office = lock(&self.shared).epoch;
        if self.is_replaced() {
            return Some(Resolution::Fenced { reason: format!("epoch {} has claimed the log", office.0) });
        }
        if expected != self.tail.position {
            let reason = format!("the log ends at frame {}, not at {}", self.tail.position.0, expected.0);
            return Some(Resolution::Fenced { reason });
        }
        let fault = frame.fault(self.tail.next_offset, self.next_part)?;
        Some(Resolution::Fenced { reason: fault.to_owned() })
    }

    fn publish_tail(&self) {
        let mut shared = lock(&self.shared);
        shared.tail = self.tail;
        shared.byte = self.segment.byte;
        shared.sealed = self.sealed;
        shared.mid_transaction = self.mid_transaction;
    }
}

impl<S: Storage> CommitLogWriter for LocalWriter<S> {
    fn expect(&mut self, size: u64) {
        self.expected = size;
    }

    fn append(&mut self, expected: Position, frame: &Frame) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let outcome = match self.fence(expected, frame) {
            None => self.encode(frame),
            Some(resolution) => {
                self.failed = true;
                Err(resolution)
            }
        };
        self.appended.push(Appended { ticket, outcome });
        ticket
    }

    fn settle(&mut self) -> Vec<(Ticket, Resolution)> {
        let office = Arc::clone(&lock(&self.shared).office);
        let held = office.lock().unwrap_or_else(PoisonError::into_inner);
        let mut broken = None;
        if self.is_replaced() {
            self.failed = true;
            self.buffer.clear();
            broken = Some(Resolution::Fenced { reason: "another writer has claimed the log".to_owned() });
        } else if let Some(reason) = lock(&self.shared).failed.clone().filter(|_| !planted::is(Bug::FenceIgnored)) {
            broken = Some(Resolution::Indeterminate { reason });
        } else if let Err(error) = self.flush() {
            broken = Some(self.indeterminate(&error));
        }
        drop(held);
        let mut resolved = Vec::with_capacity(self.appended.len());
        let mut poisoned = false;
        for Appended { ticket, outcome } in self.appended.drain(..) {
            let resolution = match (outcome, &broken) {
                _ if poisoned => Resolution::Poisoned,
                // Frames before a rotation are durable whatever happened to those behind it.
                (Ok((position, receipt)), _) if position < self.durable => Resolution::Durable(receipt),
                (Ok(_), Some(broken)) => broken.clone(),
                (Ok((_, receipt)), None) => Resolution::Durable(receipt),
                (Err(resolution), _) => resolution,
            };
            poisoned |= !matches!(resolution, Resolution::Durable(_));
            resolved.push((ticket, resolution));
        }
        resolved
    }

    fn seal(&mut self) -> Vec<(Ticket, Resolution)> {
        let tail = self.tail;
        self.append(tail.position, &Frame::marker(FrameKind::Seal, tail.next_offset));
        let mut resolved = self.settle();
        if let Some((_, seal @ Resolution::Durable(_))) = resolved.last_mut()
            && let Err(failed) = self.certify()
        {
            *seal = failed;
        }
        resolved
    }

    fn prepare(&mut self) -> Option<Preparation> {
        let (size, used) = (self.options.segment_size, self.segment.byte + self.buffer.len() as u64);
        // A segment that was made when they were smaller is used up to some part from its beginning.
        let left = lock(&self.shared).reserved.min(size).saturating_sub(used);
        let is_fresh = left + size / PREPARE_FROM_PART > size.saturating_sub(SEGMENT_HEADER_SIZE as u64);
        if self.failed || self.is_replaced() || is_fresh {
            return None;
        }
        let spare = &mut lock(&self.shared).spare;
        if *spare != Spare::None {
            return None;
        }
        *spare = Spare::InTheMaking;
        // No two plans have one name: an epoch has one writer, and a writer is at one frame when it gives out a plan.
        let name = format!("spare-{:020}-{}", self.tail.position.0, self.tail.epoch.0);
        let shared = Arc::downgrade(&self.shared);
        let plan = SparePlan::new(self.storage.clone(), shared, name, size);
        Some(Box::new(move || plan.run()))
    }

    fn tail(&self) -> Tail {
        self.tail
    }
}

#[cfg(feature = "planted")]
impl<S: Storage> Drop for LocalWriter<S> {
    fn drop(&mut self) {
        if planted::is(Bug::FlushInDrop) {
            let _ = self.flush();
        }
    }
}

/// Byte up to which a segment's file has space for frames: behind them comes the footer.
fn reserved<F: StorageFile>(file: &F) -> io::Result<u64> {
    Ok(file.size()?.saturating_sub(FOOTER_SIZE as u64))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
