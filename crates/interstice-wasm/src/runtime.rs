//! The runtime: one configuration, one compiler, one set of host calls for all modules of a node.

use crate::artefact::{self, Artefact, ResetRange};
use crate::host::{self, Host};
use crate::instance::WasmModule;
use interstice_engine::module::{LoadError, Loaded, Module as EngineModule, ModuleFactory, ModuleLoader};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use std::sync::Arc;
use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel, WasmFeatures};

/// Bytes of WebAssembly stack that a call may use.
pub const MAX_STACK_SIZE: usize = 512 << 10;
/// Bytes of linear memory that an instance may have.
pub const MAX_MEMORY_SIZE: usize = 64 << 20;

/// Compiles artefacts and makes instances of them.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Host>,
}

impl Runtime {
    /// A runtime.
    ///
    /// # Errors
    /// If this machine cannot run WebAssembly.
    pub fn new() -> Result<Self, LoadError> {
        let failed = |error: wasmtime::Error| load_error(Problem::new("no-runtime", format!("{error:#}")));
        let engine = Engine::new(&configuration()).map_err(failed)?;
        let linker = host::linker(&engine).map_err(failed)?;
        Ok(Self { engine, linker })
    }

    /// Runs `interstice_describe` in an empty sandbox and returns the schema that it gives.
    ///
    /// # Errors
    /// Why the artefact gives none.
    pub fn describe(&self, artefact: &[u8]) -> Result<Schema, LoadError> {
        let factory = self.compile(artefact)?.1;
        crate::instance::describe(&factory.pre).map_err(load_error)
    }

    fn compile(&self, bytes: &[u8]) -> Result<(Artefact, WasmFactory), LoadError> {
        let module = Module::from_binary(&self.engine, bytes);
        let module = module.map_err(|error| load_error(artefact::invalid_wasm(&format!("{error:#}"))))?;
        let artefact = artefact::read(bytes).map_err(load_error)?;
        let pre = self.linker.instantiate_pre(&module);
        let pre = pre.map_err(|error| load_error(Problem::new("unknown-import", format!("{error:#}"))))?;
        let reset = artefact.reset;
        Ok((artefact, WasmFactory { pre: Arc::new(pre), reset }))
    }
}

impl ModuleLoader for Runtime {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let (artefact, factory) = self.compile(artefact)?;
        let missing = || load_error(artefact::missing_schema());
        Ok(Loaded { schema: artefact.schema.ok_or_else(missing)?, factory: Arc::new(factory) })
    }
}

struct WasmFactory {
    pre: Arc<InstancePre<Host>>,
    reset: Option<ResetRange>,
}

impl ModuleFactory for WasmFactory {
    fn instantiate(&self) -> Result<Box<dyn EngineModule>, LoadError> {
        Ok(Box::new(WasmModule::new(Arc::clone(&self.pre), self.reset)))
    }
}

fn load_error(problem: Problem) -> LoadError {
    LoadError { problem }
}

/// Every feature is set one way or the other: what a later default switches on must not change what a module may do.
fn configuration() -> Config {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(
        WasmFeatures::MUTABLE_GLOBAL
            | WasmFeatures::SATURATING_FLOAT_TO_INT
            | WasmFeatures::SIGN_EXTENSION
            | WasmFeatures::MULTI_VALUE
            | WasmFeatures::BULK_MEMORY
            | WasmFeatures::REFERENCE_TYPES
            | WasmFeatures::SIMD
            | WasmFeatures::FLOATS,
        true,
    );
    config.cranelift_nan_canonicalization(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.consume_fuel(true);
    config.max_wasm_stack(MAX_STACK_SIZE);
    config.wasm_backtrace_max_frames(None);
    config
}
