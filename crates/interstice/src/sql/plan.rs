//! Which index serves a query.
//!
//! An index is worth the more the more of its first columns are held to one value; then a range on the column behind them;
//! then that it gives the rows in the order that is wanted, so that nothing is sorted and a `LIMIT` ends the scan.

use interstice_store::range::KeyRange;
use interstice_store::table::{IndexId, Table};
use interstice_types::filter::{Filter, Operator};
use std::fmt;
use std::ops::Bound;

/// How rows are found.
#[derive(Debug)]
pub struct Plan {
    /// Read in the order of this index.
    pub index: IndexId,
    /// Of these keys.
    pub range: KeyRange,
    /// Against its order.
    pub reverse: bool,
    /// What the range does not say.
    pub rest: Filter,
    /// What is sorted by afterwards: columns, and whether descending.
    pub sort: Vec<(u16, bool)>,
    /// Whether an order was asked for.
    pub ordered: bool,
    description: String,
}

/// What is wanted.
pub(super) struct Wish<'w> {
    pub(super) filter: &'w Filter,
    /// Columns, and whether descending.
    pub(super) order: &'w [(u16, bool)],
}

/// An index, and what it would do.
struct Candidate {
    index: IndexId,
    name: String,
    columns: Vec<u16>,
    /// Conjuncts that hold its first columns to one value, in its order.
    equal: Vec<usize>,
    /// Conjuncts that bound the column behind them.
    lower: Option<usize>,
    upper: Option<usize>,
    /// Whether it gives the order that is wanted, and whether backwards.
    order: Option<bool>,
}

impl Plan {
    /// The best plan for `wish`.
    pub(super) fn choose(table: &Table, wish: &Wish<'_>) -> Self {
        let conjuncts = wish.filter.conjuncts();
        let indexes = (0..=table.schema().indexes.len()).map(|number| IndexId(number as u16));
        let candidates = indexes.filter_map(|index| Candidate::new(table, index, conjuncts, wish.order));
        // The first of the best: the primary key before others.
        let best = candidates.reduce(|best, next| if next.worth() > best.worth() { next } else { best });
        best.expect("invariant: a table has a primary key").plan(table, conjuncts, wish.order)
    }
}

impl Candidate {
    fn new(table: &Table, index: IndexId, conjuncts: &[Filter], order: &[(u16, bool)]) -> Option<Self> {
        let columns = table.index_columns(index)?.to_vec();
        let find = |column: u16, wanted: &[Operator]| {
            conjuncts.iter().position(|conjunct| match conjunct {
                Filter::Compare { column: found, operator, .. } => *found == column && wanted.contains(operator),
                _ => false,
            })
        };
        let equal: Vec<_> = columns.iter().map_while(|column| find(*column, &[Operator::Equal])).collect();
        let next = columns.get(equal.len()).copied();
        let lower = next.and_then(|next| find(next, &[Operator::Greater, Operator::GreaterOrEqual]));
        let upper = next.and_then(|next| find(next, &[Operator::Less, Operator::LessOrEqual]));
        let name = match index.0 {
            0 => "primary key".to_owned(),
            n => format!("index {}", table.schema().indexes[usize::from(n) - 1].name),
        };
        let order = gives_order(&columns, equal.len(), order);
        Some(Self { index, name, columns, equal, lower, upper, order })
    }

    fn worth(&self) -> (usize, bool, bool, bool) {
        let ranged = self.lower.is_some() || self.upper.is_some();
        // A walk over a second index costs more for each row than one over the rows themselves.
        let is_primary = self.index == IndexId::PRIMARY;
        (self.equal.len(), ranged, self.order.is_some(), is_primary)
    }

    fn plan(self, table: &Table, conjuncts: &[Filter], order: &[(u16, bool)]) -> Plan {
        let prefix: Vec<u8> = self.equal.iter().flat_map(|number| value_of(&conjuncts[*number])).copied().collect();
        let bound = |number: Option<usize>, inclusive: Operator| match number {
            None if prefix.is_empty() => Bound::Unbounded,
            None => Bound::Included(prefix.clone()),
            Some(number) => {
                let key = [prefix.as_slice(), value_of(&conjuncts[number])].concat();
                let Filter::Compare { operator, .. } = &conjuncts[number] else { return Bound::Unbounded };
                if *operator == inclusive { Bound::Included(key) } else { Bound::Excluded(key) }
            }
        };
        let lower = bound(self.lower, Operator::GreaterOrEqual);
        let upper = bound(self.upper, Operator::LessOrEqual);
        let range = KeyRange::between(lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
        let used = |number: &usize| self.equal.contains(number) || [self.lower, self.upper].contains(&Some(*number));
        let rest: Vec<_> = (0..conjuncts.len()).filter(|number| !used(number)).map(|n| conjuncts[n].clone()).collect();
        let sort = if self.order.is_some() { Vec::new() } else { order.to_vec() };
        let description = self.describe(table, (rest.len(), sort.len()));
        Plan {
            index: self.index,
            range,
            reverse: self.order.unwrap_or(false),
            rest: Filter::All(rest),
            sort,
            ordered: !order.is_empty(),
            description,
        }
    }

    fn describe(&self, table: &Table, (filtered, sorted): (usize, usize)) -> String {
        let name = |column: &u16| table.schema().columns[usize::from(*column)].name.clone();
        let mut held: Vec<_> =
            self.columns[..self.equal.len()].iter().map(|column| format!("{} =", name(column))).collect();
        if self.lower.is_some() || self.upper.is_some() {
            held.extend(self.columns.get(self.equal.len()).map(|column| format!("{} in a range", name(column))));
        }
        let keys = if held.is_empty() { String::new() } else { format!(" ({})", held.join(", ")) };
        let mut parts = vec![format!("{}{keys}", self.name)];
        parts.extend((self.order == Some(true)).then(|| "backwards".to_owned()));
        parts.extend((filtered > 0).then(|| "the rest checked on each row".to_owned()));
        parts.extend((sorted > 0).then(|| "sorted afterwards".to_owned()));
        parts.join(", ")
    }
}

/// Whether an index whose first `fixed` columns are held to one value gives rows in `order`, and whether backwards.
fn gives_order(columns: &[u16], fixed: usize, order: &[(u16, bool)]) -> Option<bool> {
    let (_, descending) = *order.first()?;
    let mut rest = columns[fixed..].iter();
    for (column, direction) in order {
        if columns[..fixed].contains(column) {
            continue;
        }
        if *direction != descending || rest.next() != Some(column) {
            return None;
        }
    }
    Some(descending)
}

fn value_of(conjunct: &Filter) -> &[u8] {
    match conjunct {
        Filter::Compare { value, .. } => value,
        _ => panic!("invariant: only comparisons bound a range"),
    }
}

/// As in `index by_room (room =, seq in a range), backwards, the rest checked on each row`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}
