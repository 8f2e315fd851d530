//! Damage to a log at rest, and the oracle: what is recovered is held against what was sent.

use super::{RECEIPTS, World};
use crate::faulty::FaultyStorage;
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::{CommitLog, Standing};
use interstice_log::mark::MARK_NAME;
use interstice_log::storage::Storage;
use interstice_log::verify::verify;

/// A bit that has rotted.
#[derive(Debug, Clone)]
pub(super) struct Rot {
    name: String,
    byte: usize,
    bit: usize,
}

impl World {
    /// Takes the newest segment away, if something else proves transactions in it, and puts it back.
    pub(super) fn lose_newest_segment(&mut self) -> Result<(), String> {
        let errors = self.storage.errors();
        let names = self.storage.list().map_err(|error| error.to_string())?;
        let newest = names.iter().filter(|name| is_segment(name)).max();
        let begins = newest.and_then(|name| name.trim_end_matches(".log").parse::<u64>().ok());
        let (Some(newest), true) = (newest, begins.is_some_and(|begins| begins < self.certified)) else {
            return Ok(());
        };
        let Some(taken) = self.storage.take_away(newest) else { return Ok(()) };
        let options = self.options();
        match LocalLog::open(self.storage.clone(), options).map(|_| ()) {
            Err(OpenError::Corrupt { .. }) => self.reached.segments_gone += 1,
            Err(OpenError::Io { .. }) if self.storage.errors() > errors => {}
            other => return Err(format!("{} were certified, {newest} is gone: {other:?}", self.certified)),
        }
        self.storage.put_back(taken);
        Ok(())
    }

    /// Turns a bit of a segment or of the mark around.
    pub(super) fn rot(&mut self) -> Option<Rot> {
        let mut names = self.storage.list().ok()?;
        names.retain(|name| is_segment(name) || name == MARK_NAME);
        names.sort();
        let name = names.get(self.disk.below(names.len().max(1) as u64) as usize)?.clone();
        // Near the end now and then: there is where the newest frames are.
        let used = self.storage.used(&name) as u64;
        let back = if self.disk.one_in(2) { self.disk.below(400) } else { self.disk.below(used.max(1)) };
        let rot = Rot { byte: used.saturating_sub(back) as usize, bit: self.disk.below(8) as usize, name };
        self.storage.rot(&rot.name, rot.byte, rot.bit);
        self.reached.rotted += 1;
        self.reached.rot_in_marks += u64::from(rot.name == MARK_NAME);
        Some(rot)
    }

    /// A refusal must be for a rotten bit, name its segment, and be what verifying says; then the bit is put right.
    pub(super) fn refuse(&mut self, error: &OpenError, rot: Option<Rot>) -> Result<(), String> {
        let Some(rot) = rot else { return Err(format!("an undamaged log is refused: {error}")) };
        match error {
            OpenError::Corrupt { segment, .. } if *segment == rot.name => {}
            error => return Err(format!("{rot:?} is refused as: {error}")),
        }
        self.storage.restart();
        let verified = verify(&self.storage).map_err(|error| error.to_string())?;
        let named = verified.segments.iter().any(|segment| segment.name == rot.name && !segment.faults.is_empty());
        if !named {
            return Err(format!("{rot:?} is refused, and verified as {verified:?}"));
        }
        self.storage.rot(&rot.name, rot.byte, rot.bit);
        Ok(())
    }

    /// Holds what was recovered against what was sent.
    pub(super) fn check(&mut self, log: &LocalLog<FaultyStorage>, rot: Option<&Rot>) -> Result<(), String> {
        let end = log.tail().next_offset;
        let uncertified = rot.is_some_and(|rot| rot.name != MARK_NAME) && end >= self.certified;
        if end < self.acknowledged && !uncertified {
            return Err(format!("{} transactions were acknowledged, {end} are there, {rot:?}", self.acknowledged));
        }
        self.reached.uncertified += self.acknowledged.saturating_sub(end);
        self.acknowledged = self.acknowledged.min(end);
        let first = log.segments()[0];
        let mut sent = self.sent.iter().filter(|sent| sent.first_offset >= first.first_offset);
        let (mut parts, mut reached) = (Vec::new(), first.first_offset);
        for stored in log.read(first.first_frame).map_err(|error| error.to_string())? {
            let frame = stored.map_err(|error| error.to_string())?.frame;
            parts.extend(frame.payload);
            if frame.count == 0 {
                continue;
            }
            reached = frame.first_offset + u64::from(frame.count);
            let expected =
                sent.next().ok_or_else(|| format!("nobody sent what is at offset {}", frame.first_offset))?;
            if (expected.first_offset, expected.count) != (frame.first_offset, frame.count) || expected.payload != parts
            {
                return Err(format!("what is at offset {} is not what was sent there", frame.first_offset));
            }
            parts.clear();
        }
        if reached != end || !parts.is_empty() {
            return Err(format!("the log ends at {end}, its frames at {reached}, {} bytes more", parts.len()));
        }
        let receipts = std::mem::take(&mut self.receipts);
        for receipt in receipts.iter().rev().take(RECEIPTS).rev() {
            let standing = log.standing(receipt).map_err(|error| error.to_string())?;
            let is_right = match standing {
                Standing::Held => receipt.next_offset <= end,
                Standing::Diverged => receipt.next_offset > end || rot.is_some(),
                Standing::Unverifiable => receipt.next_offset <= first.first_offset,
            };
            if !is_right {
                return Err(format!("{receipt:?} is {standing:?} in a log of {}..{end}", first.first_offset));
            }
            self.receipts.extend((standing == Standing::Held).then_some(*receipt));
        }
        // Opening made all of it durable and wrote the mark.
        (self.certified, self.acknowledged_before) = (end, end);
        self.forget_from(end)
    }

    /// Forgets what was sent behind `end`, which must not split a frame, and must not be acknowledged.
    pub(super) fn forget_from(&mut self, end: u64) -> Result<(), String> {
        if end < self.acknowledged {
            return Err(format!("{} transactions were acknowledged, {end} are there", self.acknowledged));
        }
        let before = self.sent.len();
        let survivors = self.sent.iter().filter(|sent| sent.end() > self.acknowledged && sent.end() <= end).count();
        self.sent.retain(|sent| sent.end() <= end);
        self.reached.survivors += survivors as u64;
        self.reached.lost += (before - self.sent.len()) as u64;
        self.acknowledged = end;
        Ok(())
    }

    /// Whether what opening says of the mark has a cause: a slot may be cut by a short write, or rot.
    pub(super) fn check_mark(&self, said: Option<&str>, rot: Option<&Rot>) -> Result<(), String> {
        let Some(said) = said.filter(|_| self.acknowledged > 0) else { return Ok(()) };
        let causes = (self.reached.short_writes > 0, rot.is_some_and(|rot| rot.name == MARK_NAME));
        let is_told = match causes {
            (true, true) => true,
            (false, false) => false,
            _ => said.contains("the other one counts"),
        };
        if is_told { Ok(()) } else { Err(format!("the mark is damaged: {said}")) }
    }
}

fn is_segment(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
}
