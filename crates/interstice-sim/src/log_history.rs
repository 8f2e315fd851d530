//! One history of the log alone from one seed: appends of every size, settles, seals, segments prepared ahead or not, writers
//! that replace each other, trims; syncs that fail in three ways, short writes, a full disk, read errors, power that goes in the
//! middle of any of it, bits that rot, segments that are gone; and after each end of the process the oracle.
//!
//! The oracle is what was sent, as a list:
//! 1. Every frame that was acknowledged is there, at its offset, with its bytes; so is the receipt.
//! 2. Nothing is there that was not sent, nothing twice, nothing out of order.
//! 3. An opening fails only if storage gave an error meanwhile, and then with that error, or if a bit has rotted.
//! 4. With a rotten bit in a segment: the log is refused, naming that segment, or it opens and lacks at most what nothing but
//!    the newest frames themselves certified. With a rotten bit in the mark it opens and lacks nothing.
//! 5. Without its newest segment the log is refused, if anything but the newest frames themselves certified one in it.
//! 6. Once the damage is put right, a refused log opens.

mod oracle;

use crate::faulty::{FaultyStorage, SyncFailure};
use crate::reached::reached;
use crate::rng::Rng;
use interstice_log::frame::{Epoch, Frame, Lineage, MAX_FRAME_PAYLOAD, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenError, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Preparation, Receipt, Resolution, Ticket};
use interstice_log::mark::MARK_NAME;
use interstice_log::segment::LogId;
use interstice_log::writer::LocalWriter;

/// Things that are done in one history.
const OPS: u64 = 36;
/// Openings of one try before a fault is put down to the log.
const TRIES: u64 = 4;

/// Receipts that are shown again after each opening, the newest ones.
const RECEIPTS: usize = 2;

reached! {
    acknowledged: "transactions acknowledged",
    seals: "seals",
    rotations: "segments more",
    splits: "split transactions",
    claims: "writers replaced with frames in flight",
    trims: "segments given up",
    power_crashes: "power cuts",
    power_cuts_at_work: "power cuts in the middle of an operation",
    restarts: "ends of the process alone",
    kept_dirty: "failed syncs that keep data dirty",
    dropped_dirty: "failed syncs that drop dirty data",
    claimed_clean: "failed syncs after which others claim success",
    failed_seals: "seals that failed",
    short_writes: "short writes",
    full: "full disks that the log outlived",
    failed_reads: "openings refused for a read error",
    failed_opens: "openings that failed otherwise",
    fenced_by_frames: "writers fenced by the segment",
    fenced_in_rotation: "writers fenced by the next segment",
    fenced_by_the_mark: "writers fenced by the mark",
    fenced_by_names: "writers fenced by the directory",
    torn_tails: "torn tails",
    torn_epochs: "torn tails of a writer that only began",
    quarantines: "torn tails kept",
    survivors: "transactions that survived without an acknowledgement",
    lost: "transactions lost without one",
    rotted: "bits rotted",
    refusals: "rotten logs refused",
    rot_in_marks: "marks rotted",
    segments_gone: "logs refused without their newest segment",
    uncertified: "newest transactions lost to rot",
    readers: "readers beside a writer",
}

/// One frame, or the parts of one transaction.
struct Sent {
    first_offset: u64,
    count: u32,
    payload: Vec<u8>,
}

impl Sent {
    fn end(&self) -> u64 {
        self.first_offset + u64::from(self.count)
    }
}

struct World {
    storage: FaultyStorage,
    log: Option<LocalLog<FaultyStorage>>,
    writer: Option<LocalWriter<FaultyStorage>>,
    preparation: Option<Preparation>,
    /// What was sent, in this line of history, since the first segment.
    sent: Vec<Sent>,
    /// Offsets that are acknowledged.
    acknowledged: u64,
    /// Offsets that something certifies beside the frames themselves.
    certified: u64,
    /// How many were acknowledged when the last frame was appended.
    acknowledged_before: u64,
    receipts: Vec<Receipt>,
    /// Whether the last writer failed before it was one: its first frame is all that can be torn.
    began: bool,
    workload: Rng,
    faults: Rng,
    power: Rng,
    disk: Rng,
    seeds: Rng,
    losses: Rng,
    reached: Reached,
}

/// Runs the history of `seed`.
///
/// # Errors
/// The first promise that was broken.
pub fn run(seed: u64) -> Result<Reached, String> {
    let stream = |number| Rng::new(seed, number);
    let mut world = World {
        storage: FaultyStorage::new(),
        log: None,
        writer: None,
        preparation: None,
        sent: Vec::new(),
        acknowledged: 0,
        certified: 0,
        acknowledged_before: 0,
        receipts: Vec::new(),
        began: false,
        workload: stream(1),
        faults: stream(2),
        power: stream(3),
        disk: stream(4),
        seeds: stream(5),
        losses: stream(6),
        reached: Reached::default(),
    };
    world.open()?;
    for _ in 0..OPS {
        world.arm();
        world.act()?;
    }
    world.settle(false)?;
    world.end(false)?;
    Ok(world.reached)
}

impl World {
    /// Lets something go wrong soon, now and then.
    fn arm(&mut self) {
        if self.faults.one_in(24) {
            let (n, failure) = (1 + self.faults.below(4), SyncFailure::any(&mut self.faults));
            self.storage.fail_sync_in(n, failure);
        }
        if self.disk.one_in(60) {
            let (n, eighths) = (1 + self.disk.below(4), self.disk.below(9));
            self.storage.cut_write_in(n, eighths);
        }
        if self.disk.one_in(8) {
            let full = self.disk.one_in(2);
            self.storage.set_full(full);
        }
        if self.power.one_in(30) {
            let n = self.power.below(14);
            self.storage.cut_power_in(n);
        }
    }

    fn act(&mut self) -> Result<(), String> {
        match self.workload.below(40) {
            0..=17 => self.append(),
            18..=25 => return self.settle(false),
            26..=29 => return self.settle(true),
            30..=32 => self.prepare(),
            33 => return self.replace(),
            34 => return self.trim(),
            35 => return self.look(),
            36..=38 => return self.end(true),
            _ => {
                (0..8).for_each(|_| self.append());
                return self.settle(false);
            }
        }
        Ok(())
    }

    /// A payload that no other frame of this history has.
    fn payload(&mut self) -> Vec<u8> {
        let size = match self.workload.below(400) {
            0 => MAX_FRAME_PAYLOAD + 1,
            1..=60 => 6_000 + self.workload.below(8_000) as usize,
            _ => 16 + self.workload.below(600) as usize,
        };
        let mut payload = self.seeds.bytes().to_vec();
        let fill = self.workload.next();
        payload.extend(
            std::iter::successors(Some(fill), |n| Some(n.wrapping_mul(5) + 7)).map(|n| (n >> 32) as u8).take(size),
        );
        payload
    }

    fn append(&mut self) {
        let payload = self.payload();
        let Some(writer) = &mut self.writer else { return };
        let first_offset = writer.tail().next_offset;
        let count = if payload.len() > MAX_FRAME_PAYLOAD { 1 } else { 1 + payload[0] as u32 % 3 };
        let frames = match payload.len() {
            0..=MAX_FRAME_PAYLOAD => vec![Frame::transactions(first_offset, count, payload.clone())],
            _ => Frame::split(first_offset, &payload),
        };
        for frame in &frames {
            let position = writer.tail().position;
            writer.append(position, frame);
        }
        // One that is refused at once is not in the log, and nothing of it may ever be.
        if writer.tail().next_offset == first_offset + u64::from(count) {
            self.sent.push(Sent { first_offset, count, payload });
            self.acknowledged_before = self.acknowledged;
            self.reached.splits += u64::from(frames.len() > 1);
        }
    }

    /// Settles or seals; what fails ends the process, but for a full disk.
    fn settle(&mut self, seal: bool) -> Result<(), String> {
        let Some(writer) = &mut self.writer else { return Err("invariant: there is a writer".to_owned()) };
        let resolved = if seal { writer.seal() } else { writer.settle() };
        let before = self.acknowledged;
        let failed = self.resolve(&resolved)?;
        if self.acknowledged > before || seal && failed.is_none() {
            self.certified = self.certified.max(self.acknowledged_before.min(before));
        }
        match failed {
            None if seal => {
                self.certified = self.acknowledged;
                self.reached.seals += 1;
                Ok(())
            }
            None => Ok(()),
            Some(failed) => {
                self.reached.failed_seals += u64::from(seal);
                self.recover(&failed)
            }
        }
    }

    /// Counts what is acknowledged; the first failure.
    fn resolve(&mut self, resolved: &[(Ticket, Resolution)]) -> Result<Option<Resolution>, String> {
        let mut failed = None;
        for (ticket, resolution) in resolved {
            match resolution {
                Resolution::Durable(_) if failed.is_some() => {
                    return Err(format!("{ticket:?} is durable behind {failed:?}"));
                }
                Resolution::Durable(receipt) => {
                    if receipt.next_offset < self.acknowledged {
                        return Err(format!("{receipt:?} after {} were acknowledged", self.acknowledged));
                    }
                    self.reached.acknowledged += receipt.next_offset - self.acknowledged;
                    self.acknowledged = receipt.next_offset;
                    self.receipts.push(*receipt);
                }
                other => failed = failed.or_else(|| Some(other.clone())),
            }
        }
        Ok(failed)
    }

    fn recover(&mut self, failed: &Resolution) -> Result<(), String> {
        if !failed.is_out_of_space() {
            self.note_fence();
            return self.end(true);
        }
        self.storage.set_full(false);
        // What was not written for want of space is not in the log.
        let tail = self.log.as_ref().ok_or("invariant: the log is open")?.tail();
        self.forget_from(tail.next_offset)?;
        self.reached.full += 1;
        self.claim()
    }

    /// Counts what failed when a writer was fenced.
    fn note_fence(&mut self) {
        match self.storage.failed_file() {
            None => self.reached.fenced_by_names += 1,
            Some(name) if name.starts_with("spare-") => self.reached.fenced_in_rotation += 1,
            Some(name) if name == MARK_NAME => self.reached.fenced_by_the_mark += 1,
            Some(_) => self.reached.fenced_by_frames += 1,
        }
    }

    fn claim(&mut self) -> Result<(), String> {
        let errors = self.storage.errors();
        let log = self.log.as_mut().ok_or("invariant: the log is open")?;
        let tail = log.tail();
        match log.claim(tail.position, Epoch(tail.epoch.0 + 1)) {
            Ok(writer) => {
                self.writer = Some(writer);
                Ok(())
            }
            Err(_) if self.storage.errors() > errors => {
                self.began = true;
                self.end(true)
            }
            Err(error) => Err(format!("the log cannot be claimed: {error}")),
        }
    }

    /// Another writer takes the log, whatever the old one has in flight.
    fn replace(&mut self) -> Result<(), String> {
        let (errors, log) = (self.storage.errors(), self.log.as_mut().ok_or("invariant: the log is open")?);
        let Some(mut stale) = self.writer.take() else { return Ok(()) };
        let durable = log.tail();
        let in_flight = stale.tail().next_offset > durable.next_offset;
        match log.claim(durable.position, Epoch(durable.epoch.0 + 1)) {
            Ok(writer) => self.writer = Some(writer),
            // The stale one may have failed without having settled yet.
            Err(_)
                if self.storage.errors() > errors
                    || !matches!(stale.settle().last(), None | Some((_, Resolution::Durable(_)))) =>
            {
                return self.end(true);
            }
            Err(error) => return Err(format!("the log cannot be claimed: {error}")),
        }
        self.reached.claims += u64::from(in_flight);
        let resolved = stale.settle();
        self.resolve(&resolved)?;
        if self.acknowledged > durable.next_offset {
            return Err(format!("a writer that was replaced acknowledged {}", self.acknowledged));
        }
        self.forget_from(durable.next_offset)
    }

    fn prepare(&mut self) {
        match self.preparation.take() {
            // What fails here is not the log's failure.
            Some(work) => drop(work()),
            None => self.preparation = self.writer.as_mut().and_then(LocalWriter::prepare),
        }
    }

    fn trim(&mut self) -> Result<(), String> {
        let log = self.log.as_mut().ok_or("invariant: the log is open")?;
        let before = log.segments();
        let position = Position(self.workload.below(log.tail().position.0 + 1));
        if log.trim(position).is_err() {
            return self.end(true);
        }
        self.reached.trims += (before.len() - log.segments().len()) as u64;
        Ok(())
    }

    /// A reader opens the log beside its writer.
    fn look(&mut self) -> Result<(), String> {
        let errors = self.storage.errors();
        match LocalLog::open_read_only(self.storage.clone()) {
            Ok(read) if read.tail().next_offset >= self.acknowledged => self.reached.readers += 1,
            Ok(read) => return Err(format!("a reader sees {} of {}", read.tail().next_offset, self.acknowledged)),
            Err(_) if self.storage.errors() > errors => {}
            Err(error) => return Err(format!("a reader is refused: {error}")),
        }
        Ok(())
    }

    /// The process ends, with the power or without, and the log is opened again.
    fn end(&mut self, may_fail: bool) -> Result<(), String> {
        (self.log, self.writer) = (None, None);
        self.stop();
        // Work that outlives its log must not hurt the next one: threads do.
        if let Some(work) = self.preparation.take().filter(|_| self.faults.one_in(2)) {
            let _ = work();
        }
        if may_fail && self.disk.one_in(4) {
            let n = 1 + self.disk.below(12);
            self.storage.fail_read_in(n);
        }
        if may_fail && self.power.one_in(4) {
            let n = self.power.below(14);
            self.storage.cut_power_in(n);
        }
        if may_fail && self.faults.one_in(6) {
            let n = 1 + self.faults.below(5);
            self.storage.fail_sync_in(n, SyncFailure::any(&mut self.faults));
        }
        self.open()
    }

    fn stop(&mut self) {
        let (off, met) = (self.storage.is_off(), self.storage.met());
        match met.sync {
            Some(SyncFailure::KeepsDirty) => self.reached.kept_dirty += 1,
            Some(SyncFailure::DropsDirty) => self.reached.dropped_dirty += 1,
            Some(SyncFailure::ClaimsClean) => self.reached.claimed_clean += 1,
            None => {}
        }
        self.reached.short_writes += u64::from(met.short_write);
        self.reached.power_cuts_at_work += u64::from(off);
        if off || self.power.one_in(2) {
            self.reached.power_crashes += 1;
            self.storage.crash(&mut self.power);
        } else {
            self.reached.restarts += 1;
            self.storage.restart();
        }
    }

    /// Opens, as often as it takes: each failure must have a cause.
    fn open(&mut self) -> Result<(), String> {
        if self.losses.one_in(8) {
            self.lose_newest_segment()?;
        }
        let mut rot = if self.disk.one_in(3) { self.rot() } else { None };
        for _ in 0..TRIES {
            let errors = self.storage.errors();
            let options = self.options();
            match LocalLog::open(self.storage.clone(), options) {
                Ok((log, report)) => {
                    let (torn, began) = (report.torn_tail_bytes > 0, std::mem::take(&mut self.began));
                    self.reached.torn_tails += u64::from(torn);
                    self.reached.torn_epochs += u64::from(torn && began && rot.is_none());
                    self.reached.quarantines += u64::from(report.quarantine.is_some());
                    self.check_mark(report.mark.as_deref(), rot.as_ref())?;
                    self.storage.fail_read_in(0);
                    self.check(&log, rot.as_ref())?;
                    self.reached.rotations += log.segments().len() as u64 - 1;
                    self.log = Some(log);
                    return self.claim();
                }
                Err(OpenError::Io { .. }) if self.storage.errors() > errors => {
                    let read = self.storage.met().read;
                    self.reached.failed_reads += u64::from(read);
                    self.reached.failed_opens += u64::from(!read);
                    self.stop();
                }
                Err(error) => {
                    self.refuse(&error, rot.take())?;
                    self.reached.refusals += 1;
                }
            }
        }
        Err("the log does not open, though nothing fails any more".to_owned())
    }

    fn options(&mut self) -> OpenOptions {
        OpenOptions {
            segment_size: MIN_SEGMENT_SIZE,
            log_id: LogId([1; 16]),
            lineage: Lineage([2; 16]),
            salt_seed: self.seeds.bytes(),
        }
    }
}
