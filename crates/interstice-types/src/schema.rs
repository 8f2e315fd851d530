//! Schemas: what a module declares, as one JSON object; its rules are in [`validate`], its names in [`signature`].

pub mod signature;
pub mod validate;

use crate::layout::RowLayout;
use crate::ty::{Field, Type};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSchema {
    /// Snake case of the Rust name.
    pub name: String,
    /// The author's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Whether clients and other modules may read it.
    #[serde(default)]
    pub public: bool,
    /// Whether it is in no log and empty after a restart.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ephemeral: bool,
    /// In declaration order.
    pub columns: Vec<ColumnSchema>,
    /// Numbers of the columns of the primary key, in key order.
    pub primary_key: Vec<u16>,
    /// Further indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexSchema>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSchema {
    /// Its Rust name.
    pub name: String,
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
    /// Only other modules, events and schedules.
    Internal,
    /// The first publish.
    Init,
    /// A change of a row.
    Event {
        /// What kind of change.
        on: ChangeKind,
        /// Of which table.
        table: TableRef,
    },
}

/// What kind of change an event reducer listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        let callable =
            |kind: &FunctionKind| matches!(kind, FunctionKind::Query | FunctionKind::Reducer | FunctionKind::Internal);
        public.functions.retain(|function| callable(&function.kind));
        public.imports.clear();
        public
    }
}

impl TableSchema {
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

impl FunctionSchema {
    /// Whether it only reads.
    pub fn is_query(&self) -> bool {
        self.kind == FunctionKind::Query
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
