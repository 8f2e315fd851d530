//! Whole tables, in primary-key order.

use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;

/// The first `limit` rows of `table`; none if there is no such table.
pub fn first_rows(store: &Store, table: TableId, limit: usize) -> Vec<RowBytes> {
    let Some(table) = store.table(table) else { return Vec::new() };
    let all = KeyRange::all();
    table.scan(IndexId::PRIMARY, &all, false).take(limit).cloned().collect()
}
