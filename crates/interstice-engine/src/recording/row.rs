//! Rows of a recording: as JSON by column; a schedule with its function and its arguments by name.

use super::text::Text;
use super::{RowChange, Update};
use crate::catalog::Catalog;
use crate::system::schedule::{self, ScheduleRow};
use crate::telling::full_name;
use interstice_store::table::Table;
use interstice_types::id::ScheduleId;
use interstice_types::row::RowBytes;
use interstice_types::schema::signature;
use interstice_types::schema::{Durability, FunctionSchema, SYSTEM_MODULE};
use interstice_types::time::Timestamp;
use interstice_types::{codec, json};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The only table of the node itself of which a recording has rows.
pub(super) const SCHEDULES: &str = "interstice.schedule";

/// A row of [`SCHEDULES`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleJson {
    id: Text<ScheduleId>,
    /// `module.function`
    function: String,
    #[serde(default, skip_serializing_if = "Json::is_null")]
    args: Json,
    due: Text<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    declared: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    times: String,
}

/// A row of `table`; `None` of a schedule that could not run.
pub(super) fn to_json(catalog: &Catalog, table: &Table, row: &[u8]) -> Option<Json> {
    if is_schedules(table) {
        return schedule_to_json(catalog, schedule::row_in(table, row));
    }
    Some(json::record_to_json(&table.schema().fields(), row).expect("invariant: stored rows are canonical"))
}

/// The bytes of a row of `table`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn from_json(catalog: &Catalog, table: &Table, row: &Json) -> Result<RowBytes, String> {
    if is_schedules(table) {
        let row = schedule_from_json(catalog, row).map_err(|error| format!("a schedule {row}: {error}"))?;
        return Ok(schedule::bytes_of(table, &row).into());
    }
    let fields = table.schema().fields();
    if !row.is_object() {
        return Err(format!("a row of `{}` is an object by column, not {row}", full_name(table)));
    }
    let values = json::arguments_from_json(&fields, row);
    let values = values.map_err(|error| format!("a row of `{}`: {error}", full_name(table)))?;
    Ok(codec::encode_all(fields.iter().map(|field| &field.ty), &values).into())
}

/// What a transaction made of a row of `table`; `None` if nothing, or if it is a schedule that could not run.
pub(super) fn net_to_json(catalog: &Catalog, table: &Table, [old, new]: &[Option<RowBytes>; 2]) -> Option<RowChange> {
    let json = |row: &RowBytes| to_json(catalog, table, row);
    let told = RowChange { table: full_name(table), ..RowChange::default() };
    match (old, new) {
        (None, Some(new)) => Some(RowChange { insert: Some(json(new)?), ..told }),
        (Some(old), None) => Some(RowChange { delete: Some(json(old)?), ..told }),
        (Some(old), Some(new)) if old != new => {
            Some(RowChange { update: Some(Update { old: json(old)?, new: json(new)? }), ..told })
        }
        _ => None,
    }
}

/// Whether recordings tell of the rows of `table`.
pub(super) fn is_told(table: &Table) -> bool {
    if is_schedules(table) {
        return full_name(table) == SCHEDULES;
    }
    table.schema().durability == Durability::Durable
}

/// Of the node's own tables it is the only one of which there are rows.
fn is_schedules(table: &Table) -> bool {
    **table.module() == *SYSTEM_MODULE
}

fn schedule_to_json(catalog: &Catalog, row: ScheduleRow) -> Option<Json> {
    let (_, entry) = catalog.module(&row.module)?;
    let (_, function) = entry.schema.function(&row.function)?;
    let shape = shape_of(row.declared, function);
    let args = if row.declared {
        Json::Null
    } else {
        json::record_to_json(&function.args, &row.args).ok().filter(|_| shape == row.shape)?
    };
    let told = ScheduleJson {
        id: Text(row.id),
        function: format!("{}.{}", row.module, row.function),
        args,
        due: Text(row.due),
        declared: row.declared,
        paused: row.paused,
        times: row.times,
    };
    Some(serde_json::to_value(told).expect("invariant: a schedule has a JSON form"))
}

fn schedule_from_json(catalog: &Catalog, row: &Json) -> Result<ScheduleRow, String> {
    let read: ScheduleJson = serde_json::from_value(row.clone()).map_err(|error| error.to_string())?;
    let (module, name) = read.function.split_once('.').ok_or("`function` is not as in `module.function`")?;
    let (_, entry) = catalog.find_module(module).map_err(|problem| problem.message.clone())?;
    let found = entry.schema.function(name);
    let (_, function) = found.ok_or_else(|| format!("`{}` does not exist", read.function))?;
    let args = if read.declared {
        Vec::new()
    } else {
        let values = json::arguments_from_json(&function.args, &read.args).map_err(|error| error.to_string())?;
        codec::encode_all(function.args.iter().map(|arg| &arg.ty), &values)
    };
    Ok(ScheduleRow {
        declared: read.declared,
        id: read.id.0,
        module: module.to_owned(),
        function: name.to_owned(),
        args,
        shape: shape_of(read.declared, function),
        due: read.due.0,
        paused: read.paused,
        times: read.times,
    })
}

fn shape_of(is_declared: bool, function: &FunctionSchema) -> signature::Signature {
    if is_declared { signature::of_no_arguments() } else { signature::of_arguments(function) }
}
