//! Schedules: what runs at a time of its own. They are rows, and nothing else.
//!
//! When one is due:
//! 1. Say which time it runs for, or that the time was missed and is skipped, from its row and the transaction's time alone.
//! 2. Run the reducer. A failure undoes its writes, and is recorded; it is not tried again.
//! 3. In the same transaction take the row away, or give it its next time.
//!
//! A reducer may be gone, or take other arguments, when a schedule that an older version made is due. The schedule is then consumed
//! and a row of `interstice.dead_letter` says so. A publish does not look for such schedules: it would have to walk over all of
//! them, and the next publish may bring the reducer back in time.

use crate::catalog::Catalog;
use crate::engine::{Engine, Target};
use crate::problems;
use crate::system::schedule::{self as rows, ScheduleRow};
use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::Change;
use interstice_types::id::{ScheduleId, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::schedule::{Missed, Recurrence};
use interstice_types::schema::{FunctionKind, FunctionSchema, Schema, signature};
use interstice_types::time::{Duration, Timestamp};
use interstice_types::transaction::ScheduleAction;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A time that came longer ago than this was missed.
pub const GRACE: Duration = Duration::from_mins(1);

/// How many schedules each module has that are still to come: what its limit is held to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    by_module: Arc<BTreeMap<String, u64>>,
}

impl Pending {
    /// Of the schedules in `store`.
    pub(crate) fn of(store: &Store) -> Self {
        let mut by_module = BTreeMap::new();
        if let Some(table) = rows::find_table(store).and_then(|id| store.table(id)) {
            for row in rows::all(table) {
                *by_module.entry(row.module).or_default() += 1;
            }
        }
        Self { by_module: Arc::new(by_module) }
    }

    /// How many `module` has.
    pub fn count(&self, module: &str) -> u64 {
        self.by_module.get(module).copied().unwrap_or(0)
    }

    /// Takes note of complete `changes`, some of which may be about `table`, the schedules.
    pub(crate) fn advance(&mut self, table: &Table, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.table() == table.id()) {
            let (row, more) = match change {
                Change::Insert { row, .. } => (row, true),
                Change::Delete { old: Some(old), .. } => (old, false),
                _ => continue,
            };
            let by_module = Arc::make_mut(&mut self.by_module);
            let count = by_module.entry(rows::module_in(table, row).to_owned()).or_default();
            *count = if more { *count + 1 } else { count.checked_sub(1).expect("invariant: a row that was counted") };
        }
    }
}

/// Where times of cron expressions come from.
#[derive(Debug, Clone, Default)]
pub(crate) enum Times {
    /// The time zones that this node knows.
    #[default]
    Known,
    /// The record of a transaction that is run again: of a module and its function, the next time if there is one.
    Recorded(BTreeMap<(String, String), Timestamp>),
}

impl Times {
    /// What a transaction recorded that made `changes` to the schedules in `table`.
    pub(crate) fn recorded(table: &Table, changes: &[Change]) -> Self {
        let changed = changes.iter().filter(|change| change.table() == table.id());
        let rows = changed.filter_map(|change| match change {
            Change::Insert { row, .. } | Change::Update { new: row, .. } => Some(rows::row_in(table, row)),
            _ => None,
        });
        Self::Recorded(rows.map(|row| ((row.module, row.function), row.due)).collect())
    }

    /// The first time of `module.function` behind `after`.
    fn first_after(
        &self,
        (module, function): (&str, &str),
        recurrence: &Recurrence,
        (anchor, after): (Timestamp, Timestamp),
    ) -> Option<Timestamp> {
        if let (Self::Recorded(times), Recurrence::Cron { .. }) = (self, recurrence) {
            return times.get(&(module.to_owned(), function.to_owned())).copied();
        }
        let next = recurrence.first_after(anchor, after);
        assert!(next.is_none_or(|next| next > after), "invariant: a schedule moves on");
        next
    }
}

/// What is done with a schedule that is due.
pub(crate) struct Plan {
    /// Whether its time was missed, and is skipped.
    pub(crate) skipped: bool,
    /// When it is due next; `None` if never.
    pub(crate) next: Option<Timestamp>,
}

impl Engine {
    /// When the next schedule is due; `None` if there is none. It may be in the past.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        rows::first_due(self.schedules()?)
    }

    /// How many schedules each module has.
    pub fn pending_schedules(&self) -> &Pending {
        &self.pending_schedules
    }

    /// The table of schedules; `None` before this node gave it to an older store.
    pub(crate) fn schedules(&self) -> Option<&Table> {
        self.store.table(self.catalog.schedules()?).map(|table| &**table)
    }

    /// The schedule that is to run at `time`.
    pub(crate) fn due_schedule(&self, time: Timestamp) -> Option<ScheduleRow> {
        rows::first(self.schedules()?).filter(|row| row.due <= time)
    }

    /// Step 1.
    pub(crate) fn plan(&self, row: &ScheduleRow, time: Timestamp) -> Plan {
        let declared = self.catalog.module(&row.module).and_then(|(_, entry)| entry.schema.function(&row.function));
        let Some((_, FunctionSchema { kind: FunctionKind::Schedule { times, missed }, .. })) =
            declared.filter(|_| row.declared)
        else {
            return Plan { skipped: false, next: None };
        };
        let skipped = *missed == Missed::Skip && time.since(row.due) > GRACE;
        let after = match missed {
            Missed::All => row.due,
            // The newest time may be near enough to run for.
            Missed::Skip if skipped => Timestamp(time.0.saturating_sub(GRACE.0 + 1)),
            Missed::Skip | Missed::Once => time,
        };
        let next = self.times.first_after((&row.module, &row.function), times, (row.due, after));
        Plan { skipped, next }
    }

    /// The reducer that a schedule runs.
    pub(crate) fn schedule_target(&self, row: &ScheduleRow) -> Result<Target, Problem> {
        let gone = || {
            let text = format!("`{}.{}` is not a reducer that a schedule can run", row.module, row.function);
            Problem::new("schedule-without-reducer", text).hint("it was there when the schedule was made")
        };
        let (module, entry) = self.catalog.module(&row.module).ok_or_else(gone)?;
        let (function, schema) = entry.schema.function(&row.function).ok_or_else(gone)?;
        match schema.kind {
            FunctionKind::Schedule { .. } if row.declared => {}
            FunctionKind::Reducer | FunctionKind::Owner | FunctionKind::Internal if !row.declared => {}
            _ => return Err(gone()),
        }
        if signature::of_arguments(schema) != row.shape {
            let text =
                format!("`{}.{}` takes other arguments than when the schedule was made", row.module, row.function);
            return Err(Problem::new("schedule-changed", text));
        }
        if self.instances.get(module).is_none_or(Option::is_none) {
            let text = format!("module `{}` could not be loaded", row.module);
            return Err(Problem::new("module-unavailable", text));
        }
        Ok(Target { module, function })
    }

    /// Has the table of schedules hold what `schema` declares, from `time` on.
    ///
    /// # Errors
    /// If the transaction is full.
    pub(crate) fn declare_schedules(
        &self,
        tx: &mut WriteTx,
        schema: &Schema,
        time: Timestamp,
    ) -> Result<(), WriteError> {
        let Some(id) = rows::find_table(tx.store()) else { return Ok(()) };
        let table = tx.store().table(id).expect("invariant: it was just found");
        let mut there: BTreeMap<String, ScheduleRow> = rows::declared(table)
            .into_iter()
            .filter(|row| row.module == schema.module)
            .map(|row| (row.function.clone(), row))
            .collect();
        for function in &schema.functions {
            if let FunctionKind::Schedule { times, .. } = &function.kind {
                let before = there.remove(&function.name);
                let names = (schema.module.as_str(), function.name.as_str());
                let first = self.times.first_after(names, times, (time, time));
                declare(tx, id, (names, times), (before, first))?;
            }
        }
        there.values().try_for_each(|gone| gone.delete(tx, id))
    }
}

/// Why a schedule did not run.
pub(crate) fn skipped(row: &ScheduleRow, time: Timestamp) -> Problem {
    let late = Duration::from_secs(time.since(row.due).micros() / 1_000_000).to_words();
    Problem::new("missed", format!("the run of {} came {late} late, and is skipped", row.due))
        .at(problems::place(&row.module, &row.function))
        .hint("`missed = once` or `missed = all` has the reducer make up for it")
}

/// One that is declared as before goes on as before; another one begins.
fn declare(
    tx: &mut WriteTx,
    id: TableId,
    ((module, function), times): ((&str, &str), &Recurrence),
    (before, first): (Option<ScheduleRow>, Option<Timestamp>),
) -> Result<(), WriteError> {
    let times = times.to_string();
    match (before, first) {
        (Some(before), _) if before.times == times => Ok(()),
        (Some(before), Some(due)) => ScheduleRow { due, times, ..before }.update(tx, id),
        (Some(before), None) => before.delete(tx, id),
        (None, None) => Ok(()),
        (None, Some(due)) => {
            let row = ScheduleRow {
                declared: true,
                id: ScheduleId(0),
                module: module.to_owned(),
                function: function.to_owned(),
                args: Vec::new(),
                shape: signature::of_no_arguments(),
                due,
                paused: false,
                times,
            };
            row.insert(tx, id).map(drop)
        }
    }
}

/// Does to a schedule what somebody who runs the node wants.
///
/// # Errors
/// `unknown-schedule`, `schedule-paused`, `declared-schedule`, or that the transaction is full: nothing was changed.
pub(crate) fn control(
    tx: &mut WriteTx,
    catalog: &Catalog,
    (action, schedule): (ScheduleAction, ScheduleId),
    time: Timestamp,
) -> Result<(), Problem> {
    let unknown = || {
        Problem::new("unknown-schedule", format!("there is no schedule {schedule}"))
            .hint("list those that are still to run with `interstice schedule list`")
    };
    let id = catalog.schedules().ok_or_else(unknown)?;
    let row = tx.store().table(id).and_then(|table| rows::find(table, schedule)).ok_or_else(unknown)?;
    let done = match action {
        ScheduleAction::Run if row.paused => {
            return Err(Problem::new("schedule-paused", format!("schedule {schedule} is paused"))
                .hint(format!("let it run again with `interstice schedule resume {schedule}`")));
        }
        ScheduleAction::Cancel if row.declared => {
            let text = format!("schedule {schedule} is declared by module `{}`", row.module);
            return Err(Problem::new("declared-schedule", text).hint(format!(
                "publish a version of the module without it, or keep it from running with `interstice schedule pause {schedule}`"
            )));
        }
        ScheduleAction::Cancel => row.delete(tx, id),
        ScheduleAction::Run => ScheduleRow { due: time, ..row }.update(tx, id),
        ScheduleAction::Pause => ScheduleRow { paused: true, ..row }.update(tx, id),
        ScheduleAction::Resume => ScheduleRow { paused: false, ..row }.update(tx, id),
    };
    done.map_err(|error| problems::write_refused(&error))
}
