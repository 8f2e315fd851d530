//! The tables while history goes by: their schemas and sequences, without their rows.

use super::build::BuildError;
use super::manifest::{Manifest, TableManifest};
use interstice_store::alter::{RowRebuild, altered_sequences};
use interstice_store::digest;
use interstice_store::table::FIRST_SEQUENCE_VALUE;
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::key::Key;
use interstice_types::layout::RowLayout;
use interstice_types::schema::{Durability, TableSchema};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All tables that there are.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    tables: BTreeMap<TableId, Shape>,
    next_id: u32,
}

/// One table without its rows.
#[derive(Debug)]
pub(super) struct Shape {
    module: Arc<str>,
    schema: Arc<TableSchema>,
    layout: Arc<RowLayout>,
    sequences: Vec<(u16, u64)>,
}

impl Shape {
    fn new(module: Arc<str>, schema: Arc<TableSchema>, sequences: Vec<(u16, u64)>) -> Self {
        let layout = Arc::new(schema.layout());
        Self { module, schema, layout, sequences }
    }

    /// The primary key of a canonical row.
    pub(super) fn key(&self, row: &[u8], scratch: &mut Vec<u8>) -> Key {
        self.layout.key(row, &self.schema.primary_key, scratch)
    }

    /// The primary key whose columns have these encoded values; `None` if the bytes are not that.
    pub(super) fn lookup_key(&self, values: &[u8], scratch: &mut Vec<u8>) -> Option<Key> {
        let columns = &self.schema.primary_key;
        let (key, covered) = self.layout.lookup_key(values, columns, scratch).ok()?;
        (covered == columns.len()).then_some(key)
    }

    /// Whether its rows outlast their transaction.
    pub(super) fn is_durable(&self) -> bool {
        self.schema.durability == Durability::Durable
    }

    /// Whether these bytes are a row.
    pub(super) fn admits(&self, row: &[u8]) -> bool {
        self.layout.check(row).is_ok()
    }
}

impl Shapes {
    /// As they are in a snapshot.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let shape = |table: &TableManifest| {
            let shape =
                Shape::new(table.module.as_str().into(), Arc::new(table.schema.clone()), table.sequences.clone());
            (table.table(), shape)
        };
        Self { tables: manifest.tables.iter().map(shape).collect(), next_id: manifest.next_table_id }
    }

    pub(super) fn get(&self, table: TableId) -> Option<&Shape> {
        self.tables.get(&table)
    }

    /// The change that makes a table as it is now, empty.
    pub(super) fn create_change(&self, table: TableId) -> Option<Change> {
        let Shape { module, schema, .. } = self.tables.get(&table)?;
        Some(Change::CreateTable { table, module: Arc::clone(module), schema: Arc::clone(schema) })
    }

    pub(super) fn next_id(&self) -> u32 {
        self.next_id
    }

    pub(super) fn create(&mut self, table: TableId, module: Arc<str>, schema: Arc<TableSchema>) {
        let columns = (0..).zip(&schema.columns).filter(|(_, column)| column.auto_inc);
        let sequences = columns.map(|(number, _)| (number, FIRST_SEQUENCE_VALUE)).collect();
        self.tables.insert(table, Shape::new(module, schema, sequences));
        self.next_id = self.next_id.max(table.0 + 1);
    }

    /// Puts a table under another schema; returns how its rows are rebuilt, or `None` if the schemas do not say that.
    ///
    /// # Errors
    /// [`BuildError::DoesNotFit`] if there is no such table.
    pub(super) fn alter(
        &mut self,
        table: TableId,
        schema: Arc<TableSchema>,
        defaults: &[(u16, Vec<u8>)],
    ) -> Result<Option<RowRebuild>, BuildError> {
        let old = self.tables.get(&table).ok_or(BuildError::DoesNotFit)?;
        let rebuild = RowRebuild::new(&old.schema, Arc::clone(&old.layout), &schema, defaults).ok();
        let sequences = altered_sequences(&old.schema, old.sequences.iter().copied(), &schema);
        let module = Arc::clone(&old.module);
        self.tables.insert(table, Shape::new(module, schema, sequences));
        Ok(rebuild)
    }

    pub(super) fn drop_table(&mut self, table: TableId) {
        self.tables.remove(&table);
    }

    /// Moves a sequence; `None` if there is no such one.
    pub(super) fn set_sequence(&mut self, table: TableId, column: u16, next: u64) -> Option<()> {
        let sequences = &mut self.tables.get_mut(&table)?.sequences;
        sequences.iter_mut().find(|(of, _)| *of == column)?.1 = next;
        Some(())
    }

    /// The part of the state digest that is not rows.
    pub(super) fn digest(&self) -> u128 {
        let lasting = self.tables.iter().filter(|(_, shape)| shape.is_durable());
        let sequences = lasting.flat_map(|(id, shape)| shape.sequences.iter().map(|one| (*id, *one)));
        sequences.map(|(id, (column, next))| digest::of_sequence(id, column, next)).fold(0, u128::wrapping_add)
    }

    /// What a manifest says of them, with how many rows each has.
    pub(super) fn manifest(&self, rows: &BTreeMap<TableId, u64>) -> Vec<TableManifest> {
        let table = |(id, shape): (&TableId, &Shape)| TableManifest {
            id: id.0,
            module: shape.module.to_string(),
            schema: TableSchema::clone(&shape.schema),
            rows: rows.get(id).copied().unwrap_or(0),
            sequences: shape.sequences.clone(),
        };
        self.tables.iter().map(table).collect()
    }
}
