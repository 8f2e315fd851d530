//! Snapshots in a history: built now and then, rotting, trimmed behind, and begun from when the database opens.

use super::{World, compare};
use crate::bank::NativeLoader;
use crate::faulty::FaultyStorage;
use interstice::opened::{Start, transactions};
use interstice::snapshot::Snapshots;
use interstice::snapshot::build::{BuildError, build_within};
use interstice::snapshot::load::load;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::local::LocalLog;
use interstice_log::segment::LogId;
use interstice_log::snapshot::SnapshotError;
use interstice_log::storage::Storage;
use std::sync::Arc;

impl World {
    /// Where recovery begins. If all of the log is there, a replay of it must come to the same state.
    pub(super) fn start(&mut self, log: &LocalLog<FaultyStorage>) -> Result<Start, String> {
        let kit = || -> (Arc<dyn ModuleLoader>, Limits) { (Arc::new(NativeLoader), Limits::default()) };
        let snapshots = Snapshots::new(self.storage.clone(), LogId([1; 16]));
        let (start, left_aside) = load(log, &snapshots, kit()).map_err(|error| format!("no state loads: {error}"))?;
        if left_aside.len() as u64 > self.rotten {
            return Err(format!("snapshots are damaged without a reason: {left_aside:?}"));
        }
        self.reached.snapshots_left_aside += left_aside.len() as u64;
        let Some(next_offset) = start.from_snapshot else { return Ok(start) };
        self.reached.recovered_from_older_snapshot += u64::from(!left_aside.is_empty());
        self.reached.recovered_from_snapshot += 1;
        self.reached.recovered_with_pending_events += u64::from(!start.engine.pending_events().is_empty());
        let Ok(all) = transactions(log) else { return Ok(start) };
        let mut replayed = Engine::new(kit().0, Limits::default());
        for transaction in all.take(next_offset as usize) {
            let transaction = transaction.map_err(|error| error.to_string())?;
            replayed.apply(&transaction).map_err(|error| error.to_string())?;
        }
        compare("digest of the snapshot", &start.engine.store().digest(), &replayed.store().digest())?;
        compare("time of the snapshot", &start.engine.time(), &replayed.time())?;
        compare("events of the snapshot", start.engine.pending_events(), replayed.pending_events())?;
        Ok(start)
    }

    /// Builds a snapshot, in little memory; then perhaps gives up the log's beginning, or lets a byte rot.
    pub(super) fn take_snapshot(&mut self) -> Result<(), String> {
        let database = self.database.as_mut().ok_or("invariant: the database is open")?;
        let snapshots = Snapshots::new(self.storage.clone(), LogId([1; 16]));
        let memory = 1 << self.snapshots.below(20);
        match build_within(database.log(), &snapshots, memory, &|| Ok(())) {
            Ok(Some(built)) => {
                // What cannot be removed now is removed behind the next one.
                let _ = snapshots.prune();
                self.reached.snapshots += 1;
                self.reached.snapshots_spilled += u64::from(built.spilled > 1);
            }
            Ok(None) => return Ok(()),
            // A snapshot that cannot be written is no failure of the database.
            Err(BuildError::Io(_) | BuildError::Snapshot(SnapshotError::Io { .. })) => {
                self.reached.snapshots_failed += 1;
                return Ok(());
            }
            Err(error) => return Err(format!("no snapshot: {error}")),
        }
        if self.trims && self.snapshots.one_in(2) {
            self.trim(&snapshots)?;
        }
        // Whatever was trimmed, there is the older one to fall back on.
        if self.snapshots.one_in(8) { self.rot() } else { Ok(()) }
    }

    fn trim(&mut self, snapshots: &Snapshots<FaultyStorage>) -> Result<(), String> {
        // As a node does: what cannot be read holds the log.
        let Ok(Some(bound)) = snapshots.trim_bound() else { return Ok(()) };
        let database = self.database.as_mut().ok_or("invariant: the database is open")?;
        let before = self.storage.list().map_err(|error| error.to_string())?.len();
        if database.trim(bound).is_ok() && self.storage.list().map_err(|error| error.to_string())?.len() < before {
            self.reached.trims += 1;
        }
        Ok(())
    }

    /// One bit of the newest snapshot turns.
    fn rot(&mut self) -> Result<(), String> {
        let names = self.storage.list().map_err(|error| error.to_string())?;
        let Some(name) = names.iter().filter(|name| name.ends_with(".snapshot")).max() else { return Ok(()) };
        let byte = self.snapshots.below(self.storage.used(name) as u64) as usize;
        self.storage.rot(name, byte, self.snapshots.below(8) as usize);
        self.rotten += 1;
        self.reached.snapshots_rotten += 1;
        Ok(())
    }
}
