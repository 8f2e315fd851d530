//! Which rows transactions look at or change, by their keys: what a recording needs to have of tables with many rows.
//!
//! What a function read is in the results of its host calls. What it only counted, or found not to be there, is not: whether what is kept
//! is enough is tried out.

use crate::catalog::Catalog;
use crate::execution::HostCall;
use crate::execution::trace::{HostStep, Step, Trace};
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{IndexId, Table};
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::schema::ReferenceSchema;
use interstice_types::ty::Type;
use std::collections::{BTreeMap, BTreeSet};

/// Keys of rows, as the encoded values of their columns.
#[derive(Default)]
pub(super) struct Touched {
    keys: BTreeMap<TableId, BTreeSet<Vec<u8>>>,
}

/// The functions that run, and the scans that are open, at a step.
#[derive(Default)]
struct Running {
    /// Module, number, and scans that there were when it began.
    functions: Vec<(usize, u32, usize)>,
    scans: Vec<TableId>,
}

impl Touched {
    /// How many rows it is about.
    pub(super) fn count(&self) -> usize {
        self.keys.values().map(BTreeSet::len).sum()
    }

    /// What a transaction changed, with the rows that the changed ones refer to.
    pub(super) fn note_changes(&mut self, store: &Store, changes: &[Change]) {
        for change in changes {
            let Some(table) = store.table(change.table()) else { continue };
            match change {
                Change::Insert { row, .. } | Change::Update { new: row, .. } => self.add_row(store, table, row),
                Change::Delete { key, .. } => drop(self.add(table.id(), key.to_vec())),
                _ => {}
            }
        }
    }

    /// What a transaction read.
    pub(super) fn note_trace(&mut self, store: &Store, catalog: &Catalog, trace: &Trace) {
        let mut running = Running::default();
        for step in &trace.steps {
            match step {
                Step::Enter { module, function, .. } => {
                    running.functions.push((*module, *function, running.scans.len()));
                }
                Step::Leave { .. } => {
                    let (.., scans) = running.functions.pop().expect("invariant: what ends has begun");
                    running.scans.truncate(scans);
                }
                Step::Host(step) => self.note_host_call(store, (catalog, &mut running), step),
            }
        }
    }

    fn note_host_call(&mut self, store: &Store, (catalog, running): (&Catalog, &mut Running), step: &HostStep) {
        let results = step.results.iter().filter_map(|(number, bytes)| Some((*number, bytes.kept()?)));
        let handle = match step.call {
            HostCall::Insert | HostCall::Delete => step.number,
            HostCall::Get | HostCall::ScanOpen => step.number >> 16,
            HostCall::ScanNext => {
                let table = running.scans.get(step.number as usize).and_then(|id| store.table(*id));
                let Some(table) = table else { return };
                results.for_each(|(_, rows)| each_row(rows, |row| self.add_row(store, table, row)));
                return;
            }
            _ => return,
        };
        let Some(id) = running.table(catalog, handle) else { return };
        if step.call == HostCall::ScanOpen {
            running.scans.push(id);
        } else if let Some(table) = store.table(id) {
            results.filter(|(number, _)| *number == 1).for_each(|(_, row)| self.add_row(store, table, row));
        }
    }

    fn add(&mut self, table: TableId, key: Vec<u8>) -> bool {
        self.keys.entry(table).or_default().insert(key)
    }

    /// A row, and what it refers to.
    fn add_row(&mut self, store: &Store, table: &Table, row: &[u8]) {
        self.add(table.id(), table.primary_key_values(row).to_vec());
        self.add_referents(store, table, row);
    }

    fn add_referents(&mut self, store: &Store, table: &Table, row: &[u8]) {
        for reference in &table.schema().references {
            let mut others = store.tables().filter(|other| other.module() == table.module());
            let other = others.find(|other| other.schema().name == reference.table);
            let (Some(other), Some(key)) = (other, named_key(table, reference, row)) else { continue };
            if self.add(other.id(), key.clone())
                && let Ok(lookup) = other.lookup_key(&key, &mut Vec::new())
                && let Some(row) = other.get(&lookup)
            {
                self.add_referents(store, other, row);
            }
        }
    }

    /// The rows of `table` that are among these.
    pub(super) fn rows_of<'t>(&self, table: &'t Table) -> impl Iterator<Item = &'t [u8]> {
        let keys = self.keys.get(&table.id());
        let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
        rows.map(|row| -> &[u8] { row })
            .filter(move |row| keys.is_some_and(|keys| keys.contains(&*table.primary_key_values(row))))
    }
}

impl Running {
    fn table(&self, catalog: &Catalog, handle: u64) -> Option<TableId> {
        let (module, function, _) = self.functions.last()?;
        let handles = &catalog.modules()[*module].functions[*function as usize].handles;
        handles.get(usize::try_from(handle).ok()?)?.map(|(table, _)| table)
    }
}

/// The key of the row that a row refers to.
fn named_key(table: &Table, reference: &ReferenceSchema, row: &[u8]) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    for column in &reference.columns {
        let value = table.layout().column(row, usize::from(*column));
        let is_optional = matches!(table.schema().columns[usize::from(*column)].ty, Type::Option(_));
        match (is_optional, value) {
            (true, [0, ..]) => return None,
            (true, value) => key.extend(&value[1..]),
            (false, value) => key.extend(value),
        }
    }
    Some(key)
}

/// Rows, each behind its length as `u32` LE.
fn each_row(mut rows: &[u8], mut take: impl FnMut(&[u8])) {
    while let Some((length, rest)) = rows.split_first_chunk::<4>() {
        let (row, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        take(row);
        rows = rest;
    }
}
