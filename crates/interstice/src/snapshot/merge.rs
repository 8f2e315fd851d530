//! Merging layers: of each (table, key) the newest entry, its row rebuilt for every alteration that came behind its layer.

use super::build::BuildError;
use super::run::{Entry, Layer};
use interstice_log::storage::StorageFile;
use interstice_store::alter::RowRebuild;
use interstice_types::id::TableId;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Runs that are kept side by side; with one more they are merged into one.
pub const MAX_RUNS: usize = 64;

/// An alteration of a table behind so many layers.
pub(super) struct Alteration {
    pub(super) table: TableId,
    /// How many layers there were when it was made: it rebuilds the rows of those.
    pub(super) behind: usize,
    pub(super) rebuild: RowRebuild,
}

/// Entries of several layers, the oldest first, in the order of table and key.
pub(super) struct Merge<'a, F> {
    layers: Vec<Layer<F>>,
    heads: BinaryHeap<Head>,
    alterations: &'a [Alteration],
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
    pub(super) fn new(layers: Vec<Layer<F>>, alterations: &'a [Alteration]) -> Result<Self, BuildError> {
        let mut this = Self { layers, heads: BinaryHeap::new(), alterations };
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
        let behind = self.alterations.iter().filter(|one| one.table == entry.table && one.behind > layer);
        entry.row = entry.row.map(|row| behind.fold(row, |row, one| one.rebuild.row(&row)));
        Ok(Some(entry))
    }

    fn fill(&mut self, layer: usize) -> Result<(), BuildError> {
        if let Some(entry) = self.layers[layer].next_entry()? {
            self.heads.push(Head { entry, layer });
        }
        Ok(())
    }
}
