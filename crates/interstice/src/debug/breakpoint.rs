//! Breakpoints: at which transactions a walk stops.
//!
//! Whether it stops is said by the transaction and the states before and behind it alone, so that it stops at the same ones in both
//! directions.

use super::walk::Judge;
use crate::bisect;
use crate::history::{Selection, Selector};
use crate::sql::{Select, unknown_table};
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_engine::problems;
use interstice_types::problem::Problem;
use interstice_types::transaction::Transaction;
use std::fmt;
use std::sync::Arc;

/// Breakpoints that may be set at the same time.
pub const MAX_BREAKPOINTS: usize = 256;

/// What to stop at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breakpoint {
    /// A function that is called, or runs by an event or a schedule: `module.function`.
    Function(String),
    /// A change of a table: `module.table`.
    Table(String),
    /// A change of the row of a table with this primary key, written as JSON or text.
    Key(String, String),
    /// A `SELECT` whose answer comes to hold: it has a row; of `COUNT(*)` not 0; of a single boolean column a true one.
    When(String),
}

impl fmt::Display for Breakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => write!(f, "function {name}"),
            Self::Table(name) => write!(f, "table {name}"),
            Self::Key(table, key) => write!(f, "key {table} {key}"),
            Self::When(statement) => write!(f, "when '{statement}'"),
        }
    }
}

/// A breakpoint that is set.
struct Set {
    number: u32,
    breakpoint: Breakpoint,
    test: Test,
}

enum Test {
    Selects(Selector),
    When(Condition),
}

/// Those that are set.
#[derive(Default)]
pub(super) struct Breakpoints {
    set: Vec<Set>,
    last: u32,
}

impl Breakpoints {
    /// Sets one that makes sense in `state`; gives its number.
    ///
    /// # Errors
    /// `unknown-module`, `unknown-function`, `unknown-table`, `invalid-selection`, those of [`Select::parse`], `too-many-breakpoints`.
    pub(super) fn set(&mut self, breakpoint: Breakpoint, state: &Engine) -> Result<u32, Problem> {
        if self.set.len() == MAX_BREAKPOINTS {
            let text = format!("{MAX_BREAKPOINTS} breakpoints are set, as many as there may be");
            return Err(Problem::new("too-many-breakpoints", text).hint("take one away with `delete N`"));
        }
        let test = test_of(&breakpoint)?;
        check(&breakpoint, &test, state)?;
        self.last += 1;
        self.set.push(Set { number: self.last, breakpoint, test });
        Ok(self.last)
    }

    /// Takes the one with this number away.
    ///
    /// # Errors
    /// `unknown-breakpoint`.
    pub(super) fn delete(&mut self, number: u32) -> Result<Breakpoint, Problem> {
        let position = self.set.iter().position(|set| set.number == number).ok_or_else(|| {
            let text = format!("there is no breakpoint {number}");
            Problem::new("unknown-breakpoint", text).hint("`breaks` says which there are")
        })?;
        Ok(self.set.remove(position).breakpoint)
    }

    /// Each with its number.
    pub(super) fn list(&self) -> Vec<(u32, Breakpoint)> {
        self.set.iter().map(|set| (set.number, set.breakpoint.clone())).collect()
    }
}

impl Judge for Breakpoints {
    type Verdict = Vec<(u32, Breakpoint)>;

    fn is_suspect(&mut self, before: &Engine, transaction: &Transaction) -> bool {
        self.set.iter_mut().any(|set| match &mut set.test {
            Test::Selects(selector) => selector.selects(transaction, before),
            Test::When(condition) => condition.is_concerned(transaction, before),
        })
    }

    fn judge(&mut self, before: &Engine, transaction: &Transaction, behind: &Engine) -> Option<Self::Verdict> {
        let stops = |set: &mut Set| match &mut set.test {
            Test::Selects(selector) => selector.selects(transaction, before),
            Test::When(condition) => {
                condition.is_concerned(transaction, before) && !condition.holds(before) && condition.holds(behind)
            }
        };
        let hits: Vec<_> =
            self.set.iter_mut().filter_map(|set| stops(set).then(|| (set.number, set.breakpoint.clone()))).collect();
        (!hits.is_empty()).then_some(hits)
    }
}

fn test_of(breakpoint: &Breakpoint) -> Result<Test, Problem> {
    let selection = match breakpoint.clone() {
        Breakpoint::Function(name) => Selection { function: Some(name), ..Selection::default() },
        Breakpoint::Table(name) => Selection { table: Some(name), ..Selection::default() },
        Breakpoint::Key(table, key) => Selection { table: Some(table), key: Some(key), ..Selection::default() },
        Breakpoint::When(statement) => return Ok(Test::When(Condition { statement, understood: None })),
    };
    selection.selector().map(Test::Selects)
}

/// Whether a breakpoint makes sense beside `state`.
fn check(breakpoint: &Breakpoint, test: &Test, state: &Engine) -> Result<(), Problem> {
    match (breakpoint, test) {
        (Breakpoint::Function(name), _) => {
            let (module, function) = name.split_once('.').unwrap_or((name, ""));
            let (_, entry) = state.catalog().find_module(module)?;
            let found = entry.schema.function(function);
            found.map(drop).ok_or_else(|| problems::unknown_function(&entry.schema, function))
        }
        (Breakpoint::Table(name) | Breakpoint::Key(name, _), Test::Selects(selector)) => {
            let (module, table) = name.split_once('.').unwrap_or((name, ""));
            let found = state.catalog().table(module, table).and_then(|id| state.store().table(id));
            selector.check_key(found.ok_or_else(|| unknown_table(name, &state.snapshot()))?)
        }
        (Breakpoint::When(statement), _) => Select::parse(statement, &state.snapshot()).map(drop),
        (_, Test::When(_)) => panic!("invariant: only a condition is tested as one"),
    }
}

/// A statement, understood against the catalog that it met last.
struct Condition {
    statement: String,
    understood: Option<(Arc<Catalog>, Option<Select>)>,
}

impl Condition {
    /// `None` where it cannot be asked.
    fn select(&mut self, state: &Engine) -> Option<&Select> {
        let catalog = state.catalog();
        if !self.understood.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, catalog)) {
            let select = Select::parse(&self.statement, &state.snapshot()).ok();
            self.understood = Some((Arc::clone(catalog), select));
        }
        self.understood.as_ref().and_then(|(_, select)| select.as_ref())
    }

    fn is_concerned(&mut self, transaction: &Transaction, before: &Engine) -> bool {
        bisect::is_concerned(self.select(before), transaction, before)
    }

    fn holds(&mut self, state: &Engine) -> bool {
        // An answer that is too large has rows.
        self.select(state).is_some_and(|select| select.holds(state.store()).unwrap_or(true))
    }
}
