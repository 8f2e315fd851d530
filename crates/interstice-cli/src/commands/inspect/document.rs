//! Files of JSON: manifests of backups, `node.json`, schemas.

use super::{Look, newer};
use crate::commands::schema;
use crate::failure::Failure;
use crate::{directory, schemas};
use interstice::backup::{FILES_DIRECTORY, KeptFile, Manifest, ManifestError, Repository};
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::decode_hex;
use interstice_types::problem::Problem;
use interstice_types::schema::validate;
use interstice_types::time::Timestamp;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file of JSON that is read.
const MAX_SIZE: u64 = 64 << 20;
/// The format of `node.json` that this version writes.
const NODE_FORMAT: u64 = 1;
/// How a manifest of a backup names its shape, up to the version.
const BACKUP: &str = "\"schema\": \"interstice.backup/v";
/// Bytes at the beginning of a manifest in which that stands.
const BACKUP_HEAD_SIZE: usize = 64;

/// What it is; `None` if it is none of those.
pub(super) fn look(path: &Path) -> Result<Option<Look>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_SIZE {
        let text = format!("`{}` is larger than {MAX_SIZE} bytes", path.display());
        return Err(Problem::new("too-large", text).into());
    }
    let text = String::from_utf8_lossy(&bytes);
    if text.chars().take(BACKUP_HEAD_SIZE).collect::<String>().contains(BACKUP) {
        return backup(path, bytes.len()).map(Some);
    }
    let is_node = path.file_name().is_some_and(|name| name == "node.json");
    let document: Value = match serde_json::from_slice(&bytes) {
        Ok(document) => document,
        Err(error) => {
            // By its name alone nobody knows what another one was to be.
            let damaged = || Look { faults: vec![format!("it is no JSON: {error}")], ..Look::new("node") };
            return Ok(is_node.then(damaged));
        }
    };
    if is_node || (document["node"].is_string() && document["format"].is_number()) {
        return node(path, &document).map(Some);
    }
    let is_schema = document["tables"].is_array() || document["module"]["tables"].is_array();
    Ok(is_schema.then(|| declared(path)))
}

fn node(path: &Path, document: &Value) -> Result<Look, Failure> {
    let mut look = Look::new("node");
    if let Some(format) = document["format"].as_u64().filter(|format| *format > NODE_FORMAT) {
        return Err(newer(path, u32::try_from(format).unwrap_or(u32::MAX)));
    }
    for name in ["node", "format", "created"] {
        look.say(name, document[name].clone());
    }
    if document["node"].as_str().and_then(decode_hex::<16>).is_none() {
        look.faults.push("`node` is not 32 digits of hex".to_owned());
    }
    if document["format"].as_u64() != Some(NODE_FORMAT) {
        look.faults.push(format!("`format` is not {NODE_FORMAT}"));
    }
    Ok(look)
}

fn declared(path: &Path) -> Look {
    let mut look = Look::new("schema");
    match schemas::in_file(path) {
        Err(failure) => look.faults.push(failure.problem.message.clone()),
        Ok(found) => {
            look.say("module", found.module.as_str());
            look.say("version", found.version.as_str());
            look.field("tables", found.tables.iter().map(|table| json!(table.name)).collect::<Vec<_>>());
            look.field("functions", found.functions.iter().map(|function| json!(function.name)).collect::<Vec<_>>());
            look.rest.push(schema::text(&found));
            let broken = validate::validate(&found);
            look.faults
                .extend(broken.into_iter().map(|violation| format!("{}: {}", violation.place, violation.message)));
        }
    }
    look
}

/// A backup; its files are looked for, and not read: that is `backup verify`.
fn backup(path: &Path, bytes: usize) -> Result<Look, Failure> {
    let mut look = Look::new("backup");
    look.say("bytes", bytes);
    let (place, name) = directory::place_of(path)?;
    let files = place.join(FILES_DIRECTORY);
    let repository = Repository::new(DirectoryStorage::at(&place), DirectoryStorage::at(&files));
    match repository.open(&name) {
        Err(error @ ManifestError::Damaged { .. }) => look.faults.push(error.to_string()),
        Err(error) => return Err(error.into()),
        Ok(backup) => {
            tell(&backup.manifest, &mut look);
            look.faults.extend(backup.manifest.kept().filter_map(|kept| missing(&files, kept)));
        }
    }
    Ok(look)
}

fn missing(files: &Path, kept: &KeptFile) -> Option<String> {
    let file = files.join(&kept.file);
    match file.metadata() {
        Ok(found) if found.len() == kept.bytes => None,
        Ok(found) => Some(format!("`{}` has {} bytes, and had {}", file.display(), found.len(), kept.bytes)),
        Err(error) => Some(format!("`{}`: {error}", file.display())),
    }
}

fn tell(manifest: &Manifest, look: &mut Look) {
    look.say("log", manifest.log.as_str());
    look.say("lineage", manifest.lineage.as_str());
    look.say("first_offset", manifest.first_offset.to_string());
    look.say("next_offset", manifest.next_offset.to_string());
    look.say("time", Timestamp(manifest.time).to_string());
    look.say("chain", manifest.chain.as_str());
    look.say("segments", manifest.segments.len());
    look.say("snapshots", manifest.snapshots.len());
    look.say("kept_bytes", manifest.size());
    let kept =
        |kept: &KeptFile| json!({ "name": kept.name, "file": kept.file, "bytes": kept.bytes, "blake3": kept.hash });
    look.field("files", manifest.kept().map(kept).collect::<Vec<_>>());
    look.table(
        &["name", "bytes", "file"],
        manifest.kept().map(|kept| vec![kept.name.clone(), kept.bytes.to_string(), kept.file.clone()]),
    );
}
