//! A snapshot: what it stands for, and its tables.

use super::{Look, newer, offset_in, place};
use crate::failure::Failure;
use interstice::snapshot::Manifest;
use interstice_log::snapshot::{SnapshotError, SnapshotReader, head_of, name_of};
use interstice_log::storage::StorageFile;
use interstice_log::storage::view::View;
use interstice_types::id::to_hex;
use interstice_types::time::Timestamp;
use serde_json::json;
use std::fs::File;
use std::path::Path;

pub(super) fn look(path: &Path) -> Result<Look, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut look = Look::new("snapshot");
    let file = File::open(path).map_err(failed)?;
    look.say("bytes", StorageFile::size(&file).map_err(failed)?);
    let (directory, name) = place(path)?;
    let offset = match head_of(&file).map_err(failed)? {
        Some(Err(version)) => return Err(newer(path, version)),
        Some(Ok(header)) => {
            look.say("log", to_hex(&header.log_id.0));
            header.next_offset
        }
        None => offset_in(&name).unwrap_or(0),
    };
    look.say("next_offset", offset.to_string());
    // A backup keeps it under another name.
    let one = View::of(directory, [(name_of(offset), name)]);
    if let Err(error) = read(&one, offset, &mut look) {
        match error {
            SnapshotError::Io { source, .. } => return Err(failed(source)),
            SnapshotError::NewerFormat { found, .. } => return Err(newer(path, found)),
            damaged @ SnapshotError::Damaged { .. } => look.faults.push(damaged.to_string()),
        }
    }
    Ok(look)
}

/// Every byte is looked at; what is whole is told first.
fn read(
    files: &View<interstice_log::storage::directory::DirectoryStorage>,
    offset: u64,
    look: &mut Look,
) -> Result<(), SnapshotError> {
    let mut reader = SnapshotReader::open(files, offset)?;
    let manifest = Manifest::decode(reader.manifest()).map_err(|reason| reader.contradicts(&reason))?;
    tell(&manifest, look);
    look.say("root", to_hex(&reader.root()));
    reader.check_rest()
}

fn tell(manifest: &Manifest, look: &mut Look) {
    look.say("time", Timestamp(manifest.time).to_string());
    look.say("lineage", manifest.lineage.as_str());
    look.say("chain", manifest.chain.as_str());
    look.say("position", manifest.position.to_string());
    look.say("events_from", manifest.events_from.offset.to_string());
    look.say("digest", manifest.digest.as_str());
    let rows = manifest.tables.iter().fold(0_u64, |sum, table| sum.saturating_add(table.rows));
    look.say("rows", rows.to_string());
    let tables = manifest.tables.iter().map(|table| {
        json!({ "id": table.id, "table": format!("{}.{}", table.module, table.schema.name), "rows": table.rows.to_string() })
    });
    look.field("tables", tables.collect::<Vec<_>>());
    let lines = manifest.tables.iter().map(|table| {
        vec![table.id.to_string(), format!("{}.{}", table.module, table.schema.name), table.rows.to_string()]
    });
    look.table(&["id", "table", "rows"], lines);
}
