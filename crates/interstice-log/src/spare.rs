//! The next segment: a file of zeros, made ahead of need or at the moment of need, that becomes a segment.
//!
//! Zeroing a segment takes tens of milliseconds, which no commit should wait for. So the writer gives out the work
//! ([`CommitLogWriter::prepare`](crate::log::CommitLogWriter::prepare)), whoever has a thread for it runs it, and the
//! writer takes what is ready when a segment is full. If nothing is ready, it makes the file itself.
//!
//! 1. Write zeros over the whole size into `spare-…`, sync it piece by piece. Only now is it known to the writer.
//! 2. When the segment is full: its frames durable, its footer durable.
//! 3. Write the header into the spare, sync it: salt, first offset and chain are known only now.
//! 4. Rename it to its segment's name, sync the directory.
//!
//! *What must hold*, wherever in this a crash or an error comes:
//! * No durable frame is lost, and the log opens: nothing but files named `spare-…` is touched before step 4, and step 4 is
//!   one rename of a file that is whole and durable, behind a footer that is durable.
//! * A file that is not zeroed to its end is never a segment: a spare is known after its last sync, by its size, and only to
//!   the process that made it; the next opening removes all of them.
//!
//! `crates/interstice-sim/tests/it/power.rs` cuts the power behind each single operation of this.

use crate::frame::ALIGNMENT;
use crate::local::{Shared, lock};
use crate::planted::{self, Bug};
use crate::segment::{FOOTER_SIZE, SEGMENT_HEADER_SIZE, SegmentHeader};
use crate::storage::{Storage, StorageFile};
use std::io;
use std::sync::{Mutex, Weak};

/// Zeros written in one go.
const ZERO_CHUNK: u64 = 1 << 20;
/// Zeros made durable in one go: a commit that syncs meanwhile waits for no more than these.
const SYNC_CHUNK: u64 = 8 << 20;

/// What there is of a spare that is made ahead.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Spare {
    /// Nothing.
    #[default]
    None,
    /// Somebody has the plan for it.
    InTheMaking,
    /// A file with this name, zeros in all of its size, durable.
    Ready(String),
}

/// The making of a spare. Holds all that it needs, so that it can be run on any thread; dropped, it was not to be.
pub(crate) struct SparePlan<S: Storage> {
    storage: S,
    /// The log may be closed before the plan is run.
    shared: Weak<Mutex<Shared>>,
    name: String,
    segment_size: u64,
    /// Whether there may be a file that nobody needs.
    unneeded: bool,
}

impl<S: Storage> SparePlan<S> {
    pub(crate) fn new(storage: S, shared: Weak<Mutex<Shared>>, name: String, segment_size: u64) -> Self {
        Self { storage, shared, name, segment_size, unneeded: false }
    }

    /// Makes the file durable, then tells the writer.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        self.unneeded = true;
        let mut file = self.storage.create(&self.name)?;
        let size = file_size(self.segment_size);
        for from in (0..size).step_by(SYNC_CHUNK as usize) {
            zero(&mut file, from, size.min(from + SYNC_CHUNK))?;
            file.sync()?;
        }
        lock(&shared).spare = Spare::Ready(self.name.clone());
        self.unneeded = false;
        Ok(())
    }
}

impl<S: Storage> Drop for SparePlan<S> {
    fn drop(&mut self) {
        if self.unneeded {
            // Only gives space back: the next open removes what is left of it.
            let _ = self.storage.remove(&self.name);
        }
        if let Some(shared) = self.shared.upgrade() {
            let mut shared = lock(&shared);
            if shared.spare == Spare::InTheMaking {
                shared.spare = Spare::None;
            }
        }
    }
}

/// The spare `name` for segments of `segment_size`, if it is one.
pub(crate) fn open_spare<S: Storage>(storage: &S, name: &str, segment_size: u64) -> Option<S::File> {
    let file = storage.open(name).ok()?;
    (file.size().ok()? == file_size(segment_size)).then_some(file)
}

/// Makes the file for a segment here and now, under a name that no reader looks at; durable only with its header.
pub(crate) fn make_now<S: Storage>(storage: &S, header: &SegmentHeader, segment_size: u64) -> io::Result<S::File> {
    let mut file = storage.create(&spare_name(header))?;
    zero(&mut file, 0, file_size(segment_size))?;
    Ok(file)
}

/// The name under which the segment of `header` is made if nothing was made ahead.
pub(crate) fn spare_name(header: &SegmentHeader) -> String {
    format!("spare-{:020}", header.first_frame.0)
}

/// Writes the header and makes it durable.
pub(crate) fn begin<F: StorageFile>(file: &mut F, header: &SegmentHeader) -> io::Result<()> {
    file.write_all_at(&header.encode(), 0)?;
    if planted::is(Bug::HeaderUnsynced) { Ok(()) } else { file.sync() }
}

/// Gives a durable spare the name of its segment.
pub(crate) fn name_segment<S: Storage>(storage: &S, spare: &str, header: &SegmentHeader) -> io::Result<()> {
    storage.rename(spare, &header.name())?;
    if planted::is(Bug::SegmentNameUnsynced) { Ok(()) } else { storage.sync_directory() }
}

/// Makes the first segment of a log.
pub(crate) fn create_segment<S: Storage>(storage: &S, header: &SegmentHeader, segment_size: u64) -> io::Result<()> {
    begin(&mut make_now(storage, header, segment_size)?, header)?;
    name_segment(storage, &spare_name(header), header)
}

/// Bytes of the file of a segment: the header, what it takes until it is full, and room for the footer.
fn file_size(segment_size: u64) -> u64 {
    (segment_size + FOOTER_SIZE as u64).next_multiple_of(ALIGNMENT).max(SEGMENT_HEADER_SIZE as u64)
}

/// Writes zeros from `from` to `to`.
fn zero<F: StorageFile>(file: &mut F, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZERO_CHUNK.min(to - from) as usize];
    let mut at = from;
    while at < to {
        let count = (to - at).min(ZERO_CHUNK);
        file.write_all_at(&zeros[..count as usize], at)?;
        at += count;
    }
    Ok(())
}
