//! The engines of WebAssembly that history can be run again on.

use crate::interpreter::Interpreter;
use crate::runtime::Runtime;
use interstice_engine::module::{LoadError, ModuleLoader};
use std::sync::Arc;

/// One of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WasmEngine {
    /// The one that nodes run, and so the one that made history.
    #[default]
    Wasmtime,
    /// An interpreter by others, which counts no fuel that can be compared.
    Wasmi,
}

impl WasmEngine {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasmtime => "wasmtime",
            Self::Wasmi => "wasmi",
        }
    }

    /// What loads modules to run history again on it, on several threads.
    ///
    /// # Errors
    /// If this machine cannot run it.
    pub fn loader(self) -> Result<Arc<dyn ModuleLoader>, LoadError> {
        Ok(match self {
            Self::Wasmtime => Arc::new(Runtime::for_replay()?),
            Self::Wasmi => Arc::new(Interpreter::new()?),
        })
    }
}
