//! What may surprise: globals that code sets, floats where order or equality decides, a schema that is not the module's own.

use super::super::scan::{Global, Scan};
use super::say::Said;
use interstice_abi::host::EXPORT_STACK_POINTER;
use interstice_types::problem::Problem;
use interstice_types::schema::diff::SchemaDifference;
use interstice_types::schema::{Schema, TableSchema};
use interstice_types::ty::Type;
use wasmparser::ExternalKind;

/// Globals beside the stack pointer that code sets, with their numbers.
pub(super) fn set_globals<'s>(scan: &'s Scan<'_>) -> impl Iterator<Item = (u32, &'s Global)> {
    let named = scan.export(EXPORT_STACK_POINTER, ExternalKind::Global);
    // Where nothing says which one it is, it is the first that can be set: that is how linkers lay them out.
    let first = || (0_u32..).zip(&scan.globals).find(|(_, global)| global.mutable).map(|(number, _)| number);
    let stack_pointer = named.or_else(first);
    let globals = (0_u32..).zip(&scan.globals);
    globals.filter(move |(number, global)| global.writers.count > 0 && Some(*number) != stack_pointer)
}

/// Floats in keys, and as keys of maps.
pub(super) fn floats(schema: &Schema, said: &mut Said) {
    for table in &schema.tables {
        keys(table, said);
        for column in &table.columns {
            map_keys(&column.ty, &format!("table `{}`, column `{}`", table.name, column.name), said);
        }
    }
    for function in &schema.functions {
        let place = format!("function `{}`", function.name);
        for arg in &function.args {
            map_keys(&arg.ty, &format!("{place}, argument `{}`", arg.name), said);
        }
        map_keys(&function.returns, &format!("{place}, answer"), said);
        function.error.iter().for_each(|error| map_keys(error, &format!("{place}, error"), said));
    }
}

fn keys(table: &TableSchema, said: &mut Said) {
    let primary = std::iter::once(("primary key".to_owned(), &table.primary_key));
    let others = table.indexes.iter().map(|index| {
        let kind = if index.unique { "unique index" } else { "index" };
        (format!("{kind} `{}`", index.name), &index.columns)
    });
    for (what, columns) in primary.chain(others) {
        let columns = columns.iter().filter_map(|number| table.columns.get(usize::from(*number)));
        for column in columns.filter(|column| has_float(&column.ty)) {
            let text = format!("column `{}` has type {} and is in the {what}", column.name, column.ty);
            let hint = "0.1 + 0.2 finds no row with 0.3, and -0.0 is another key than 0.0: take a whole number of small units, \
                        as in `price_cents: i64`";
            said.warning(Problem::new("float-key", text).at(format!("table `{}`", table.name)).hint(hint));
        }
    }
}

fn has_float(ty: &Type) -> bool {
    match ty {
        Type::F32 | Type::F64 => true,
        other => other.children().any(has_float),
    }
}

fn map_keys(ty: &Type, place: &str, said: &mut Said) {
    if let Type::Map(key, _) = ty
        && has_float(key)
    {
        let text = format!("a map has keys of type {key}");
        let hint = "two floats that print alike may be two keys: take whole numbers, or a list of pairs";
        said.warning(Problem::new("float-map-key", text).at(place).hint(hint));
    }
    ty.children().for_each(|child| map_keys(child, place, said));
}

/// Where a schema and what the module says of itself differ. The name and the version are the build's to give.
pub(super) fn disagreements(schema: &Schema, described: &Schema) -> Vec<String> {
    let Schema { module, version, .. } = schema;
    let described = Schema { module: module.clone(), version: version.clone(), ..described.clone() };
    if *schema == described {
        return Vec::new();
    }
    let difference = SchemaDifference::between(&described, schema);
    let tables = difference.tables.iter().map(|table| format!("table `{}`", table.table));
    let functions = difference.functions.iter().map(|function| format!("function `{}`", function.function));
    let mut found: Vec<_> = tables.chain(functions).map(|what| format!("{what} is another")).collect();
    if found.is_empty() {
        found.push("words of documentation, checks, or the order of things are others".to_owned());
    }
    found
}
