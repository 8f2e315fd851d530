//! Publishing: an artefact, its schema, its tables, their rows in the form that it asks for, and its `init` or `upgrade`, in one transaction.
//!
//! 1. The schema's rules, imports, and importers (below).
//! 2. What becomes of each table (`plan`).
//! 3. Tables are made, altered, cleared, dropped by the store; rows are made by the module's migrations (`migrate`).
//! 4. References that may not hold any more are looked at; `init` runs if the module is new, `upgrade` if its code is.

mod migrate;
mod plan;
pub mod stub;

use crate::catalog::Catalog;
use crate::engine::{Engine, Moment, instantiate};
use crate::execution::{Execution, Finished};
use crate::imports;
use crate::module::{Loaded, artefact_hash};
use crate::problems;
use crate::read::Snapshot;
use crate::system::{self, ModuleRow};
use interstice_store::store::Store;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::id::{ClientId, Identity};
use interstice_types::problem::Problem;
use interstice_types::schema::diff::TableDifference;
use interstice_types::schema::{FunctionKind, Schema, TableSchema, validate};
use interstice_types::transaction::Cause;
use migrate::Stand;
use plan::{Step, TablePlan};
use std::sync::Arc;

/// A publish that is ready to commit.
pub(crate) struct Published {
    pub(crate) cause: Cause,
    pub(crate) finished: Finished,
    pub(crate) catalog: Arc<Catalog>,
}

/// An artefact to bring in force, and who wants that.
pub(crate) struct Wish<'w> {
    pub(crate) artefact: &'w [u8],
    pub(crate) loaded: &'w Loaded,
    pub(crate) caller: Identity,
    pub(crate) options: PublishOptions,
}

/// How to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishOptions {
    /// Whether data may go that the new version has no place for.
    pub may_break: bool,
    /// After so many rows that do not come through a migration it ends. With more than one, all of them are in the problem's
    /// data, as `failures`.
    pub max_failures: usize,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self { may_break: false, max_failures: 1 }
    }
}

/// What a publish does to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// What differs.
    pub difference: TableDifference,
    /// The version that it has; `None` if it is not there.
    pub from_version: Option<u32>,
    /// Rows that it has.
    pub rows: u64,
    /// The functions of the module that say what becomes of its rows, in their order.
    pub migrations: Vec<String>,
}

impl Snapshot {
    /// What a publish of `schema` does to the tables of its module that differ.
    ///
    /// # Errors
    /// As the publish itself.
    pub fn plan_publish(&self, schema: &Schema, may_break: bool) -> Result<Vec<TableReport>, Problem> {
        check(&self.catalog, schema)?;
        let plans = plans(&self.catalog, &self.store, schema, may_break)?;
        let changed = plans.iter().filter(|plan| !plan.difference.is_empty());
        Ok(changed.map(|plan| report(plan, &self.store, schema)).collect())
    }
}

/// The functions of `schema` that say what becomes of rows of a table from `old` to `new`, in their order.
pub fn migrations_between(old: &TableSchema, new: &TableSchema, schema: &Schema) -> Vec<String> {
    plan::migration(old, new, schema).map(|step| migrations(&step, schema)).unwrap_or_default()
}

fn migrations(step: &Step, schema: &Schema) -> Vec<String> {
    step.functions().into_iter().map(|function| schema.functions[function as usize].name.clone()).collect()
}

fn report(plan: &TablePlan, store: &Store, schema: &Schema) -> TableReport {
    let row = plan.old.as_ref().and_then(|table| system::table_row(store, table.id()));
    TableReport {
        difference: plan.difference.clone(),
        from_version: row.map(|row| row.version),
        rows: plan.old.as_ref().map_or(0, |table| table.count() as u64),
        migrations: migrations(&plan.step, schema),
    }
}

fn plans(catalog: &Catalog, store: &Store, schema: &Schema, may_break: bool) -> Result<Vec<TablePlan>, Problem> {
    let table = |(_, id)| store.table(id).expect("invariant: a named table is there").clone();
    let old: Vec<_> = catalog.tables_of(&schema.module).map(table).collect();
    plan::plan(&old, schema, may_break)
}

/// Runs a publish. On an error the engine's store is gone: the caller puts back the clone that it kept.
pub(crate) fn run(engine: &mut Engine, wish: &Wish<'_>, moment: Moment) -> Result<Published, Problem> {
    let schema = &wish.loaded.schema;
    check_size(engine, wish.artefact)?;
    check(&engine.catalog, schema)?;
    let plans = plans(&engine.catalog, &engine.store, schema, wish.options.may_break)?;
    let before = engine.catalog.module(&schema.module);
    let hash = artefact_hash(wish.artefact);
    let before = before.map(|(_, entry)| entry.artefact == hash);
    let mut tx = std::mem::take(&mut engine.store).begin();
    tx.lift_limits();
    let client =
        write_rows(&mut tx, engine, (wish, hash), (&plans, moment)).map_err(|error| refused(&error, &plans, wish))?;
    let declared = engine.declare_schedules(&mut tx, schema, moment.0);
    declared.map_err(|error| problems::write_refused(&error))?;
    let mut catalog = Catalog::build(tx.store(), &engine.catalog);
    let (position, _) = catalog.module(&schema.module).expect("invariant: its row was just written");
    catalog.set_factory(position, Arc::clone(&wish.loaded.factory));
    let catalog = Arc::new(catalog);
    let stand = Stand {
        catalog: &catalog,
        instances: instantiate(&catalog),
        limits: engine.limits,
        surroundings: engine.surroundings(wish.caller, moment),
        module: position,
        tracing: engine.tracing,
    };
    let mut execution = migrate::run_code(tx, &plans, stand, wish.options.max_failures)?;
    migrate::check_constraints(&execution, &plans)?;
    if let Some(function) = told_of(schema, before) {
        execution = tell(execution, &catalog, (position, function))?;
    }
    let cause = Cause::Publish { module: schema.module.clone(), caller: client };
    Ok(Published { cause, finished: engine.finish(execution), catalog })
}

/// Why tables cannot be changed so, with more rows that do not come through if they are asked for.
fn refused(error: &WriteError, plans: &[TablePlan], wish: &Wish<'_>) -> Problem {
    let problem = problems::write_refused(error).hint("nothing was published");
    let failures: Vec<_> = plans.iter().flat_map(|plan| plan.unfit_rows(wish.options.max_failures)).collect();
    problems::with_failures(problem, failures)
}

fn check_size(engine: &Engine, artefact: &[u8]) -> Result<(), Problem> {
    let limit = engine.limits.artefact_size;
    if artefact.len() > limit {
        let text = format!("the artefact has {} bytes, at most {limit} are allowed", artefact.len());
        return Err(Problem::new("artefact-too-large", text));
    }
    Ok(())
}

fn check(catalog: &Catalog, schema: &Schema) -> Result<(), Problem> {
    let violations = validate::validate(schema);
    if !violations.is_empty() {
        let lines: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.place, v.message)).collect();
        return Err(Problem::new("invalid-schema", lines.join("; ")).at(format!("module `{}`", schema.module)));
    }
    imports::check(catalog, schema)
}

fn write_rows(
    tx: &mut WriteTx,
    engine: &Engine,
    (wish, hash): (&Wish<'_>, [u8; 32]),
    (plans, (time, _)): (&[TablePlan], Moment),
) -> Result<ClientId, WriteError> {
    let client = system::client_id(tx, wish.caller)?;
    system::write_artefact(tx, &hash, wish.artefact)?;
    let schema = &wish.loaded.schema;
    migrate::change_tables(tx, plans, &schema.module, (engine.next_offset, time))?;
    let row = ModuleRow {
        name: schema.module.clone(),
        published_at: engine.next_offset,
        artefact: hash,
        schema: Arc::new(schema.clone()),
    };
    row.write(tx, (client, time))?;
    Ok(client)
}

/// The reducer that is told of the publish: `init` of the first one, `upgrade` of one that brings other code. `before` is whether
/// the code in force is the same, if there is any.
fn told_of(schema: &Schema, before: Option<bool>) -> Option<u32> {
    let kind = match before {
        None => FunctionKind::Init,
        Some(false) => FunctionKind::Upgrade,
        Some(true) => return None,
    };
    schema.functions.iter().position(|function| function.kind == kind).map(|number| number as u32)
}

fn tell(
    mut execution: Box<Execution>,
    catalog: &Catalog,
    (module, function): (usize, u32),
) -> Result<Box<Execution>, Problem> {
    execution.next();
    let (execution, result) = execution.invoke(module, function, &[]);
    let problem = |error| catalog.call_failed(module, function, error).hint("nothing was published");
    result.map(|_| execution).map_err(problem)
}
