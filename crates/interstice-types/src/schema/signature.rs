//! Signatures: eight bytes that stand for the shape of a function or a table.
//!
//! A signature is the first eight bytes of BLAKE3 of the canonical JSON of what a caller depends on: for a function its
//! name, arguments, answer and error, and whether the owner alone may call it; for a table its name, columns and keys. Words of documentation do not count.

use super::{FunctionKind, FunctionSchema, TableSchema};
use serde_json::json;

/// Stands for the shape of a function or a table.
pub type Signature = [u8; 8];

/// The signature of `function`.
pub fn of_function(function: &FunctionSchema) -> Signature {
    let kind = match function.kind {
        FunctionKind::Query => "query",
        // Another function to whoever may not call it any more.
        FunctionKind::Owner => "owner",
        _ => "reducer",
    };
    first_eight(&json!([kind, function.name, function.args, function.returns, function.error]))
}

/// The signature of what `function` takes: who keeps arguments for it keeps this beside them.
pub fn of_arguments(function: &FunctionSchema) -> Signature {
    let types: Vec<_> = function.args.iter().map(|arg| &arg.ty).collect();
    if types.is_empty() {
        return of_no_arguments();
    }
    first_eight(&json!(["arguments", types]))
}

/// As [`of_arguments`] of a function that takes none.
pub fn of_no_arguments() -> Signature {
    first_eight(&json!(["arguments", []]))
}

/// The signature of `table`.
pub fn of_table(table: &TableSchema) -> Signature {
    let columns: Vec<_> = table.columns.iter().map(|column| (&column.name, &column.ty)).collect();
    first_eight(&json!(["table", table.name, columns, table.primary_key, table.indexes]))
}

fn first_eight(value: &serde_json::Value) -> Signature {
    let hash = blake3::hash(value.to_string().as_bytes());
    hash.as_bytes()[..8].try_into().expect("invariant: a hash has 32 bytes")
}
