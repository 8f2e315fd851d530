//! A segment of a log, and `durable.mark`.

use super::{Look, newer, offset_in, place};
use crate::failure::Failure;
use interstice_log::frame::{Epoch, FrameKind};
use interstice_log::log::{ReadError, Tail};
use interstice_log::mark::{MARK_NAME, Slot, slots};
use interstice_log::segment::{HeaderFault, SEGMENT_HEADER_SIZE, SegmentHeader, Walk, segment_name};
use interstice_log::storage::StorageFile;
use interstice_log::storage::view::View;
use interstice_log::verify::{MAX_FAULTS, verify};
use interstice_server::reports;
use interstice_types::id::to_hex;
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;

pub(super) fn segment(path: &Path) -> Result<Look, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let file = File::open(path).map_err(failed)?;
    let mut look = Look::new("segment");
    look.field("file_bytes", StorageFile::size(&file).map_err(failed)?);
    let mut bytes = [0; SEGMENT_HEADER_SIZE];
    let header = match StorageFile::read_exact_at(&file, &mut bytes, 0) {
        Ok(()) => SegmentHeader::decode(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(HeaderFault::Invalid),
        Err(error) => return Err(failed(error)),
    };
    let header = match header {
        Err(HeaderFault::Newer(version)) => return Err(newer(path, version)),
        header => header.ok(),
    };
    verified(path, header.as_ref(), &mut look)?;
    if let Some(header) = header {
        headed(&header, &mut look);
        let (counts, tail) = frames(file, &header).map_err(|error| match error {
            ReadError::Io { source, .. } => failed(source),
            other => failed(std::io::Error::other(other.to_string())),
        })?;
        let names = ["transactions", "epoch", "seal", "loss"];
        let counted = names.iter().zip(counts).filter(|(_, count)| *count > 0);
        look.line("frames", counted.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", "));
        look.field(
            "frames",
            names.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), json!(count))).collect::<Value>(),
        );
        look.say("last_chain", to_hex(&tail.chain));
        look.say("next_frame", tail.position.0.to_string());
    }
    Ok(look)
}

/// What `log verify` says of it, beside no other segment and no mark.
fn verified(path: &Path, header: Option<&SegmentHeader>, look: &mut Look) -> Result<(), Failure> {
    let (directory, file) = place(path)?;
    let name = header.map_or_else(|| segment_name(offset_in(&file).unwrap_or(0)), SegmentHeader::name);
    let mut report = verify(&View::of(directory, [(name, file)])).map_err(|error| Failure::file(path, &error))?;
    for segment in &mut report.segments {
        // That no mark was looked at says nothing.
        segment.notices.retain(|notice| notice.kind != "mark");
    }
    let report = reports::log_verified(&report);
    let segment = report.segments.first().expect("invariant: what was given is looked at");
    look.say("transactions", report.transactions.to_string());
    look.say("first_offset", segment.first_offset.to_string());
    look.say("next_offset", segment.next_offset.to_string());
    look.line("state", if segment.sealed { "sealed" } else { "open" });
    look.field("sealed", segment.sealed);
    look.say("bytes", segment.bytes);
    look.say("torn_tail_bytes", segment.torn_tail_bytes);
    look.field("notices", json!(segment.notices));
    look.rest.extend(segment.notices.iter().map(|notice| format!("note: {notice}")));
    look.faults.extend(segment.faults.iter().map(|fault| {
        format!("{} at byte {}, from offset {}: {}", fault.kind, fault.byte, fault.offset, fault.evidence)
    }));
    Ok(())
}

fn headed(header: &SegmentHeader, look: &mut Look) {
    look.say("log", to_hex(&header.log_id.0));
    look.say("lineage", to_hex(&header.lineage.0));
    look.say("first_frame", header.first_frame.0.to_string());
    look.say("first_chain", to_hex(&header.chain));
}

/// Frames of each kind, over every hole, and where the last of them ends.
fn frames(file: File, header: &SegmentHeader) -> Result<([u64; 4], Tail), ReadError> {
    let unreadable = |source| ReadError::Io { segment: header.name(), source };
    let mut walk = Walk::new(file, *header, Epoch(0)).map_err(unreadable)?;
    let mut counts = [0; 4];
    for _ in 0..=MAX_FAULTS {
        while let Some(stored) = walk.next_frame()? {
            let kind = match stored.frame.kind {
                FrameKind::Transactions => 0,
                FrameKind::Epoch => 1,
                FrameKind::Seal => 2,
                FrameKind::Loss => 3,
            };
            counts[kind] += 1;
        }
        if walk.resume()?.is_none() {
            break;
        }
    }
    Ok((counts, walk.tail()))
}

pub(super) fn mark(path: &Path) -> Result<Look, Failure> {
    let (directory, file) = place(path)?;
    let found = slots(&View::of(directory, [(MARK_NAME.to_owned(), file)]));
    let found = found.map_err(|error| Failure::file(path, &error))?.unwrap_or([Slot::Damaged; 2]);
    let mut look = Look::new("mark");
    if let Some(version) =
        found.iter().find_map(|slot| if let Slot::Newer(version) = slot { Some(*version) } else { None })
    {
        return Err(newer(path, version));
    }
    let marks = || found.iter().filter_map(|slot| if let Slot::Mark(mark) = slot { Some(mark) } else { None });
    if let Some(mark) = marks().max_by_key(|mark| mark.counter) {
        look.say("log", to_hex(&mark.log_id.0));
        look.say("lineage", to_hex(&mark.lineage.0));
        look.say("next_offset", mark.next_offset.to_string());
        look.say("next_frame", mark.next_frame.0.to_string());
        look.say("chain", to_hex(&mark.chain));
    }
    let slot = |mark: &interstice_log::mark::Mark| json!({ "byte": mark.byte(), "counter": mark.counter.to_string(), "next_offset": mark.next_offset.to_string() });
    look.field("slots", marks().map(slot).collect::<Vec<_>>());
    let rows =
        marks().map(|mark| [mark.byte(), mark.counter, mark.next_offset].map(|number| number.to_string()).to_vec());
    look.table(&["slot at byte", "counter", "next offset"], rows);
    let damaged = ["first", "second"].into_iter().zip(&found).filter(|(_, slot)| **slot == Slot::Damaged);
    look.faults.extend(damaged.map(|(which, _)| format!("the {which} slot holds no mark")));
    Ok(look)
}
