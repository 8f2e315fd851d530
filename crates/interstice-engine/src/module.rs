//! What the engine asks of a module: to be called.
//!
//! An [`Execution`] moves into the call and out again, so neither a lock nor `unsafe` stands between a guest and its tables.

use crate::execution::Execution;
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::time::Timestamp;
use std::sync::Arc;

/// One module, ready to run.
pub trait Module: Send + 'static {
    /// Runs a function to its end. Must give the execution back whatever happens, and must be as fresh for the next call.
    fn call(&mut self, call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>);
}

/// Makes modules of one artefact.
pub trait ModuleFactory: Send + Sync + 'static {
    /// A module in its initial state.
    ///
    /// # Errors
    /// If the host cannot make one.
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError>;

    /// What the function with this number in its code is called, for people; `None` if that is not known.
    fn code_name(&self, _function: u32) -> Option<String> {
        None
    }
}

/// Turns artefacts into factories; the place where compilation happens.
pub trait ModuleLoader: Send + Sync + 'static {
    /// Checks and compiles `artefact`.
    ///
    /// # Errors
    /// Why it is not a module that can run here.
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError>;

    /// Whether modules from here burn the fuel that they burn on a node. Where they do not, theirs is not compared with what was recorded.
    fn counts_fuel(&self) -> bool {
        true
    }
}

/// A checked and compiled artefact.
#[derive(Clone)]
pub struct Loaded {
    /// What it declares.
    pub schema: Schema,
    /// Makes instances of it.
    pub factory: Arc<dyn ModuleFactory>,
}

/// The name under which an artefact is stored: BLAKE3 of its bytes.
pub fn artefact_hash(artefact: &[u8]) -> [u8; 32] {
    *blake3::hash(artefact).as_bytes()
}

/// Why an artefact cannot run here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub struct LoadError {
    /// What is wrong with it.
    pub problem: Problem,
}

/// One invocation of one function.
#[derive(Debug, Clone, Copy)]
pub struct Call<'c> {
    /// The function's number in the module's schema.
    pub function: u32,
    /// Canonical argument bytes.
    pub args: &'c [u8],
    /// What the function may know about its surroundings.
    pub context: Context<'c>,
}

/// What a function may know about its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// The transaction's time; in a query, that of the newest transaction it sees.
    pub now: Timestamp,
    /// Who called the outermost function.
    pub caller: Identity,
    /// The module that called this one, if one did.
    pub calling_module: Option<&'c str>,
    /// What random numbers come from.
    pub seed: [u8; 16],
    /// The number of this invocation within its transaction: each draws from its own stream.
    pub stream: u64,
    /// The offset that the transaction gets if it commits.
    pub offset_hint: Offset,
}

/// The code of a trap that is the host's own: it could not run the module, and nothing is known of what that would have done. No
/// such trap is the outcome of an event, for it says nothing about the module.
pub const HOST_FAULT: &str = "host-fault";

/// How a call ended that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The function returned its typed error.
    Returned(Vec<u8>),
    /// A constraint, an argument or a rule said no.
    Refused(Problem),
    /// The module broke or ran out of a resource. Ends the whole transaction: a calling module cannot catch it.
    Trapped(Problem),
}
