//! Instances: one per module, as new for every call.
//!
//! 1. A new instance runs `interstice_init` once, and `interstice_alloc` for room that usual arguments fit into; the static data
//!    behind that is the image.
//! 2. A call writes header and arguments there, or if they are larger to where `interstice_alloc` says, then runs
//!    `interstice_call`.
//! 3. Afterwards the image is copied back. Where an artefact does not allow that, where the stack pointer is not back in its place,
//!    and after every trap, the instance is dropped, and the next call makes a new one.
//!
//! No engine is named here but in the words for traps, which are wasmtime's: history is written in them.

use crate::artefact::ResetRange;
use crate::host::Host;
use crate::runtime::{MAX_INSTANCES, MAX_STACK_SIZE};
use interstice_abi::header::Header;
use interstice_abi::host::{RETURNED_ERROR, RETURNED_OK};
use interstice_engine::execution::{Execution, HostError};
use interstice_engine::module::{Call, CallError, HOST_FAULT, LoadError, Module, ModuleFactory};
use interstice_types::problem::Problem;
use std::sync::Arc;
use wasmtime::Trap;

/// Room for header and arguments that each instance has from its start.
const USUAL_ARGUMENTS_SIZE: usize = 1 << 10;
/// Bytes that a reset copies at a time: `memcpy` of more turns to string instructions, which begin slowly.
const RESET_STEP_SIZE: usize = 1 << 10;
/// Fuel for constructors and for describing.
pub(crate) const SETUP_FUEL: u64 = 50_000_000;

/// An instance in one of the engines.
pub(crate) trait Instance: Sized + Send + 'static {
    /// What it is made of.
    type Code: Send + Sync + 'static;

    /// Makes one, with [`SETUP_FUEL`]; of a module's own functions only its start has run.
    fn new(code: &Self::Code) -> Result<Self, Problem>;
    /// What the host keeps beside it.
    fn host(&mut self) -> &mut Host;
    /// Its memory.
    fn memory(&mut self) -> &mut [u8];
    /// Fuel that it has left, as an execution counts it.
    fn fuel(&self) -> u64;
    /// Gives it so much instead.
    fn set_fuel(&mut self, fuel: u64);
    /// Whether its stack pointer is at `place`; also if the module cannot set one.
    fn is_stack_pointer_at(&mut self, place: i32) -> bool;
    /// Runs `interstice_init`.
    fn init(&mut self) -> Result<(), Broken>;
    /// Runs `interstice_alloc`.
    fn alloc(&mut self, size: i32) -> Result<i32, Broken>;
    /// Runs `interstice_call`.
    fn call(&mut self, function: i32, arguments: (i32, i32)) -> Result<i32, Broken>;

    /// What the function with this number in its code is called; `None` if that is not known.
    fn code_name(_code: &Self::Code, _function: u32) -> Option<String> {
        None
    }
}

/// How code came to no end.
#[derive(Debug, Clone)]
pub(crate) enum Broken {
    /// It trapped.
    Trap(Trap),
    /// There was no place for it.
    NoPlace,
    /// The machine gave no memory for it.
    NoMemory,
    /// A host call ended it, or the host could not run it.
    Host(String),
}

impl Broken {
    /// As it is told, and recorded; so much fuel was left.
    pub(crate) fn problem(&self, fuel: u64) -> Problem {
        match self {
            Self::NoPlace => Problem::new("no-instance-slot", "more modules are running than there are places for")
                .hint(format!("at most {MAX_INSTANCES} instances may be there at once, readers' included")),
            Self::NoMemory => Problem::new(HOST_FAULT, "the machine gave the module no memory"),
            Self::Trap(Trap::OutOfFuel) => Problem::new("out-of-fuel", "the call used up its fuel"),
            Self::Trap(Trap::StackOverflow) => {
                Problem::new("stack-overflow", format!("the call used up its {MAX_STACK_SIZE} bytes of stack"))
            }
            Self::Trap(Trap::MemoryOutOfBounds) => {
                Problem::new("out-of-bounds", "the call reached outside of its memory")
                    .hint("most often a recursion without end has used up the stack")
            }
            Self::Trap(trap) => Problem::new("trap", format!("{trap}")),
            Self::Host(_) if fuel == 0 => Problem::new("out-of-fuel", "the call used up its fuel"),
            Self::Host(error) => Problem::new("trap", error.clone()),
        }
    }

    /// As it is told where nobody pays for the fuel.
    pub(crate) fn at(&self, place: &str) -> Problem {
        self.problem(1).at(place)
    }
}

/// An artefact that is ready to run in one of the engines.
pub(crate) struct Factory<I: Instance> {
    pub(crate) code: Arc<I::Code>,
    pub(crate) reset: Option<ResetRange>,
}

impl<I: Instance> ModuleFactory for Factory<I> {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(WasmModule::<I> { code: Arc::clone(&self.code), reset: self.reset, live: None }))
    }

    fn code_name(&self, function: u32) -> Option<String> {
        I::code_name(&self.code, function)
    }
}

/// A module that runs in WebAssembly.
struct WasmModule<I: Instance> {
    code: Arc<I::Code>,
    reset: Option<ResetRange>,
    live: Option<Live<I>>,
}

/// An instance and what makes it as new.
pub(crate) struct Live<I> {
    pub(crate) instance: I,
    image: Option<(usize, Vec<u8>)>,
    /// Where usual arguments go.
    room: i32,
    arguments: Vec<u8>,
}

impl<I: Instance> WasmModule<I> {
    fn live(&mut self) -> Result<&mut Live<I>, Problem> {
        match &mut self.live {
            Some(live) => Ok(live),
            place => Ok(place.insert(Live::<I>::new(&self.code, self.reset)?)),
        }
    }
}

impl<I: Instance> Module for WasmModule<I> {
    fn call(&mut self, call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        let live = match self.live() {
            Ok(live) => live,
            Err(problem) => return (execution, Err(CallError::Trapped(problem))),
        };
        live.instance.host().begin(execution);
        let outcome = live.run(call);
        let (execution, ending) = live.finish();
        let result = match (ending, outcome) {
            (Some(error), _) => Err(error),
            (None, Err(broken)) => Err(CallError::Trapped(broken.problem(execution.fuel()))),
            (None, Ok(RETURNED_OK)) => Ok(live.instance.host().take_answer()),
            (None, Ok(RETURNED_ERROR)) => Err(CallError::Returned(live.instance.host().take_answer())),
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

impl<I: Instance> Live<I> {
    pub(crate) fn new(code: &I::Code, reset: Option<ResetRange>) -> Result<Self, Problem> {
        let failed = |broken: Broken| broken.at("the module's start");
        let mut instance = I::new(code)?;
        instance.init().map_err(failed)?;
        let room = instance.alloc(USUAL_ARGUMENTS_SIZE as i32).map_err(failed)?;
        let image = reset.map(|range| {
            let (start, end) = (range.start as usize, range.end as usize);
            (start, instance.memory()[start..end].to_vec())
        });
        Ok(Self { instance, image, room, arguments: Vec::new() })
    }

    fn run(&mut self, call: &Call<'_>) -> Result<i32, Broken> {
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
        let fuel = self.instance.host().give_fuel();
        self.instance.set_fuel(fuel);
        let length = self.arguments.len();
        let pointer = match length {
            ..=USUAL_ARGUMENTS_SIZE => self.room,
            _ => self.instance.alloc(length as i32)?,
        };
        let start = pointer as u32 as usize;
        let place = self.instance.memory().get_mut(start..start + length);
        place.ok_or_else(|| Broken::Host("out of bounds memory access".to_owned()))?.copy_from_slice(&self.arguments);
        self.instance.call(call.function as i32, (pointer, length as i32))
    }

    /// Takes the execution out again, charged for the module's own instructions.
    fn finish(&mut self) -> (Box<Execution>, Option<CallError>) {
        let left = self.instance.fuel();
        let host = self.instance.host();
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
        let memory = &mut self.instance.memory()[*start..*start + image.len()];
        for (to, from) in memory.chunks_mut(RESET_STEP_SIZE).zip(image.chunks(RESET_STEP_SIZE)) {
            to.copy_from_slice(from);
        }
        // Honest code leaves the stack pointer where it was; an instance whose code does not is of no more use.
        self.instance.is_stack_pointer_at(*start as i32)
    }
}

#[cfg(test)]
mod tests;
