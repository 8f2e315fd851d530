//! How tables and rows are named where people read it.

use interstice_store::table::Table;
use interstice_types::codec;
use interstice_types::json;
use serde_json::Value as Json;

/// `module.table`
pub(crate) fn full_name(table: &Table) -> String {
    format!("{}.{}", table.module(), table.schema().name)
}

/// The values of a primary key in JSON; of several columns a list. `None` if the bytes are not such values.
pub(crate) fn key_to_json(table: &Table, key_values: &[u8]) -> Option<Json> {
    let schema = table.schema();
    let types: Vec<_> = schema.primary_key.iter().map(|column| &schema.columns[usize::from(*column)].ty).collect();
    let values = codec::decode_all(types.iter().copied(), key_values).ok()?;
    let mut values: Vec<_> = types.iter().zip(&values).map(|(ty, value)| json::to_json(ty, value)).collect();
    Some(if values.len() == 1 { values.remove(0) } else { Json::Array(values) })
}
