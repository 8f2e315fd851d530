//! Signatures of the functions in force, worked out once for each version of a module.

use crate::ask::Invocation;
use interstice_engine::catalog::Catalog;
use interstice_protocol::problems;
use interstice_protocol::request::ANY_SIGNATURE;
use interstice_types::problem::Problem;
use interstice_types::schema::signature::{self, Signature};
use std::collections::HashMap;
use std::sync::Arc;

/// The signatures of one catalog that were asked for.
#[derive(Default)]
pub(crate) struct Signatures {
    catalog: Arc<Catalog>,
    /// By module, then by function.
    known: HashMap<String, HashMap<String, Signature>>,
}

impl Signatures {
    /// Refuses an invocation whose caller believes in another shape. What does not exist passes: the engine says so better.
    pub(crate) fn check(&mut self, catalog: &Arc<Catalog>, invocation: &Invocation) -> Result<(), Problem> {
        if invocation.signature == ANY_SIGNATURE {
            return Ok(());
        }
        if !Arc::ptr_eq(&self.catalog, catalog) {
            *self = Self { catalog: Arc::clone(catalog), known: HashMap::new() };
        }
        let Invocation { module, function, .. } = invocation;
        let known = self.known.get(&**module).and_then(|functions| functions.get(&**function)).copied();
        match known.or_else(|| self.learn(module, function)) {
            Some(current) if current != invocation.signature => {
                Err(problems::schema_changed(&format!("{module}.{function}")))
            }
            _ => Ok(()),
        }
    }

    fn learn(&mut self, module: &str, function: &str) -> Option<Signature> {
        let (_, entry) = self.catalog.module(module)?;
        let (_, schema) = entry.schema.function(function)?;
        let found = signature::of_function(schema);
        self.known.entry(module.to_owned()).or_default().insert(function.to_owned(), found);
        Some(found)
    }
}
