//! Schemas: what a module declares, as one JSON object; its rules are in [`validate`], its names in [`signature`], the way from one
//! to the next in [`diff`], when reducers run by themselves in [`schedule`],
//! what a person is told of it in [`words`].

pub mod diff;
pub mod schedule;
pub mod signature;
// Needs to know which times there are: a module has no use for it.
#[cfg(feature = "calendar")]
pub mod validate;
pub mod words;

use crate::filter::Filter;
use crate::layout::RowLayout;
use crate::ty::{Field, Type};
use schedule::{Missed, Recurrence};
use serde::{Deserialize, Serialize};

/// The module name that belongs to the node itself.
pub const SYSTEM_MODULE: &str = "interstice";

/// All that a module declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Crate name with `_` for `-`.
    pub module: String,
    /// The crate's version.
    pub version: String,
    /// In name order.
    pub tables: Vec<TableSchema>,
    /// In name order; a function's number is its position here.
    pub functions: Vec<FunctionSchema>,
    /// What it uses of other modules, in name order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSchema {
    /// Snake case of the Rust name.
    pub name: String,
    /// The name that it had before, if it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The author's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Whether clients and other modules may read it.
    #[serde(default)]
    pub public: bool,
    /// How long its rows are there.
    #[serde(default, skip_serializing_if = "Durability::is_durable")]
    pub durability: Durability,
    /// In declaration order.
    pub columns: Vec<ColumnSchema>,
    /// Numbers of the columns of the primary key, in key order.
    pub primary_key: Vec<u16>,
    /// Further indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexSchema>,
    /// Rows of other tables of the module that rows of this one name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceSchema>,
    /// What must not be false of any row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSchema>,
}

/// How long the rows of a table are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Until they are deleted: they are in the log and in snapshots.
    #[default]
    Durable,
    /// Until they are deleted or the node ends: they are in no log and no snapshot.
    Ephemeral,
    /// Until their transaction ends: they are in the log, and for whoever listens.
    Event,
}

impl Durability {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_durable(&self) -> bool {
        *self == Self::Durable
    }
}

/// A condition that must not be false of any row; one that is unknown, for nothing is there, stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSchema {
    /// As its author says it.
    pub expression: String,
    /// What it says.
    pub filter: Filter,
}

/// A foreign key: columns that hold the primary key of a row of another table, or of the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceSchema {
    /// Its name within the table.
    pub name: String,
    /// Numbers of its columns, in the order of the other table's primary key. A row whose optional column holds nothing names
    /// no row.
    pub columns: Vec<u16>,
    /// The other table, of the same module.
    pub table: String,
    /// What becomes of the rows that name a row when that is deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
}

/// What becomes of the rows that name a row when that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// They stand, and the row cannot be deleted.
    #[default]
    Restrict,
    /// They are deleted too.
    Cascade,
    /// They name no row any more.
    SetNull,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSchema {
    /// Its Rust name.
    pub name: String,
    /// The name that it had before, if it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The author's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether a zero is replaced by the next value of a sequence on insert.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_inc: bool,
    /// Hex of the encoded value that rows get which were there before the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// An ordered index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSchema {
    /// Its name within the table.
    pub name: String,
    /// Numbers of its columns in key order.
    pub columns: Vec<u16>,
    /// Whether two rows may not share a key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
}

/// A function that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSchema {
    /// Its Rust name.
    pub name: String,
    /// The author's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// What calls it and what it may do.
    pub kind: FunctionKind,
    /// The tables that it may touch; a handle's number is its position here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<HandleSchema>,
    /// Its arguments in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Field>,
    /// Its answer.
    pub returns: Type,
    /// Its typed error, if it can fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Type>,
}

/// What calls a function and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// Callers; reads only.
    Query,
    /// Callers.
    Reducer,
    /// Only who published the module first.
    Owner,
    /// Only other modules, events and schedules.
    Internal,
    /// The first publish.
    Init,
    /// Every publish of other code after the first.
    Upgrade,
    /// A client that opens a connection.
    Connect,
    /// A connection that ends.
    Disconnect,
    /// A publish that finds rows in a form that they have no more.
    Migration {
        /// The table, by the name that it has now.
        table: String,
        /// The form in which its rows are found.
        from: Box<TableSchema>,
    },
    /// A change of a row.
    Event {
        /// What kind of change.
        on: ChangeKind,
        /// Of which table.
        table: TableRef,
    },
    /// Times.
    Schedule {
        /// When.
        times: Recurrence,
        /// What becomes of times at which it could not run.
        #[serde(default)]
        missed: Missed,
    },
}

/// What kind of change an event reducer listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the three there are")]
pub enum ChangeKind {
    Insert,
    Update,
    Delete,
}

/// A table of this module or of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRef {
    /// `None` for this module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The table's name.
    pub table: String,
}

/// A table that a function may touch, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandleSchema {
    /// Which.
    #[serde(flatten)]
    pub table: TableRef,
    /// How.
    pub access: TableAccess,
    /// Whether it is the table as it was before a migration.
    #[serde(default, skip_serializing_if = "is_false")]
    pub former: bool,
}

/// How a function may touch a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableAccess {
    /// Only look.
    Read,
    /// Only add rows.
    Insert,
    /// Look, add, change and remove.
    Write,
}

impl TableAccess {
    /// Whether rows may be looked at.
    pub fn may_read(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// Whether rows may be added.
    pub fn may_insert(self) -> bool {
        matches!(self, Self::Insert | Self::Write)
    }

    /// Whether rows may be changed and removed.
    pub fn may_change(self) -> bool {
        self == Self::Write
    }
}

/// What a module uses of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The other module.
    pub module: String,
    /// Reducers that it may call, in name order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<ImportedName>,
    /// Public tables that it reads or listens to, in name order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<ImportedName>,
}

/// A name of another module and the signature that it had when the bindings were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedName {
    /// The name.
    pub name: String,
    /// Sixteen hex digits; see [`signature`].
    pub signature: String,
}

impl Schema {
    /// The table `name`.
    pub fn table(&self, name: &str) -> Option<&TableSchema> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The function `name` and its number.
    pub fn function(&self, name: &str) -> Option<(u32, &FunctionSchema)> {
        let index = self.functions.iter().position(|function| function.name == name)?;
        Some((index as u32, &self.functions[index]))
    }

    /// The one form that is hashed and stored: compact JSON in declaration order of the fields.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a schema has a JSON form")
    }

    /// The part that others see: public tables and what they may call.
    pub fn public(&self) -> Self {
        let mut public = self.clone();
        public.tables.retain(|table| table.public);
        public.functions.retain(FunctionSchema::is_callable);
        public.imports.clear();
        public
    }
}

impl ColumnSchema {
    /// A column without more to say.
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), renamed_from: None, doc: String::new(), ty, auto_inc: false, default: None }
    }
}

impl TableSchema {
    /// The name of a column, for people; `?` where there is none, which breaks the rules.
    pub fn column_name(&self, number: u16) -> &str {
        self.columns.get(usize::from(number)).map_or("?", |column| &column.name)
    }

    /// The number of the column `name`.
    pub fn column(&self, name: &str) -> Option<u16> {
        self.columns.iter().position(|column| column.name == name).map(|index| index as u16)
    }

    /// Names and types of the columns, in order.
    pub fn fields(&self) -> Vec<Field> {
        self.columns.iter().map(|column| Field { name: column.name.clone(), ty: column.ty.clone() }).collect()
    }

    /// Where the columns are in a row's bytes.
    pub fn layout(&self) -> RowLayout {
        RowLayout::new(self.columns.iter().map(|column| column.ty.clone()).collect())
    }

    /// The one form that is hashed and stored.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a schema has a JSON form")
    }
}

impl FunctionKind {
    /// Whether it is a reducer that callers may name, each of them or the owner alone.
    pub fn is_called(&self) -> bool {
        matches!(self, Self::Reducer | Self::Owner)
    }
}

impl FunctionSchema {
    /// Whether others may call it: clients, or other modules.
    pub fn is_callable(&self) -> bool {
        self.kind.is_called() || matches!(self.kind, FunctionKind::Query | FunctionKind::Internal)
    }

    /// Whether it only reads.
    pub fn is_query(&self) -> bool {
        self.kind == FunctionKind::Query
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
