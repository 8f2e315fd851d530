//! Folding: transactions in order, of each (table, key) the last state. What gets too much for memory is spilled.
//!
//! The layers are the snapshot that the fold stands on, the runs, and what is in memory, each above the one before. Where a table is
//! altered, the layers below are left as they are, and their rows rebuilt when all are merged; only where its rows get other keys
//! they are written anew at once, in the order of these.

use super::build::BuildError;
use super::merge::{Alteration, MAX_RUNS, Merge, Turns};
use super::run::{Layer, Run, RunWriter, SnapshotRows};
use super::shapes::Shapes;
use interstice_log::snapshot::unfinished_name;
use interstice_log::storage::Storage;
use interstice_store::alter::RowRebuild;
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::key::Key;
use interstice_types::row::{INLINE_ROW_SIZE, RowBytes};
use std::collections::BTreeMap;

/// Bytes of memory for last states before they are spilled.
pub const MAX_FOLD_SIZE: usize = 64 << 20;
/// What one state takes beside a row that does not stand in place.
const ENTRY_SIZE: usize = 192;

/// Opens the rows of the snapshot that a fold stands on; once at the end, and before where a table gets other keys.
pub(super) type OpenBase<'b, F> = Box<dyn Fn() -> Result<SnapshotRows<F>, BuildError> + 'b>;

/// What was folded so far.
pub(super) struct Fold<'b, S: Storage> {
    storage: S,
    shapes: Shapes,
    base: Option<OpenBase<'b, S::File>>,
    runs: Vec<Run<S>>,
    turns: Turns,
    last: BTreeMap<(TableId, Key), Option<RowBytes>>,
    size: usize,
    max_size: usize,
    names: u64,
    scratch: Vec<u8>,
}

impl<'b, S: Storage> Fold<'b, S> {
    /// On top of a snapshot with these tables, or of nothing; with so much memory for last states.
    pub(super) fn new(storage: S, base: Option<(Shapes, OpenBase<'b, S::File>)>, max_size: usize) -> Self {
        let (shapes, base) = base.map_or_else(Default::default, |(shapes, open)| (shapes, Some(open)));
        let (runs, turns, last) = (Vec::new(), Turns::default(), BTreeMap::new());
        Self { storage, shapes, base, runs, turns, last, size: 0, max_size, names: 0, scratch: Vec::new() }
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
                if shape.is_durable() {
                    let key = shape.key(row, &mut self.scratch);
                    self.put(*table, key, Some(row.clone()));
                }
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
                match self.shapes.alter(*table, schema.clone(), defaults)? {
                    // Nothing says what becomes of rows: there are none.
                    None => self.turns.forget(*table, self.layer_count()),
                    Some(rebuild) if rebuild.keeps_key() => {
                        self.turns.alterations.push(Alteration { table: *table, behind: self.layer_count(), rebuild });
                    }
                    Some(rebuild) => self.rekey(*table, &rebuild)?,
                }
            }
            Change::ClearTable { table } => {
                self.spill()?;
                self.turns.forget(*table, self.layer_count());
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
        usize::from(self.base.is_some()) + self.runs.len()
    }

    /// Writes the rows of a table anew, rebuilt and in the order of their other keys; what stood below does not count any more.
    fn rekey(&mut self, table: TableId, rebuild: &RowRebuild) -> Result<(), BuildError> {
        assert!(self.last.is_empty(), "invariant: what was folded before was spilled");
        let turns = std::mem::take(&mut self.turns);
        let mut merge = Merge::new(self.lower_layers()?, &turns)?;
        let mut written = Vec::new();
        while let Some(entry) = merge.next_entry()? {
            let Some(row) = entry.row.filter(|_| entry.table == table) else { continue };
            let row = rebuild.row(&row).map_err(|_| BuildError::DoesNotFit)?;
            let shape = self.shapes.get(table).ok_or(BuildError::DoesNotFit)?;
            let key = shape.key(&row, &mut self.scratch);
            self.put(table, key, Some(row));
            if self.size >= self.max_size {
                written.push(self.write_run()?);
            }
        }
        if !self.last.is_empty() {
            written.push(self.write_run()?);
        }
        drop(merge);
        self.turns = turns;
        self.turns.forget(table, self.layer_count());
        self.runs.extend(written);
        if self.runs.len() > MAX_RUNS { self.merge_runs() } else { Ok(()) }
    }

    /// All layers but what is in memory.
    fn lower_layers(&self) -> Result<Vec<Layer<S::File>>, BuildError> {
        let mut layers = Vec::new();
        if let Some(open) = &self.base {
            layers.push(Layer::Snapshot(Box::new(open()?)));
        }
        for run in &self.runs {
            layers.push(Layer::Run(run.read()?));
        }
        Ok(layers)
    }

    /// Writes what is in memory into a run; merges the runs if there are too many of them.
    fn spill(&mut self) -> Result<(), BuildError> {
        if self.last.is_empty() {
            return Ok(());
        }
        if self.runs.len() >= MAX_RUNS {
            self.merge_runs()?;
        }
        let run = self.write_run()?;
        self.runs.push(run);
        Ok(())
    }

    /// A run of what is in memory.
    fn write_run(&mut self) -> Result<Run<S>, BuildError> {
        let mut memory: Layer<S::File> = Layer::Memory(std::mem::take(&mut self.last).into_iter());
        self.size = 0;
        let mut run = self.begin_run()?;
        while let Some(entry) = memory.next_entry()? {
            run.push(&entry)?;
        }
        run.finish()
    }

    /// One run instead of all. What was done to tables behind some of them has been done in it, and is still to be done in the
    /// snapshot.
    fn merge_runs(&mut self) -> Result<(), BuildError> {
        let base = usize::from(self.base.is_some());
        let mut layers = Vec::new();
        if self.base.is_some() {
            // Keeps the numbers of the layers: the snapshot itself is merged at the end.
            layers.push(Layer::Memory(BTreeMap::new().into_iter()));
        }
        for run in &self.runs {
            layers.push(Layer::Run(run.read()?));
        }
        let mut merged = self.begin_run()?;
        let mut merge = Merge::<S::File>::new(layers, &self.turns)?;
        while let Some(entry) = merge.next_entry()? {
            merged.push(&entry)?;
        }
        drop(merge);
        self.runs = vec![merged.finish()?];
        self.turns.merged(base);
        Ok(())
    }

    fn begin_run(&mut self) -> Result<RunWriter<S>, BuildError> {
        self.names += 1;
        RunWriter::create(&self.storage, unfinished_name(&format!("run-{}", self.names)))
    }

    /// Gives every last state to `take`, in the order of table and key: those of the snapshot that the fold stands on, and those
    /// that were folded. Returns the tables.
    pub(super) fn finish(
        self,
        mut take: impl FnMut(TableId, &RowBytes) -> Result<(), BuildError>,
    ) -> Result<Shapes, BuildError> {
        let mut layers = self.lower_layers()?;
        let Self { shapes, runs, turns, last, .. } = self;
        layers.push(Layer::Memory(last.into_iter()));
        let mut merge = Merge::new(layers, &turns)?;
        while let Some(entry) = merge.next_entry()? {
            if let (Some(row), Some(_)) = (&entry.row, shapes.get(entry.table)) {
                take(entry.table, row)?;
            }
        }
        drop(runs);
        Ok(shapes)
    }
}
