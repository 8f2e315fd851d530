//! The index of rows in a history: followed now and then, kept or lost with the process, and asked at the end.

use super::World;
use crate::bank::NativeLoader;
use crate::faulty::FaultyStorage;
use interstice::history::index::{self, Base, Index};
use interstice::history::row::{row_history, selector};
use interstice::snapshot::Snapshots;
use interstice::snapshot::load::load_before;
use interstice_engine::limits::Limits;
use interstice_log::segment::LogId;
use interstice_log::storage::memory::MemoryStorage;
use std::fmt::Display;
use std::sync::Arc;

/// Bytes of log in a stretch of the index.
const STRETCH_SIZE: u64 = 24 << 10;
/// Keys that are asked for in each table.
const KEYS: u64 = 14;

impl World {
    /// Follows the log a little, as a process that may end at any time.
    pub(super) fn follow_index(&mut self) -> Result<(), String> {
        let (mut index, _) = self.open_index()?;
        let bytes = self.indexing.below(64 << 10);
        let database = self.database.as_ref().ok_or("invariant: the database is open")?;
        index.follow(database.log(), bytes).map_err(text)?;
        if self.indexing.one_in(2) {
            index.keep().map_err(text)?;
        }
        self.reached.stretches = self.reached.stretches.max(index.size().0 as u64);
        Ok(())
    }

    fn open_index(&self) -> Result<(Index<MemoryStorage>, Base<FaultyStorage>), String> {
        let log = self.database.as_ref().ok_or("invariant: the database is open")?.log();
        let base = Base::of(log, &Snapshots::new(self.storage.clone(), LogId([1; 16]))).map_err(text)?;
        let mut index =
            Index::open(log, (self.index.clone(), LogId([1; 16])), &base, Some(STRETCH_SIZE)).map_err(text)?;
        index.prune(log).map_err(text)?;
        Ok((index, base))
    }

    /// The history of every row, by the index and by going over everything.
    pub(super) fn compare_rows(&mut self) -> Result<(), String> {
        let (mut index, base) = self.open_index()?;
        let log = self.database.as_ref().ok_or("invariant: the database is open")?.log();
        while !index.follow(log, 10_000).map_err(text)? {}
        let snapshots = Snapshots::new(self.storage.clone(), LogId([1; 16]));
        let numbered = ["bank.account", "audit.entry", "interstice.client", "interstice.table"];
        let numbered = numbered.map(|table| (table, (1..=KEYS).map(|key| key.to_string()).collect()));
        let modules = ("interstice.module", ["audit", "bank", "none"].map(str::to_owned).to_vec());
        for (table, keys) in numbered.into_iter().chain([modules]) {
            let keys: Vec<String> = keys;
            for (number, key) in keys.iter().enumerate() {
                let limit = [1, 3, 1_000][number % 3];
                let selector = selector(table, key).map_err(text)?;
                let most = snapshots.earliest(log).map_err(text)?;
                let kit = (Arc::new(NativeLoader) as _, Limits::default());
                let (start, _) = load_before(log, &snapshots, most, kit).map_err(text)?;
                let walked = row_history(log, start, &selector, limit).map_err(text);
                let found = index::row_history(log, (&index, &base), (&selector, limit)).map_err(text);
                let walked = walked.map(|told| (told.entries, told.more));
                let found = found.map(|told| told.map(|told| (told.entries, told.more)));
                self.reached.rows_by_index += u64::from(found.as_ref().is_ok_and(Option::is_some));
                if found != walked.clone().map(Some) {
                    return Err(format!("{table} {key}: by the index {found:?}, going over everything {walked:?}"));
                }
            }
        }
        Ok(())
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
