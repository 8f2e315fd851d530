//! The seam to SQL: what a node asks of a `SELECT`, whoever understands its text.
//!
//! Understood here is `select * from module.table [limit n]`.

use interstice::rows::first_rows;
use interstice_engine::read::Snapshot;
use interstice_types::change::RowBytes;
use interstice_types::id::TableId;
use interstice_types::problem::Problem;
use interstice_types::ty::Field;
use std::sync::Arc;

/// A `SELECT` that fits the tables of a snapshot.
pub(crate) struct Select {
    table: TableId,
    fields: Arc<[Field]>,
    limit: Option<usize>,
}

impl Select {
    /// Understands `text` against the tables of `snapshot`.
    pub(crate) fn parse(text: &str, snapshot: &Snapshot) -> Result<Self, Problem> {
        let words: Vec<_> = text.trim().trim_end_matches(';').split_whitespace().collect();
        let is = |position: usize, keyword: &str| words[position].eq_ignore_ascii_case(keyword);
        let (name, limit) = match words.len() {
            4 if is(0, "select") && is(2, "from") && is(1, "*") => (words[3], None),
            6 if is(0, "select") && is(2, "from") && is(1, "*") && is(4, "limit") => {
                (words[3], Some(words[5].parse().map_err(|_| not_understood(text))?))
            }
            _ => return Err(not_understood(text)),
        };
        let (module, table) = name.split_once('.').ok_or_else(|| not_understood(text))?;
        let table = snapshot.catalog.table(module, table).ok_or_else(|| unknown_table(name, snapshot))?;
        let schema = snapshot.store.table(table).expect("invariant: a named table is there").schema();
        Ok(Self { table, fields: schema.fields().into(), limit })
    }

    /// The columns of its rows.
    pub(crate) fn fields(&self) -> &Arc<[Field]> {
        &self.fields
    }

    /// The table that it looks at.
    pub(crate) fn table(&self) -> TableId {
        self.table
    }

    /// Its rows in `snapshot`, projected.
    pub(crate) fn rows(&self, snapshot: &Snapshot) -> Result<Vec<RowBytes>, Problem> {
        Ok(first_rows(&snapshot.store, self.table, self.limit.unwrap_or(usize::MAX)))
    }

    /// Whether it can stand: every row of the table is in or out by itself.
    pub(crate) fn is_subscribable(&self) -> Result<(), Problem> {
        match self.limit {
            None => Ok(()),
            Some(_) => Err(Problem::new("not-subscribable", "a subscription cannot have a `limit`")),
        }
    }

    /// Whether a row of the table is in.
    #[expect(clippy::unused_self, reason = "the seam is wider than what is understood here")]
    pub(crate) fn matches(&self, _row: &[u8]) -> bool {
        true
    }

    /// A row of the table as a row of the columns.
    #[expect(clippy::unused_self, reason = "the seam is wider than what is understood here")]
    pub(crate) fn project(&self, row: &RowBytes) -> RowBytes {
        row.clone()
    }
}

fn not_understood(text: &str) -> Problem {
    Problem::new("invalid-sql", format!("`{text}` is not understood"))
        .hint("as in `select * from module.table limit 10`")
}

fn unknown_table(name: &str, snapshot: &Snapshot) -> Problem {
    let modules = snapshot.catalog.modules().iter().map(|entry| entry.schema.module.as_str());
    let tables = modules
        .flat_map(|module| snapshot.catalog.tables_of(module).map(move |(table, _)| format!("{module}.{table}")));
    let known: Vec<_> = tables.collect();
    Problem::new("unknown-table", format!("table `{name}` does not exist"))
        .did_you_mean(name, known.iter().map(String::as_str))
}
