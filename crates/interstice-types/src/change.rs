//! Changes: what a transaction did to tables, one value each, in the order they were made.

use crate::codec::{DecodeError, Reader};
use crate::id::TableId;
use crate::row::RowBytes;
use crate::schema::TableSchema;
use std::sync::Arc;

/// One step from a state of the tables to the next.
///
/// A change that a store made is complete. One read back from a log lacks `old` where the schema in force listens
/// neither to updates nor to deletes of the table; applying it fills that in.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A row whose primary key was free.
    Insert {
        /// The table.
        table: TableId,
        /// The row, sequence values filled in.
        row: RowBytes,
    },
    /// A row that is there no more.
    Delete {
        /// The table.
        table: TableId,
        /// The encoded values of the primary key's columns.
        key: RowBytes,
        /// The row as it was.
        old: Option<RowBytes>,
    },
    /// Another row under the same primary key.
    Update {
        /// The table.
        table: TableId,
        /// The row as it was.
        old: Option<RowBytes>,
        /// The row as it is now.
        new: RowBytes,
    },
    /// A sequence moved on.
    Sequence {
        /// The table.
        table: TableId,
        /// The column that it fills.
        column: u16,
        /// The value that it gives next.
        next: u64,
        /// The value that it would have given before; not logged.
        previous: u64,
    },
    /// A table, empty.
    CreateTable {
        /// Its id, never used before.
        table: TableId,
        /// The owner.
        module: Arc<str>,
        /// Its first schema.
        schema: Arc<TableSchema>,
    },
    /// A table under another schema: its rows are rebuilt by column name, values converted where the types say how.
    AlterTable {
        /// The table.
        table: TableId,
        /// The schema from now on.
        schema: Arc<TableSchema>,
        /// For each column that is new, its number and the encoded value that old rows get.
        defaults: Vec<(u16, Vec<u8>)>,
    },
    /// All rows of a table, gone; its sequences go on.
    ClearTable {
        /// The table.
        table: TableId,
    },
    /// A table and its rows, gone.
    DropTable {
        /// The table.
        table: TableId,
    },
}

impl Change {
    /// The table that it is about.
    pub fn table(&self) -> TableId {
        match self {
            Self::Insert { table, .. }
            | Self::Delete { table, .. }
            | Self::Update { table, .. }
            | Self::Sequence { table, .. }
            | Self::CreateTable { table, .. }
            | Self::AlterTable { table, .. }
            | Self::ClearTable { table }
            | Self::DropTable { table } => *table,
        }
    }

    /// Whether it is about rows or sequences, and not about a table as a whole.
    pub fn is_of_rows(&self) -> bool {
        matches!(self, Self::Insert { .. } | Self::Delete { .. } | Self::Update { .. } | Self::Sequence { .. })
    }

    /// The same change as it stands in a log that keeps old rows only where `keep_old` says so.
    pub fn logged(&self, keep_old: bool) -> Self {
        match self.clone() {
            Self::Delete { table, key, old } => Self::Delete { table, key, old: old.filter(|_| keep_old) },
            Self::Update { table, old, new } => Self::Update { table, old: old.filter(|_| keep_old), new },
            Self::Sequence { table, column, next, .. } => Self::Sequence { table, column, next, previous: 0 },
            other => other,
        }
    }

    /// Whether a log would say the same of this complete change as it does of `recorded`, which may lack what a log leaves out.
    pub fn is_as_recorded(&self, recorded: &Self) -> bool {
        let same = |old: &Option<RowBytes>, recorded: &Option<RowBytes>| recorded.is_none() || old == recorded;
        match (self, recorded) {
            (Self::Delete { table, key, old }, Self::Delete { table: t, key: k, old: o }) => {
                table == t && key == k && same(old, o)
            }
            (Self::Update { table, old, new }, Self::Update { table: t, old: o, new: n }) => {
                table == t && new == n && same(old, o)
            }
            (Self::Sequence { table, column, next, .. }, Self::Sequence { table: t, column: c, next: n, .. }) => {
                (table, column, next) == (t, c, n)
            }
            (change, recorded) => change == recorded,
        }
    }

    /// Appends the logged bytes: a tag with the table, then the fields.
    pub fn encode(&self, keep_old: bool, out: &mut Vec<u8>) {
        let mut begin = |tag: u8, table: TableId| {
            out.push(tag);
            crate::varint::write(out, u64::from(table.0));
        };
        match self {
            Self::Insert { table, row } => {
                begin(tag::INSERT, *table);
                write_bytes(out, row);
            }
            Self::Delete { table, key, old } => {
                let old = old.as_ref().filter(|_| keep_old);
                begin(if old.is_some() { tag::DELETE_WITH_OLD } else { tag::DELETE }, *table);
                write_bytes(out, key);
                old.into_iter().for_each(|old| write_bytes(out, old));
            }
            Self::Update { table, old, new } => {
                let old = old.as_ref().filter(|_| keep_old);
                begin(if old.is_some() { tag::UPDATE_WITH_OLD } else { tag::UPDATE }, *table);
                write_bytes(out, new);
                old.into_iter().for_each(|old| write_bytes(out, old));
            }
            Self::Sequence { table, column, next, .. } => {
                begin(tag::SEQUENCE, *table);
                crate::varint::write(out, u64::from(*column));
                crate::varint::write(out, *next);
            }
            Self::CreateTable { table, module, schema } => {
                begin(tag::CREATE_TABLE, *table);
                write_bytes(out, module.as_bytes());
                write_bytes(out, &schema.to_canonical_json());
            }
            Self::AlterTable { table, schema, defaults } => {
                begin(tag::ALTER_TABLE, *table);
                write_bytes(out, &schema.to_canonical_json());
                crate::varint::write(out, defaults.len() as u64);
                for (column, bytes) in defaults {
                    crate::varint::write(out, u64::from(*column));
                    write_bytes(out, bytes);
                }
            }
            Self::ClearTable { table } => begin(tag::CLEAR_TABLE, *table),
            Self::DropTable { table } => begin(tag::DROP_TABLE, *table),
        }
    }

    /// Takes one logged change off the reader.
    ///
    /// # Errors
    /// If the bytes are not one.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, ChangeError> {
        let position = reader.position();
        let tag = reader.array::<1>("change tag")?[0];
        let table = TableId(narrow(reader.varint()?, position)?);
        let mut bytes = || -> Result<RowBytes, ChangeError> { Ok(reader.short_bytes("row")?.into()) };
        Ok(match tag {
            tag::INSERT => Self::Insert { table, row: bytes()? },
            tag::DELETE => Self::Delete { table, key: bytes()?, old: None },
            tag::DELETE_WITH_OLD => Self::Delete { table, key: bytes()?, old: Some(bytes()?) },
            tag::UPDATE => Self::Update { table, new: bytes()?, old: None },
            tag::UPDATE_WITH_OLD => Self::Update { table, new: bytes()?, old: Some(bytes()?) },
            tag::SEQUENCE => Self::Sequence {
                table,
                column: narrow(reader.varint()?, position)?,
                next: reader.varint()?,
                previous: 0,
            },
            tag::CREATE_TABLE => {
                let module = reader.short_bytes("module name")?;
                let module = std::str::from_utf8(module).map_err(|_| DecodeError::InvalidUtf8 { position })?.into();
                Self::CreateTable { table, module, schema: read_schema(reader)? }
            }
            tag::ALTER_TABLE => {
                Self::AlterTable { table, schema: read_schema(reader)?, defaults: read_defaults(reader)? }
            }
            tag::CLEAR_TABLE => Self::ClearTable { table },
            tag::DROP_TABLE => Self::DropTable { table },
            found => return Err(DecodeError::InvalidTag { name: "Change".to_owned(), found, position }.into()),
        })
    }
}

/// Why bytes are not a change.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// They do not have its form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The schema inside is not one.
    #[error("the table schema is not valid JSON of a schema: {0}")]
    Schema(#[from] serde_json::Error),
}

/// The first byte of each logged change.
mod tag {
    pub(super) const INSERT: u8 = 0;
    pub(super) const DELETE: u8 = 1;
    pub(super) const UPDATE: u8 = 2;
    pub(super) const SEQUENCE: u8 = 3;
    pub(super) const CREATE_TABLE: u8 = 4;
    pub(super) const ALTER_TABLE: u8 = 5;
    pub(super) const DROP_TABLE: u8 = 6;
    pub(super) const DELETE_WITH_OLD: u8 = 7;
    pub(super) const UPDATE_WITH_OLD: u8 = 8;
    pub(super) const CLEAR_TABLE: u8 = 9;
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    crate::varint::write(out, bytes.len() as u64);
    out.extend(bytes);
}

fn narrow<T: TryFrom<u64>>(value: u64, position: usize) -> Result<T, DecodeError> {
    T::try_from(value).map_err(|_| DecodeError::InvalidNumber { position })
}

fn read_schema(reader: &mut Reader<'_>) -> Result<Arc<TableSchema>, ChangeError> {
    Ok(Arc::new(serde_json::from_slice(reader.short_bytes("table schema")?)?))
}

fn read_defaults(reader: &mut Reader<'_>) -> Result<Vec<(u16, Vec<u8>)>, ChangeError> {
    let position = reader.position();
    let mut defaults = Vec::new();
    for _ in 0..reader.varint()? {
        let column = narrow(reader.varint()?, position)?;
        defaults.push((column, reader.short_bytes("default")?.to_vec()));
    }
    Ok(defaults)
}
