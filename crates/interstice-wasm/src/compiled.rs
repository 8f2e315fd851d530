//! Instances in wasmtime: what a node runs.

use crate::artefact::telling::Functions;
use crate::host::{Caller, Ends, Host, calls};
use crate::instance::{Broken, Instance, Live, SETUP_FUEL};
use crate::runtime::{MAX_MEMORY_SIZE, MAX_TABLE_ELEMENTS, MAX_TABLES};
use interstice_abi::host as abi;
use interstice_engine::module::HOST_FAULT;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use std::sync::Arc;
use wasmtime::{
    Engine, Error, Global, InstancePre, Linker, Memory, PoolConcurrencyLimitError, Store, StoreLimits,
    StoreLimitsBuilder, Trap, TypedFunc,
};

/// What fuel is asked of counts it: the configuration says so.
const FUEL_IS_COUNTED: &str = "invariant: fuel is counted";

/// What is beside an instance.
pub(crate) struct Data {
    pub(crate) host: Host,
    memory: Option<Memory>,
    limits: StoreLimits,
    /// Of code that tells what it does.
    pub(crate) functions: Option<Arc<Functions>>,
}

impl Data {
    fn new(functions: Option<Arc<Functions>>) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(MAX_MEMORY_SIZE)
            .memories(1)
            .tables(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .build();
        Self { host: Host::default(), memory: None, limits, functions }
    }
}

impl Caller for wasmtime::Caller<'_, Data> {
    type Memory = Memory;

    #[inline]
    fn memory(&self) -> Option<Memory> {
        self.data().memory
    }

    #[inline]
    fn host(&mut self) -> &mut Host {
        &mut self.data_mut().host
    }

    #[inline]
    fn parts(&mut self, memory: Memory) -> (&mut [u8], &mut Host) {
        let (bytes, data) = memory.data_and_store_mut(self);
        (bytes, &mut data.host)
    }

    fn fuel(&self) -> u64 {
        self.get_fuel().expect(FUEL_IS_COUNTED)
    }

    fn set_fuel(&mut self, fuel: u64) {
        wasmtime::Caller::set_fuel(self, fuel).expect(FUEL_IS_COUNTED);
    }
}

/// A host call that ends the call, for wasmtime.
pub(crate) fn ended(_: Ends) -> Error {
    Error::msg("the call ends")
}

/// All host calls of the table in `interstice-abi`.
///
/// # Errors
/// If two have one name.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    calls::link_all!(linker, wasmtime::Caller<'_, Data>, ended);
    Ok(linker)
}

/// Compiled code, linked.
pub(crate) struct Code {
    pub(crate) pre: InstancePre<Data>,
    /// Where it tells what it does.
    pub(crate) functions: Option<Arc<Functions>>,
}

/// An instance and what is looked up in it once.
pub(crate) struct Compiled {
    pub(crate) store: Store<Data>,
    instance: wasmtime::Instance,
    memory: Memory,
    init: TypedFunc<(), ()>,
    alloc: TypedFunc<i32, i32>,
    call: TypedFunc<(i32, i32, i32), i32>,
    stack_pointer: Option<Global>,
}

impl Instance for Compiled {
    type Code = Code;

    fn new(code: &Code) -> Result<Self, Problem> {
        let missing = |error: Error| broken(&error).at("the module's start");
        let mut store = Store::new(code.pre.module().engine(), Data::new(code.functions.clone()));
        store.limiter(|data| &mut data.limits);
        store.set_fuel(SETUP_FUEL).expect(FUEL_IS_COUNTED);
        let instance = code.pre.instantiate(&mut store).map_err(|error| not_made(&error))?;
        let memory = instance.get_memory(&mut store, abi::EXPORT_MEMORY);
        let memory = memory.ok_or_else(|| Problem::new("missing-export", "the module exports no memory"))?;
        store.data_mut().memory = Some(memory);
        let init = instance.get_typed_func(&mut store, abi::EXPORT_INIT).map_err(missing)?;
        let alloc = instance.get_typed_func(&mut store, abi::EXPORT_ALLOC).map_err(missing)?;
        let call = instance.get_typed_func(&mut store, abi::EXPORT_CALL).map_err(missing)?;
        let stack_pointer = instance.get_global(&mut store, abi::EXPORT_STACK_POINTER);
        Ok(Self { store, instance, memory, init, alloc, call, stack_pointer })
    }

    #[inline]
    fn host(&mut self) -> &mut Host {
        &mut self.store.data_mut().host
    }

    #[inline]
    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    #[inline]
    fn fuel(&self) -> u64 {
        self.store.get_fuel().expect(FUEL_IS_COUNTED)
    }

    #[inline]
    fn set_fuel(&mut self, fuel: u64) {
        self.store.set_fuel(fuel).expect(FUEL_IS_COUNTED);
    }

    #[inline]
    fn is_stack_pointer_at(&mut self, place: i32) -> bool {
        self.stack_pointer.is_none_or(|global| global.get(&mut self.store).i32() == Some(place))
    }

    fn init(&mut self) -> Result<(), Broken> {
        self.init.call(&mut self.store, ()).map_err(|error| broken(&error))
    }

    fn alloc(&mut self, size: i32) -> Result<i32, Broken> {
        self.alloc.call(&mut self.store, size).map_err(|error| broken(&error))
    }

    #[inline]
    fn call(&mut self, function: i32, (pointer, length): (i32, i32)) -> Result<i32, Broken> {
        self.call.call(&mut self.store, (function, pointer, length)).map_err(|error| broken(&error))
    }

    fn code_name(code: &Code, function: u32) -> Option<String> {
        code.functions.as_ref()?.names.get(&function).cloned()
    }
}

fn broken(error: &Error) -> Broken {
    match error.downcast_ref::<Trap>() {
        Some(trap) => Broken::Trap(*trap),
        None if error.is::<PoolConcurrencyLimitError>() => Broken::NoPlace,
        None => Broken::Host(error.to_string()),
    }
}

/// Why no instance could be made: its code or its memory could not be mapped, which is not the module's fault, unless that
/// broke in a function that it starts with.
fn not_made(error: &Error) -> Problem {
    match broken(error) {
        Broken::Host(_) => Problem::new(HOST_FAULT, format!("no instance could be made: {error:#}"))
            .hint("look at the disk of the data directory, and at the memory of the machine"),
        broken => broken.at("the module's start"),
    }
}

/// Runs `interstice_describe` without tables.
pub(crate) fn describe(code: &Code) -> Result<Schema, Problem> {
    let mut live = Live::<Compiled>::new(code, None)?;
    let failed = |error: Error| broken(&error).at("`interstice_describe`");
    let Compiled { store, instance, memory, .. } = &mut live.instance;
    let describe = instance.get_typed_func::<(), i64>(&mut *store, abi::EXPORT_DESCRIBE).map_err(failed)?;
    let packed = describe.call(&mut *store, ()).map_err(failed)? as u64;
    let (pointer, length) = ((packed >> 32) as usize, packed as u32 as usize);
    let bytes = memory.data(&*store).get(pointer..pointer.saturating_add(length));
    let bytes =
        bytes.ok_or_else(|| Problem::new("invalid-schema", "the schema lies outside of the module's memory"))?;
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new("invalid-schema", format!("the schema is not one: {error}")))
}
