//! SQL: one `SELECT` on one table, understood against a snapshot.
//!
//! ```text
//! SELECT * | column, … | COUNT(*) FROM module.table [WHERE condition] [ORDER BY column [ASC|DESC], …] [LIMIT n] [OFFSET n]
//! ```
//!
//! 1. `sqlparser` reads the text; everything that is not of this form is refused with its place (`sql/text.rs`).
//! 2. The condition becomes a [`Filter`](interstice_types::filter::Filter) on encoded rows (`sql/condition.rs`); a path such
//!    as `body.image.width` leads into what a column holds (`sql/path.rs`).
//! 3. The index is chosen that the filter and the order make the most of (`sql/plan.rs`).
//! 4. Rows are looked at in its order, and no more of them than are needed.
//!
//! NULL sorts before every value, and no comparison with it holds.

mod condition;
mod dialect;
mod explain;
mod path;
mod plan;
mod statement;
mod text;

pub use explain::Explanation;
pub(crate) use explain::text_of;
use interstice_engine::read::Snapshot;
use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_types::filter::Predicate;
use interstice_types::id::{Identity, TableId};
use interstice_types::layout::RowLayout;
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::ty::{Field, Type};
pub use plan::Plan;
pub(crate) use statement::unknown_table;
use std::cmp::Ordering;
use std::sync::Arc;

/// Bytes of one statement.
pub const MAX_STATEMENT_SIZE: usize = 16 << 10;
/// Bytes of rows in one answer.
pub const MAX_RESULT_SIZE: usize = 64 << 20;

/// A `SELECT` that fits the tables of a snapshot.
#[derive(Debug)]
pub struct Select {
    table: TableId,
    layout: Arc<RowLayout>,
    /// Of the rows that come out.
    fields: Arc<[Field]>,
    output: Output,
    conditions: Compiled,
    plan: Plan,
    limit: Option<u64>,
    skip: u64,
}

/// Conditions, for encoded rows.
#[derive(Debug)]
struct Compiled {
    /// The `WHERE`.
    whole: Predicate,
    /// What of it the plan leaves to be looked at.
    rest: Predicate,
}

/// What becomes of the rows that are found.
#[derive(Debug, PartialEq, Eq)]
enum Output {
    /// They are given as they are.
    Whole,
    /// Some columns of them are given.
    Columns(Vec<usize>),
    /// They are counted.
    Count,
}

/// Rows, and what it took to find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Each is one value after the other, as the columns are.
    pub rows: Vec<RowBytes>,
    /// Rows that were looked at.
    pub examined: u64,
}

impl Select {
    /// Understands `text` against the tables of `snapshot`.
    ///
    /// # Errors
    /// `invalid-sql`, `unsupported-sql`, `unknown-table`, `unknown-column`, `invalid-literal`, `statement-too-long`, each with
    /// the place in the text.
    pub fn parse(text: &str, snapshot: &Snapshot) -> Result<Self, Problem> {
        if text.len() > MAX_STATEMENT_SIZE {
            let problem = format!("the statement has {} bytes, at most {MAX_STATEMENT_SIZE} are allowed", text.len());
            return Err(Problem::new("statement-too-long", problem));
        }
        statement::understand(text, snapshot)
    }

    /// Checks that `caller` may read its table: one that is private is read by its module, and by whoever owns that.
    ///
    /// # Errors
    /// `not-allowed`.
    pub fn check_caller(&self, snapshot: &Snapshot, caller: Identity) -> Result<(), Problem> {
        let Some(table) = snapshot.store.table(self.table) else { return Ok(()) };
        let (module, schema) = (table.module(), table.schema());
        let owner = snapshot.catalog.module(module).and_then(|(_, entry)| entry.owner);
        if schema.public || owner.is_none_or(|owner| owner == caller) {
            return Ok(());
        }
        let text =
            format!("table `{module}.{}` is private: its module reads it, and whoever owns the module", schema.name);
        Err(Problem::new("not-allowed", text).hint("ask a query of the module, or make the table `#[table(public)]`"))
    }

    /// The columns of its rows.
    pub fn fields(&self) -> &Arc<[Field]> {
        &self.fields
    }

    /// Whether its answer in `store` says yes: it has a row; of `COUNT(*)` it is not 0; of a single boolean column one is true.
    ///
    /// # Errors
    /// `result-too-large`.
    pub fn holds(&self, store: &Store) -> Result<bool, Problem> {
        let Some(table) = store.table(self.table) else { return Ok(false) };
        match (&self.output, &*self.fields) {
            (Output::Count, _) => Ok(self.found(table).any(|found| found.row.is_some())),
            (_, [Field { ty: Type::Bool, .. }]) => {
                let answer = self.execute(store, MAX_RESULT_SIZE)?;
                Ok(answer.rows.iter().any(|row| **row == [1]))
            }
            _ if self.limit == Some(0) => Ok(false),
            _ => {
                let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
                Ok(self.found(table).filter(|found| found.row.is_some()).nth(skip).is_some())
            }
        }
    }

    /// The table that it looks at.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// Which index serves it, and what is left to filter and sort.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its rows in `snapshot`.
    ///
    /// # Errors
    /// `result-too-large`.
    pub fn rows(&self, snapshot: &Snapshot) -> Result<Vec<RowBytes>, Problem> {
        self.execute(&snapshot.store, MAX_RESULT_SIZE).map(|answer| answer.rows)
    }

    /// Its rows in `store`, at most `max_size` bytes of them, and how many rows were looked at.
    ///
    /// # Errors
    /// `result-too-large`.
    pub fn execute(&self, store: &Store, max_size: usize) -> Result<Answer, Problem> {
        let mut answer = Answer { rows: Vec::new(), examined: 0 };
        let Some(table) = store.table(self.table) else { return Ok(answer) };
        if self.output == Output::Count {
            let mut count = 0_u64;
            for found in self.found(table) {
                answer.examined = found.examined;
                count += u64::from(found.row.is_some());
            }
            answer.rows.push(count.to_le_bytes().as_slice().into());
            return Ok(answer);
        }
        let mut collected = Vec::new();
        let mut size = 0;
        let (skip, limit) = (self.skip, self.limit.unwrap_or(u64::MAX));
        let enough = if self.plan.sort.is_empty() { skip.saturating_add(limit) } else { u64::MAX };
        for found in self.found(table) {
            if collected.len() as u64 >= enough {
                break;
            }
            answer.examined = found.examined;
            let Some(row) = found.row else { continue };
            size += row.len();
            if size > max_size {
                let text = format!("the answer has more than {max_size} bytes of rows");
                return Err(Problem::new("result-too-large", text).hint("add a `WHERE` or a `LIMIT`"));
            }
            collected.push(RowBytes::from(row));
        }
        self.sort(&mut collected);
        let kept = collected.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        answer.rows = kept.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|row| self.project(row)).collect();
        Ok(answer)
    }

    /// Rows in the order of the plan's index; `None` for one that is looked at and not wanted.
    fn found<'t>(&'t self, table: &'t Table) -> impl Iterator<Item = Found<'t>> {
        let rows = table.scan(self.plan.index, &self.plan.range, self.plan.reverse);
        rows.zip(1..).map(|(row, examined)| {
            let wanted = self.conditions.rest.holds(row);
            Found { row: wanted.then_some(row), examined }
        })
    }

    fn sort(&self, rows: &mut [RowBytes]) {
        if self.plan.sort.is_empty() {
            return;
        }
        let key = |row: &RowBytes, column: u16| {
            let mut key = Vec::new();
            self.layout.encode_key(row, &[column], &mut key);
            key
        };
        rows.sort_by(|a, b| {
            let orders = self.plan.sort.iter().map(|(column, descending)| {
                let order = key(a, *column).cmp(&key(b, *column));
                if *descending { order.reverse() } else { order }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
    }

    /// Whether every row of the table is in or out by itself, so that changes tell all.
    ///
    /// # Errors
    /// `not-subscribable`.
    pub fn is_subscribable(&self) -> Result<(), Problem> {
        let what = match () {
            () if self.output == Output::Count => "`COUNT(*)`",
            () if self.limit.is_some() || self.skip > 0 => "`LIMIT` or `OFFSET`",
            () if self.plan.ordered => "`ORDER BY`",
            () => return Ok(()),
        };
        let text = format!("a subscription cannot have {what}: it tells of every row that its condition lets in");
        Err(Problem::new("not-subscribable", text).hint("subscribe to `SELECT … FROM module.table [WHERE …]`"))
    }

    /// Whether a row of the table is in.
    pub fn matches(&self, row: &[u8]) -> bool {
        self.conditions.whole.holds(row)
    }

    /// A row of the table as a row of the columns.
    pub fn project(&self, row: &RowBytes) -> RowBytes {
        match &self.output {
            Output::Whole | Output::Count => row.clone(),
            Output::Columns(columns) => {
                let parts = columns.iter().flat_map(|column| self.layout.column(row, *column));
                parts.copied().collect::<Vec<_>>().into()
            }
        }
    }
}

/// A row that was looked at.
struct Found<'t> {
    row: Option<&'t [u8]>,
    /// How many were, this one included.
    examined: u64,
}
