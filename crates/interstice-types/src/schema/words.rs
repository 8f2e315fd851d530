//! Functions and tables in words: what a person compares who must find out what has changed.

use super::{FunctionSchema, TableSchema};
use crate::ty::{EnumType, Field, Shape, Type, Variant};

/// `reserve(sku: string, n: u32) → unit or enum OrderError`.
pub fn of_function(function: &FunctionSchema) -> String {
    function_text(function, &Type::to_string)
}

/// `item(sku: string, n: u32), key (sku)`.
pub fn of_table(table: &TableSchema) -> String {
    table_text(table, &Type::to_string)
}

/// A function before and after, in as many words as it takes to see the difference.
pub fn of_functions(old: &FunctionSchema, new: &FunctionSchema) -> [String; 2] {
    telling([of_function(old), of_function(new)], || [old, new].map(|function| function_text(function, &in_full)))
}

/// A table before and after, in as many words as it takes to see the difference.
pub fn of_tables(old: &TableSchema, new: &TableSchema) -> [String; 2] {
    let full = |table: &TableSchema| {
        let access = if table.public { "public " } else { "private " };
        let indexes = table.indexes.iter().map(|index| {
            let kind = if index.unique { "unique" } else { "index" };
            format!(", {kind} {} ({})", index.name, names(table, &index.columns))
        });
        access.to_owned() + &table_text(table, &in_full) + &indexes.collect::<String>()
    };
    telling([of_table(old), of_table(new)], || [old, new].map(full))
}

/// The short words if they differ.
fn telling(short: [String; 2], full: impl FnOnce() -> [String; 2]) -> [String; 2] {
    if short[0] == short[1] { full() } else { short }
}

fn function_text(function: &FunctionSchema, word: &dyn Fn(&Type) -> String) -> String {
    let args = function.args.iter().map(|arg| format!("{}: {}", arg.name, word(&arg.ty)));
    let args = args.collect::<Vec<_>>().join(", ");
    let error = function.error.as_ref().map(|error| format!(" or {}", word(error))).unwrap_or_default();
    format!("{}({args}) → {}{error}", function.name, word(&function.returns))
}

fn table_text(table: &TableSchema, word: &dyn Fn(&Type) -> String) -> String {
    let columns = table.columns.iter().map(|column| format!("{}: {}", column.name, word(&column.ty)));
    format!("{}({}), key ({})", table.name, columns.collect::<Vec<_>>().join(", "), names(table, &table.primary_key))
}

fn names(table: &TableSchema, columns: &[u16]) -> String {
    let names = columns.iter().filter_map(|column| table.columns.get(usize::from(*column)));
    names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A type with all of its parts.
fn in_full(ty: &Type) -> String {
    match ty {
        Type::Option(inner) => format!("option<{}>", in_full(inner)),
        Type::List(inner) => format!("list<{}>", in_full(inner)),
        Type::Map(key, value) => format!("map<{}, {}>", in_full(key), in_full(value)),
        Type::Struct(ty) => format!("struct {} {{ {} }}", ty.name, fields(&ty.fields)),
        Type::Enum(EnumType { name, variants }) => {
            format!("enum {name} {{ {} }}", variants.iter().map(variant).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn fields(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{}: {}", field.name, in_full(&field.ty))).collect::<Vec<_>>().join(", ")
}

fn variant(variant: &Variant) -> String {
    match variant.shape {
        Shape::Unit => variant.name.clone(),
        _ => format!("{} {{ {} }}", variant.name, fields(&variant.fields)),
    }
}
