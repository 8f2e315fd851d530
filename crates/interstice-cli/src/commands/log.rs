//! `log verify`, on a node or a data directory.

use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::report::{FOUND, Report};
use interstice_protocol::http::{Envelope, LogVerified, SegmentVerified, route};
use interstice_server::reports;
use serde_json::Value;
use std::path::Path;

pub(crate) fn verify(node: &Node, data: Option<&Path>) -> Result<Report, Failure> {
    let document = match data {
        None => node.get(route::LOG_VERIFY)?,
        Some(data) => {
            let directory = Directory::open(data)?;
            let report = interstice_log::verify::verify(directory.storage());
            let report = report.map_err(|error| directory.corrupt(&error))?;
            document(reports::log_verified(&report))
        }
    };
    let verified: LogVerified = body(&document)?;
    let mut lines: Vec<_> = verified.segments.iter().flat_map(segment_lines).collect();
    let verdict = if verified.ok { "ok" } else { "corrupt" };
    lines.push(format!("{verdict}: {} transactions, head {}", verified.transactions, verified.head));
    let exit = if verified.ok { 0 } else { FOUND };
    Ok(Report::new(document, lines.join("\n")).items("segments").exit(exit))
}

/// A segment, and what is wrong with it, for people.
pub(super) fn segment_lines(segment: &SegmentVerified) -> Vec<String> {
    let state = if segment.sealed { "sealed" } else { "open" };
    let torn = match segment.torn_tail_bytes {
        0 => String::new(),
        bytes => format!("  torn tail: {bytes} bytes, never acknowledged"),
    };
    let offsets = format!("offsets {}..{}", segment.first_offset, segment.next_offset);
    let verdict = if segment.ok { "crc ok  chain ok" } else { "damaged" };
    let head = format!("segment {}  {offsets}  {state}  {verdict}  {} bytes{torn}", segment.name, segment.bytes);
    let faults = segment.faults.iter().map(|fault| {
        format!("  {} at byte {}, from offset {}: {}", fault.kind, fault.byte, fault.offset, fault.evidence)
    });
    let notices = segment.notices.iter().map(|notice| format!("  note: {notice}"));
    std::iter::once(head).chain(faults).chain(notices).collect()
}

pub(super) fn document<T: interstice_protocol::http::Shape>(body: T) -> Value {
    serde_json::to_value(Envelope::new(body)).expect("invariant: a report has a JSON form")
}
