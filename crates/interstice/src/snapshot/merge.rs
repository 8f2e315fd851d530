//! Merging layers: of each (table, key) the newest entry, its row rebuilt for every alteration that came behind its layer. What
//! stood in a table before it was cleared is left out.

use super::build::BuildError;
use super::run::{Entry, Layer};
use interstice_log::storage::StorageFile;
use interstice_store::alter::RowRebuild;
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

/// Runs that are kept side by side; with one more they are merged into one.
pub const MAX_RUNS: usize = 64;

/// An alteration of a table behind so many layers.
pub(super) struct Alteration {
    pub(super) table: TableId,
    /// How many layers there were when it was made: it rebuilds the rows of those.
    pub(super) behind: usize,
    pub(super) rebuild: RowRebuild,
}

/// What was done to whole tables on the way.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) alterations: Vec<Alteration>,
    /// For tables that were cleared, dropped, or written anew under other keys: the first layer that counts.
    pub(super) since: BTreeMap<TableId, usize>,
}

impl Turns {
    /// Has only layers from `layer` on count for a table.
    pub(super) fn forget(&mut self, table: TableId, layer: usize) {
        self.alterations.retain(|one| one.table != table);
        self.since.insert(table, layer);
    }

    /// All layers from `base` on have become one: what was done behind some of them is done in it.
    pub(super) fn merged(&mut self, base: usize) {
        self.alterations.iter_mut().for_each(|one| one.behind = one.behind.min(base));
        self.since.values_mut().for_each(|layer| *layer = (*layer).min(base));
    }

    fn counts(&self, table: TableId, layer: usize) -> bool {
        self.since.get(&table).is_none_or(|since| layer >= *since)
    }

    fn rebuilt(&self, table: TableId, layer: usize, row: RowBytes) -> Result<RowBytes, BuildError> {
        let behind = self.alterations.iter().filter(|one| one.table == table && one.behind > layer);
        behind.into_iter().try_fold(row, |row, one| one.rebuild.row(&row).map_err(|_| BuildError::DoesNotFit))
    }
}

/// Entries of several layers, the oldest first, in the order of table and key.
pub(super) struct Merge<'a, F> {
    layers: Vec<Layer<F>>,
    heads: BinaryHeap<Head>,
    turns: &'a Turns,
}

/// The first entry of a layer that was not given out.
struct Head {
    entry: Entry,
    layer: usize,
}

impl Head {
    fn place(&self, other: &Self) -> Ordering {
        (self.entry.table, &self.entry.key).cmp(&(other.entry.table, &other.entry.key))
    }
}

/// The greatest is the first in the order, and of one place the one in the newest layer.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.place(self).then(self.layer.cmp(&other.layer))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

impl<'a, F: StorageFile> Merge<'a, F> {
    pub(super) fn new(layers: Vec<Layer<F>>, turns: &'a Turns) -> Result<Self, BuildError> {
        let mut this = Self { layers, heads: BinaryHeap::new(), turns };
        (0..this.layers.len()).try_for_each(|layer| this.fill(layer))?;
        Ok(this)
    }

    /// The next entry; one of a row that is gone too.
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry>, BuildError> {
        let Some(newest) = self.heads.pop() else { return Ok(None) };
        self.fill(newest.layer)?;
        while self.heads.peek().is_some_and(|head| head.place(&newest) == Ordering::Equal) {
            let older = self.heads.pop().expect("invariant: just looked at");
            self.fill(older.layer)?;
        }
        let Head { mut entry, layer } = newest;
        entry.row = entry.row.map(|row| self.turns.rebuilt(entry.table, layer, row)).transpose()?;
        Ok(Some(entry))
    }

    fn fill(&mut self, layer: usize) -> Result<(), BuildError> {
        while let Some(entry) = self.layers[layer].next_entry()? {
            if self.turns.counts(entry.table, layer) {
                self.heads.push(Head { entry, layer });
                break;
            }
        }
        Ok(())
    }
}
