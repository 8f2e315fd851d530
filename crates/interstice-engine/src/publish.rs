//! Publishing: an artefact, its schema, its tables and its `init` in one transaction.

use crate::catalog::Catalog;
use crate::engine::{Engine, Moment, Target, instantiate};
use crate::execution::{Execution, Finished, Surroundings};
use crate::imports;
use crate::module::{CallError, Loaded};
use crate::problems;
use crate::system::{self, ModuleRow};
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::id::{ClientId, Identity};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, Schema, TableSchema, validate};
use interstice_types::transaction::{Cause, Work};
use std::sync::Arc;

/// A publish that is ready to commit.
pub(crate) struct Published {
    pub(crate) cause: Cause,
    pub(crate) finished: Finished,
    pub(crate) catalog: Arc<Catalog>,
}

/// Runs a publish. On an error the engine's store is gone: the caller puts back the clone that it kept.
pub(crate) fn run(
    engine: &mut Engine,
    artefact: &[u8],
    loaded: &Loaded,
    caller: Identity,
    moment: Moment,
) -> Result<Published, Problem> {
    let schema = &loaded.schema;
    check(engine, artefact, schema)?;
    let first = engine.catalog.module(&schema.module).is_none();
    let mut tx = std::mem::take(&mut engine.store).begin();
    let client =
        write_rows(&mut tx, engine, artefact, loaded, caller).map_err(|error| problems::write_refused(&error))?;
    let declared = engine.declare_schedules(&mut tx, schema, moment.0);
    declared.map_err(|error| problems::write_refused(&error))?;
    let mut catalog = Catalog::build(tx.store(), &engine.catalog);
    let (position, _) = catalog.module(&schema.module).expect("invariant: its row was just written");
    catalog.set_factory(position, Arc::clone(&loaded.factory));
    let catalog = Arc::new(catalog);
    let init = schema.functions.iter().position(|function| function.kind == FunctionKind::Init);
    let finished = match init.filter(|_| first) {
        Some(function) => run_init(engine, tx, &catalog, (position, function as u32), (caller, moment))?,
        None => Finished { tx: Some(tx), instances: Vec::new(), work: Work::default(), log: Vec::new() },
    };
    Ok(Published { cause: Cause::Publish { module: schema.module.clone(), caller: client }, finished, catalog })
}

fn check(engine: &Engine, artefact: &[u8], schema: &Schema) -> Result<(), Problem> {
    let limit = engine.limits.artefact_size;
    if artefact.len() > limit {
        let text = format!("the artefact has {} bytes, at most {limit} are allowed", artefact.len());
        return Err(Problem::new("artefact-too-large", text));
    }
    let violations = validate::validate(schema);
    if !violations.is_empty() {
        let lines: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.place, v.message)).collect();
        return Err(Problem::new("invalid-schema", lines.join("; ")).at(format!("module `{}`", schema.module)));
    }
    imports::check(&engine.catalog, schema)?;
    check_tables(engine, schema)
}

/// A table that is there may gain columns with a default, indexes and words; anything else would lose or invent data.
fn check_tables(engine: &Engine, schema: &Schema) -> Result<(), Problem> {
    for (name, id) in engine.catalog.tables_of(&schema.module) {
        let old = engine.store.table(id).expect("invariant: a named table is there").schema();
        let refused = match schema.table(name) {
            None => Some("is not in the new version, and its rows would be lost".to_owned()),
            Some(new) => table_refusal(old, new),
        };
        if let Some(reason) = refused {
            let problem = Problem::new("no-migration-path", format!("table `{name}` {reason}"));
            return Err(problem
                .at(format!("module `{}`", schema.module))
                .hint("keep what is there; add columns with `#[default(…)]`"));
        }
    }
    Ok(())
}

fn table_refusal(old: &TableSchema, new: &TableSchema) -> Option<String> {
    let key = |table: &TableSchema| {
        table.primary_key.iter().map(|c| table.columns[usize::from(*c)].name.clone()).collect::<Vec<_>>()
    };
    if key(old) != key(new) {
        return Some("has another primary key".to_owned());
    }
    for column in &old.columns {
        match new.column(&column.name).map(|position| &new.columns[usize::from(position)]) {
            None => return Some(format!("loses its column `{}`", column.name)),
            Some(kept) if kept.ty != column.ty => {
                return Some(format!("holds {} in column `{}`, not {}", column.ty, column.name, kept.ty));
            }
            Some(_) => {}
        }
    }
    let added = new.columns.iter().find(|column| old.column(&column.name).is_none() && column.default.is_none());
    added.map(|column| format!("gains column `{}` without a default", column.name))
}

fn write_rows(
    tx: &mut WriteTx,
    engine: &Engine,
    artefact: &[u8],
    loaded: &Loaded,
    caller: Identity,
) -> Result<ClientId, WriteError> {
    let client = system::client_id(tx, caller)?;
    let hash = crate::module::artefact_hash(artefact);
    system::write_artefact(tx, &hash, artefact)?;
    write_tables(tx, engine, &loaded.schema)?;
    let row = ModuleRow {
        name: loaded.schema.module.clone(),
        published_at: engine.next_offset,
        artefact: hash,
        schema: Arc::new(loaded.schema.clone()),
    };
    row.write(tx)?;
    Ok(client)
}

fn write_tables(tx: &mut WriteTx, engine: &Engine, schema: &Schema) -> Result<(), WriteError> {
    for table in &schema.tables {
        match engine.catalog.table(&schema.module, &table.name) {
            None => {
                let id = tx.create_table(schema.module.as_str().into(), Arc::new(table.clone()))?;
                let (module, name) = (schema.module.clone(), table.name.clone());
                system::TableRow { id, module, name, version: 1 }.write(tx)?;
            }
            Some(id) => {
                let old = Arc::clone(tx.store().table(id).expect("invariant: a named table is there").schema());
                if *old != *table {
                    tx.alter_table(id, Arc::new(table.clone()), new_columns(&old, table))?;
                }
            }
        }
    }
    Ok(())
}

/// The columns that `new` has and `old` has not, each with its default.
fn new_columns(old: &TableSchema, new: &TableSchema) -> Vec<(u16, Vec<u8>)> {
    let columns = new.columns.iter().enumerate().filter(|(_, column)| old.column(&column.name).is_none());
    columns.map(|(i, column)| (i as u16, column.default.as_deref().map(from_hex).unwrap_or_default())).collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    let pairs = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(interstice_types::id::decode_hex::<1>));
    pairs.map(|byte| byte.expect("invariant: a default was validated")[0]).collect()
}

fn run_init(
    engine: &Engine,
    tx: WriteTx,
    catalog: &Arc<Catalog>,
    (module, function): (usize, u32),
    (caller, (now, seed)): (Identity, Moment),
) -> Result<Finished, Problem> {
    let schedules = engine.pending_schedules.clone();
    let surroundings = Surroundings { now, seed, caller, offset_hint: engine.next_offset, schedules };
    let execution = Execution::write(tx, instantiate(catalog), Arc::clone(catalog), engine.limits, surroundings);
    let (execution, result) = execution.invoke(module, function, &[]);
    let target = Target { module, function };
    match result {
        Ok(_) => Ok(execution.finish()),
        Err(error) => {
            let entry = &catalog.modules()[target.module];
            let schema = &entry.functions[target.function as usize].schema;
            let problem = match error {
                CallError::Returned(bytes) => problems::typed_error(schema, &bytes),
                CallError::Refused(problem) | CallError::Trapped(problem) => problem,
            };
            Err(problem.at(problems::place(&entry.schema.module, &schema.name)).hint("nothing was published"))
        }
    }
}
