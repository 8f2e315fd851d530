//! Functions that run: the outermost one, and those that it calls in other modules.
//!
//! 1. Take the module out of its slot; an empty slot is a module that is on the stack already.
//! 2. Push a frame, take a savepoint, move into the module and out again.
//! 3. Check the answer. Whatever was not [`Ok`] has its writes undone.
//! 4. A trap stays: every further host call gives it again, and so does every function on the stack, whatever it says.

use super::host_hash::HostCall;
use super::{Execution, Frame, HostError, trapped};
use crate::catalog::{Catalog, FunctionEntry};
use crate::module::{Call, CallError, Context, Module};
use crate::problems;
use interstice_types::codec;
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, FunctionSchema};
use interstice_types::ty::Type;
use std::sync::Arc;

impl Execution {
    /// Runs `function` of the module at position `module` and everything that it calls.
    ///
    /// A nested function that fails without a trap has its writes undone; the rest stays. A trap ends the transaction.
    pub fn invoke(
        mut self: Box<Self>,
        module: usize,
        function: u32,
        args: &[u8],
    ) -> (Box<Self>, Result<Vec<u8>, CallError>) {
        let mut instance = match self.take_instance(module) {
            Ok(instance) => instance,
            Err(problem) => {
                let problem = problem.at(self.catalog.place(module, function));
                self.meter.trap(problem.clone());
                return (self, Err(CallError::Trapped(problem)));
            }
        };
        // The name of a calling module must outlast the execution, which moves away.
        let caller = self.running.map(|frame| (Arc::clone(&self.catalog), frame.module));
        let calling_module = caller.as_ref().map(|(catalog, module)| catalog.modules()[*module].schema.module.as_str());
        let context = self.next_context(calling_module);
        let frame = Frame { module, function, scans: self.scans.len() };
        self.waiting.extend(self.running.replace(frame));
        let savepoint = self.tables.tx().map(|tx| tx.savepoint());
        let scheduled = self.scheduled.clone();
        let lines = self.log.len();
        let fuel = self.meter.fuel();
        if let Some(trace) = self.meter.trace_mut() {
            trace.enter((module, function), args, fuel);
        }
        let (mut this, result) = instance.call(&Call { function, args, context }, self);
        this.running = this.waiting.pop();
        this.scans.truncate(frame.scans);
        this.instances[module] = Some(instance);
        // What a module says behind a trap does not count: it may have swallowed it.
        let result = this.meter.take_trap().map_or(result, |problem| Err(CallError::Trapped(problem)));
        let result = check_answer(result, &this.catalog, (module, function));
        if let Err(CallError::Trapped(problem)) = &result {
            this.meter.trap(problem.clone());
        }
        if let (Err(_), Some(savepoint), Ok(tx)) = (&result, savepoint, this.tables.tx_mut()) {
            tx.rollback_to(savepoint);
            this.scheduled = scheduled;
            this.log[lines..].iter_mut().for_each(|line| line.undone = true);
        }
        let fuel = this.meter.fuel();
        if let Some(trace) = this.meter.trace_mut() {
            trace.leave(&result, fuel);
        }
        (this, result)
    }

    fn take_instance(&mut self, module: usize) -> Result<Box<dyn Module>, Problem> {
        let running = || self.waiting.iter().chain(&self.running);
        if running().count() >= self.limits.call_depth {
            let text = format!("calls are nested deeper than {}", self.limits.call_depth);
            return Err(Problem::new("call-depth", text));
        }
        self.instances.get_mut(module).and_then(Option::take).ok_or_else(|| {
            let name = &self.catalog.modules()[module].schema.module;
            if running().any(|frame| frame.module == module) {
                Problem::new("re-entered", format!("module `{name}` is on the call stack already"))
            } else {
                Problem::new("module-unavailable", format!("module `{name}` could not be loaded"))
            }
        })
    }

    /// What the next function may know; each draws random numbers from a stream of its own.
    fn next_context<'c>(&mut self, calling_module: Option<&'c str>) -> Context<'c> {
        let stream = self.streams;
        self.streams += 1;
        Context {
            now: self.surroundings.now,
            caller: self.surroundings.caller,
            calling_module,
            seed: self.surroundings.seed,
            stream,
            offset_hint: self.surroundings.offset_hint,
        }
    }

    /// Calls the imported function with this number in the same transaction.
    ///
    /// If that ends in a trap, so does the transaction, whatever the calling function makes of it.
    pub fn call(mut self: Box<Self>, import: u32, args: &[u8]) -> (Box<Self>, Result<Vec<u8>, CallError>) {
        let (module, function) = match self.callee(import, args) {
            Ok(callee) => callee,
            Err(HostError::Trapped(problem) | HostError::Refused(problem)) => {
                self.meter.trap(problem.clone());
                return (self, Err(CallError::Trapped(problem)));
            }
        };
        let (mut this, result) = self.invoke(module, function, args);
        if let Ok(bytes) | Err(CallError::Returned(bytes)) = &result {
            this.meter.note(u64::from(result.is_ok()), bytes);
        }
        (this, result)
    }

    /// The function behind an import, if it may be called from here with these arguments.
    fn callee(&mut self, import: u32, args: &[u8]) -> Result<(usize, u32), HostError> {
        self.enter(HostCall::Call, u64::from(import), args)?;
        let catalog = Arc::clone(&self.catalog);
        let frame = self.frame();
        let target = catalog.modules()[frame.module].imports.get(import as usize).copied().flatten();
        let (module, function) = target
            .ok_or_else(|| trapped("undeclared-call", format!("the module imports no function number {import}")))?;
        let name = &catalog.modules()[module].schema.module;
        let FunctionEntry { schema, args: layout, .. } = &catalog.modules()[module].functions[function as usize];
        let callable = match schema.kind {
            FunctionKind::Reducer | FunctionKind::Internal => self.tables.tx().is_some(),
            FunctionKind::Query => true,
            FunctionKind::Owner => {
                let owner = catalog.modules()[module].owner;
                if owner != Some(self.surroundings.caller) {
                    return Err(HostError::Trapped(problems::not_allowed(name, &schema.name)));
                }
                self.tables.tx().is_some()
            }
            FunctionKind::Init
            | FunctionKind::Upgrade
            | FunctionKind::Connect
            | FunctionKind::Disconnect
            | FunctionKind::Event { .. }
            | FunctionKind::Schedule { .. }
            | FunctionKind::Migration { .. } => false,
        };
        if !callable {
            return Err(HostError::Trapped(problems::wrong_kind(name, schema)));
        }
        layout.check(args).map_err(|error| HostError::Trapped(problems::invalid_arguments(name, schema, error)))?;
        Ok((module, function))
    }
}

/// What a module gives back is of the type that its schema says, the typed error too: whoever called relies on it.
fn check_answer(
    result: Result<Vec<u8>, CallError>,
    catalog: &Catalog,
    (module, function): (usize, u32),
) -> Result<Vec<u8>, CallError> {
    let place = || catalog.place(module, function);
    let FunctionSchema { returns, error, .. } = &catalog.modules()[module].functions[function as usize].schema;
    let fault = match &result {
        Ok(answer) => invalid_value("answer", Some(returns), answer),
        Err(CallError::Returned(bytes)) => invalid_value("error", error.as_ref(), bytes),
        Err(_) => None,
    };
    match (fault, result) {
        (Some(problem), _) | (None, Err(CallError::Trapped(problem))) => Err(CallError::Trapped(problem.at(place()))),
        (None, Err(CallError::Refused(problem))) => Err(CallError::Refused(problem.at(place()))),
        (None, result) => result,
    }
}

/// Why `bytes` are not what a function may give back, if so.
fn invalid_value(what: &str, ty: Option<&Type>, bytes: &[u8]) -> Option<Problem> {
    let Some(ty) = ty else {
        return Some(Problem::new("invalid-answer", format!("the function gave an {what} and declares none")));
    };
    let error = codec::check_all([ty], bytes).err()?;
    Some(Problem::new("invalid-answer", format!("the {what} is not a {ty}: {error}")))
}
