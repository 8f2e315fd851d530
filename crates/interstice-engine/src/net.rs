//! What a list of changes comes to, row by row.

use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;
use std::collections::BTreeMap;

/// What a transaction made of a row.
pub(crate) struct Net {
    pub(crate) table: TableId,
    /// The encoded values of the primary key.
    pub(crate) key: Vec<u8>,
    /// Before, and behind.
    pub(crate) rows: [Option<RowBytes>; 2],
}

/// What complete changes made of rows of tables that `is_told` says, in the order in which they were first touched.
pub(crate) fn net(store: &Store, changes: &[Change], is_told: impl Fn(&Table) -> bool) -> Vec<Net> {
    let mut all: Vec<Net> = Vec::new();
    let mut places = BTreeMap::new();
    for change in changes {
        let Some(table) = store.table(change.table()).filter(|table| is_told(table)) else { continue };
        let (key, old, new) = match change {
            Change::Insert { row, .. } => (table.primary_key_values(row), None, Some(row.clone())),
            Change::Update { old, new, .. } => (table.primary_key_values(new), old.clone(), Some(new.clone())),
            Change::Delete { key, old, .. } => (key.clone(), old.clone(), None),
            _ => continue,
        };
        let (table, key) = (table.id(), key.to_vec());
        let place = *places.entry((table, key.clone())).or_insert(all.len());
        if place == all.len() {
            all.push(Net { table, key, rows: [old, None] });
        }
        all[place].rows[1] = new;
    }
    all
}
