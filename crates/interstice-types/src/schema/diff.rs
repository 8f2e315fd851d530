//! From one schema to the next: what differs, and what it takes for the rows that are there.
//!
//! Tables and columns are the same if they have the same name, or if the new one says that it was renamed from the old one. A name
//! that is there counts before one that it was renamed from: what was renamed long ago may go on saying so.

use super::{CheckSchema, ColumnSchema, FunctionSchema, IndexSchema, Schema, TableSchema, signature};
use crate::convert::{Fit, fit};
use crate::ty::Type;
use std::fmt;

/// What a difference takes, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing: it is applied.
    Safe,
    /// A look at every row: it is applied if all of them pass.
    Checked,
    /// A migration that says what becomes of the rows.
    Declared,
    /// Somebody who says that the data may go.
    Destructive,
}

/// Whether something is new, gone, or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the three there are")]
pub enum Sign {
    Added,
    Removed,
    Changed,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// New, gone, or another.
    pub sign: Sign,
    /// A column's name, or as in ``index `by_author` ``.
    pub item: String,
    /// From what to what, for people.
    pub detail: String,
    /// What it takes.
    pub class: Class,
}

impl Class {
    /// `safe`, `checked`, `declared` or `destructive`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Checked => "checked",
            Self::Declared => "declared",
            Self::Destructive => "destructive",
        }
    }
}

/// `+`, `-` or `~`.
impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "+",
            Self::Removed => "-",
            Self::Changed => "~",
        })
    }
}

/// As in `~ body string → enum Body`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.sign, self.item, self.detail)
    }
}

/// What differs of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDifference {
    /// Its name; of a table that is gone, the one that it had.
    pub table: String,
    /// The name that it had, if it had another one.
    pub renamed_from: Option<String>,
    /// Whether the table itself is new or gone.
    pub sign: Sign,
    /// What differs inside of it.
    pub differences: Vec<Difference>,
    /// Whether clients and modules that read it must be made anew.
    pub breaks: bool,
}

/// What differs of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDifference {
    /// Its name.
    pub function: String,
    /// New, gone, or another.
    pub sign: Sign,
    /// Whether clients and modules that call it must be made anew.
    pub breaks: bool,
}

/// All that differs between two schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaDifference {
    /// In name order, tables that are gone behind the others.
    pub tables: Vec<TableDifference>,
    /// In name order, functions that are gone behind the others.
    pub functions: Vec<FunctionDifference>,
}

impl SchemaDifference {
    /// From `old` to `new`.
    pub fn between(old: &Schema, new: &Schema) -> Self {
        let mut tables = Vec::new();
        for table in &new.tables {
            match former_table(old, table) {
                None => tables.push(TableDifference::whole(table, Sign::Added)),
                Some(former) => tables.push(TableDifference::between(former, table)),
            }
        }
        let gone = old.tables.iter().filter(|table| successor(new, old, table).is_none());
        tables.extend(gone.map(|table| TableDifference::whole(table, Sign::Removed)));
        tables.retain(|difference| !difference.is_empty());
        Self { tables, functions: function_differences(old, new) }
    }

    /// Whether nothing differs that counts.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.functions.is_empty()
    }

    /// The worst of what it takes; `None` if no table differs.
    pub fn class(&self) -> Option<Class> {
        self.tables.iter().filter_map(TableDifference::class).max()
    }
}

/// What `table` was called in `old`: the table of its name, or the one that it was renamed from.
pub fn former_table<'o>(old: &'o Schema, table: &TableSchema) -> Option<&'o TableSchema> {
    old.table(&table.name).or_else(|| old.table(table.renamed_from.as_deref()?))
}

/// What became of `table` in `new`.
fn successor<'n>(new: &'n Schema, old: &Schema, table: &TableSchema) -> Option<&'n TableSchema> {
    new.tables.iter().find(|after| former_table(old, after).is_some_and(|former| former.name == table.name))
}

impl TableDifference {
    /// Of a table that is new, or gone.
    pub fn whole(table: &TableSchema, sign: Sign) -> Self {
        let class = if sign == Sign::Removed { Class::Destructive } else { Class::Safe };
        let detail = table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let whole = Difference { sign, item: "table".to_owned(), detail, class };
        let breaks = sign == Sign::Removed && table.public;
        Self { table: table.name.clone(), renamed_from: None, sign, differences: vec![whole], breaks }
    }

    /// From `old` to `new`.
    pub fn between(old: &TableSchema, new: &TableSchema) -> Self {
        let mut differences = differences(old, new);
        let renamed_from = (old.name != new.name).then(|| old.name.clone());
        if let Some(former) = &renamed_from {
            differences.insert(0, changed("table", format!("renamed from {former}"), Class::Safe));
        }
        let kept = new.public && signature::of_table(old) == signature::of_table(new);
        let (table, breaks) = (new.name.clone(), old.public && !kept);
        Self { table, renamed_from, sign: Sign::Changed, differences, breaks }
    }

    /// Whether nothing differs that counts.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// The worst of what it takes; `None` if nothing differs.
    pub fn class(&self) -> Option<Class> {
        self.differences.iter().map(|difference| difference.class).max()
    }
}

/// The worst of what it takes to have rows of the columns of `new` from rows of those of `old`.
pub fn class_of_columns(old: &TableSchema, new: &TableSchema) -> Class {
    let found = all_column_differences(old, new);
    found.iter().map(|difference| difference.class).max().unwrap_or(Class::Safe)
}

/// The number that `column` has in `old`: of the column of its name, or of the one that it was renamed from.
pub fn former_column(old: &TableSchema, column: &ColumnSchema) -> Option<u16> {
    old.column(&column.name).or_else(|| old.column(column.renamed_from.as_deref()?))
}

/// The encoded value that rows get in a column that they did not have; `None` if the column does not say.
pub fn initial_value(column: &ColumnSchema) -> Option<Vec<u8>> {
    match (&column.default, &column.ty) {
        (Some(hex), _) => crate::id::bytes_of_hex(hex),
        (None, Type::Option(_)) => Some(vec![0]),
        (None, _) => None,
    }
}

/// The columns of `new` that `old` has not, each with the encoded value that rows get; those without one are left out.
pub fn new_columns(old: &TableSchema, new: &TableSchema) -> Vec<(u16, Vec<u8>)> {
    let columns = (0..).zip(&new.columns).filter(|(_, column)| former_column(old, column).is_none());
    columns.filter_map(|(number, column)| Some((number, initial_value(column)?))).collect()
}

fn all_column_differences(old: &TableSchema, new: &TableSchema) -> Vec<Difference> {
    let mut found: Vec<_> = new.columns.iter().flat_map(|column| column_differences(old, column)).collect();
    let kept: Vec<_> = new.columns.iter().filter_map(|column| former_column(old, column)).collect();
    let gone = (0..).zip(&old.columns).filter(|(number, _)| !kept.contains(number));
    found.extend(gone.map(|(_, column)| Difference {
        sign: Sign::Removed,
        item: column.name.clone(),
        detail: column.ty.to_string(),
        class: Class::Destructive,
    }));
    if !kept.is_sorted() {
        found.push(changed("columns", "in another order".to_owned(), Class::Safe));
    }
    found
}

fn differences(old: &TableSchema, new: &TableSchema) -> Vec<Difference> {
    let mut found = all_column_differences(old, new);
    if names(old, &old.primary_key, new) != names(new, &new.primary_key, new) {
        let detail = arrow(text_of(old, &old.primary_key), text_of(new, &new.primary_key));
        found.push(changed("primary key", detail, Class::Checked));
    }
    found.extend(index_differences(old, new));
    found.extend(reference_differences(old, new));
    found.extend(check_differences(old, new));
    if old.public != new.public {
        let word = |public: bool| if public { "public" } else { "private" };
        found.push(changed("access", arrow(word(old.public), word(new.public)), Class::Safe));
    }
    if old.durability != new.durability {
        let word = |table: &TableSchema| format!("{:?}", table.durability).to_lowercase();
        found.push(changed("rows", arrow(word(old), word(new)), Class::Destructive));
    }
    found
}

fn column_differences(old: &TableSchema, column: &ColumnSchema) -> Vec<Difference> {
    let Some(number) = former_column(old, column) else {
        let sign = Sign::Added;
        let (item, ty) = (column.name.clone(), &column.ty);
        let (class, default) = match initial_value(column) {
            Some(bytes) => (Class::Safe, format!("default {}", default_text(ty, &bytes))),
            None => (Class::Declared, "no default".to_owned()),
        };
        return vec![Difference { sign, item, detail: format!("{ty}, {default}"), class }];
    };
    let former = &old.columns[usize::from(number)];
    let mut found = Vec::new();
    if former.name != column.name {
        found.push(changed(&column.name, format!("renamed from {}", former.name), Class::Safe));
    }
    if former.ty != column.ty {
        let class = match fit(&former.ty, &column.ty) {
            Some(Fit::Same | Fit::All) => Class::Safe,
            Some(Fit::Some) => Class::Checked,
            None => Class::Declared,
        };
        found.push(changed(&column.name, type_arrow(&former.ty, &column.ty), class));
    }
    if former.auto_inc != column.auto_inc {
        let detail = if column.auto_inc { "with a sequence" } else { "without a sequence" };
        found.push(changed(&column.name, detail.to_owned(), Class::Safe));
    }
    if former.default != column.default {
        found.push(changed(&column.name, "another default".to_owned(), Class::Safe));
    }
    found
}

fn changed(item: &str, detail: String, class: Class) -> Difference {
    Difference { sign: Sign::Changed, item: item.to_owned(), detail, class }
}

fn arrow(from: impl fmt::Display, to: impl fmt::Display) -> String {
    format!("{from} → {to}")
}

/// Two enums or structs of one name do not differ in their names.
fn type_arrow(from: &Type, to: &Type) -> String {
    let (before, after) = (from.to_string(), to.to_string());
    if before == after { format!("{after}, of other parts") } else { arrow(before, after) }
}

fn default_text(ty: &Type, bytes: &[u8]) -> String {
    match crate::json::value_to_json(ty, bytes) {
        Ok(serde_json::Value::Null) => "none".to_owned(),
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    }
}

/// The columns of a key, by the names that they have in `new`.
fn names<'t>(table: &'t TableSchema, columns: &[u16], new: &'t TableSchema) -> Vec<&'t str> {
    let name = |number: &u16| {
        let name = table.column_name(*number);
        let after = new.columns.iter().find(|column| former_column(table, column) == Some(*number));
        after.map_or(name, |column| column.name.as_str())
    };
    columns.iter().map(name).collect()
}

fn text_of(table: &TableSchema, columns: &[u16]) -> String {
    let names = columns.iter().map(|column| table.column_name(*column));
    format!("({})", names.collect::<Vec<_>>().join(", "))
}

fn index_differences(old: &TableSchema, new: &TableSchema) -> Vec<Difference> {
    let mut found = Vec::new();
    let word =
        |index: &IndexSchema| format!("{} `{}`", if index.unique { "unique index" } else { "index" }, index.name);
    for index in &new.indexes {
        let Some(former) = old.indexes.iter().find(|former| former.name == index.name) else {
            let class = if index.unique { Class::Checked } else { Class::Safe };
            let detail = text_of(new, &index.columns);
            found.push(Difference { sign: Sign::Added, item: word(index), detail, class });
            continue;
        };
        let same_columns = names(old, &former.columns, new) == names(new, &index.columns, new);
        if !same_columns || former.unique != index.unique {
            let class = if index.unique && !(former.unique && same_columns) { Class::Checked } else { Class::Safe };
            let detail = if same_columns {
                arrow(word(former), word(index))
            } else {
                arrow(text_of(old, &former.columns), text_of(new, &index.columns))
            };
            found.push(changed(&word(index), detail, class));
        }
    }
    let gone = old.indexes.iter().filter(|former| new.indexes.iter().all(|index| index.name != former.name));
    found.extend(gone.map(|index| Difference {
        sign: Sign::Removed,
        item: word(index),
        detail: text_of(old, &index.columns),
        class: Class::Safe,
    }));
    found
}

fn reference_differences(old: &TableSchema, new: &TableSchema) -> Vec<Difference> {
    let mut found = Vec::new();
    let word = |name: &str| format!("reference `{name}`");
    for reference in &new.references {
        let (item, detail) =
            (word(&reference.name), format!("{} → {}", text_of(new, &reference.columns), reference.table));
        let Some(former) = old.references.iter().find(|former| former.name == reference.name) else {
            found.push(Difference { sign: Sign::Added, item, detail, class: Class::Checked });
            continue;
        };
        let same_columns = names(old, &former.columns, new) == names(new, &reference.columns, new);
        if !same_columns || former.table != reference.table {
            found.push(changed(&item, detail, Class::Checked));
        } else if former.on_delete != reference.on_delete {
            let detail = format!("on delete {:?} → {:?}", former.on_delete, reference.on_delete).to_lowercase();
            found.push(changed(&item, detail, Class::Safe));
        }
    }
    let gone = old.references.iter().filter(|former| new.references.iter().all(|one| one.name != former.name));
    found.extend(gone.map(|reference| Difference {
        sign: Sign::Removed,
        item: word(&reference.name),
        detail: reference.table.clone(),
        class: Class::Safe,
    }));
    found
}

/// A check is new if there was none of these words on these columns.
fn check_differences(old: &TableSchema, new: &TableSchema) -> Vec<Difference> {
    let one = |sign, check: &CheckSchema, class| Difference {
        sign,
        item: "check".to_owned(),
        detail: format!("`{}`", check.expression),
        class,
    };
    // A filter names columns by their numbers: among other columns it says something else.
    let columns = |table: &TableSchema| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let is_kept = |check: &CheckSchema| columns(old) == columns(new) && old.checks.contains(check);
    let added = new.checks.iter().filter(|check| !is_kept(check));
    let gone = old.checks.iter().filter(|check| new.checks.iter().all(|other| other.expression != check.expression));
    let added = added.map(|check| one(Sign::Added, check, Class::Checked));
    added.chain(gone.map(|check| one(Sign::Removed, check, Class::Safe))).collect()
}

fn function_differences(old: &Schema, new: &Schema) -> Vec<FunctionDifference> {
    let mut found = Vec::new();
    for function in &new.functions {
        let name = function.name.clone();
        match old.function(&name) {
            None => found.push(FunctionDifference { function: name, sign: Sign::Added, breaks: false }),
            Some((_, former)) if shape(former) != shape(function) => {
                let breaks = former.is_callable()
                    && (!function.is_callable() || signature::of_function(former) != signature::of_function(function));
                found.push(FunctionDifference { function: name, sign: Sign::Changed, breaks });
            }
            Some(_) => {}
        }
    }
    let gone = old.functions.iter().filter(|former| new.function(&former.name).is_none());
    found.extend(gone.map(|former| FunctionDifference {
        function: former.name.clone(),
        sign: Sign::Removed,
        breaks: former.is_callable(),
    }));
    found
}

/// What counts of a function: everything but the author's words.
fn shape(function: &FunctionSchema) -> FunctionSchema {
    FunctionSchema { doc: String::new(), ..function.clone() }
}
