//! A data directory, or a directory of backups: a summary of what is in it.

use super::{Look, document};
use crate::commands::log;
use crate::directory::{Directory, repository};
use crate::failure::Failure;
use interstice::backup::FILES_DIRECTORY;
use interstice_engine::system;
use interstice_protocol::http::LogVerified;
use interstice_server::reports;
use interstice_types::id::to_hex;
use serde_json::{Value, json};
use std::path::Path;

/// What is there; `None` if it is neither.
pub(super) fn look(path: &Path) -> Result<Option<Look>, Failure> {
    if path.join("log").is_dir() {
        return data(path).map(Some);
    }
    if path.join(FILES_DIRECTORY).is_dir() {
        let names = repository(path)?.list().map_err(|error| Failure::file(path, &error))?;
        if !names.is_empty() {
            return Ok(Some(backups(&names)));
        }
    }
    Ok(None)
}

fn backups(names: &[String]) -> Look {
    let mut look = Look::new("backups");
    look.field("backups", json!(names));
    look.table(&["backup"], names.iter().map(|name| vec![name.clone()]));
    look
}

fn data(path: &Path) -> Result<Look, Failure> {
    let mut look = Look::new("data-directory");
    let node_file = path.join("node.json");
    if node_file.is_file() {
        let node = document::look(&node_file)?.expect("invariant: by its name it is known");
        look.say("node", node.fields.get("node").cloned().unwrap_or(Value::Null));
        look.say("created", node.fields.get("created").cloned().unwrap_or(Value::Null));
        look.faults.extend(node.faults.into_iter().map(|fault| format!("node.json: {fault}")));
    } else {
        look.say("node", Value::Null);
    }
    let directory = Directory::open(path)?;
    let verified = interstice_log::verify::verify(directory.storage()).map_err(|error| directory.corrupt(&error))?;
    let verified = reports::log_verified(&verified);
    log(&verified, &mut look);
    snapshots(path, &directory, &mut look)?;
    look.say("settings", directory.settings()?.is_some());
    if verified.ok {
        modules(&directory, &mut look);
    }
    Ok(look)
}

fn log(verified: &LogVerified, look: &mut Look) {
    let (first, last) = (verified.segments.first(), verified.segments.last());
    look.say("first_offset", first.map(|segment| segment.first_offset.to_string()));
    look.say("next_offset", last.map(|segment| segment.next_offset.to_string()));
    look.say("transactions", verified.transactions.to_string());
    look.say("head", verified.head.as_str());
    look.field("segments", json!(verified.segments));
    look.rest.push(verified.segments.iter().flat_map(log::segment_lines).collect::<Vec<_>>().join("\n"));
    for segment in &verified.segments {
        let fault = |fault: &interstice_protocol::http::FaultFound| {
            format!("segment {}: {} at byte {}: {}", segment.name, fault.kind, fault.byte, fault.evidence)
        };
        look.faults.extend(segment.faults.iter().map(fault));
    }
}

fn snapshots(path: &Path, directory: &Directory, look: &mut Look) -> Result<(), Failure> {
    let looked = directory.snapshots_beside_damage()?.look(false).map_err(|error| Failure::file(path, &error))?;
    let list = reports::snapshot_list(&looked);
    look.field("snapshots", json!(list.snapshots));
    let rows = list.snapshots.iter().map(|snapshot| {
        let state = snapshot.fault.clone().unwrap_or_else(|| "ok".to_owned());
        vec![snapshot.next_offset.to_string(), snapshot.rows.to_string(), snapshot.bytes.to_string(), state]
    });
    look.table(&["snapshot", "rows", "bytes", "state"], rows);
    look.faults.extend(list.snapshots.iter().filter_map(|snapshot| snapshot.fault.clone()));
    Ok(())
}

/// The modules in force at the end of the log. None of their code runs.
fn modules(directory: &Directory, look: &mut Look) {
    let engine = match directory.state() {
        Ok(engine) => engine,
        Err(failure) => return look.faults.push(failure.problem.message.clone()),
    };
    let modules = system::modules(engine.store());
    let module = |row: &system::ModuleRow| {
        json!({
            "name": row.name, "version": row.schema.version, "published_at": row.published_at.to_string(),
            "artefact": to_hex(&row.artefact),
        })
    };
    look.field("modules", modules.iter().map(module).collect::<Vec<_>>());
    let rows = modules.iter().map(|row| {
        let artefact = to_hex(&row.artefact)[..8].to_owned();
        vec![row.name.clone(), row.schema.version.clone(), artefact, row.published_at.to_string()]
    });
    look.table(&["module", "version", "artefact", "published at"], rows);
}
