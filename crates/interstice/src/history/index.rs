//! The index of history: which transactions changed a row, and where in the log they stand.
//!
//! It is derived: a pure function of the log, cut into stretches of so many bytes. Each that is complete has a file of its own
//! (`stretch`), the last one is in memory, and [`Index::keep`] gives it a file to go on from. A file counts only if the log has the
//! frame that it ends with, by its chain hash, and if it goes on where the one before ended; what does not count is made again. Whoever
//! follows the log makes it ([`Index::follow`]); whoever asks for a row looks in it which transactions to read (`rows`), and tells
//! those as if there were no others.

mod base;
mod outline;
mod rows;
mod stretch;

pub use base::Base;
pub use rows::row_history;
pub use stretch::StretchError;

use crate::framing::{UnpackError, Unpacker, transaction_in};
use crate::snapshot::load::LoadError;
use interstice_log::frame::{Position, StoredFrame};
use interstice_log::log::{CommitLog, ReadError};
use interstice_log::segment::LogId;
use interstice_log::snapshot::remove_unfinished;
use interstice_log::storage::Storage;
use interstice_store::table::ApplyError;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::transaction::Transaction;
use outline::{Outline, OutlineError};
use std::io;
use stretch::{End, Entry, Hash, Head, LastFrame, Place, StretchFile};

/// Bytes of log that a stretch has, at least.
pub const STRETCH_SIZE: u64 = 64 << 20;

/// Why an index cannot be made, or is of no use. The log is as good without it.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file of it is damaged.
    #[error(transparent)]
    Stretch(#[from] StretchError),
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// There is no state to begin with.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What it says of tables and modules is not what happened.
    #[error("the index and the log do not fit together: {0}")]
    DoesNotFit(String),
    /// It cannot be written or listed.
    #[error("the index: {0}")]
    Io(#[from] io::Error),
}

impl From<ReadError> for IndexError {
    fn from(error: ReadError) -> Self {
        Self::Unpack(error.into())
    }
}

impl From<ApplyError> for IndexError {
    fn from(error: ApplyError) -> Self {
        Self::DoesNotFit(error.to_string())
    }
}

impl From<OutlineError> for IndexError {
    fn from(error: OutlineError) -> Self {
        Self::DoesNotFit(error.to_string())
    }
}

impl IndexError {
    /// Whether a file is to blame, which can be made again.
    fn is_of_no_use(&self) -> bool {
        matches!(self, Self::Stretch(StretchError::Damaged { .. }) | Self::DoesNotFit(_))
    }

    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Self::Unpack(error) if error.is_trimmed())
    }
}

/// The index of one log.
pub struct Index<S> {
    storage: S,
    log_id: LogId,
    /// Complete ones, in order, each where the one before ended.
    stretches: Vec<Head>,
    open: Open,
    /// Bytes of log behind which a stretch is complete; `None` if none ever is.
    stretch_size: Option<u64>,
}

/// The stretch that grows.
struct Open {
    begin: End,
    /// The outline before it.
    before: Vec<u8>,
    /// The outline at its end.
    outline: Outline,
    entries: Vec<Entry>,
    /// Behind the last whole transaction.
    end: End,
    last: LastFrame,
    /// Bytes of log.
    size: u64,
    unpacker: Unpacker,
    /// Where the transaction begins whose parts are not all there.
    first_part: Option<(Position, u64)>,
    /// The frame that is read next, and about where it stands.
    next: (Position, u64),
}

impl<S: Storage> Index<S> {
    /// The index in `storage` of `log`, as far as it holds; without one it begins at `base`. Behind `stretch_size` bytes of log a stretch
    /// is complete and gets a file; where that is `None`, nothing is written.
    ///
    /// # Errors
    /// [`IndexError`] if the log cannot be read where it must.
    pub fn open<L: CommitLog, B: Storage>(
        log: &L,
        (storage, log_id): (S, LogId),
        base: &Base<B>,
        stretch_size: Option<u64>,
    ) -> Result<Self, IndexError> {
        let mut stretches = holding(log, (&storage, log_id), base.end())?;
        let grows = |head: &Head| stretch_size.is_some_and(|size| head.log_size < size);
        let open = loop {
            let Some(last) = stretches.pop() else { break Open::new(base.end(), base.outline().clone()) };
            match Open::behind(log, &storage, &last, (base, grows(&last))) {
                Ok(open) => {
                    if !grows(&last) {
                        stretches.push(last);
                    }
                    break open;
                }
                // One that cannot be gone on from is as good as none.
                Err(error) if error.is_of_no_use() => {}
                Err(error) => return Err(error),
            }
        };
        Ok(Self { storage, log_id, stretches, open, stretch_size })
    }

    /// Goes on over `log`, not much more than so many bytes of it. Returns whether that was all there is.
    ///
    /// # Errors
    /// [`IndexError`]: it is of no more use, and is to be opened again.
    pub fn follow<L: CommitLog>(&mut self, log: &L, bytes: u64) -> Result<bool, IndexError> {
        let (position, byte) = self.open.next;
        if position >= log.tail().position {
            return Ok(true);
        }
        let mut taken = 0;
        for stored in log.read_at(position, byte)? {
            if self.stretch_size.is_some_and(|size| self.open.size >= size) && self.open.first_part.is_none() {
                self.close()?;
                self.prune(log)?;
            }
            if taken >= bytes {
                return Ok(false);
            }
            let stored = stored?;
            taken += stored.frame.size();
            self.open.take(&stored)?;
        }
        Ok(true)
    }

    /// How many stretches are complete, entries in all of it, and bytes of files.
    pub fn size(&self) -> (usize, u64, u64) {
        let open = self.open.head(self.log_id);
        let heads = || self.stretches.iter().chain([&open]);
        (self.stretches.len(), heads().map(|head| head.entries).sum(), heads().map(Head::size).sum())
    }

    /// Removes all of its files: it can be made again.
    ///
    /// # Errors
    /// What the storage says.
    pub fn remove(storage: &S) -> io::Result<()> {
        remove_unfinished(storage)?;
        stretch::list(storage)?.into_iter().map(stretch::name_of).try_for_each(|name| storage.remove(&name))
    }

    /// Whether so little of `log` is left that whoever asks may follow it: with more it is as quick to go over everything.
    pub fn is_near<L: CommitLog>(&self, log: &L) -> bool {
        /// Transactions.
        const NEAR: Offset = 2_000_000;
        log.tail().next_offset.saturating_sub(self.next_offset()) <= NEAR
    }

    /// The count of offsets that it has seen.
    pub fn next_offset(&self) -> Offset {
        self.open.end.offset
    }

    /// Gives the open stretch a file, from which the next one who opens the index goes on.
    ///
    /// # Errors
    /// What the storage says.
    pub fn keep(&mut self) -> io::Result<()> {
        if self.stretch_size.is_some() && self.open.end > self.open.begin && self.open.first_part.is_none() {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<Head> {
        self.open.sort();
        let head = self.open.head(self.log_id);
        stretch::write(&self.storage, &head, &self.open.before, &self.open.entries)?;
        Ok(head)
    }

    /// Gives the open stretch a file and begins another one.
    fn close(&mut self) -> io::Result<()> {
        let head = self.write()?;
        let next = self.open.next;
        self.open = Open { next, ..Open::new(head.end, self.open.outline.clone()) };
        self.stretches.push(head);
        Ok(())
    }

    /// Removes files that do not count: of what was given up, of another history, of what was damaged or left unfinished.
    ///
    /// # Errors
    /// What the storage says.
    pub fn prune<L: CommitLog>(&mut self, log: &L) -> io::Result<()> {
        if let Err(ReadError::Trimmed { first, .. }) = log.read(Position(0)) {
            self.stretches.retain(|head| head.end.frame > first);
        }
        remove_unfinished(&self.storage)?;
        let begins = |offset: &u64| self.stretches.iter().any(|head| head.begin.offset == *offset);
        let counts = |offset: &u64| begins(offset) || self.open.begin.offset == *offset;
        let gone = stretch::list(&self.storage)?.into_iter().filter(|offset| !counts(offset));
        gone.map(stretch::name_of).try_for_each(|name| self.storage.remove(&name))
    }

    /// Makes every stretch again that has a file and compares: the names of those that are not what they should be, and why. `told` is told
    /// of each how many transactions it has. Of the first one behind the log's beginning the outline is taken as it is.
    ///
    /// # Errors
    /// [`IndexError`] if the log cannot be read.
    pub fn verify<L: CommitLog>(&self, log: &L, told: &dyn Fn(u64)) -> Result<Vec<(String, String)>, IndexError> {
        let (mut wrong, mut before) = (Vec::new(), None);
        for offset in stretch::list(&self.storage)? {
            let fault = match self.again(log, offset, before.take())? {
                Ok(again) => {
                    told(again.end.offset - offset);
                    before = Some(again);
                    continue;
                }
                Err(fault) => fault,
            };
            wrong.push((stretch::name_of(offset), fault));
        }
        Ok(wrong)
    }

    /// Makes the stretch that begins with `offset` again, behind `before`, if that one has been made; what is wrong with its file, if
    /// something is.
    fn again<L: CommitLog>(
        &self,
        log: &L,
        offset: Offset,
        before: Option<Open>,
    ) -> Result<Result<Open, String>, IndexError> {
        let opened = StretchFile::open(&self.storage, offset).and_then(|file| Ok((file.outline()?, file)));
        let (outline, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let head = file.head();
        let expected = match before {
            Some(before) if before.end != head.begin => {
                return Ok(Err("it does not go on where the one before ends".to_owned()));
            }
            Some(before) => before.outline,
            None if offset == 0 => Outline::empty(),
            None => match Outline::decode(&outline) {
                Ok(outline) => outline,
                Err(error) => return Ok(Err(error.to_string())),
            },
        };
        let mut again = Open::new(head.begin, expected);
        match log.read(head.begin.frame) {
            // Only what is there can be made again.
            Err(ReadError::Trimmed { .. }) => return Ok(Ok(Open { end: head.end, ..again })),
            Err(ReadError::Regressed { .. }) => return Ok(Err("the log ends before it".to_owned())),
            frames => {
                for stored in frames? {
                    let stored = stored?;
                    if stored.position >= head.end.frame {
                        break;
                    }
                    again.take(&stored)?;
                }
            }
        }
        again.sort();
        let same = again.before == outline && file.is_same(&again.head(self.log_id), &again.entries).unwrap_or(false);
        Ok(if same { Ok(again) } else { Err("it does not say what the log says".to_owned()) })
    }
}

impl Open {
    fn new(begin: End, outline: Outline) -> Self {
        Self {
            begin,
            before: outline.encode(),
            outline,
            entries: Vec::new(),
            end: begin,
            last: LastFrame { byte: 0, chain: [0; 32] },
            size: 0,
            unpacker: Unpacker::default(),
            first_part: None,
            next: (begin.frame, 0),
        }
    }

    /// The stretch of a file, to go on with if it `grows`; else the one behind it.
    fn behind<L: CommitLog, S: Storage, B: Storage>(
        log: &L,
        storage: &S,
        head: &Head,
        (base, grows): (&Base<B>, bool),
    ) -> Result<Self, IndexError> {
        let file = StretchFile::open(storage, head.begin.offset)?;
        let before = file.outline()?;
        let begin = base.end();
        // What is before the base may have been given up.
        let mut outline = if head.begin < begin { base.outline().clone() } else { Outline::decode(&before)? };
        for place in file.find(Hash::OUTLINE)?.into_iter().filter(|place| place.offset >= begin.offset) {
            outline.follow(&transaction_at(log, place)?)?;
        }
        if !grows {
            return Ok(Self::new(head.end, outline));
        }
        Ok(Self {
            begin: head.begin,
            before,
            outline,
            entries: file.entries()?,
            end: head.end,
            last: head.last,
            size: head.log_size,
            unpacker: Unpacker::default(),
            first_part: None,
            next: (head.end.frame, head.last.byte),
        })
    }

    fn head(&self, log_id: LogId) -> Head {
        Head::new(log_id, (self.begin, self.end, self.last), self.size, &self.before, &self.entries)
    }

    fn sort(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
    }

    /// Takes the next frame in.
    fn take(&mut self, stored: &StoredFrame) -> Result<(), IndexError> {
        let (frame, behind) = (&stored.frame, Position(stored.position.0 + 1));
        if frame.first_part {
            self.first_part = Some((stored.position, stored.byte));
        }
        let (position, byte) = self.first_part.unwrap_or((stored.position, stored.byte));
        for transaction in self.unpacker.unpack(stored)? {
            self.note(&transaction, Place { offset: transaction.offset, frame: position, byte })?;
            self.end.offset = transaction.offset + 1;
        }
        if frame.last_part {
            self.first_part = None;
            self.end.frame = behind;
            self.last = LastFrame { byte: stored.byte, chain: stored.chain };
        }
        self.size += frame.size();
        self.next = (behind, stored.byte + frame.size());
        Ok(())
    }

    fn note(&mut self, transaction: &Transaction, place: Place) -> Result<(), IndexError> {
        let before = self.outline.clone();
        if self.outline.follow(transaction)? {
            self.entries.push(Entry::new(Hash::OUTLINE, place, self.begin));
        }
        for change in &transaction.changes {
            // A row of a table that is dropped with it was there before.
            let table = self.outline.table(change.table()).or_else(|| before.table(change.table()));
            let table = table.ok_or_else(|| ApplyError::NoSuchTable { table: change.table() })?;
            let key = match change {
                Change::Insert { row, .. } | Change::Update { new: row, .. } => &table.primary_key_values(row),
                Change::Delete { key, .. } => key,
                _ => continue,
            };
            self.entries.push(Entry::new(Hash::of_row(change.table(), key), place, self.begin));
        }
        Ok(())
    }

    fn find(&self, hash: Hash) -> Vec<Place> {
        let mut found: Vec<_> = self.entries.iter().filter(|entry| entry.hash() == hash).collect();
        found.dedup();
        found.into_iter().map(|entry| entry.place(self.begin)).collect()
    }
}

/// The stretches with files that hold: the first one has in it what is behind `begin`, and each goes on where the one before ended.
fn holding<L: CommitLog, S: Storage>(
    log: &L,
    (storage, log_id): (&S, LogId),
    begin: End,
) -> Result<Vec<Head>, IndexError> {
    let mut holding = Vec::<Head>::new();
    for offset in stretch::list(storage)? {
        let file = match StretchFile::open(storage, offset) {
            Ok(file) => file,
            Err(StretchError::Damaged { .. }) => continue,
            // Somebody else removed it meanwhile.
            Err(StretchError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let head = file.head();
        let follows = match holding.last() {
            Some(last) => head.begin == last.end,
            None => head.begin <= begin && head.end.frame > begin.frame,
        };
        if follows && head.log_id == log_id && ends_as(log, head)? {
            holding.push(head.clone());
        }
    }
    Ok(holding)
}

/// Whether `log` has the frame that a stretch ends with.
fn ends_as<L: CommitLog>(log: &L, head: &Head) -> Result<bool, IndexError> {
    let last = Position(head.end.frame.0 - 1);
    let mut frames = match log.read_at(last, head.last.byte) {
        Ok(frames) => frames,
        Err(ReadError::Trimmed { .. } | ReadError::Regressed { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let stored = frames.next().transpose()?;
    Ok(stored.is_some_and(|stored| stored.position == last && stored.chain == head.last.chain))
}

/// The transaction at a place that the index says.
fn transaction_at<L: CommitLog>(log: &L, place: Place) -> Result<Transaction, IndexError> {
    let found = transaction_in(log.read_at(place.frame, place.byte)?, place.offset)?;
    found
        .ok_or_else(|| IndexError::DoesNotFit(format!("frame {} does not hold offset {}", place.frame.0, place.offset)))
}
