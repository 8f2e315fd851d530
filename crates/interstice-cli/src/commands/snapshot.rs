//! `snapshot create`, `snapshot list` and `snapshot verify`, on a node or a data directory.

use super::log::document;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::report::{FOUND, Report, columns};
use interstice::snapshot::build::build;
use interstice_log::log::CommitLog;
use interstice_protocol::http::{SnapshotBuilt, SnapshotFound, SnapshotList, route};
use interstice_server::reports;
use serde_json::Value;
use std::path::Path;

pub(crate) fn create(node: &Node, data: Option<&Path>) -> Result<Report, Failure> {
    let document = match data {
        None => node.post(route::SNAPSHOTS, &Value::Null)?,
        Some(data) => {
            let directory = Directory::open(data)?;
            let _lock = directory.lock()?;
            let log = directory.log()?;
            let snapshots = directory.make_snapshots(&log)?;
            let built = build(&log, &snapshots, &|| Ok(())).map_err(|error| directory.corrupt(&error))?;
            snapshots.prune().map_err(|error| Failure::file(data, &error))?;
            document(reports::snapshot_built(built, log.tail().next_offset))
        }
    };
    let built: SnapshotBuilt = body(&document)?;
    let text = if built.created {
        format!(
            "snapshot {}: {} rows, {} bytes, {} transactions folded",
            built.next_offset, built.rows, built.bytes, built.folded
        )
    } else {
        format!("snapshot {} was there already", built.next_offset)
    };
    Ok(Report::new(document, text))
}

/// Lists them; if `whole`, every byte is looked at.
pub(crate) fn list(node: &Node, data: Option<&Path>, whole: bool) -> Result<Report, Failure> {
    let document = match data {
        None => node.get(if whole { route::SNAPSHOTS_VERIFY } else { route::SNAPSHOTS })?,
        Some(data) => {
            let directory = Directory::open(data)?;
            let snapshots = directory.snapshots(&directory.log()?);
            let looked = snapshots.look(whole).map_err(|error| Failure::file(data, &error))?;
            document(reports::snapshot_list(&looked))
        }
    };
    let found: SnapshotList = body(&document)?;
    let mut lines = vec![["snapshot", "time", "rows", "bytes", "state"].map(str::to_owned).to_vec()];
    lines.extend(found.snapshots.iter().map(line));
    let exit = if found.ok || !whole { 0 } else { FOUND };
    Ok(Report::new(document, columns(&lines)).items("snapshots").exit(exit))
}

fn line(snapshot: &SnapshotFound) -> Vec<String> {
    let state = snapshot.fault.clone().unwrap_or_else(|| "ok".to_owned());
    let time = snapshot.time.clone().unwrap_or_default();
    vec![snapshot.next_offset.to_string(), time, snapshot.rows.to_string(), snapshot.bytes.to_string(), state]
}
