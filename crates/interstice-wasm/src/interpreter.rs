//! A second engine, wasmi, which runs code by other code than the first one: history that comes out the same on both owes that to neither
//! of them.
//! It runs history again and nothing else.
//!
//! What makes it the same machine, as far as a module can tell:
//! 1. The features of WebAssembly are the same ones, and what is valid is decided by the same validator.
//! 2. A NaN that an instruction makes is the canonical one: wasmi's feature `deterministic`, as wasmtime's canonicalisation.
//! 3. Memory and tables end where they end in wasmtime.
//! 4. Traps are told in the same words, for history records them.
//!
//! What is not the same, and no verdict rests on: instructions cost another fuel, and another depth uses up the
//! stack. Both have far more room here, so that nothing ends here that did not end when it was recorded.

use crate::artefact::{self, Artefact, features};
use crate::host::{Caller, Ends, Host, calls};
use crate::instance::{Broken, Factory, Instance, SETUP_FUEL};
use crate::recent::Recent;
use crate::runtime::{MAX_MEMORY_SIZE, MAX_STACK_SIZE, MAX_TABLE_ELEMENTS, MAX_TABLES, load_error, loaded};
use interstice_abi::host as abi;
use interstice_engine::module::{HOST_FAULT, LoadError, Loaded, ModuleLoader};
use interstice_types::problem::Problem;
use std::sync::Arc;
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    CompilationMode, Config, Engine, Error, Global, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder,
    TrapCode, TypedFunc, Val,
};
use wasmtime::Trap;

/// Fuel of wasmi that a call gets for each fuel that it has. It takes a block's fuel at its beginning, with all that is then branched
/// over, so that a loop that picks one of many arms pays for all of them.
const FUEL_RATE: u64 = 1_000;
/// Bytes that the least frame has in wasmtime: where to return to, and where the frame before is.
const LEAST_FRAME_SIZE: usize = 16;
/// Bytes of stack for each that a call has in wasmtime, which keeps in registers, or not at all, what wasmi has in memory.
const STACK_RATE: usize = 128;
/// Stacks that are kept for the next call: modules that wait for each other, on some threads.
const MAX_CACHED_STACKS: usize = 64;
/// What fuel is asked of counts it: the configuration says so.
const FUEL_IS_COUNTED: &str = "invariant: fuel is counted";

/// Makes instances of artefacts that wasmi runs.
pub struct Interpreter {
    engine: Engine,
    linker: Arc<Linker<Data>>,
    recent: Recent<Module>,
}

impl Interpreter {
    /// One for all modules of a history, and for all threads.
    ///
    /// # Errors
    /// If two host calls have one name.
    pub fn new() -> Result<Self, LoadError> {
        let engine = Engine::new(&configuration());
        let linker = linker(&engine);
        let linker = linker.map_err(|error| load_error(Problem::new("no-runtime", error.to_string())))?;
        Ok(Self { engine, linker: Arc::new(linker), recent: Recent::new() })
    }

    fn code(&self, wasm: &[u8]) -> Result<(Artefact, Factory<Interpreted>), Problem> {
        features::check(wasm).map_err(|error| artefact::invalid_wasm(&error.to_string()))?;
        let artefact = artefact::read(wasm)?;
        let not_taken = |error: Error| Problem::new("not-interpreted", format!("wasmi does not take it: {error}"));
        let module = self.recent.get_or_make(wasm, || Module::new(&self.engine, wasm)).map_err(not_taken)?;
        let reset = artefact.reset;
        Ok((artefact, Factory { code: Arc::new(Code { linker: Arc::clone(&self.linker), module }), reset }))
    }
}

impl ModuleLoader for Interpreter {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let (artefact, factory) = self.code(artefact).map_err(load_error)?;
        loaded(artefact, factory)
    }

    fn counts_fuel(&self) -> bool {
        false
    }
}

/// Every feature is set one way or the other: what a later default switches on must not change what a module may do.
fn configuration() -> Config {
    let mut config = Config::default();
    config.wasm_mutable_global(true);
    config.wasm_saturating_float_to_int(true);
    config.wasm_sign_extension(true);
    config.wasm_multi_value(true);
    config.wasm_bulk_memory(true);
    config.wasm_reference_types(true);
    config.wasm_simd(true);
    config.floats(true);
    config.wasm_relaxed_simd(false);
    config.wasm_multi_memory(false);
    config.wasm_tail_call(false);
    config.wasm_extended_const(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    config.consume_fuel(true);
    config.compilation_mode(CompilationMode::Eager);
    config.ignore_custom_sections(true);
    config.set_max_recursion_depth(MAX_STACK_SIZE / LEAST_FRAME_SIZE);
    config.set_max_stack_height(MAX_STACK_SIZE * STACK_RATE);
    config.set_max_cached_stacks(MAX_CACHED_STACKS);
    config
}

fn linker(engine: &Engine) -> Result<Linker<Data>, Error> {
    let mut linker = Linker::new(engine);
    calls::link_all!(linker, wasmi::Caller<'_, Data>, ended);
    Ok(linker)
}

/// A host call that ends the call, for wasmi.
fn ended(_: Ends) -> Error {
    Error::new("the call ends")
}

/// What is beside an instance.
struct Data {
    host: Host,
    memory: Option<Memory>,
    limits: StoreLimits,
}

impl Data {
    fn new() -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(MAX_MEMORY_SIZE)
            .memories(1)
            .tables(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .build();
        Self { host: Host::default(), memory: None, limits }
    }
}

impl Caller for wasmi::Caller<'_, Data> {
    type Memory = Memory;

    fn memory(&self) -> Option<Memory> {
        self.data().memory
    }

    fn host(&mut self) -> &mut Host {
        &mut self.data_mut().host
    }

    fn parts(&mut self, memory: Memory) -> (&mut [u8], &mut Host) {
        let (bytes, data) = memory.data_and_store_mut(self);
        (bytes, &mut data.host)
    }

    fn fuel(&self) -> u64 {
        counted(self.get_fuel())
    }

    fn set_fuel(&mut self, fuel: u64) {
        wasmi::Caller::set_fuel(self, fuel.saturating_mul(FUEL_RATE)).expect(FUEL_IS_COUNTED);
    }
}

/// Fuel that is left, as an execution counts it: what is begun is left.
fn counted(fuel: Result<u64, Error>) -> u64 {
    fuel.expect(FUEL_IS_COUNTED).div_ceil(FUEL_RATE)
}

/// A module, and what it imports.
pub(crate) struct Code {
    linker: Arc<Linker<Data>>,
    module: Module,
}

/// An instance and what is looked up in it once.
pub(crate) struct Interpreted {
    store: Store<Data>,
    memory: Memory,
    init: TypedFunc<(), ()>,
    alloc: TypedFunc<i32, i32>,
    call: TypedFunc<(i32, i32, i32), i32>,
    stack_pointer: Option<Global>,
}

impl Instance for Interpreted {
    type Code = Code;

    fn new(code: &Code) -> Result<Self, Problem> {
        let missing = |error: Error| broken(&error).at("the module's start");
        let mut store = Store::new(code.linker.engine(), Data::new());
        store.limiter(|data| &mut data.limits);
        store.set_fuel(SETUP_FUEL * FUEL_RATE).expect(FUEL_IS_COUNTED);
        let instance = code.linker.instantiate_and_start(&mut store, &code.module).map_err(|error| not_made(&error))?;
        let memory = instance.get_memory(&store, abi::EXPORT_MEMORY);
        let memory = memory.ok_or_else(|| Problem::new("missing-export", "the module exports no memory"))?;
        store.data_mut().memory = Some(memory);
        let init = instance.get_typed_func(&store, abi::EXPORT_INIT).map_err(missing)?;
        let alloc = instance.get_typed_func(&store, abi::EXPORT_ALLOC).map_err(missing)?;
        let call = instance.get_typed_func(&store, abi::EXPORT_CALL).map_err(missing)?;
        let stack_pointer = instance.get_global(&store, abi::EXPORT_STACK_POINTER);
        Ok(Self { store, memory, init, alloc, call, stack_pointer })
    }

    fn host(&mut self) -> &mut Host {
        &mut self.store.data_mut().host
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn fuel(&self) -> u64 {
        counted(self.store.get_fuel())
    }

    fn set_fuel(&mut self, fuel: u64) {
        self.store.set_fuel(fuel.saturating_mul(FUEL_RATE)).expect(FUEL_IS_COUNTED);
    }

    fn is_stack_pointer_at(&mut self, place: i32) -> bool {
        self.stack_pointer.is_none_or(|global| matches!(global.get(&self.store), Val::I32(found) if found == place))
    }

    fn init(&mut self) -> Result<(), Broken> {
        self.init.call(&mut self.store, ()).map_err(|error| broken(&error))
    }

    fn alloc(&mut self, size: i32) -> Result<i32, Broken> {
        self.alloc.call(&mut self.store, size).map_err(|error| broken(&error))
    }

    fn call(&mut self, function: i32, (pointer, length): (i32, i32)) -> Result<i32, Broken> {
        self.call.call(&mut self.store, (function, pointer, length)).map_err(|error| broken(&error))
    }
}

fn broken(error: &Error) -> Broken {
    Broken::Trap(match error.as_trap_code() {
        None if does_not_fit(error) => Trap::TableOutOfBounds,
        None => return Broken::Host(error.to_string()),
        Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory) => return Broken::NoMemory,
        Some(TrapCode::UnreachableCodeReached) => Trap::UnreachableCodeReached,
        Some(TrapCode::MemoryOutOfBounds) => Trap::MemoryOutOfBounds,
        Some(TrapCode::TableOutOfBounds) => Trap::TableOutOfBounds,
        Some(TrapCode::IndirectCallToNull) => Trap::IndirectCallToNull,
        Some(TrapCode::IntegerDivisionByZero) => Trap::IntegerDivisionByZero,
        Some(TrapCode::IntegerOverflow) => Trap::IntegerOverflow,
        Some(TrapCode::BadConversionToInteger) => Trap::BadConversionToInteger,
        Some(TrapCode::StackOverflow) => Trap::StackOverflow,
        Some(TrapCode::BadSignature) => Trap::BadSignature,
        Some(TrapCode::OutOfFuel) => Trap::OutOfFuel,
    })
}

/// Whether an instance has elements for a table that are too many for it.
fn does_not_fit(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }))
}

/// Why no instance could be made, unless its own data are to blame, or it broke in a function that it starts with.
fn not_made(error: &Error) -> Problem {
    match broken(error) {
        Broken::Host(error) => Problem::new(HOST_FAULT, format!("no instance could be made: {error}")),
        broken => broken.at("the module's start"),
    }
}

#[cfg(test)]
mod tests;
