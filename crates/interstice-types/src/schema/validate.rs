//! The rules of a schema, all checked at once.

mod checks;
mod references;

use super::schedule::Recurrence;
use super::{
    ChangeKind, Durability, FunctionKind, FunctionSchema, SYSTEM_MODULE, Schema, TableAccess, TableRef, TableSchema,
};
use crate::id::bytes_of_hex;
use crate::ty::{Field, MAX_TYPE_DEPTH, Type};
use std::collections::BTreeSet;

/// Longest name of a module, table, column, function or index, in bytes.
pub const MAX_NAME_SIZE: usize = 64;
/// Most tables, and most functions, of a module.
pub const MAX_ITEMS: usize = 1024;
/// Most columns of a table, and most arguments of a function.
pub const MAX_COLUMNS: usize = 256;
/// Most indexes of a table.
pub const MAX_INDEXES: usize = 32;
/// Most checks of a table.
pub const MAX_CHECKS: usize = 64;
/// Longest expression of a check, in bytes.
pub const MAX_EXPRESSION_SIZE: usize = 1024;

/// A rule that a schema breaks: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// As in ``table `account`, column `id` ``.
    pub place: String,
    /// Lower case, says what to mend.
    pub message: String,
}

/// Every rule that `schema` breaks; none if it may be published.
pub fn validate(schema: &Schema) -> Vec<Violation> {
    let mut check = Check { schema, violations: Vec::new() };
    check.module();
    schema.tables.iter().for_each(|table| check.table(table));
    check.reference_cycle();
    schema.functions.iter().for_each(|function| check.function(function));
    check.violations
}

struct Check<'s> {
    schema: &'s Schema,
    violations: Vec<Violation>,
}

impl Check<'_> {
    fn say(&mut self, place: &str, message: impl Into<String>) {
        self.violations.push(Violation { place: place.to_owned(), message: message.into() });
    }

    fn require(&mut self, holds: bool, place: &str, message: impl Into<String>) {
        if !holds {
            self.say(place, message);
        }
    }

    fn names<'n>(&mut self, place: &str, what: &str, limit: usize, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for name in names {
            count += 1;
            self.require(
                is_name(name),
                place,
                format!("`{name}` is not a name: lower case, digits and `_`, 1 to {MAX_NAME_SIZE}"),
            );
            self.require(seen.insert(name), place, format!("{what} `{name}` stands there twice"));
        }
        self.require(count <= limit, place, format!("{count} {what}s, at most {limit} are allowed"));
    }

    fn module(&mut self) {
        let schema = self.schema;
        let place = format!("module `{}`", schema.module);
        self.require(is_name(&schema.module), &place, "the module's name is not lower case, digits and `_`");
        self.require(schema.module != SYSTEM_MODULE, &place, format!("the name `{SYSTEM_MODULE}` is reserved"));
        self.names(&place, "table", MAX_ITEMS, schema.tables.iter().map(|t| t.name.as_str()));
        self.names(&place, "function", MAX_ITEMS, schema.functions.iter().map(|f| f.name.as_str()));
        let once = [
            (FunctionKind::Init, "init"),
            (FunctionKind::Upgrade, "upgrade"),
            (FunctionKind::Connect, "connect"),
            (FunctionKind::Disconnect, "disconnect"),
        ];
        for (kind, word) in once {
            let count = schema.functions.iter().filter(|function| function.kind == kind).count();
            self.require(count <= 1, &place, format!("{count} `{word}` reducers, at most one is allowed"));
        }
        let own = schema.imports.iter().any(|import| import.module == schema.module);
        self.require(!own, &place, "the module imports itself");
    }

    fn table(&mut self, table: &TableSchema) {
        let place = format!("table `{}`", table.name);
        self.names(&place, "column", MAX_COLUMNS, table.columns.iter().map(|c| c.name.as_str()));
        self.names(&place, "index", MAX_INDEXES, table.indexes.iter().map(|i| i.name.as_str()));
        self.require(!table.primary_key.is_empty(), &place, "no primary key: mark a column with `#[primary_key]`");
        self.columns_exist(table, &place, &table.primary_key);
        for index in &table.indexes {
            let place = format!("{place}, index `{}`", index.name);
            self.require(!index.columns.is_empty(), &place, "the index has no column");
            self.columns_exist(table, &place, &index.columns);
        }
        self.references(&place, table);
        self.checks(&place, table);
        for column in &table.columns {
            let place = format!("{place}, column `{}`", column.name);
            self.ty(&place, &column.ty);
            self.require(
                !column.auto_inc || column.ty.is_sequence(),
                &place,
                format!("`auto_inc` needs a u32, u64, i32 or i64, not {}", column.ty),
            );
            let default = column.default.as_deref().is_none_or(|hex| is_value(&column.ty, hex));
            self.require(default, &place, format!("the default is not a {}", column.ty));
        }
    }

    fn columns_exist(&mut self, table: &TableSchema, place: &str, columns: &[u16]) {
        let unique: BTreeSet<_> = columns.iter().collect();
        self.require(unique.len() == columns.len(), place, "a column stands in the key twice");
        for column in columns {
            self.require(usize::from(*column) < table.columns.len(), place, format!("there is no column {column}"));
        }
    }

    fn ty(&mut self, place: &str, ty: &Type) {
        if ty.depth() > MAX_TYPE_DEPTH {
            return self.say(place, format!("the type is nested deeper than {MAX_TYPE_DEPTH}"));
        }
        match ty {
            Type::Option(inner) if matches!(**inner, Type::Option(_) | Type::Unit) => {
                self.say(place, format!("option<{inner}> cannot be told from null"));
            }
            Type::List(inner) => {
                self.require(inner.min_size() > 0, place, format!("a list of {inner}, which takes no bytes"));
            }
            Type::Map(key, value) => self.require(key.min_size() + value.min_size() > 0, place, "a map of nothing"),
            Type::Enum(ty) => self.require(
                (1..=256).contains(&ty.variants.len()),
                place,
                format!("enum `{}` needs 1 to 256 variants", ty.name),
            ),
            _ => {}
        }
        ty.children().for_each(|child| self.ty(place, child));
    }

    fn function(&mut self, function: &FunctionSchema) {
        let place = format!("function `{}`", function.name);
        self.names(&place, "argument", MAX_COLUMNS, function.args.iter().map(|a| a.name.as_str()));
        function.args.iter().for_each(|arg| self.ty(&place, &arg.ty));
        self.ty(&place, &function.returns);
        function.error.iter().for_each(|error| self.ty(&place, error));
        for handle in &function.handles {
            match &function.kind {
                FunctionKind::Migration { from, .. } if handle.former => {
                    let known = handle.table.module.is_none() && handle.table.table == from.name;
                    self.require(known, &place, "a migration reads no former table but its own");
                }
                _ if handle.former => self.say(&place, "only a migration reads a table as it was"),
                _ => self.table_exists(&place, &handle.table),
            }
            let reads = handle.access == TableAccess::Read;
            self.require(reads || !handle.former, &place, "a table as it was may only be read");
            self.require(reads || !function.is_query(), &place, "a query may only take `Read` handles");
            self.require(reads || handle.table.module.is_none(), &place, "a table of another module may only be read");
        }
        match &function.kind {
            FunctionKind::Init => self.require(function.args.is_empty(), &place, "`init` takes no arguments"),
            FunctionKind::Upgrade => self.require(function.args.is_empty(), &place, "`upgrade` takes no arguments"),
            FunctionKind::Connect | FunctionKind::Disconnect => {
                let fits = matches!(function.args.as_slice(), [] | [Field { ty: Type::U64, .. }]);
                self.require(fits, &place, "it takes nothing, or the number of the connection: one `u64`");
            }
            FunctionKind::Event { on, table } => self.event(&place, function, *on, table),
            FunctionKind::Migration { table, from } => self.migration(&place, function, table, from),
            FunctionKind::Schedule { times, .. } => self.schedule(&place, function, times),
            FunctionKind::Query | FunctionKind::Reducer | FunctionKind::Owner | FunctionKind::Internal => {}
        }
    }

    /// Nobody is there to give it arguments or to take an answer, and its times must come.
    fn schedule(&mut self, place: &str, function: &FunctionSchema, times: &Recurrence) {
        self.require(function.args.is_empty(), place, "a reducer that runs at times of its own takes no arguments");
        if let Err(message) = times.check() {
            self.say(place, message);
        }
    }

    /// From row to row, or with the table as it was and the table as it is.
    fn migration(&mut self, place: &str, function: &FunctionSchema, table: &str, from: &TableSchema) {
        let is_named = |now: &TableSchema| now.name == table || now.renamed_from.as_deref() == Some(table);
        let there = self.schema.tables.iter().any(is_named);
        self.require(there, place, format!("there is no table `{table}` to migrate to"));
        self.names(place, "column", MAX_COLUMNS, from.columns.iter().map(|column| column.name.as_str()));
        from.columns.iter().for_each(|column| self.ty(place, &column.ty));
        self.columns_exist(from, place, &from.primary_key);
        from.indexes.iter().for_each(|index| self.columns_exist(from, place, &index.columns));
        let row_by_row = !function.args.is_empty();
        let takes_a_row = matches!(function.args.as_slice(),
            [Field { ty: Type::Struct(row), .. }] if row.fields == from.fields());
        let gives_a_row = matches!(function.returns, Type::Struct(_)) && function.error.is_none();
        if row_by_row {
            self.require(
                takes_a_row && gives_a_row,
                place,
                "a migration of rows takes a row as it was, and returns one",
            );
        } else {
            self.require(function.returns == Type::Unit, place, "a migration of a whole table returns nothing");
            let former = function.handles.iter().any(|handle| handle.former);
            self.require(former, place, "a migration of a whole table takes the table as it was");
        }
    }

    fn event(&mut self, place: &str, function: &FunctionSchema, on: ChangeKind, table: &TableRef) {
        self.table_exists(place, table);
        let rows = if on == ChangeKind::Update { 2 } else { 1 };
        self.require(function.args.len() == rows, place, format!("an event reducer takes {rows} row argument(s)"));
        let own = self.schema.table(&table.table).filter(|_| table.module.is_none());
        match own.map(|table| table.durability) {
            Some(Durability::Ephemeral) => {
                self.say(place, format!("`{}` is ephemeral and raises no events", table.table));
            }
            Some(Durability::Event) if on != ChangeKind::Insert => {
                self.say(place, format!("rows of `{}` are only added: listen to `insert`", table.table));
            }
            _ => {}
        }
    }

    fn table_exists(&mut self, place: &str, table: &TableRef) {
        let exists = match &table.module {
            None => self.schema.table(&table.table).is_some(),
            Some(module) => {
                let import = self.schema.imports.iter().find(|import| import.module == *module);
                import.is_some_and(|import| import.tables.iter().any(|name| name.name == table.table))
            }
        };
        let owner = table.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
        self.require(exists, place, format!("there is no table `{owner}{}`", table.table));
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_SIZE).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn is_value(ty: &Type, hex: &str) -> bool {
    let bytes = bytes_of_hex(hex);
    bytes.is_some_and(|bytes| crate::codec::decode_all([ty], &bytes).is_ok())
}
