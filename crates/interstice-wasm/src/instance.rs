//! Instances: one per module, as new for every call.
//!
//! 1. A new instance runs `interstice_init` once, and `interstice_alloc` for room that usual arguments fit into; the static data
//!    behind that is the image.
//! 2. A call writes header and arguments there, or if they are larger to where `interstice_alloc` says, then runs
//!    `interstice_call`.
//! 3. Afterwards the image is copied back. Where an artefact does not allow that, where the stack pointer is not back in its place,
//!    and after every trap, the instance is dropped, and the next call makes a new one.

use crate::artefact::ResetRange;
use crate::artefact::telling::Functions;
use crate::host::Host;
use crate::runtime::{MAX_INSTANCES, MAX_MEMORY_SIZE, MAX_STACK_SIZE};
use interstice_abi::header::Header;
use interstice_abi::host::{self as abi, RETURNED_ERROR, RETURNED_OK};
use interstice_engine::execution::{Execution, HostError};
use interstice_engine::module::{Call, CallError, HOST_FAULT, Module};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use std::sync::Arc;
use wasmtime::{Global, Instance, InstancePre, Memory, PoolConcurrencyLimitError, Store, Trap, TypedFunc};

/// Room for header and arguments that each instance has from its start.
const USUAL_ARGUMENTS_SIZE: usize = 1 << 10;
/// Bytes that a reset copies at a time: `memcpy` of more turns to string instructions, which begin slowly.
const RESET_STEP_SIZE: usize = 1 << 10;
/// Fuel for constructors and for describing.
const SETUP_FUEL: u64 = 50_000_000;

/// A module that runs in WebAssembly.
pub struct WasmModule {
    pre: Arc<InstancePre<Host>>,
    reset: Option<ResetRange>,
    /// Of code that tells what it does.
    functions: Option<Arc<Functions>>,
    live: Option<Live>,
}

/// An instance and what is looked up in it once.
struct Live {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
    alloc: TypedFunc<i32, i32>,
    call: TypedFunc<(i32, i32, i32), i32>,
    image: Option<(usize, Vec<u8>)>,
    /// The stack pointer, if the module may set it.
    stack_pointer: Option<Global>,
    /// Where usual arguments go.
    room: i32,
    arguments: Vec<u8>,
}

impl WasmModule {
    /// A module without an instance yet.
    pub(crate) fn new(
        pre: Arc<InstancePre<Host>>,
        reset: Option<ResetRange>,
        functions: Option<Arc<Functions>>,
    ) -> Self {
        Self { pre, reset, functions, live: None }
    }

    fn live(&mut self) -> Result<&mut Live, Problem> {
        match &mut self.live {
            Some(live) => Ok(live),
            place => {
                let live = place.insert(Live::new(&self.pre, self.reset)?);
                live.store.data_mut().set_functions(self.functions.clone());
                Ok(live)
            }
        }
    }
}

impl Module for WasmModule {
    fn call(&mut self, call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        let live = match self.live() {
            Ok(live) => live,
            Err(problem) => return (execution, Err(CallError::Trapped(problem))),
        };
        live.store.data_mut().begin(execution);
        let outcome = live.run(call);
        let (execution, ending) = live.finish();
        let result = match (ending, outcome) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(CallError::Trapped(trap_problem(&error, execution.fuel()))),
            (None, Ok(RETURNED_OK)) => Ok(live.store.data_mut().take_answer()),
            (None, Ok(RETURNED_ERROR)) => Err(CallError::Returned(live.store.data_mut().take_answer())),
            (None, Ok(code)) => {
                Err(CallError::Trapped(Problem::new("trap", format!("the module returned code {code}"))))
            }
        };
        let is_as_new = matches!(result, Ok(_) | Err(CallError::Returned(_))) && live.reset();
        if !is_as_new {
            self.live = None;
        }
        (execution, result)
    }
}

/// Why no instance could be made: its code or its memory could not be mapped, which is not the module's fault, unless that
/// broke in a function that it starts with.
fn host_fault(error: wasmtime::Error) -> Problem {
    if error.is::<Trap>() || error.is::<PoolConcurrencyLimitError>() {
        return trap_problem(&error, 1).at("the module's start");
    }
    Problem::new(HOST_FAULT, format!("no instance could be made: {error:#}"))
        .hint("look at the disk of the data directory, and at the memory of the machine")
}

impl Live {
    fn new(pre: &InstancePre<Host>, reset: Option<ResetRange>) -> Result<Self, Problem> {
        let failed = |error: wasmtime::Error| trap_problem(&error, 1).at("the module's start");
        let mut store = Store::new(pre.module().engine(), Host::new(MAX_MEMORY_SIZE));
        store.limiter(Host::limits);
        store.set_fuel(SETUP_FUEL).map_err(failed)?;
        let instance = pre.instantiate(&mut store).map_err(host_fault)?;
        let missing = || Problem::new("missing-export", "the module exports no memory");
        let memory = instance.get_memory(&mut store, abi::EXPORT_MEMORY).ok_or_else(missing)?;
        store.data_mut().set_memory(memory);
        let init = instance.get_typed_func::<(), ()>(&mut store, abi::EXPORT_INIT).map_err(failed)?;
        init.call(&mut store, ()).map_err(failed)?;
        let alloc = instance.get_typed_func(&mut store, abi::EXPORT_ALLOC).map_err(failed)?;
        let room = alloc.call(&mut store, USUAL_ARGUMENTS_SIZE as i32).map_err(failed)?;
        let call = instance.get_typed_func(&mut store, abi::EXPORT_CALL).map_err(failed)?;
        let image = reset.map(|range| {
            let (start, end) = (range.start as usize, range.end as usize);
            (start, memory.data(&store)[start..end].to_vec())
        });
        let stack_pointer = reset.and_then(|_| instance.get_global(&mut store, abi::EXPORT_STACK_POINTER));
        Ok(Self { store, instance, memory, alloc, call, image, stack_pointer, room, arguments: Vec::new() })
    }

    fn run(&mut self, call: &Call<'_>) -> wasmtime::Result<i32> {
        let context = &call.context;
        let header = Header {
            now: context.now,
            caller: context.caller,
            seed: context.seed,
            stream: context.stream,
            offset_hint: context.offset_hint,
            calling_module: context.calling_module.unwrap_or_default(),
        };
        self.arguments.clear();
        header.encode(&mut self.arguments);
        self.arguments.extend(call.args);
        let fuel = self.store.data_mut().give_fuel();
        self.store.set_fuel(fuel)?;
        let length = self.arguments.len() as i32;
        let pointer = match self.arguments.len() {
            ..=USUAL_ARGUMENTS_SIZE => self.room,
            _ => self.alloc.call(&mut self.store, length)?,
        };
        self.memory.write(&mut self.store, pointer as u32 as usize, &self.arguments)?;
        self.call.call(&mut self.store, (call.function as i32, pointer, length))
    }

    /// Takes the execution out again, charged for the module's own instructions.
    fn finish(&mut self) -> (Box<Execution>, Option<CallError>) {
        let left = self.store.get_fuel().unwrap_or(0);
        let host = self.store.data_mut();
        let charged = host.charge_fuel(left);
        let (execution, ending) = host.end();
        match charged {
            Err(HostError::Trapped(problem)) if ending.is_none() => (execution, Some(CallError::Trapped(problem))),
            _ => (execution, ending),
        }
    }

    /// Makes the instance as new; false if that cannot be done.
    fn reset(&mut self) -> bool {
        let Some((start, image)) = &self.image else { return false };
        let memory = &mut self.memory.data_mut(&mut self.store)[*start..*start + image.len()];
        for (to, from) in memory.chunks_mut(RESET_STEP_SIZE).zip(image.chunks(RESET_STEP_SIZE)) {
            to.copy_from_slice(from);
        }
        // Honest code leaves the stack pointer where it was; an instance whose code does not is of no more use.
        self.stack_pointer.is_none_or(|global| global.get(&mut self.store).i32() == Some(*start as i32))
    }
}

/// Runs `interstice_describe` without tables.
pub(crate) fn describe(pre: &InstancePre<Host>) -> Result<Schema, Problem> {
    let mut live = Live::new(pre, None)?;
    let failed = |error: wasmtime::Error| trap_problem(&error, 1).at("`interstice_describe`");
    let describe = live.instance.get_typed_func::<(), i64>(&mut live.store, abi::EXPORT_DESCRIBE).map_err(failed)?;
    let packed = describe.call(&mut live.store, ()).map_err(failed)? as u64;
    let (pointer, length) = ((packed >> 32) as usize, packed as u32 as usize);
    let bytes = live.memory.data(&live.store).get(pointer..pointer.saturating_add(length));
    let bytes =
        bytes.ok_or_else(|| Problem::new("invalid-schema", "the schema lies outside of the module's memory"))?;
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new("invalid-schema", format!("the schema is not one: {error}")))
}

fn trap_problem(error: &wasmtime::Error, fuel: u64) -> Problem {
    if error.is::<PoolConcurrencyLimitError>() {
        return Problem::new("no-instance-slot", "more modules are running than there are places for")
            .hint(format!("at most {MAX_INSTANCES} instances may be there at once, readers' included"));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Problem::new("out-of-fuel", "the call used up its fuel"),
        Some(Trap::StackOverflow) => {
            Problem::new("stack-overflow", format!("the call used up its {MAX_STACK_SIZE} bytes of stack"))
        }
        Some(Trap::MemoryOutOfBounds) => Problem::new("out-of-bounds", "the call reached outside of its memory")
            .hint("most often a recursion without end has used up the stack"),
        Some(trap) => Problem::new("trap", format!("{trap}")),
        None if fuel == 0 => Problem::new("out-of-fuel", "the call used up its fuel"),
        None => Problem::new("trap", format!("{error}")),
    }
}

#[cfg(test)]
mod tests;
