//! Folding: transactions in order, of each (table, key) the last state. What gets too much for memory is spilled.

use super::build::BuildError;
use super::merge::{Alteration, MAX_RUNS, Merge};
use super::run::{Layer, Run, RunWriter, SnapshotRows};
use super::shapes::Shapes;
use interstice_log::snapshot::unfinished_name;
use interstice_log::storage::Storage;
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::key::Key;
use interstice_types::row::{INLINE_ROW_SIZE, RowBytes};
use std::collections::BTreeMap;

/// Bytes of memory for last states before they are spilled.
pub const MAX_FOLD_SIZE: usize = 64 << 20;
/// What one state takes beside a row that does not stand in place.
const ENTRY_SIZE: usize = 192;

/// What was folded so far.
pub(super) struct Fold<S: Storage> {
    storage: S,
    shapes: Shapes,
    /// Whether a snapshot is the oldest layer.
    has_base: bool,
    runs: Vec<Run<S>>,
    alterations: Vec<Alteration>,
    last: BTreeMap<(TableId, Key), Option<RowBytes>>,
    size: usize,
    max_size: usize,
    names: u64,
    scratch: Vec<u8>,
}

impl<S: Storage> Fold<S> {
    /// On top of a snapshot with these tables, or of nothing; with so much memory for last states.
    pub(super) fn new(storage: S, base: Option<Shapes>, max_size: usize) -> Self {
        let has_base = base.is_some();
        let shapes = base.unwrap_or_default();
        let (runs, alterations, last) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { storage, shapes, has_base, runs, alterations, last, size: 0, max_size, names: 0, scratch: Vec::new() }
    }

    /// How many runs were spilled.
    pub(super) fn spilled(&self) -> u64 {
        self.names
    }

    /// Takes in what one transaction changed.
    pub(super) fn add(&mut self, changes: &[Change]) -> Result<(), BuildError> {
        changes.iter().try_for_each(|change| self.change(change))?;
        if self.size >= self.max_size { self.spill() } else { Ok(()) }
    }

    fn change(&mut self, change: &Change) -> Result<(), BuildError> {
        match change {
            Change::Insert { table, row } | Change::Update { table, new: row, .. } => {
                let shape = self.shapes.get(*table).filter(|shape| shape.admits(row)).ok_or(BuildError::DoesNotFit)?;
                let key = shape.key(row, &mut self.scratch);
                self.put(*table, key, Some(row.clone()));
            }
            Change::Delete { table, key, .. } => {
                let shape = self.shapes.get(*table).ok_or(BuildError::DoesNotFit)?;
                let key = shape.lookup_key(key, &mut self.scratch).ok_or(BuildError::DoesNotFit)?;
                self.put(*table, key, None);
            }
            Change::Sequence { table, column, next, .. } => {
                self.shapes.set_sequence(*table, *column, *next).ok_or(BuildError::DoesNotFit)?;
            }
            Change::CreateTable { table, module, schema } => {
                self.shapes.create(*table, module.clone(), schema.clone());
            }
            Change::AlterTable { table, schema, defaults } => {
                self.spill()?;
                let rebuild = self.shapes.alter(*table, schema.clone(), defaults).ok_or(BuildError::DoesNotFit)?;
                self.alterations.push(Alteration { table: *table, behind: self.layer_count(), rebuild });
            }
            Change::DropTable { table } => self.shapes.drop_table(*table),
        }
        Ok(())
    }

    fn put(&mut self, table: TableId, key: Key, row: Option<RowBytes>) {
        let long = |row: &Option<RowBytes>| row.as_ref().map_or(0, |row| row.len()).saturating_sub(INLINE_ROW_SIZE);
        self.size += ENTRY_SIZE + long(&row);
        if let Some(old) = self.last.insert((table, key), row) {
            self.size -= ENTRY_SIZE + long(&old);
        }
    }

    fn layer_count(&self) -> usize {
        usize::from(self.has_base) + self.runs.len()
    }

    /// Writes what is in memory into a run; merges the runs if there are too many of them.
    fn spill(&mut self) -> Result<(), BuildError> {
        if self.last.is_empty() {
            return Ok(());
        }
        if self.runs.len() >= MAX_RUNS {
            self.merge_runs()?;
        }
        let mut memory: Layer<S::File> = Layer::Memory(std::mem::take(&mut self.last).into_iter());
        self.size = 0;
        let mut run = self.begin_run()?;
        while let Some(entry) = memory.next_entry()? {
            run.push(&entry)?;
        }
        self.runs.push(run.finish()?);
        Ok(())
    }

    /// One run instead of all. Alterations behind some of them have been made in it, and are still to be made in the snapshot.
    fn merge_runs(&mut self) -> Result<(), BuildError> {
        let base = usize::from(self.has_base);
        let mut layers = Vec::new();
        if self.has_base {
            // Keeps the numbers of the layers: the snapshot itself is merged at the end.
            layers.push(Layer::Memory(BTreeMap::new().into_iter()));
        }
        for run in &self.runs {
            layers.push(Layer::Run(run.read()?));
        }
        let mut merged = self.begin_run()?;
        let mut merge = Merge::<S::File>::new(layers, &self.alterations)?;
        while let Some(entry) = merge.next_entry()? {
            merged.push(&entry)?;
        }
        drop(merge);
        self.runs = vec![merged.finish()?];
        for alteration in &mut self.alterations {
            alteration.behind = alteration.behind.min(base);
        }
        Ok(())
    }

    fn begin_run(&mut self) -> Result<RunWriter<S>, BuildError> {
        self.names += 1;
        RunWriter::create(&self.storage, unfinished_name(&format!("run-{}", self.names)))
    }

    /// Gives every last state to `take`, in the order of table and key: those of `base`, which is the snapshot that the fold
    /// stands on, and those that were folded. Returns the tables.
    pub(super) fn finish(
        self,
        base: Option<SnapshotRows<S::File>>,
        mut take: impl FnMut(TableId, &RowBytes) -> Result<(), BuildError>,
    ) -> Result<Shapes, BuildError> {
        assert_eq!(base.is_some(), self.has_base, "invariant: a fold ends on what it began on");
        let Self { shapes, runs, alterations, last, .. } = self;
        let mut layers: Vec<_> = base.map(|rows| Layer::Snapshot(Box::new(rows))).into_iter().collect();
        for run in &runs {
            layers.push(Layer::Run(run.read()?));
        }
        layers.push(Layer::Memory(last.into_iter()));
        let mut merge = Merge::new(layers, &alterations)?;
        while let Some(entry) = merge.next_entry()? {
            if let (Some(row), Some(_)) = (&entry.row, shapes.get(entry.table)) {
                take(entry.table, row)?;
            }
        }
        Ok(shapes)
    }
}
