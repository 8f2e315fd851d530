//! Rows of two histories beside each other.
//!
//! Compared are the columns that both have with the same type, of the tables that both have with the same primary key: of the others
//! it is said that they are not. Tables of the node itself, and rows that are in no log, have no part in it.

use crate::net::{Net, net};
use crate::telling::full_name;
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{IndexId, Table};
use interstice_types::change::Change;
use interstice_types::codec;
use interstice_types::id::TableId;
use interstice_types::json;
use interstice_types::row::RowBytes;
use interstice_types::schema::{ColumnSchema, Durability, SYSTEM_MODULE, TableSchema};
use interstice_types::ty::{Field, Type};
use interstice_types::value::Value;
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A row that is another one in the other history.
#[derive(Debug, Clone, PartialEq)]
pub struct RowDifference {
    /// `module.table`
    pub table: String,
    /// The primary key; of several columns a list.
    pub key: Told,
    /// The column, if both histories have the row.
    pub column: Option<String>,
    /// What was recorded: the column, or the whole row; `None` if there is no such row.
    pub recorded: Option<Told>,
    /// What there is now.
    pub replayed: Option<Told>,
    /// Whether it differed before already.
    pub carried: bool,
}

/// A value, or a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// A row as an object by column.
    pub json: Json,
    /// A row as `(column=value, …)`, in the order of the columns.
    pub text: String,
}

impl Told {
    fn value(ty: &Type, value: &Value) -> Self {
        Self { json: json::to_json(ty, value), text: json::to_text(ty, value) }
    }

    fn key(table: &Table, key: &[u8]) -> Self {
        let schema = table.schema();
        let types = schema.primary_key.iter().map(|column| &schema.columns[usize::from(*column)].ty);
        let values = codec::decode_all(types.clone(), key).expect("invariant: a key is canonical");
        let mut told: Vec<_> = types.zip(&values).map(|(ty, value)| Self::value(ty, value)).collect();
        if told.len() == 1 {
            return told.remove(0);
        }
        let text: Vec<_> = told.iter().map(|value| &*value.text).collect();
        let text = format!("[{}]", text.join(", "));
        Self { json: told.into_iter().map(|value| value.json).collect(), text }
    }

    fn row(fields: &[Field], values: &[Value]) -> Self {
        Self { json: json::fields_to_json(fields, values), text: json::fields_to_text(fields, values) }
    }
}

impl fmt::Display for RowDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value =
            |value: &Option<Told>| value.as_ref().map_or_else(|| "nothing".to_owned(), |told| told.text.clone());
        write!(f, "{} {}", self.table, self.key.text)?;
        self.column.iter().try_for_each(|column| write!(f, " {column}"))?;
        write!(f, " {} → {}", value(&self.recorded), value(&self.replayed))
    }
}

/// How the rows of a table differ at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDifference {
    /// `module.table`
    pub table: String,
    /// Rows that only the recorded history has.
    pub only_recorded: u64,
    /// Rows that only the other one has.
    pub only_replayed: u64,
    /// Rows that both have, with other values.
    pub changed: u64,
    /// The first differences, in the order of the keys.
    pub rows: Vec<RowDifference>,
}

/// Tables that both histories have.
#[derive(Default)]
pub(super) struct Pairs {
    all: Vec<Pair>,
    /// By the ids of the recorded history, and of the other one.
    by_id: [BTreeMap<TableId, usize>; 2],
    /// What is not compared, and why.
    pub(super) uncompared: Vec<String>,
}

struct Pair {
    name: String,
    ids: [TableId; 2],
    /// The positions of the columns that are compared, in each.
    columns: Vec<[usize; 2]>,
    /// Whether the rows have the same form.
    is_whole: bool,
}

/// What a transaction made of a row: before and after.
type Touched = BTreeMap<(usize, Vec<u8>), [Option<RowBytes>; 2]>;

/// A history as far as a comparison looks at it: the tables behind a transaction, and what it changed.
pub(super) type Side<'s> = (&'s Store, &'s [Change]);

fn compared(store: &Store) -> impl Iterator<Item = &Table> {
    let tables = store.tables().map(|table| &**table);
    tables.filter(|table| &**table.module() != SYSTEM_MODULE && table.schema().durability != Durability::Ephemeral)
}

impl Pairs {
    pub(super) fn of(recorded: &Store, alternative: &Store) -> Self {
        let mut others: BTreeMap<_, _> = compared(alternative).map(|table| (full_name(table), table)).collect();
        let mut this = Self::default();
        for table in compared(recorded) {
            let name = full_name(table);
            match others.remove(&name) {
                Some(other) => this.add(name, table, other),
                None => this.uncompared.push(format!("table `{name}` is only in the recorded history")),
            }
        }
        this.uncompared.extend(others.into_keys().map(|name| format!("table `{name}` is only in the other history")));
        this
    }

    fn add(&mut self, name: String, table: &Table, other: &Table) {
        if !has_same_key(table.schema(), other.schema()) {
            self.uncompared.push(format!("the rows of `{name}`: the primary key is another one"));
            return;
        }
        let (mut columns, mut left) = (Vec::new(), BTreeSet::new());
        for (position, column) in table.schema().columns.iter().enumerate() {
            let same = |other: &ColumnSchema| other.name == column.name && other.ty == column.ty;
            match other.schema().columns.iter().position(same) {
                Some(there) => columns.push([position, there]),
                None => drop(left.insert(column.name.clone())),
            }
        }
        let known = |name: &String| table.schema().columns.iter().any(|column| column.name == *name);
        left.extend(other.schema().columns.iter().map(|column| column.name.clone()).filter(|name| !known(name)));
        self.uncompared.extend(
            left.into_iter().map(|column| format!("column `{column}` of `{name}`: it is not the same in both")),
        );
        let ids = [table.id(), other.id()];
        for (by_id, id) in self.by_id.iter_mut().zip(ids) {
            by_id.insert(id, self.all.len());
        }
        self.all.push(Pair { name, ids, columns, is_whole: table.layout().types() == other.layout().types() });
    }

    /// The rows that two transactions left otherwise, the first `limit` of them, and how many there are.
    pub(super) fn differences(&self, sides: [Side<'_>; 2], limit: usize) -> (Vec<RowDifference>, usize) {
        if self.are_same(sides.map(|(_, changes)| changes)) {
            return (Vec::new(), 0);
        }
        let touched = [self.touched(0, sides[0]), self.touched(1, sides[1])];
        let keys: BTreeSet<_> = touched.iter().flat_map(|one| one.keys().cloned()).collect();
        let (mut told, mut count) = (Vec::new(), 0);
        for at in keys {
            let (pair, key) = (&self.all[at.0], &at.1);
            let rows = [0, 1].map(|side| {
                let table = table(sides[side].0, pair.ids[side]);
                touched[side].get(&at).cloned().unwrap_or_else(|| {
                    let row = row_at(table, key);
                    [row.clone(), row]
                })
            });
            let tables = [0, 1].map(|side| table(sides[side].0, pair.ids[side]));
            let [before, after] = [0, 1].map(|when| pair.differing(tables, [&rows[0][when], &rows[1][when]]));
            count += after.len();
            let room = limit - told.len();
            told.extend(after.iter().take(room).map(|column| {
                let rows = [&rows[0][1], &rows[1][1]];
                RowDifference { carried: before.contains(column), ..pair.tell(tables, (key, rows), *column) }
            }));
        }
        (told, count)
    }

    /// Whether both did the same to rows, byte by byte.
    fn are_same(&self, changes: [&[Change]; 2]) -> bool {
        let of_rows = |side: usize| {
            let rows = changes[side].iter().filter(|one| one.is_of_rows() && !matches!(one, Change::Sequence { .. }));
            rows.filter_map(move |change| Some((*self.by_id[side].get(&change.table())?, change)))
        };
        let mut other = of_rows(1);
        let is_same = of_rows(0).all(|(pair, change)| {
            other.next().is_some_and(|(at, again)| pair == at && self.all[pair].is_whole && leaves_same(change, again))
        });
        is_same && other.next().is_none()
    }

    /// What a transaction made of which rows.
    fn touched(&self, side: usize, (store, changes): Side<'_>) -> Touched {
        let rows = net(store, changes, |table| self.by_id[side].contains_key(&table.id()));
        rows.into_iter().map(|Net { table, key, rows }| ((self.by_id[side][&table], key), rows)).collect()
    }

    /// How the tables differ, with the first `limit` rows of all of them.
    pub(super) fn states(&self, stores: [&Store; 2], limit: usize) -> Vec<TableDifference> {
        let mut told = 0;
        let differing = self.all.iter().filter_map(|pair| {
            let found = pair.states([0, 1].map(|side| table(stores[side], pair.ids[side])), limit - told)?;
            told += found.rows.len();
            Some(found)
        });
        differing.collect()
    }
}

impl Pair {
    /// The columns in which two rows differ, by their place among those that are compared; `None` if only one of them is there.
    fn differing(&self, tables: [&Table; 2], rows: [&Option<RowBytes>; 2]) -> Vec<Option<usize>> {
        match rows {
            [None, None] => Vec::new(),
            [Some(recorded), Some(replayed)] => {
                let same = |columns: &[usize; 2]| {
                    tables[0].layout().column(recorded, columns[0]) == tables[1].layout().column(replayed, columns[1])
                };
                let differing = self.columns.iter().enumerate().filter(|(_, columns)| !same(columns));
                differing.map(|(place, _)| Some(place)).collect()
            }
            _ => vec![None],
        }
    }

    fn tell(
        &self,
        tables: [&Table; 2],
        (key, rows): (&[u8], [&Option<RowBytes>; 2]),
        column: Option<usize>,
    ) -> RowDifference {
        let value = |side: usize| {
            let (row, fields) = (rows[side].as_ref()?, tables[side].schema().fields());
            let values: Vec<Value> = codec::decode_all(fields.iter().map(|field| &field.ty), row).ok()?;
            Some(column.map_or_else(
                || Told::row(&fields, &values),
                |place| {
                    let at = self.columns[place][side];
                    Told::value(&fields[at].ty, &values[at])
                },
            ))
        };
        let name = |place: usize| tables[0].schema().columns[self.columns[place][0]].name.clone();
        RowDifference {
            table: self.name.clone(),
            key: Told::key(tables[0], key),
            column: column.map(name),
            recorded: value(0),
            replayed: value(1),
            carried: false,
        }
    }

    /// How the rows of both tables differ; `None` if they do not.
    fn states(&self, tables: [&Table; 2], limit: usize) -> Option<TableDifference> {
        if self.is_whole && self.ids[0] == self.ids[1] && tables[0].digest() == tables[1].digest() {
            return None;
        }
        let mut found = TableDifference {
            table: self.name.clone(),
            only_recorded: 0,
            only_replayed: 0,
            changed: 0,
            rows: Vec::new(),
        };
        let mut scans = tables.map(|table| table.scan(IndexId::PRIMARY, &KeyRange::all(), false).peekable());
        let mut scratch = Vec::new();
        loop {
            let [recorded, replayed] =
                [0, 1].map(|side| scans[side].peek().map(|row| tables[side].primary_key(row, &mut scratch)));
            let order = match (&recorded, &replayed) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(recorded), Some(replayed)) => recorded.cmp(replayed),
            };
            let mut next = |side: usize, counts: bool| scans[side].next_if(|_| counts).map(RowBytes::from);
            let rows = [next(0, order.is_le()), next(1, order.is_ge())];
            let rows = [&rows[0], &rows[1]];
            let differing = self.differing(tables, rows);
            if differing.is_empty() {
                continue;
            }
            let count = match order {
                Ordering::Less => &mut found.only_recorded,
                Ordering::Greater => &mut found.only_replayed,
                Ordering::Equal => &mut found.changed,
            };
            *count += 1;
            let room = limit - found.rows.len();
            let side = usize::from(order.is_gt());
            let key = tables[side].primary_key_values(rows[side].as_ref().expect("invariant: it was just taken"));
            found.rows.extend(differing.into_iter().take(room).map(|column| self.tell(tables, (&key, rows), column)));
        }
        (found.only_recorded + found.only_replayed + found.changed > 0).then_some(found)
    }
}

/// Whether two changes leave the same row behind, in tables of the same form.
fn leaves_same(one: &Change, other: &Change) -> bool {
    match (one, other) {
        (Change::Insert { row, .. }, Change::Insert { row: again, .. }) => row == again,
        (Change::Update { new, .. }, Change::Update { new: again, .. }) => new == again,
        (Change::Delete { key, .. }, Change::Delete { key: again, .. }) => key == again,
        _ => false,
    }
}

fn table(store: &Store, id: TableId) -> &Table {
    store.table(id).expect("invariant: a pair is of tables that are there")
}

fn row_at(table: &Table, key: &[u8]) -> Option<RowBytes> {
    let key = table.lookup_key(key, &mut Vec::new()).ok()?;
    table.get(&key).map(RowBytes::from)
}

fn has_same_key(one: &TableSchema, other: &TableSchema) -> bool {
    let key = |schema: &TableSchema| {
        let columns = schema.primary_key.iter().map(|column| &schema.columns[usize::from(*column)]);
        columns.map(|column| (column.name.clone(), column.ty.clone())).collect::<Vec<_>>()
    };
    key(one) == key(other)
}
