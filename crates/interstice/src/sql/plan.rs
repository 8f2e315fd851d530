//! Which index serves a query.
//!
//! An index is worth the more the more of its first columns are held to one value; then a range on the column behind them;
//! then that it gives the rows in the order that is wanted, so that nothing is sorted and a `LIMIT` ends the scan.

use interstice_store::range::KeyRange;
use interstice_store::table::{IndexId, Table};
use interstice_types::filter::{Comparison, Filter, Operand, Operator, Place, Step, key_of_bytes};
use interstice_types::ty::Type;
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
    /// The index in words.
    pub name: String,
    /// What the range says of its columns, as `room =` and `seq in a range`.
    pub keys: Vec<String>,
    description: String,
}

/// What is wanted.
pub(super) struct Wish<'w> {
    pub(super) filter: &'w Filter,
    /// Columns, and whether descending.
    pub(super) order: &'w [(u16, bool)],
}

/// A conjunct that may hold a column to one value, or bound it.
struct Bounding {
    /// Its number among the conjuncts.
    number: usize,
    column: u16,
    operator: Operator,
    /// Key bytes of the value, as an index has them.
    key: Vec<u8>,
    /// Key bytes in front of every key whose column holds something: where that is not said by itself.
    something: Vec<u8>,
}

impl Bounding {
    /// The conjunct with this number, if it compares all of a column, or what the column holds, with a value.
    fn of(table: &Table, number: usize, conjunct: &Filter) -> Option<Self> {
        let Filter::Compare(Comparison { place: Place { column, steps }, operator, with: Operand::Value(value) }) =
            conjunct
        else {
            return None;
        };
        let ty = &table.schema().columns[usize::from(*column)].ty;
        let (ty, something) = match (steps.as_slice(), ty) {
            ([], ty) => (ty, Vec::new()),
            ([Step::Inside], Type::Option(inner)) => (&**inner, vec![SOMETHING]),
            _ => return None,
        };
        let key = [something.as_slice(), &key_of_bytes(ty, value)].concat();
        Some(Self { number, column: *column, operator: *operator, key, something })
    }
}

/// The first key byte of an `option` that holds something.
const SOMETHING: u8 = 1;

/// An index, and what it would do.
struct Candidate<'b> {
    index: IndexId,
    name: String,
    columns: Vec<u16>,
    /// Conjuncts that hold its first columns to one value, in its order.
    equal: Vec<&'b Bounding>,
    /// Conjuncts that bound the column behind them.
    lower: Option<&'b Bounding>,
    upper: Option<&'b Bounding>,
    /// Whether it gives the order that is wanted, and whether backwards.
    order: Option<bool>,
}

impl Plan {
    /// The best plan for `wish`.
    pub(super) fn choose(table: &Table, wish: &Wish<'_>) -> Self {
        let conjuncts = wish.filter.conjuncts();
        let indexes = (0..=table.schema().indexes.len()).map(|number| IndexId(number as u16));
        let bounding = conjuncts.iter().enumerate().filter_map(|(number, one)| Bounding::of(table, number, one));
        let bounding: Vec<_> = bounding.collect();
        let candidates = indexes.filter_map(|index| Candidate::new(table, index, &bounding, wish.order));
        // The first of the best: the primary key before others.
        let best = candidates.reduce(|best, next| if next.worth() > best.worth() { next } else { best });
        best.expect("invariant: a table has a primary key").plan(table, conjuncts, wish.order)
    }
}

impl<'b> Candidate<'b> {
    fn new(table: &Table, index: IndexId, bounding: &'b [Bounding], order: &[(u16, bool)]) -> Option<Self> {
        let columns = table.index_columns(index)?.to_vec();
        let find = |column: u16, wanted: &[Operator]| {
            bounding.iter().find(|one| one.column == column && wanted.contains(&one.operator))
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
        let prefix: Vec<u8> = self.equal.iter().flat_map(|one| &one.key).copied().collect();
        // A column that is bounded on one side only holds something nevertheless.
        let something = self.lower.or(self.upper).map_or(&[][..], |one| &one.something);
        let unbounded = [prefix.as_slice(), something].concat();
        let bound = |one: Option<&Bounding>, inclusive: Operator| match one {
            None if unbounded.is_empty() => Bound::Unbounded,
            None => Bound::Included(unbounded.clone()),
            Some(one) => {
                let key = [prefix.as_slice(), &one.key].concat();
                if one.operator == inclusive { Bound::Included(key) } else { Bound::Excluded(key) }
            }
        };
        let lower = bound(self.lower, Operator::GreaterOrEqual);
        let upper = bound(self.upper, Operator::LessOrEqual);
        let range = KeyRange::between(lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
        let used: Vec<_> =
            self.equal.iter().copied().chain(self.lower).chain(self.upper).map(|one| one.number).collect();
        let rest = (0..conjuncts.len()).filter(|number| !used.contains(number)).map(|n| conjuncts[n].clone());
        let rest: Vec<_> = rest.collect();
        let sort = if self.order.is_some() { Vec::new() } else { order.to_vec() };
        let (keys, description) = self.describe(table, (rest.len(), sort.len()));
        Plan {
            index: self.index,
            range,
            reverse: self.order.unwrap_or(false),
            rest: Filter::All(rest),
            sort,
            ordered: !order.is_empty(),
            name: self.name,
            keys,
            description,
        }
    }

    /// What the range says of its columns, and all of the plan in words.
    fn describe(&self, table: &Table, (filtered, sorted): (usize, usize)) -> (Vec<String>, String) {
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
        (held, parts.join(", "))
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

/// As in `index by_room (room =, seq in a range), backwards, the rest checked on each row`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}
