//! The runtime: one configuration, one compiler, one set of host calls for all modules of a node.
//!
//! A second engine, which runs history again and nothing else, is in [`interpreter`](crate::interpreter).

use crate::artefact::telling::{Functions, telling};
use crate::artefact::{self, Artefact};
use crate::cache::{CodeCache, MAX_CACHE_SIZE};
use crate::compiled::{self, Code, Compiled, Data};
use crate::configuration::{self, Images};
use crate::host;
use crate::instance::{Factory, Instance};
use crate::recent::Recent;
use interstice_engine::module::{LoadError, Loaded, ModuleLoader};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{Engine, Linker, Module};

/// Bytes of WebAssembly stack that a call may use.
pub const MAX_STACK_SIZE: usize = 512 << 10;
/// Bytes of linear memory that an instance may have.
pub const MAX_MEMORY_SIZE: usize = 64 << 20;
/// Tables of functions that an instance may have.
pub const MAX_TABLES: usize = 8;
/// Functions that such a table may hold.
pub const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Instances that may be there at once: 64 modules, each once in the engine and once with a reader.
pub const MAX_INSTANCES: u32 = 128;

/// The same where history is run again: 32 modules, each twice on up to 8 threads.
pub const MAX_REPLAY_INSTANCES: u32 = 512;

/// Compiles artefacts and makes instances of them.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Data>,
    cache: Option<CodeCache>,
    recent: Recent<Module>,
    compiled: AtomicU64,
    /// Whether modules tell when each of their functions begins and ends.
    tells: bool,
}

impl Runtime {
    /// A runtime that compiles whatever it loads.
    ///
    /// # Errors
    /// If this machine cannot run WebAssembly.
    pub fn new() -> Result<Self, LoadError> {
        Self::with_slots(MAX_INSTANCES)
    }

    /// A runtime that keeps compiled code in `directory` and maps it from there the next time.
    ///
    /// `key` is secret to the node and the same at each start: what is there must have been written with it, because it is
    /// run. A cache that is damaged, unreadable or full is no error: what it does not give is compiled.
    ///
    /// # Errors
    /// If this machine cannot run WebAssembly.
    pub fn with_cache(directory: PathBuf, key: [u8; 32]) -> Result<Self, LoadError> {
        let mut runtime = Self::new()?;
        runtime.cache = Some(CodeCache::new(directory, key, &runtime.engine, MAX_CACHE_SIZE));
        Ok(runtime)
    }

    pub(crate) fn with_slots(slots: u32) -> Result<Self, LoadError> {
        let engine = configuration::engine(slots, Images::CopiedOnWrite).map_err(no_runtime)?;
        Self::of_engine(engine)
    }

    /// A runtime for history that is run again, on several threads: they make many instances that run one call.
    ///
    /// # Errors
    /// If this machine cannot run WebAssembly.
    pub fn for_replay() -> Result<Self, LoadError> {
        Self::of_engine(configuration::engine(MAX_REPLAY_INSTANCES, Images::Copied).map_err(no_runtime)?)
    }

    /// A runtime for history that is run again to see what it did: modules tell when each function inside of them begins and ends,
    /// and otherwise do what they do, for the same fuel.
    ///
    /// # Errors
    /// If this machine cannot run WebAssembly.
    pub fn for_tracing() -> Result<Self, LoadError> {
        let mut runtime = Self::for_replay()?;
        host::telling::link(&mut runtime.linker).map_err(no_runtime)?;
        runtime.tells = true;
        Ok(runtime)
    }

    pub(crate) fn of_engine(engine: Engine) -> Result<Self, LoadError> {
        let linker = compiled::linker(&engine).map_err(no_runtime)?;
        Ok(Self { engine, linker, cache: None, recent: Recent::new(), compiled: AtomicU64::new(0), tells: false })
    }

    /// Artefacts that were compiled so far, rather than found in the cache.
    pub fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::Relaxed)
    }

    /// Runs `interstice_describe` in an empty sandbox and returns the schema that it gives.
    ///
    /// # Errors
    /// Why the artefact gives none.
    pub fn describe(&self, artefact: &[u8]) -> Result<Schema, LoadError> {
        let factory = self.compile(artefact)?.1;
        compiled::describe(&factory.code).map_err(load_error)
    }

    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<(Artefact, Factory<Compiled>), LoadError> {
        let (module, functions) = self.code(bytes).map_err(load_error)?;
        let artefact = artefact::read(bytes).map_err(load_error)?;
        let pre = self.linker.instantiate_pre(&module);
        let pre = pre.map_err(|error| load_error(Problem::new("unknown-import", format!("{error:#}"))))?;
        let reset = artefact.reset;
        Ok((artefact, Factory { code: Arc::new(Code { pre, functions }), reset }))
    }

    /// Compiled code, and where it tells what it does what there is to know of its functions.
    fn code(&self, wasm: &[u8]) -> Result<(Module, Option<Arc<Functions>>), Problem> {
        if !self.tells {
            return Ok((self.module(wasm)?, None));
        }
        Module::validate(&self.engine, wasm).map_err(|error| self.refusal(wasm, &error))?;
        let telling = telling(wasm)?;
        Ok((self.module(&telling.wasm)?, Some(Arc::new(telling.functions))))
    }

    /// Compiled code: what was compiled a while ago is not compiled again, also by others meanwhile.
    fn module(&self, wasm: &[u8]) -> Result<Module, Problem> {
        self.recent.get_or_make(wasm, || self.cached(wasm))
    }

    /// Compiled code, from the cache if it is there. What is there was valid when it was compiled.
    fn cached(&self, wasm: &[u8]) -> Result<Module, Problem> {
        if let Some(module) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, wasm)) {
            return Ok(module);
        }
        let module = Module::from_binary(&self.engine, wasm).map_err(|error| self.refusal(wasm, &error))?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if let Some(cache) = &self.cache {
            cache.store(wasm, &module);
        }
        Ok(module)
    }

    /// Why `wasm` was not compiled: it is not valid, or no instance may be as large.
    fn refusal(&self, wasm: &[u8], error: &wasmtime::Error) -> Problem {
        if Module::validate(&self.engine, wasm).is_ok() {
            return Problem::new("module-too-large", format!("the module asks for more than it may have: {error:#}"));
        }
        artefact::invalid_wasm(&format!("{error:#}"))
    }
}

impl ModuleLoader for Runtime {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let (artefact, factory) = self.compile(artefact)?;
        loaded(artefact, factory)
    }
}

/// What the engine is given of an artefact that is ready to run.
pub(crate) fn loaded<I: Instance>(artefact: Artefact, factory: Factory<I>) -> Result<Loaded, LoadError> {
    let missing = || load_error(artefact::missing_schema());
    Ok(Loaded { schema: artefact.schema.ok_or_else(missing)?, factory: Arc::new(factory) })
}

fn no_runtime(error: wasmtime::Error) -> LoadError {
    load_error(Problem::new("no-runtime", format!("{error:#}")))
}

pub(crate) fn load_error(problem: Problem) -> LoadError {
    LoadError { problem }
}

#[cfg(test)]
mod tests;
