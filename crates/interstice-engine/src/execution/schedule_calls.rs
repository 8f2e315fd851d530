//! The host calls that make a reducer run later.

use super::host_hash::HostCall;
use super::{Execution, HostError, trapped};
use crate::problems;
use crate::system::schedule::{self as rows, ScheduleRow};
use interstice_store::write::WriteTx;
use interstice_types::id::{ScheduleId, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, signature};
use interstice_types::time::Timestamp;

/// By how many the schedules of each module, by its position, have become more or fewer in a transaction.
pub(super) type Scheduled = Vec<(usize, i64)>;

fn count_of(scheduled: &mut Scheduled, module: usize) -> &mut i64 {
    let position = scheduled.iter().position(|(other, _)| *other == module).unwrap_or_else(|| {
        scheduled.push((module, 0));
        scheduled.len() - 1
    });
    &mut scheduled[position].1
}

impl Execution {
    /// Has reducer `function` of the running module run at `due`, once; a time in the past is now.
    ///
    /// # Errors
    /// [`HostError`]: `too-many-schedules` is a refusal.
    pub fn schedule(&mut self, function: u32, due: Timestamp, args: &[u8]) -> Result<ScheduleId, HostError> {
        self.enter(HostCall::Schedule, u64::from(function), args)?;
        self.meter.note(due.0 as u64, &[]);
        let module = self.frame().module;
        let row = self.schedule_row(function, due, args)?;
        let table = self.schedules()?;
        let tx = self.tables.tx_mut()?;
        let pending = self.surroundings.schedules.count(&row.module);
        let scheduled = count_of(&mut self.scheduled, module);
        if pending.saturating_add_signed(*scheduled) >= self.limits.schedules {
            self.meter.note(0, &[]);
            return Err(HostError::Refused(too_many(&row.module, self.limits.schedules)));
        }
        match row.insert(tx, table) {
            Ok(id) => {
                *scheduled += 1;
                self.meter.note(id.0, &[]);
                Ok(id)
            }
            Err(error) => Err(HostError::Trapped(problems::write_refused(&error))),
        }
    }

    fn schedule_row(&self, function: u32, due: Timestamp, args: &[u8]) -> Result<ScheduleRow, HostError> {
        let module = &self.catalog.modules()[self.frame().module];
        let name = &module.schema.module;
        let Some(entry) = module.functions.get(function as usize) else {
            return Err(trapped("unknown-function", format!("module `{name}` has no function number {function}")));
        };
        if !entry.schema.kind.is_called() && entry.schema.kind != FunctionKind::Internal {
            return Err(HostError::Trapped(problems::wrong_kind(name, &entry.schema)));
        }
        let checked = entry.args.check(args);
        checked.map_err(|error| HostError::Trapped(problems::invalid_arguments(name, &entry.schema, error)))?;
        Ok(ScheduleRow {
            declared: false,
            id: ScheduleId(0),
            module: name.clone(),
            function: entry.schema.name.clone(),
            args: args.to_vec(),
            shape: signature::of_arguments(&entry.schema),
            due,
            paused: false,
            times: String::new(),
        })
    }

    /// Takes a schedule away that the running module made; whether there was one that has not run yet.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn cancel(&mut self, id: ScheduleId) -> Result<bool, HostError> {
        self.enter(HostCall::Cancel, id.0, &[])?;
        let table = self.schedules()?;
        let module = self.frame().module;
        let name = &self.catalog.modules()[module].schema.module;
        let tx = self.tables.tx_mut()?;
        let found = own_schedule(tx, table, id).filter(|row| row.module == *name);
        if let Some(row) = &found {
            row.delete(tx, table).map_err(|error| HostError::Trapped(problems::write_refused(&error)))?;
            *count_of(&mut self.scheduled, module) -= 1;
        }
        self.meter.note(u64::from(found.is_some()), &[]);
        Ok(found.is_some())
    }

    fn schedules(&self) -> Result<TableId, HostError> {
        self.catalog.schedules().ok_or_else(|| trapped("unknown-table", "this node has no schedules yet".to_owned()))
    }
}

/// A schedule that a reducer made.
fn own_schedule(tx: &WriteTx, table: TableId, id: ScheduleId) -> Option<ScheduleRow> {
    tx.store().table(table).and_then(|table| rows::find(table, id)).filter(|row| !row.declared)
}

fn too_many(module: &str, limit: u64) -> Problem {
    Problem::new(
        "too-many-schedules",
        format!("module `{module}` has {limit} schedules that have not run, as many as it may"),
    )
    .hint("cancel some, or have one schedule do the work of many")
}
