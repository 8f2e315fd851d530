//! References: columns that name a row of another table, looked up from both sides.
//!
//! *From the row that names*: when it is written, the row that it names must be there, or itself.
//! *From the row that is named*: when it is deleted, an index that begins with the columns finds the rows that name it. They stand in
//! its way, go too, or name nothing any more; whatever goes is looked at in turn.

use crate::range::KeyRange;
use crate::store::SharedTable;
use crate::table::{IndexId, Table};
use interstice_types::codec::{self, Reader};
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;
use interstice_types::schema::{OnDelete, ReferenceSchema};
use interstice_types::ty::Type;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where references lead, from and to each table that has some.
#[derive(Debug, Default)]
pub(crate) struct References {
    tables: BTreeMap<TableId, Links>,
}

/// The references of one table.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) out: Vec<Link>,
    pub(crate) into: Vec<Link>,
}

/// One reference.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// The table whose rows name others.
    pub(crate) from: TableId,
    /// The table whose rows are named.
    pub(crate) to: TableId,
    /// An index of `from` that begins with the columns.
    pub(crate) index: IndexId,
    pub(crate) reference: Arc<ReferenceSchema>,
}

/// A reference that a write would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenReference {
    /// The row that is named is not there.
    #[error("row {row} of table `{from}` refers to row {key} of table `{to}`, which is not there (reference `{name}`)")]
    Missing {
        /// The table whose row names another.
        from: String,
        /// Its primary key as JSON.
        row: String,
        /// The table whose row is named.
        to: String,
        /// The key that is named, as JSON.
        key: String,
        /// The reference's name.
        name: String,
    },
    /// A row that is named is to go.
    #[error("row {key} of table `{to}` cannot go: row {row} of table `{from}` refers to it (reference `{name}`)")]
    InTheWay {
        /// The table whose row names another.
        from: String,
        /// The primary key of the first such row, as JSON.
        row: String,
        /// The table whose row is named.
        to: String,
        /// Its primary key as JSON.
        key: String,
        /// The reference's name.
        name: String,
    },
}

impl References {
    /// Of these tables, `None` if there are none: a reference leads to the table of its name in the same module.
    pub(crate) fn of<'t>(tables: impl Iterator<Item = &'t SharedTable> + Clone) -> Option<Self> {
        let mut this = Self::default();
        for table in tables.clone().filter(|table| !table.schema().references.is_empty()) {
            for reference in &table.schema().references {
                let named =
                    |other: &&SharedTable| other.module() == table.module() && other.schema().name == reference.table;
                // Tables of a new module come one by one: the last of them completes it.
                let (Some(to), Some(index)) = (tables.clone().find(named), index_of(table, reference)) else {
                    continue;
                };
                let link = Link { from: table.id(), to: to.id(), index, reference: Arc::new(reference.clone()) };
                this.tables.entry(table.id()).or_default().out.push(link.clone());
                this.tables.entry(to.id()).or_default().into.push(link);
            }
        }
        (!this.tables.is_empty()).then_some(this)
    }

    /// Those from and to a table.
    pub(crate) fn links(&self, table: TableId) -> Option<&Links> {
        self.tables.get(&table)
    }
}

fn index_of(table: &Table, reference: &ReferenceSchema) -> Option<IndexId> {
    let begins =
        |index: &IndexId| table.index_columns(*index).is_some_and(|columns| columns.starts_with(&reference.columns));
    (0..=table.schema().indexes.len() as u16).map(IndexId).find(begins)
}

impl Link {
    /// The encoded primary key that `row` names; `None` if it names nothing.
    fn named(&self, from: &Table, row: &[u8]) -> Option<Vec<u8>> {
        let mut values = Vec::new();
        for column in &self.reference.columns {
            let column = usize::from(*column);
            let bytes = from.layout().column(row, column);
            match &from.layout().types()[column] {
                Type::Option(_) if bytes == [0] => return None,
                Type::Option(_) => values.extend_from_slice(&bytes[1..]),
                _ => values.extend_from_slice(bytes),
            }
        }
        Some(values)
    }

    /// Whether the row that `row` names is there; it may be itself.
    ///
    /// # Errors
    /// [`BrokenReference::Missing`].
    pub(crate) fn check(&self, from: &Table, to: &Table, row: &[u8]) -> Result<(), BrokenReference> {
        let Some(values) = self.named(from, row) else { return Ok(()) };
        let mut scratch = Vec::new();
        let key = to.lookup_key(&values, &mut scratch).expect("invariant: a reference holds a primary key");
        let itself = self.from == self.to && from.primary_key(row, &mut scratch) == key;
        if itself || to.get(&key).is_some() {
            return Ok(());
        }
        Err(BrokenReference::Missing {
            from: from.schema().name.clone(),
            row: from.key_text_of(row),
            to: to.schema().name.clone(),
            key: to.key_text(&values),
            name: self.reference.name.clone(),
        })
    }

    /// The rows that name the row with primary key `key`, as encoded values.
    pub(crate) fn naming(&self, from: &Table, key: &[u8], to: &Table) -> Vec<RowBytes> {
        let mut values = Vec::new();
        let mut rest = Reader::new(key);
        for (column, named) in self.reference.columns.iter().zip(&to.schema().primary_key) {
            let start = rest.position();
            let ty = &to.layout().types()[usize::from(*named)];
            codec::skip(ty, &mut rest).expect("invariant: a key that was found is canonical");
            if matches!(from.layout().types()[usize::from(*column)], Type::Option(_)) {
                values.push(1);
            }
            values.extend_from_slice(&key[start..rest.position()]);
        }
        let columns = from.index_columns(self.index).expect("invariant: the index is there");
        let (prefix, _) = from
            .layout()
            .lookup_key(&values, columns, &mut Vec::new())
            .expect("invariant: these are values of the first columns");
        from.scan(self.index, &KeyRange::prefix(prefix.as_bytes()), false).map(RowBytes::from).collect()
    }

    /// The row, naming nothing any more.
    pub(crate) fn forgetting(&self, from: &Table, row: &[u8]) -> RowBytes {
        let mut bytes = Vec::with_capacity(row.len());
        for (column, ty) in from.layout().types().iter().enumerate() {
            let goes = self.reference.columns.contains(&(column as u16)) && matches!(ty, Type::Option(_));
            bytes.extend_from_slice(if goes { &[0] } else { from.layout().column(row, column) });
        }
        bytes.into()
    }

    /// The error of a row that stands in the way.
    pub(crate) fn in_the_way(&self, from: &Table, row: &[u8], (to, key): (&Table, &[u8])) -> BrokenReference {
        BrokenReference::InTheWay {
            from: from.schema().name.clone(),
            row: from.key_text_of(row),
            to: to.schema().name.clone(),
            key: to.key_text(key),
            name: self.reference.name.clone(),
        }
    }

    pub(crate) fn on_delete(&self) -> OnDelete {
        self.reference.on_delete
    }
}
