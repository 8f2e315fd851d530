//! A table of a million rows that a publish gives a column with a default, or an index; beside plain structs in maps that are put into
//! wider ones, or indexed.

use super::wasm::Module;
use super::{ROUNDS, ROWS, TEXT, key, median, team};
use interstice_types::schema::{ColumnSchema, IndexSchema, Schema, TableSchema};
use interstice_types::ty::Type;
use interstice_wasm::artefact;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Seconds of a publish, and of the same with maps.
pub(super) struct Times {
    pub(super) publish: f64,
    pub(super) maps: f64,
}

/// The artefact with another schema of the table without an index.
fn with(wasm: &[u8], change: impl FnOnce(&mut TableSchema)) -> Vec<u8> {
    let mut schema: Schema = artefact::schema_of(wasm).unwrap();
    change(schema.tables.iter_mut().find(|table| table.name == "row").unwrap());
    artefact::with_schema(wasm, &schema).unwrap()
}

/// A column with a default more, then an index more.
pub(super) fn measure(module: &mut Module, wasm: &[u8]) -> [Times; 2] {
    let column = with(wasm, |table| {
        let level = ColumnSchema { default: Some("00000000".to_owned()), ..ColumnSchema::new("level", Type::U32) };
        table.columns.push(level);
    });
    let index = with(wasm, |table| {
        table.indexes.push(IndexSchema { name: "team".to_owned(), columns: vec![1], unique: false });
    });
    [(column, widened as fn() -> f64), (index, indexed)].map(|(changed, maps)| {
        let mut times = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            times.0.push(module.publish(&changed));
            // Back again: what came is given up.
            module.publish(wasm);
            times.1.push(maps());
        }
        Times { publish: median(times.0), maps: median(times.1) }
    })
}

fn rows() -> BTreeMap<u64, (u32, String)> {
    (0..ROWS).map(|number| (key(number), (team(number), TEXT.to_owned()))).collect()
}

fn widened() -> f64 {
    let rows = rows();
    let started = Instant::now();
    let wider: BTreeMap<_, _> = rows.iter().map(|(key, (team, text))| (*key, (*team, text.clone(), 0_u32))).collect();
    let took = started.elapsed().as_secs_f64();
    assert_eq!(wider.len(), rows.len());
    took
}

fn indexed() -> f64 {
    let rows = rows();
    let started = Instant::now();
    let by_team: BTreeSet<_> = rows.iter().map(|(key, (team, _))| (*team, *key)).collect();
    let took = started.elapsed().as_secs_f64();
    assert_eq!(by_team.len(), rows.len());
    took
}
