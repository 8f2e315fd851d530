//! Verifying backups: every byte of every file, and the log in them as a log.
//!
//! 1. Each file once, however many backups name it: its size and its hash.
//! 2. The log of each backup, as `log verify` looks at one; but where it goes the same way as that of a backup before, only
//!    from the last segment on that both have.
//! 3. Each snapshot from beginning to end, and whether its frame stands in the log.

use super::{Backup, KeptFile, ManifestError, Repository};
use crate::snapshot::Snapshots;
use interstice_log::backup::hash_file;
use interstice_log::storage::Storage;
use interstice_log::verify::verify;
use interstice_types::id::to_hex;
use std::collections::BTreeMap;

/// What was found of one backup.
#[derive(Debug)]
pub struct Verified<T> {
    /// The name of its manifest.
    pub name: String,
    /// It, if its manifest can be read.
    pub backup: Result<Backup<T>, ManifestError>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something wrong in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file in the repository.
    pub file: String,
    /// `manifest`, `missing`, `size`, `hash`, `io`, `snapshot`, or a kind of fault of a log.
    pub kind: &'static str,
    /// Where in it.
    pub byte: u64,
    /// What is wrong, and what says so.
    pub evidence: String,
}

impl Fault {
    fn new(file: &str, kind: &'static str, evidence: String) -> Self {
        Self { file: file.to_owned(), kind, byte: 0, evidence }
    }
}

/// Verifies backups of one repository, one after another.
pub struct Verifier<'a, T> {
    repository: &'a Repository<T>,
    /// By file: what is wrong with its bytes.
    hashed: BTreeMap<String, Option<Fault>>,
    /// By file: what is wrong with the log in it.
    logs: BTreeMap<String, Vec<Fault>>,
    /// The files of logs that were looked at.
    walked: Vec<Vec<String>>,
    /// By file, and the last file of the log that it stands with.
    snapshots: BTreeMap<(String, String), Vec<Fault>>,
}

impl<'a, T: Storage> Verifier<'a, T> {
    /// Begins.
    pub fn new(repository: &'a Repository<T>) -> Self {
        let (hashed, logs, walked, snapshots) = Default::default();
        Self { repository, hashed, logs, walked, snapshots }
    }

    /// Looks at every byte of the backup `name`.
    pub fn verify(&mut self, name: &str) -> Verified<T> {
        let backup = self.repository.open(name);
        let faults = match &backup {
            Ok(backup) => self.faults(backup),
            Err(error) => vec![Fault::new(name, "manifest", error.to_string())],
        };
        Verified { name: name.to_owned(), backup, faults }
    }

    fn faults(&mut self, backup: &Backup<T>) -> Vec<Fault> {
        let mut faults: Vec<_> = backup.manifest.kept().filter_map(|kept| self.bytes_of(kept)).collect();
        faults.extend(self.log_of(backup));
        faults.extend(self.snapshots_of(backup));
        faults
    }

    fn bytes_of(&mut self, kept: &KeptFile) -> Option<Fault> {
        if let Some(known) = self.hashed.get(&kept.file) {
            return known.clone();
        }
        let fault = wrong_bytes(&self.repository.files, kept);
        self.hashed.insert(kept.file.clone(), fault.clone());
        fault
    }

    fn log_of(&mut self, backup: &Backup<T>) -> Vec<Fault> {
        let files: Vec<_> = backup.manifest.segments.iter().map(|segment| segment.kept.file.clone()).collect();
        let same = |walked: &Vec<String>| files.iter().zip(walked).take_while(|(a, b)| a == b).count();
        let shared = self.walked.iter().map(same).max().unwrap_or(0);
        if shared < files.len() {
            self.walk(backup, shared.saturating_sub(1));
        }
        let faults = files.iter().filter_map(|file| self.logs.get(file)).flatten().cloned().collect();
        self.walked.push(files);
        faults
    }

    /// Walks over the log from segment number `first` on.
    fn walk(&mut self, backup: &Backup<T>, first: usize) {
        let segments = &backup.manifest.segments;
        let file_of = |name: &str| {
            // What is missing between two files stands with the one behind it.
            let found = segments.iter().find(|segment| *segment.kept.name >= *name).or(segments.last());
            found.map_or_else(|| name.to_owned(), |segment| segment.kept.file.clone())
        };
        let mut found: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
        match verify(&backup.segments_from(first)) {
            Ok(report) => {
                if to_hex(&report.head) != backup.manifest.chain {
                    let text = "the log in it is not the one that the manifest speaks of".to_owned();
                    let file = &segments.last().expect("invariant: a backup has a segment").kept.file;
                    found.entry(file.clone()).or_default().push(Fault::new(file, "manifest", text));
                }
                for segment in report.segments {
                    let file = file_of(&segment.name);
                    let faults = segment.faults.into_iter().map(|fault| Fault {
                        file: file.clone(),
                        kind: fault.kind,
                        byte: fault.byte,
                        evidence: fault.evidence,
                    });
                    found.entry(file.clone()).or_default().extend(faults);
                }
            }
            Err(error) => {
                found.insert(segments[first].kept.file.clone(), vec![Fault::new("", "io", error.to_string())]);
            }
        }
        self.logs.extend(found);
    }

    fn snapshots_of(&mut self, backup: &Backup<T>) -> Vec<Fault> {
        let end = &backup.manifest.segments.last().expect("invariant: a backup has a segment").kept.file;
        let mut faults = Vec::new();
        for kept in &backup.manifest.snapshots {
            let key = (kept.file.clone(), end.clone());
            let found = self.snapshots.entry(key).or_insert_with(|| wrong_snapshot(backup, kept));
            faults.extend(found.clone());
        }
        faults
    }
}

/// What is wrong with the bytes of a file, if something is.
pub(super) fn wrong_bytes<T: Storage>(files: &T, kept: &KeptFile) -> Option<Fault> {
    match hash_file(files, &kept.file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(Fault::new(&kept.file, "missing", "the file is not there".to_owned()))
        }
        Err(error) => Some(Fault::new(&kept.file, "io", error.to_string())),
        Ok((size, _)) if size != kept.bytes => {
            let text = format!("it has {size} bytes, and had {} when it was written", kept.bytes);
            Some(Fault::new(&kept.file, "size", text))
        }
        Ok((_, hash)) if to_hex(&hash) != kept.hash => {
            let text = format!("its BLAKE3 is {}, and was {} when it was written", to_hex(&hash), kept.hash);
            Some(Fault::new(&kept.file, "hash", text))
        }
        Ok(_) => None,
    }
}

fn wrong_snapshot<T: Storage>(backup: &Backup<T>, kept: &KeptFile) -> Vec<Fault> {
    let snapshots = Snapshots::new(backup.view(std::iter::once(kept)), backup.log_id());
    let faults = match snapshots.look(true) {
        Err(error) => vec![error.to_string()],
        Ok(looked) if looked.is_empty() => vec!["it has not the name of a snapshot".to_owned()],
        Ok(looked) => looked
            .into_iter()
            .filter_map(|looked| match looked.manifest {
                Ok(manifest) => backup.misfit(&manifest),
                Err(error) => Some(error.to_string()),
            })
            .collect(),
    };
    faults.into_iter().map(|evidence| Fault::new(&kept.file, "snapshot", evidence)).collect()
}
