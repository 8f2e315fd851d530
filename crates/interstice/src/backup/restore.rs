//! Restoring a backup: every file is what it was when it was written, or nothing is restored; then what was kept, up to an offset,
//! goes on as another history ([`fork`](crate::fork)).

use super::verify::wrong_bytes;
use super::{Backup, ManifestError, verify::Fault};
use crate::fork::{Plan, PlanError};
use crate::snapshot::{Manifest as SnapshotManifest, Snapshots};
use interstice_log::backup::read_piece;
use interstice_log::frame::{Lineage, Position};
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::CommitLog;
use interstice_log::snapshot::name_of;
use interstice_log::storage::Storage;
use interstice_log::storage::view::View;
use interstice_types::id::{Offset, to_hex};
use serde_json::json;
use std::io;

/// Why nothing is restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file is not what was written.
    #[error("{} of backup {name} is damaged: {}", fault.file, fault.evidence)]
    Damaged {
        /// The manifest.
        name: String,
        /// The first thing that is wrong.
        fault: Fault,
    },
    /// The log in it does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// What is in it cannot go on elsewhere.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The offset is not in it, or no state stands for it.
    #[error("the backup goes from offset {first} to {end}, and not to {to}")]
    OutOfReach {
        /// What was asked for.
        to: Offset,
        /// The least that can be restored.
        first: Offset,
        /// The most.
        end: Offset,
    },
    /// The new directory cannot be written.
    #[error("writing what is restored: {0}")]
    Io(#[from] io::Error),
}

impl<T: Storage> Backup<T> {
    /// What restoring up to offset `to` would write; all of it without one. Every byte of the backup is looked at.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn plan(&self, to: Option<Offset>) -> Result<Plan, RestoreError> {
        if let Some(fault) = self.manifest.kept().find_map(|kept| wrong_bytes(&self.files, kept)) {
            return Err(RestoreError::Damaged { name: self.name.clone(), fault });
        }
        let log = LocalLog::open_read_only(self.log())?;
        let end = self.manifest.segments.last().expect("invariant: a backup has a segment");
        let (tail, says) = (log.tail(), end.end.tail());
        if (log.log_id(), tail.next_offset, tail.chain) != (self.log_id(), says.next_offset, says.chain) {
            let evidence = "the log in it is not the one that the manifest speaks of".to_owned();
            let fault = Fault { file: end.kept.file.clone(), kind: "manifest", byte: 0, evidence };
            return Err(RestoreError::Damaged { name: self.name.clone(), fault });
        }
        let snapshots = self.good_snapshots()?;
        let has_beginning = log.segments()[0].first_frame.0 == 0;
        let oldest = snapshots.first().map_or(Offset::MAX, |snapshot| snapshot.next_offset);
        // Without the first transaction there is no database.
        let (first, end) = (if has_beginning { 1 } else { oldest }, self.manifest.next_offset);
        let to = to.unwrap_or(end);
        if to < first || to > end {
            return Err(RestoreError::OutOfReach { to, first, end });
        }
        let plan = Plan::new(&self.log(), (Position(0), to), &snapshots)?;
        let plan = plan.ok_or(RestoreError::OutOfReach { to, first, end })?;
        if !has_beginning && plan.snapshots.is_empty() {
            return Err(RestoreError::OutOfReach { to, first, end });
        }
        Ok(plan)
    }

    /// The manifests of its snapshots, the oldest first.
    fn good_snapshots(&self) -> Result<Vec<SnapshotManifest>, RestoreError> {
        let mut found = Vec::new();
        for looked in Snapshots::new(self.snapshots(), self.log_id()).look(true)? {
            let wrong = match looked.manifest {
                Err(error) => Some(error.to_string()),
                Ok(manifest) => {
                    let misfit = self.misfit(&manifest);
                    found.push(manifest);
                    misfit
                }
            };
            if let Some(evidence) = wrong {
                let fault = Fault { file: name_of(looked.next_offset), kind: "snapshot", byte: 0, evidence };
                return Err(RestoreError::Damaged { name: self.name.clone(), fault });
            }
        }
        Ok(found)
    }

    /// Writes what `plan` says into empty directories, as the history `lineage`; `salt_seed` are fresh random bytes.
    ///
    /// # Errors
    /// [`RestoreError::Io`]; what was written is of no use then.
    pub fn write<U: Storage>(
        &self,
        plan: &Plan,
        (log, snapshots): (&U, &U),
        (lineage, salt_seed): (Lineage, [u8; 16]),
    ) -> Result<(), RestoreError> {
        let (kept_log, kept_snapshots): (View<T>, View<T>) = (self.log(), self.snapshots());
        let history = (lineage, salt_seed);
        Ok(plan.write((&kept_log, &kept_snapshots), (log, snapshots), history, &self.origin(plan))?)
    }

    /// What stands in the new log for good.
    fn origin(&self, plan: &Plan) -> String {
        let tail = plan.cut();
        let origin = json!({
            "cause": "restore", "backup": self.name, "restored_to": plan.to,
            "parent": to_hex(&tail.lineage.0), "cut_offset": tail.next_offset, "chain": to_hex(&tail.chain),
            "given_up": { "from": plan.to, "to": self.manifest.next_offset },
        });
        origin.to_string()
    }

    /// The settings that it holds.
    ///
    /// # Errors
    /// What the storage says.
    pub fn settings(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(kept) = &self.manifest.settings else { return Ok(None) };
        let file = self.files.open(&kept.file)?;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < kept.bytes {
            bytes.extend(read_piece(&file, (bytes.len() as u64, kept.bytes), kept.bytes)?);
        }
        Ok(Some(bytes))
    }
}
