//! What opening changes: a torn tail goes to quarantine and zeros take its place, also those of an opening before that may not
//! have been durable; the unproven tail is written again; unfinished segments go.

use crate::found::Found;
use crate::local::{OpenError, OpenReport, io_error};
use crate::planted::{self, Bug};
use crate::segment::FOOTER_SIZE;
use crate::storage::{Storage, StorageFile};
use std::io;

/// Bytes copied in one go.
const CHUNK: u64 = 1 << 20;

/// Quarantines a torn tail, and makes durable what is valid but not proven so.
pub(crate) fn repair_tail<S: Storage>(storage: &S, found: &Found, report: &mut OpenReport) -> Result<(), OpenError> {
    let name = found.segments.last().expect("invariant: a found log has a segment").name();
    let mut file = storage.open(&name).map_err(io_error("opening the last segment"))?;
    if let Some((from, to)) = found.cut {
        report.torn_tail_bytes = to - from;
        report.quarantine =
            Some(quarantine(storage, &name, &file, (from, to)).map_err(io_error("keeping the torn tail"))?);
    }
    let end = found.byte + if found.sealed { FOOTER_SIZE as u64 } else { 0 };
    let cut = match found.cut {
        cut if planted::is(Bug::CutNotRepeated) => cut.into_iter().collect(),
        _ => quarantined(storage, &name).map_err(io_error("looking for what was cut"))?,
    };
    for (from, to) in cut {
        let to = to.min(file.size().map_err(io_error("cutting the torn tail"))?);
        for (at, size) in chunks(from.max(end), to) {
            file.write_all_at(&vec![0; size], at).map_err(io_error("cutting the torn tail"))?;
        }
    }
    if planted::is(Bug::ResumeUnsynced) {
        return Ok(());
    }
    let unproven_from = if planted::is(Bug::ResumeNotRewritten) { end } else { found.unproven_from };
    for (at, size) in chunks(unproven_from, end) {
        let mut unproven = vec![0; size];
        file.read_exact_at(&mut unproven, at).map_err(io_error("reading the unproven tail"))?;
        file.write_all_at(&unproven, at).map_err(io_error("writing the unproven tail again"))?;
    }
    file.sync().map_err(io_error("syncing the last segment"))?;
    storage.sync_directory().map_err(io_error("syncing the directory"))
}

/// Removes segments that a crash left without a name of their own.
pub(crate) fn remove_spares<S: Storage>(storage: &S) -> io::Result<()> {
    let mut removed = false;
    for name in storage.list()?.iter().filter(|name| name.starts_with("spare-")) {
        storage.remove(name)?;
        removed = true;
    }
    if removed { storage.sync_directory() } else { Ok(()) }
}

fn quarantine<S: Storage>(storage: &S, segment: &str, file: &S::File, (from, to): (u64, u64)) -> io::Result<String> {
    let taken = storage.list()?;
    let stem = segment.trim_end_matches(".log");
    let name = (0..u64::MAX).map(|n| format!("quarantine-{stem}-{from}-{n}.bin")).find(|name| !taken.contains(name));
    let name = name.expect("invariant: some number is free");
    let mut copy = storage.create(&name)?;
    for (at, size) in chunks(from, if planted::is(Bug::TornTailNotKept) { from } else { to }) {
        let mut torn = vec![0; size];
        file.read_exact_at(&mut torn, at)?;
        copy.write_all_at(&torn, at - from)?;
    }
    copy.sync()?;
    storage.sync_directory()?;
    Ok(name)
}

/// From and to which byte of `segment` torn tails were cut, now and before. An opening that failed may have written its zeros
/// only to the memory of the machine: the frames that it cut would then come back with the next loss of power.
fn quarantined<S: Storage>(storage: &S, segment: &str) -> io::Result<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    for name in storage.list()? {
        let rest =
            name.strip_prefix("quarantine-").and_then(|rest| rest.strip_prefix(segment.trim_end_matches(".log")));
        let from = rest.and_then(|rest| rest.strip_prefix('-')?.split('-').next()?.parse::<u64>().ok());
        if let Some(from) = from {
            ranges.push((from, from.saturating_add(storage.open(&name)?.size()?)));
        }
    }
    Ok(ranges)
}

/// The bytes from `from` to `to` as position and size of bounded pieces.
fn chunks(from: u64, to: u64) -> impl Iterator<Item = (u64, usize)> {
    (from..to).step_by(CHUNK as usize).map(move |at| (at, (to - at).min(CHUNK) as usize))
}
