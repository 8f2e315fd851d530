//! A committed transaction: the value of which everything else is a use.
//!
//! Its record, as it stands in the payload of a log frame (numbers are varints where not said otherwise):
//!
//! ```text
//! length of what follows, u32 LE
//! flags u8 ─ offset ─ time i64 LE ─ seed 16 bytes ─ cause ─ outcome
//! count of changes ─ changes ─ fuel ─ host calls ─ hash of host calls u128 LE ─ state digest u128 LE
//! length of the extension area ─ extension area
//! ```
//!
//! The extension area is a list of fields: a tag u8, the length of what follows, bytes. A reader skips those that it does not know.
//! Tag 1: marks in the hash of host calls, u64 LE each ([`Transaction::host_marks`]); left out where there are none.

use crate::change::{Change, ChangeError};
use crate::codec::{DecodeError, Reader};
use crate::id::{ClientId, Offset, ScheduleId, TableId};
use crate::time::Timestamp;
use crate::unrecorded::{Unrecorded, is_left_out};
use crate::varint;
use serde::{Deserialize, Serialize};

/// Set in a record's flags if the transaction touched an ephemeral table.
pub const FLAG_TOUCHED_EPHEMERAL: u8 = 1;

/// Everything that a later reader needs to replay, check and explain a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Its position in the one order of commits.
    pub offset: Offset,
    /// Never decreasing; the offset breaks ties.
    pub time: Timestamp,
    /// What its random numbers come from.
    pub seed: [u8; 16],
    /// Why it happened.
    pub cause: Cause,
    /// How it ended.
    pub outcome: Outcome,
    /// What it changed, in the order it was changed.
    pub changes: Vec<Change>,
    /// Work that it took; deterministic.
    pub work: Work,
    /// The low half of the hash of host calls before each call whose number is a multiple of [`HOST_MARK_INTERVAL`], the first
    /// call excepted: of two runs they say between which calls they part.
    pub host_marks: Vec<u64>,
    /// Sum over all durable rows and sequences after it.
    pub state_digest: u128,
    /// See [`FLAG_TOUCHED_EPHEMERAL`].
    pub flags: u8,
}

/// Host calls between two marks in their hash.
pub const HOST_MARK_INTERVAL: u64 = 64;

/// How much a transaction did, in units that re-execution repeats exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Fuel that was burnt.
    pub fuel: u64,
    /// Host calls that were made.
    pub host_calls: u64,
    /// Rolling XXH3 of every host call with its arguments and results.
    pub host_hash: u128,
}

/// Why a transaction happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The first one of a log: system tables come to be.
    Genesis {
        /// Names the node.
        node: [u8; 16],
    },
    /// The node started under another configuration.
    Configure,
    /// A module came to be, or a new version of it.
    Publish {
        /// Its name.
        module: String,
        /// Who published it.
        caller: ClientId,
    },
    /// Somebody called a reducer.
    Call {
        /// The offset of the publish that brought the module's version in force.
        version: Offset,
        /// The function's number in that version's schema.
        function: u32,
        /// Who called.
        caller: ClientId,
        /// Canonical argument bytes.
        args: Vec<u8>,
    },
    /// A row change that a module listens to.
    Event {
        /// Which.
        event: EventId,
        /// Events in the chain that led here, this one included.
        depth: u32,
    },
    /// A schedule was due.
    Schedule {
        /// Its id.
        schedule: ScheduleId,
        /// The offset of the publish that brought the module's version in force; 0 if the module is not there any more.
        version: Offset,
        /// The function's number in that version's schema; `None` if it has no such function.
        function: Option<u32>,
        /// The time that it ran for, which is not later than the transaction's.
        due: Timestamp,
    },
    /// A client opened a connection.
    Connect {
        /// Who.
        caller: ClientId,
        /// The number that the connection got.
        connection: u64,
    },
    /// A connection ended.
    Disconnect {
        /// Its number.
        connection: u64,
    },
    /// Somebody told the node what to do with a schedule.
    Control {
        /// Who.
        caller: ClientId,
        /// What.
        action: ScheduleAction,
        /// With which.
        schedule: ScheduleId,
    },
}

/// What somebody who runs a node may do with a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleAction {
    /// Have it run as soon as it can.
    Run,
    /// Keep it from running until it is resumed.
    Pause,
    /// Let it run again.
    Resume,
    /// Take it away.
    Cancel,
}

impl ScheduleAction {
    /// All of them, in the order of their numbers in records.
    pub const ALL: [Self; 4] = [Self::Run, Self::Pause, Self::Resume, Self::Cancel];

    /// Its kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
}

/// Names one delivery of one row change. The order of these triples is the order of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The transaction that changed the row.
    pub of: Offset,
    /// The number of the change in it.
    pub change: u32,
    /// The position of the event reducer in the order of those in force at `of`.
    pub subscriber: u32,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned this.
    Ok(Vec<u8>),
    /// The function or a constraint said no; its writes are undone. A problem as JSON.
    Rejected(Vec<u8>),
    /// The function broke or ran out of a resource; its writes are undone. A problem as JSON.
    Trapped(Vec<u8>),
}

/// A part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Its length and flags.
    Head,
    /// [`Transaction::offset`]
    Offset,
    /// [`Transaction::time`]
    Time,
    /// [`Transaction::seed`]
    Seed,
    /// [`Transaction::cause`], the arguments among it.
    Cause,
    /// [`Transaction::outcome`]
    Outcome,
    /// [`Transaction::changes`]
    Changes,
    /// [`Transaction::work`]
    Work,
    /// [`Transaction::state_digest`]
    Digest,
    /// What later versions add.
    Extension,
}

impl Part {
    /// What stands in it, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "length and flags",
            Self::Offset => "offset",
            Self::Time => "time",
            Self::Seed => "seed",
            Self::Cause => "cause and arguments",
            Self::Outcome => "outcome",
            Self::Changes => "changes",
            Self::Work => "fuel, host calls and their hash",
            Self::Digest => "state digest",
            Self::Extension => "extension area",
        }
    }
}

/// Why bytes are not a transaction's record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// They do not have its form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A change in it is not one.
    #[error("change {index}: {source}")]
    Change {
        /// The number of the change.
        index: u64,
        /// What is wrong with it.
        source: ChangeError,
    },
}

impl Transaction {
    /// Appends the record. `keeps_old` says for which tables changes carry the old row.
    pub fn encode(&self, keeps_old: impl Fn(TableId) -> bool, out: &mut Vec<u8>) {
        self.encode_parts(keeps_old, out, |_, _| {});
    }

    /// The bytes that each part of the record takes, in the order in which they stand.
    pub fn sizes(&self, keeps_old: impl Fn(TableId) -> bool) -> Vec<(Part, u64)> {
        let (mut record, mut sizes, mut behind) = (Vec::new(), Vec::new(), 0);
        self.encode_parts(keeps_old, &mut record, |part, end| {
            sizes.push((part, (end - behind) as u64));
            behind = end;
        });
        sizes
    }

    /// Appends the record; `at_end` is told of each part, and how long `out` is behind it.
    #[inline]
    fn encode_parts(
        &self,
        keeps_old: impl Fn(TableId) -> bool,
        out: &mut Vec<u8>,
        mut at_end: impl FnMut(Part, usize),
    ) {
        /// A `u32` in front, filled in when the record is done.
        const LENGTH_SIZE: usize = 4;
        let start = out.len();
        out.extend([0; LENGTH_SIZE]);
        out.push(self.flags);
        at_end(Part::Head, out.len());
        varint::write(out, self.offset);
        at_end(Part::Offset, out.len());
        out.extend(self.time.0.to_le_bytes());
        at_end(Part::Time, out.len());
        out.extend(self.seed);
        at_end(Part::Seed, out.len());
        if !is_left_out(Unrecorded::Cause) {
            self.cause.encode(out);
        }
        at_end(Part::Cause, out.len());
        self.outcome.encode(out);
        at_end(Part::Outcome, out.len());
        varint::write(out, self.changes.len() as u64);
        for change in &self.changes {
            change.encode(keeps_old(change.table()), out);
        }
        at_end(Part::Changes, out.len());
        varint::write(out, self.work.fuel);
        varint::write(out, self.work.host_calls);
        out.extend(self.work.host_hash.to_le_bytes());
        at_end(Part::Work, out.len());
        out.extend(self.state_digest.to_le_bytes());
        at_end(Part::Digest, out.len());
        self.encode_extension(out);
        at_end(Part::Extension, out.len());
        let length = u32::try_from(out.len() - start - LENGTH_SIZE).expect("invariant: a transaction is under 4 GiB");
        out[start..start + LENGTH_SIZE].copy_from_slice(&length.to_le_bytes());
    }

    fn encode_extension(&self, out: &mut Vec<u8>) {
        if self.host_marks.is_empty() {
            out.push(0);
            return;
        }
        let mut field = vec![extension_tag::HOST_MARKS];
        varint::write(&mut field, (self.host_marks.len() * size_of::<u64>()) as u64);
        varint::write(out, (field.len() + self.host_marks.len() * size_of::<u64>()) as u64);
        out.extend(field);
        self.host_marks.iter().for_each(|mark| out.extend(mark.to_le_bytes()));
    }

    /// Takes one record off the front of `payload` without looking into it.
    ///
    /// # Errors
    /// If the bytes are shorter than it says.
    pub fn skip(payload: &mut &[u8]) -> Result<(), RecordError> {
        take_record(payload).map(drop)
    }

    /// Takes one record off the front of `payload`.
    ///
    /// # Errors
    /// If the bytes are not one.
    pub fn decode(payload: &mut &[u8]) -> Result<Self, RecordError> {
        let record = take_record(payload)?;
        let mut reader = Reader::new(record);
        let flags = reader.array::<1>("flags")?[0];
        let offset = reader.varint()?;
        let time = Timestamp(i64::from_le_bytes(reader.array("time")?));
        let seed = reader.array("seed")?;
        let cause = Cause::decode(&mut reader)?;
        let outcome = Outcome::decode(&mut reader)?;
        let changes = decode_changes(&mut reader)?;
        let work = Work {
            fuel: reader.varint()?,
            host_calls: reader.varint()?,
            host_hash: u128::from_le_bytes(reader.array("hash of host calls")?),
        };
        let state_digest = u128::from_le_bytes(reader.array("state digest")?);
        let host_marks = decode_extension(reader.short_bytes("extension area")?)?;
        reader.finish()?;
        Ok(Self { offset, time, seed, cause, outcome, changes, work, host_marks, state_digest, flags })
    }
}

/// The bytes of the record at the front of `payload`, behind its length.
fn take_record<'p>(payload: &mut &'p [u8]) -> Result<&'p [u8], RecordError> {
    let mut outer = Reader::new(payload);
    let record = outer.bytes("transaction record")?;
    *payload = &payload[outer.position()..];
    Ok(record)
}

/// The marks in the hash of host calls.
fn decode_extension(area: &[u8]) -> Result<Vec<u64>, DecodeError> {
    let (mut reader, mut marks) = (Reader::new(area), Vec::new());
    while reader.left() > 0 {
        let tag = reader.array::<1>("tag of an extension")?[0];
        let position = reader.position();
        let field = reader.short_bytes("extension")?;
        if tag == extension_tag::HOST_MARKS {
            let (whole, rest) = field.as_chunks();
            if !rest.is_empty() {
                return Err(DecodeError::InvalidNumber { position });
            }
            marks = whole.iter().copied().map(u64::from_le_bytes).collect();
        }
    }
    Ok(marks)
}

/// The first byte of each field of the extension area.
mod extension_tag {
    pub(super) const HOST_MARKS: u8 = 1;
}

fn decode_changes(reader: &mut Reader<'_>) -> Result<Vec<Change>, RecordError> {
    let count = reader.varint()?;
    let mut changes = Vec::new();
    for index in 0..count {
        changes.push(Change::decode(reader).map_err(|source| RecordError::Change { index, source })?);
    }
    Ok(changes)
}

impl Cause {
    /// Its kebab-case name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::Configure => "configure",
            Self::Publish { .. } => "publish",
            Self::Call { .. } => "call",
            Self::Event { .. } => "event",
            Self::Schedule { .. } => "schedule",
            Self::Connect { .. } => "connect",
            Self::Disconnect { .. } => "disconnect",
            Self::Control { .. } => "control",
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Genesis { node } => {
                out.push(cause_tag::GENESIS);
                out.extend(node);
            }
            Self::Configure => out.push(cause_tag::CONFIGURE),
            Self::Publish { module, caller } => {
                out.push(cause_tag::PUBLISH);
                varint::write(out, module.len() as u64);
                out.extend(module.as_bytes());
                varint::write(out, caller.0);
            }
            Self::Call { version, function, caller, args } => {
                out.push(cause_tag::CALL);
                varint::write(out, *version);
                varint::write(out, u64::from(*function));
                varint::write(out, caller.0);
                varint::write(out, args.len() as u64);
                out.extend(args);
            }
            Self::Event { event, depth } => {
                out.push(cause_tag::EVENT);
                varint::write(out, event.of);
                varint::write(out, u64::from(event.change));
                varint::write(out, u64::from(event.subscriber));
                varint::write(out, u64::from(*depth));
            }
            Self::Schedule { schedule, version, function, due } => {
                out.push(cause_tag::SCHEDULE);
                varint::write(out, schedule.0);
                varint::write(out, *version);
                varint::write(out, function.map_or(0, |function| u64::from(function) + 1));
                out.extend(due.0.to_le_bytes());
            }
            Self::Connect { caller, connection } => {
                out.push(cause_tag::CONNECT);
                varint::write(out, caller.0);
                varint::write(out, *connection);
            }
            Self::Disconnect { connection } => {
                out.push(cause_tag::DISCONNECT);
                varint::write(out, *connection);
            }
            Self::Control { caller, action, schedule } => {
                out.push(cause_tag::CONTROL);
                varint::write(out, caller.0);
                out.push(*action as u8);
                varint::write(out, schedule.0);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let position = reader.position();
        let small = |value: u64| u32::try_from(value).map_err(|_| DecodeError::InvalidNumber { position });
        Ok(match reader.array::<1>("cause")?[0] {
            cause_tag::GENESIS => Self::Genesis { node: reader.array("node id")? },
            cause_tag::CONFIGURE => Self::Configure,
            cause_tag::PUBLISH => {
                let name = reader.short_bytes("module name")?;
                let module = std::str::from_utf8(name).map_err(|_| DecodeError::InvalidUtf8 { position })?.to_owned();
                Self::Publish { module, caller: ClientId(reader.varint()?) }
            }
            cause_tag::CALL => Self::Call {
                version: reader.varint()?,
                function: small(reader.varint()?)?,
                caller: ClientId(reader.varint()?),
                args: reader.short_bytes("arguments")?.to_vec(),
            },
            cause_tag::EVENT => Self::Event {
                event: EventId {
                    of: reader.varint()?,
                    change: small(reader.varint()?)?,
                    subscriber: small(reader.varint()?)?,
                },
                depth: small(reader.varint()?)?,
            },
            cause_tag::SCHEDULE => Self::Schedule {
                schedule: ScheduleId(reader.varint()?),
                version: reader.varint()?,
                function: reader.varint()?.checked_sub(1).map(small).transpose()?,
                due: Timestamp(i64::from_le_bytes(reader.array("due")?)),
            },
            cause_tag::CONNECT => Self::Connect { caller: ClientId(reader.varint()?), connection: reader.varint()? },
            cause_tag::DISCONNECT => Self::Disconnect { connection: reader.varint()? },
            cause_tag::CONTROL => Self::Control {
                caller: ClientId(reader.varint()?),
                action: ScheduleAction::decode(reader)?,
                schedule: ScheduleId(reader.varint()?),
            },
            found => return Err(DecodeError::InvalidTag { name: "Cause".to_owned(), found, position }),
        })
    }
}

/// The first byte of each cause.
mod cause_tag {
    pub(super) const GENESIS: u8 = 0;
    pub(super) const CONFIGURE: u8 = 1;
    pub(super) const PUBLISH: u8 = 2;
    pub(super) const CALL: u8 = 3;
    pub(super) const EVENT: u8 = 4;
    pub(super) const SCHEDULE: u8 = 5;
    pub(super) const CONNECT: u8 = 6;
    pub(super) const DISCONNECT: u8 = 7;
    // 8 and 9: loss, fork.
    pub(super) const CONTROL: u8 = 10;
}

impl ScheduleAction {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let position = reader.position();
        let found = reader.array::<1>("action")?[0];
        let action = Self::ALL.get(usize::from(found)).copied();
        action.ok_or_else(|| DecodeError::InvalidTag { name: "ScheduleAction".to_owned(), found, position })
    }
}

impl Outcome {
    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, bytes) = match self {
            Self::Ok(bytes) => (0, bytes),
            Self::Rejected(bytes) => (1, bytes),
            Self::Trapped(bytes) => (2, bytes),
        };
        out.push(tag);
        varint::write(out, bytes.len() as u64);
        out.extend(bytes);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let position = reader.position();
        let tag = reader.array::<1>("outcome")?[0];
        let bytes = reader.short_bytes("outcome")?.to_vec();
        match tag {
            0 => Ok(Self::Ok(bytes)),
            1 => Ok(Self::Rejected(bytes)),
            2 => Ok(Self::Trapped(bytes)),
            found => Err(DecodeError::InvalidTag { name: "Outcome".to_owned(), found, position }),
        }
    }

    /// `ok`, `rejected` or `trapped`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Rejected(_) => "rejected",
            Self::Trapped(_) => "trapped",
        }
    }
}
