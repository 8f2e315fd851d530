//! What a backup says of itself.
//!
//! JSON that ends with the hash of all bytes before it, so that no bit of it can turn unseen, whatever version wrote it:
//!
//! ```text
//! {
//!   "schema": "interstice.backup/v1",
//!   …,
//!   "blake3": "…"       BLAKE3 of every byte up to and with the comma before this line
//! }
//! ```

use interstice_log::backup::{Kept, hash_of, hex};
use interstice_log::frame::{Epoch, Lineage, Position};
use interstice_log::log::Tail;
use interstice_log::segment::SegmentHeader;
use interstice_log::snapshot::name_of;
use interstice_types::id::{Offset, decode_hex, to_hex};
use serde::{Deserialize, Serialize};
use std::io;

/// Bytes that a manifest may have.
pub const MAX_MANIFEST_SIZE: u64 = 64 << 20;
/// The name of its shape, up to the version.
const SHAPE: &str = "interstice.backup/v";
/// The version that is written.
const VERSION: u32 = 1;
/// What stands around the hash.
const HASH_BEGIN: &str = "\n  \"blake3\": \"";
const HASH_END: &str = "\"\n}\n";
/// Digits of the hash in a manifest's name.
const NAME_DIGITS: usize = 16;

/// The manifest of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `interstice.backup/v1`
    pub schema: String,
    /// The id of the log, hex.
    pub log: String,
    /// The history that the log ends in, hex.
    pub lineage: String,
    /// The first offset that there is.
    pub first_offset: Offset,
    /// The offset behind the last.
    pub next_offset: Offset,
    /// The chain hash of the last frame, hex.
    pub chain: String,
    /// The time of the last transaction, in microseconds.
    pub time: i64,
    /// In order.
    pub segments: Vec<SegmentFile>,
    /// In order of their offsets.
    pub snapshots: Vec<KeptFile>,
    /// The node's settings, if it has a file of them.
    pub settings: Option<KeptFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its name in a data directory.
    pub name: String,
    /// Its name in the repository.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of all of it, hex.
    pub hash: String,
}

/// A segment of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// The file.
    #[serde(flatten)]
    pub kept: KeptFile,
    /// Where the log ends that ends with it.
    pub end: End,
}

/// Where a segment ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The offset behind its last one.
    pub next_offset: Offset,
    /// The frame behind its last one.
    pub position: u64,
    /// Its last writer.
    pub epoch: u64,
    /// Its history, hex.
    pub lineage: String,
    /// The chain hash of its last frame, hex.
    pub chain: String,
    /// The time of its last transaction, in microseconds.
    pub time: i64,
}

/// Why a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes of its manifest are not what was written.
    #[error("backup {name} is damaged: {reason}")]
    Damaged {
        /// The manifest.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("backup {name} has format {found}, this version reads up to {VERSION}")]
    NewerFormat {
        /// The manifest.
        name: String,
        /// Its format.
        found: u32,
    },
    /// The storage failed.
    #[error("backup {name}: {source}")]
    Io {
        /// The manifest.
        name: String,
        /// What the storage says.
        source: io::Error,
    },
}

impl ManifestError {
    pub(super) fn damaged(name: &str, reason: &str) -> Self {
        Self::Damaged { name: name.to_owned(), reason: reason.to_owned() }
    }
}

impl Manifest {
    /// The name of the shape that is written.
    pub(super) fn shape() -> String {
        format!("{SHAPE}{VERSION}")
    }

    /// Its bytes, and the name that they get.
    pub(super) fn encode(&self) -> (Vec<u8>, String) {
        let text = serde_json::to_string_pretty(self).expect("invariant: a manifest has a JSON form");
        let fields = text.strip_suffix("\n}").expect("invariant: an object ends with its brace");
        let body = format!("{fields},");
        let hash = hex(&hash_of(body.as_bytes()));
        let name = format!("{:020}-{}.json", self.next_offset, &hash[..NAME_DIGITS]);
        (format!("{body}{HASH_BEGIN}{hash}{HASH_END}").into_bytes(), name)
    }

    /// Reads one; `name` is for errors.
    pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Self, ManifestError> {
        let damaged = |reason: &str| ManifestError::damaged(name, reason);
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
        let closed = text.strip_suffix(HASH_END).and_then(|rest| rest.rsplit_once(HASH_BEGIN));
        let (body, hash) = closed.ok_or_else(|| damaged("it is cut, or its end is not what was written"))?;
        if hash != hex(&hash_of(body.as_bytes())) {
            return Err(damaged("its hash does not hold"));
        }
        let document: serde_json::Value = serde_json::from_str(text).map_err(|error| damaged(&error.to_string()))?;
        let version = document["schema"].as_str().and_then(|schema| schema.strip_prefix(SHAPE)?.parse().ok());
        match version {
            Some(VERSION) => {}
            Some(found) if found > VERSION => return Err(ManifestError::NewerFormat { name: name.to_owned(), found }),
            _ => return Err(damaged("it is not the manifest of a backup")),
        }
        let manifest: Self = serde_json::from_value(document).map_err(|error| damaged(&error.to_string()))?;
        match manifest.contradiction() {
            None => Ok(manifest),
            Some(reason) => Err(damaged(reason)),
        }
    }

    fn contradiction(&self) -> Option<&'static str> {
        let is_id = |text: &str| decode_hex::<16>(text).is_some();
        let is_hash = |text: &str| decode_hex::<32>(text).is_some();
        let is_end = |end: &End| is_id(&end.lineage) && is_hash(&end.chain);
        let ends_with = |segment: &SegmentFile| {
            let End { next_offset, lineage, chain, time, .. } = &segment.end;
            (*next_offset, lineage, chain, *time) == (self.next_offset, &self.lineage, &self.chain, self.time)
        };
        let rises = |kept: &[&KeptFile]| kept.is_sorted_by(|a, b| a.name < b.name);
        let segments: Vec<_> = self.segments.iter().map(|segment| &segment.kept).collect();
        let snapshots: Vec<_> = self.snapshots.iter().collect();
        let checks = [
            (is_id(&self.log) && self.segments.iter().all(|segment| is_end(&segment.end)), "an id or a hash is none"),
            (self.kept().all(|kept| kept.is_plain() && is_hash(&kept.hash)), "a file's name or hash is none"),
            (rises(&segments) && rises(&snapshots), "its files are not in order"),
            (self.segments.last().is_some_and(ends_with), "its segments end elsewhere than it says"),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
    }

    /// All files that it names.
    pub fn kept(&self) -> impl Iterator<Item = &KeptFile> {
        self.segments.iter().map(|segment| &segment.kept).chain(&self.snapshots).chain(&self.settings)
    }

    /// Bytes of all files that it names.
    pub fn size(&self) -> u64 {
        self.kept().fold(0, |sum, kept| sum.saturating_add(kept.bytes))
    }
}

impl KeptFile {
    /// Whether both names are names of files, and no paths.
    fn is_plain(&self) -> bool {
        let plain = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            !name.is_empty() && !name.starts_with('.') && name.chars().all(known)
        };
        plain(&self.name) && plain(&self.file)
    }

    pub(super) fn new(name: String, file: String, (bytes, hash): (u64, [u8; 32])) -> Self {
        Self { name, file, bytes, hash: to_hex(&hash) }
    }

    /// The snapshot of so many offsets, which holds what `root` stands for.
    pub(super) fn snapshot(next_offset: Offset, root: &[u8; 32], kept: (u64, [u8; 32])) -> Self {
        Self::new(name_of(next_offset), snapshot_file(next_offset, root), kept)
    }
}

/// The file of a snapshot in a repository.
pub(super) fn snapshot_file(next_offset: Offset, root: &[u8; 32]) -> String {
    format!("{next_offset:020}-{}.snapshot", hex(root))
}

impl SegmentFile {
    pub(super) fn new(header: &SegmentHeader, file: String, kept: &Kept, time: i64) -> Self {
        let Tail { position, next_offset, epoch, chain, lineage } = kept.end;
        let (lineage, chain) = (to_hex(&lineage.0), to_hex(&chain));
        let end = End { next_offset, position: position.0, epoch: epoch.0, lineage, chain, time };
        Self { kept: KeptFile::new(header.name(), file, (kept.bytes, kept.hash)), end }
    }
}

impl End {
    /// The same as the log says it.
    pub(super) fn tail(&self) -> Tail {
        let checked = "invariant: checked when it was read";
        Tail {
            position: Position(self.position),
            next_offset: self.next_offset,
            epoch: Epoch(self.epoch),
            chain: decode_hex(&self.chain).expect(checked),
            lineage: Lineage(decode_hex(&self.lineage).expect(checked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let (log, lineage, chain) = ("01".repeat(16), "02".repeat(16), "03".repeat(32));
        let kept = KeptFile::new("00000000000000000000.log".to_owned(), "00-03.log".to_owned(), (7, [4; 32]));
        let end =
            End { next_offset: 5, position: 6, epoch: 1, lineage: lineage.clone(), chain: chain.clone(), time: 9 };
        let segments = vec![SegmentFile { kept, end }];
        let schema = Manifest::shape();
        let (first_offset, next_offset, time, snapshots, settings) = (0, 5, 9, Vec::new(), None);
        Manifest { schema, log, lineage, first_offset, next_offset, chain, time, segments, snapshots, settings }
    }

    #[test]
    fn a_manifest_comes_back_and_no_bit_of_it_turns_unseen() {
        let (bytes, name) = manifest().encode();
        assert!(name.starts_with("00000000000000000005-") && name.len() == 42, "{name}");
        assert_eq!(Manifest::decode(&bytes, &name).unwrap(), manifest());
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "it is JSON");
        for bit in 0..bytes.len() * 8 {
            let mut turned = bytes.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Manifest::decode(&turned, &name), Err(ManifestError::Damaged { .. })), "bit {bit}");
        }
        for size in 0..bytes.len() {
            assert!(matches!(Manifest::decode(&bytes[..size], &name), Err(ManifestError::Damaged { .. })), "{size}");
        }
    }

    #[test]
    fn a_newer_manifest_is_told_from_a_damaged_one_and_names_are_never_paths() {
        let code = |manifest: &Manifest| match Manifest::decode(&manifest.encode().0, "it") {
            Ok(_) => "ok",
            Err(ManifestError::NewerFormat { found: 2, .. }) => "newer",
            Err(_) => "damaged",
        };
        assert_eq!(code(&Manifest { schema: "interstice.backup/v2".to_owned(), ..manifest() }), "newer");
        assert_eq!(code(&Manifest { schema: "interstice.call/v1".to_owned(), ..manifest() }), "damaged");
        for name in ["../key", "/etc/passwd", "", ".", "a/b", ".hidden"] {
            let mut wrong = manifest();
            wrong.segments[0].kept.file = name.to_owned();
            assert_eq!(code(&wrong), "damaged", "{name}");
        }
        assert_eq!(code(&Manifest { next_offset: 6, ..manifest() }), "damaged");
        assert_eq!(code(&Manifest { segments: Vec::new(), ..manifest() }), "damaged");
    }
}
