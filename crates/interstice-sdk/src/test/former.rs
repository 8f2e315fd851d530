//! Modules as they were: the tables of a saved schema, and a reducer for each that adds a row as it is given.

use interstice_engine::execution::{Execution, HostError};
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory};
use interstice_types::problem::Problem;
use interstice_types::schema::{
    FunctionKind, FunctionSchema, HandleSchema, Schema, TableAccess, TableRef, TableSchema,
};
use interstice_types::ty::{Field, StructType, Type};
use serde_json::Value;
use std::sync::Arc;

/// Stands in front of the schema in what is stored as the artefact of a former module.
const ARTEFACT_PREFIX: &str = "former:";

/// What is stored as the artefact of a module as `schema/vN.json` says it was.
pub(super) fn artefact_of(schema_json: &str) -> Vec<u8> {
    format!("{ARTEFACT_PREFIX}{schema_json}").into_bytes()
}

/// The name of the reducer that adds a row to `table`.
pub(super) fn put_into(table: &str) -> String {
    format!("put_{table}")
}

/// The module of such an artefact; `None` if it is another one.
pub(super) fn load(artefact: &[u8]) -> Option<Result<Loaded, LoadError>> {
    let json = std::str::from_utf8(artefact).ok()?.strip_prefix(ARTEFACT_PREFIX)?;
    let problem = |error: serde_json::Error| LoadError { problem: Problem::new("invalid-schema", error.to_string()) };
    Some(read(json).map_err(problem).map(|schema| Loaded { schema, factory: Arc::new(FormerModule) }))
}

/// The tables of a schema, bare or in an envelope; its functions are others.
fn read(json: &str) -> Result<Schema, serde_json::Error> {
    let value: Value = serde_json::from_str(json)?;
    let inner = value.get("module").filter(|module| module.is_object()).unwrap_or(&value).clone();
    let mut schema: Schema = serde_json::from_value(inner)?;
    schema.imports.clear();
    schema.functions = schema.tables.iter().map(put).collect();
    schema.functions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(schema)
}

fn put(table: &TableSchema) -> FunctionSchema {
    let row = StructType { name: "Row".to_owned(), fields: table.fields() };
    FunctionSchema {
        name: put_into(&table.name),
        doc: String::new(),
        kind: FunctionKind::Reducer,
        handles: vec![HandleSchema {
            table: TableRef { module: None, table: table.name.clone() },
            access: TableAccess::Insert,
            former: false,
        }],
        args: vec![Field { name: "row".to_owned(), ty: Type::Struct(row) }],
        returns: Type::Unit,
        error: None,
    }
}

struct FormerModule;

impl ModuleFactory for FormerModule {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(Self))
    }
}

impl Module for FormerModule {
    fn call(&mut self, call: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        let result = execution.insert(0, call.args).map(|_| Vec::new()).map_err(|error| match error {
            HostError::Refused(problem) => CallError::Refused(problem),
            HostError::Trapped(problem) => CallError::Trapped(problem),
        });
        (execution, result)
    }
}
