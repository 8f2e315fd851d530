//! What callers name: a module, a function of it, arguments for it. What is wrong with a name says so, and what was meant.

use crate::catalog::{Catalog, FunctionEntry, ModuleEntry};
use crate::problems;
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::schema::FunctionKind;
use interstice_types::{codec, json};
use serde_json::Value as Json;

/// A function that was looked for by name.
#[derive(Clone, Copy)]
pub struct Found<'c> {
    /// Its module's position.
    pub position: usize,
    /// Its module.
    pub module: &'c ModuleEntry,
    /// Its number.
    pub number: u32,
}

impl Catalog {
    /// The module `name` and its position.
    ///
    /// # Errors
    /// `unknown-module`.
    pub fn find_module(&self, name: &str) -> Result<(usize, &ModuleEntry), Problem> {
        let names = || self.modules().iter().map(|entry| entry.schema.module.as_str());
        self.module(name).ok_or_else(|| problems::unknown_module(name, names()))
    }

    /// The function `name` of `module`, if it is one of this kind; a reducer of the owner alone is a reducer.
    ///
    /// # Errors
    /// `unknown-module`, `unknown-function`, `wrong-kind`.
    pub fn find(&self, kind: &FunctionKind, module: &str, name: &str) -> Result<Found<'_>, Problem> {
        let (position, module) = self.find_module(module)?;
        let found = module.schema.function(name);
        let (number, schema) = found.ok_or_else(|| problems::unknown_function(&module.schema, name))?;
        if schema.kind != *kind && !(schema.kind.is_called() && kind.is_called()) {
            return Err(problems::wrong_kind(&module.schema.module, schema));
        }
        Ok(Found { position, module, number })
    }

    /// The function with this number of the module at `position`.
    pub fn at(&self, position: usize, number: u32) -> Found<'_> {
        Found { position, module: &self.modules()[position], number }
    }

    /// The function with this number of the module version that was published at offset `version`; `None` if that is not in force, or
    /// has no such function.
    pub fn in_version(&self, version: Offset, number: u32) -> Option<Found<'_>> {
        let position = self.modules().iter().position(|entry| entry.published_at == version)?;
        let there = (number as usize) < self.modules()[position].functions.len();
        there.then(|| self.at(position, number))
    }
}

impl<'c> Found<'c> {
    /// Checks that `caller` may call it.
    ///
    /// # Errors
    /// `not-allowed`.
    pub fn check_caller(&self, caller: Identity) -> Result<(), Problem> {
        let schema = &self.function().schema;
        if schema.kind == FunctionKind::Owner && self.module.owner != Some(caller) {
            return Err(problems::not_allowed(&self.module.schema.module, &schema.name));
        }
        Ok(())
    }

    /// The function.
    pub fn function(&self) -> &'c FunctionEntry {
        &self.module.functions[self.number as usize]
    }

    /// `module.function`
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.module.schema.module, self.function().schema.name)
    }

    /// Checks canonical argument bytes.
    ///
    /// # Errors
    /// `invalid-arguments`.
    pub fn check(&self, args: &[u8]) -> Result<(), Problem> {
        self.function().args.check(args).map_err(|error| self.invalid(error))
    }

    /// The bytes of arguments in JSON: an array in order, or an object by name.
    ///
    /// # Errors
    /// `invalid-arguments`.
    pub fn args_of_json(&self, args: &Json) -> Result<Vec<u8>, Problem> {
        let parameters = &self.function().schema.args;
        let values = json::arguments_from_json(parameters, args).map_err(|error| self.invalid(error))?;
        Ok(codec::encode_all(parameters.iter().map(|arg| &arg.ty), &values))
    }

    fn invalid(&self, error: impl std::fmt::Display) -> Problem {
        problems::invalid_arguments(&self.module.schema.module, &self.function().schema, error)
    }
}
