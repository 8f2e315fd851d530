//! Tables of a module go over to its new schema: what the store does by itself, then what the module's code says.
//!
//! A table whose rows the code makes is cleared and put under its new schema first; its rows as they were are kept aside as a value
//! and given to the code, one after the other or as a table to read. What it gives is inserted. The first row that does not come
//! through ends the publish, and nothing has happened.

use super::plan::{Stage, Step, TablePlan};
use crate::catalog::Catalog;
use crate::execution::{Execution, Instances, Surroundings};
use crate::limits::Limits;
use crate::problems;
use crate::system::{self, MigrationRow, TableRow};
use interstice_store::range::KeyRange;
use interstice_store::store::SharedTable;
use interstice_store::table::{IndexId, Table};
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::id::{Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableSchema;
use interstice_types::schema::diff::former_column;
use interstice_types::time::Timestamp;
use std::sync::Arc;

/// Makes, alters, clears and drops tables, and says so in the system tables.
pub(super) fn change_tables(
    tx: &mut WriteTx,
    plans: &[TablePlan],
    module: &str,
    (offset, time): (Offset, Timestamp),
) -> Result<(), WriteError> {
    for plan in plans {
        let id = change_table(tx, plan, module)?;
        let Some(old) = &plan.old else {
            let name = plan.difference.table.clone();
            TableRow { id, module: module.to_owned(), name, version: 1 }.write(tx)?;
            continue;
        };
        let from = system::table_row(tx.store(), id).expect("invariant: a table that a module owns has its row");
        if plan.difference.is_empty() {
            continue;
        }
        let table = TableRow { name: plan.difference.table.clone(), version: from.version + 1, ..from.clone() };
        match plan.step {
            Step::Drop => system::delete_table_row(tx, id)?,
            _ => table.write(tx)?,
        }
        let (from_version, rows, steps) = (from.version, old.count() as u64, plan.steps_text());
        MigrationRow { offset, table, from_version, steps, rows, time }.write(tx)?;
    }
    Ok(())
}

fn change_table(tx: &mut WriteTx, plan: &TablePlan, module: &str) -> Result<TableId, WriteError> {
    let (Some(old), Some(new)) = (&plan.old, &plan.new) else {
        return match (&plan.old, &plan.new) {
            (None, Some(new)) => tx.create_table(module.into(), Arc::clone(new)),
            (Some(old), None) => tx.drop_table(old.id()).map(|()| old.id()),
            _ => panic!("invariant: a table is there before or after"),
        };
    };
    let id = old.id();
    match &plan.step {
        Step::Alter { .. } if **old.schema() == **new => {}
        Step::Alter { defaults } => {
            tx.alter_table(id, Arc::clone(new), defaults.clone())?;
            begin_sequences(tx, old, id)?;
        }
        Step::Clear | Step::Rows(_) | Step::Whole { .. } => {
            tx.clear_table(id)?;
            tx.alter_table(id, Arc::clone(new), Vec::new())?;
        }
        Step::Create | Step::Drop => panic!("invariant: these have no table before or after"),
    }
    Ok(id)
}

/// A column that had no sequence before begins behind the greatest value that it holds.
fn begin_sequences(tx: &mut WriteTx, old: &Table, id: TableId) -> Result<(), WriteError> {
    let table = tx.store().table(id).expect("invariant: the table was just altered");
    let is_new = |column: &u16| {
        let former = former_column(old.schema(), &table.schema().columns[usize::from(*column)]);
        former.is_none_or(|former| !old.schema().columns[usize::from(former)].auto_inc)
    };
    let columns: Vec<_> = table.sequences().map(|(column, _)| column).filter(is_new).collect();
    let next: Vec<_> = columns.into_iter().map(|column| (column, table.greatest_sequence_value(column))).collect();
    next.into_iter()
        .filter_map(|(column, greatest)| Some((column, greatest?)))
        .try_for_each(|(column, greatest)| tx.set_sequence(id, column, greatest.saturating_add(1)))
}

/// What code needs to run.
pub(super) struct Stand<'s> {
    /// With the module as it will be in force.
    pub(super) catalog: &'s Arc<Catalog>,
    pub(super) instances: Instances,
    pub(super) limits: Limits,
    pub(super) surroundings: Surroundings,
    /// The module's position.
    pub(super) module: usize,
    /// Whether what it does is kept step by step.
    pub(super) tracing: bool,
}

/// Has the module's code make the rows of the tables that it has migrations for. It goes on until `most` rows have not come
/// through.
///
/// # Errors
/// `migration-failed`, with the first row that did not come through.
pub(super) fn run_code(
    tx: WriteTx,
    plans: &[TablePlan],
    stand: Stand<'_>,
    most: usize,
) -> Result<Box<Execution>, Problem> {
    let Stand { catalog, instances, limits, surroundings, module, tracing } = stand;
    let mut execution = Execution::migrate(tx, instances, Arc::clone(catalog), limits, surroundings);
    if tracing {
        execution.trace();
    }
    let mut failures = Failures { most, first: None, texts: Vec::new() };
    let code = Code { catalog, module };
    for plan in plans {
        let Some(old) = &plan.old else { continue };
        execution = match &plan.step {
            Step::Rows(stages) => {
                let put = |execution: &mut Execution, row: &[u8]| execution.put_migrated(old.id(), row);
                code.rows(execution, old, (stages, &mut failures), put)?
            }
            Step::Whole { stages, from, function } => {
                let former;
                (execution, former) = code.former(execution, old, (stages, from), &mut failures)?;
                code.whole(execution, &former, *function)?
            }
            Step::Create | Step::Alter { .. } | Step::Clear | Step::Drop => execution,
        };
    }
    failures.end().map(|()| execution)
}

/// Whether every row passes the checks that are new, and names rows that are there.
pub(super) fn check_constraints(execution: &Execution, plans: &[TablePlan]) -> Result<(), Problem> {
    if plans.iter().all(|plan| plan.difference.is_empty()) {
        return Ok(());
    }
    for plan in plans {
        let (Some(old), Some(new)) = (&plan.old, &plan.new) else { continue };
        let is_new = |number: &usize| !old.schema().checks.contains(&new.checks[*number]);
        let numbers: Vec<_> = (0..new.checks.len()).filter(is_new).collect();
        let checked = execution.check_constraints(old.id(), &numbers);
        checked.map_err(|error| problems::write_refused(&error).hint("nothing was published"))?;
    }
    Ok(())
}

/// Rows that did not come through.
struct Failures {
    most: usize,
    first: Option<Problem>,
    texts: Vec<String>,
}

impl Failures {
    fn add(&mut self, problem: Problem) -> Result<(), Problem> {
        self.texts.push(problem.message.clone());
        self.first.get_or_insert(problem);
        if self.texts.len() >= self.most { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), Problem> {
        let texts = std::mem::take(&mut self.texts);
        self.first.take().map_or(Ok(()), |first| Err(problems::with_failures(first, texts)))
    }
}

/// The code of one module.
#[derive(Clone, Copy)]
struct Code<'c> {
    catalog: &'c Catalog,
    module: usize,
}

impl Code<'_> {
    /// Takes each row through `stages` and gives it to `put`.
    fn rows(
        self,
        mut execution: Box<Execution>,
        old: &Table,
        (stages, failures): (&[Stage], &mut Failures),
        mut put: impl FnMut(&mut Execution, &[u8]) -> Result<(), WriteError>,
    ) -> Result<Box<Execution>, Problem> {
        for row in old.scan(IndexId::PRIMARY, &KeyRange::all(), false) {
            let result;
            (execution, result) = self.row(execution, row, stages);
            let result = result
                .and_then(|migrated| put(&mut execution, &migrated).map_err(|error| problems::write_refused(&error)));
            if let Err(problem) = result {
                failures.add(problems::migration_failed(old, row, problem))?;
            }
        }
        Ok(execution)
    }

    /// The table that a migration of the whole table reads.
    fn former(
        self,
        execution: Box<Execution>,
        old: &SharedTable,
        (stages, from): (&[Stage], &Arc<TableSchema>),
        failures: &mut Failures,
    ) -> Result<(Box<Execution>, SharedTable), Problem> {
        if stages.is_empty() {
            return Ok((execution, old.clone()));
        }
        let mut rows = Vec::new();
        let execution = self.rows(execution, old, (stages, failures), |_, row| {
            rows.push(Ok(RowBytes::from(row)));
            Ok(())
        })?;
        let table = Table::of_rows(old.id(), Arc::clone(old.module()), Arc::clone(from), rows);
        let table = table.map_err(|error| problems::write_refused(&error.into()))?;
        Ok((execution, SharedTable::new(table)))
    }

    fn row(
        self,
        mut execution: Box<Execution>,
        row: &[u8],
        stages: &[Stage],
    ) -> (Box<Execution>, Result<Vec<u8>, Problem>) {
        execution.next();
        let mut bytes = row.to_vec();
        for stage in stages {
            let result = match stage {
                Stage::Rebuild(rebuild) => {
                    rebuild.row(&bytes).map(|row| row.to_vec()).map_err(|unfit| problems::unfit(&unfit))
                }
                Stage::Call(function) => {
                    let result;
                    (execution, result) = execution.invoke(self.module, *function, &bytes);
                    result.map_err(|error| self.catalog.call_failed(self.module, *function, error))
                }
            };
            match result {
                Ok(next) => bytes = next,
                Err(problem) => return (execution, Err(problem)),
            }
        }
        (execution, Ok(bytes))
    }

    fn whole(self, mut execution: Box<Execution>, old: &SharedTable, function: u32) -> Result<Box<Execution>, Problem> {
        execution.next();
        execution.show_former(Some(old.clone()));
        let (mut execution, result) = execution.invoke(self.module, function, &[]);
        execution.show_former(None);
        let problem = |error| self.catalog.call_failed(self.module, function, error);
        result.map(|_| execution).map_err(|error| problems::table_migration_failed(old, problem(error)))
    }
}
