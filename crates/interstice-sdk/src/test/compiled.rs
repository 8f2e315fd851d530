//! The modules of a test as they are deployed: their artefacts from a directory, run beside the native code.

use super::run::Run;
use interstice_engine::module::ModuleLoader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names the directory with the artefacts of the modules that are tested.
const DIRECTORY: &str = "INTERSTICE_TEST_WASM";

/// A second run of everything, by compiled modules.
pub(super) struct Compiled {
    pub(super) run: Run,
    directory: PathBuf,
}

impl Compiled {
    /// As the environment asks for it.
    pub(super) fn of_environment() -> Option<Self> {
        std::env::var_os(DIRECTORY).map(|directory| Self::new(directory.into()))
    }

    fn new(directory: PathBuf) -> Self {
        Self { run: Run::new(loader(&directory)), directory }
    }

    /// The artefact of a module.
    pub(super) fn artefact_of(&self, module: &str) -> Vec<u8> {
        let file = self.directory.join(format!("{module}.wasm"));
        let hint = "run the tests with `interstice test`, which builds what they need";
        std::fs::read(&file).unwrap_or_else(|error| panic!("`{}`: {error}; {hint}", file.display()))
    }
}

#[cfg(feature = "test-wasm")]
fn loader(directory: &Path) -> Arc<dyn ModuleLoader> {
    use interstice_engine::module::{LoadError, Loaded};
    use interstice_wasm::runtime::Runtime;

    /// Compiled artefacts; what is no artefact is a module as it was.
    struct CompiledLoader(Runtime);

    impl ModuleLoader for CompiledLoader {
        fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
            super::former::load(artefact).unwrap_or_else(|| self.0.load(artefact))
        }
    }

    // Nobody but who builds the tests writes here, and the tests are code as well: the key keeps nothing from anybody.
    let runtime = Runtime::with_cache(directory.join("code"), [0; 32]).unwrap_or_else(|error| panic!("{error}"));
    Arc::new(CompiledLoader(runtime))
}

#[cfg(not(feature = "test-wasm"))]
fn loader(_: &Path) -> Arc<dyn ModuleLoader> {
    panic!("{DIRECTORY} is set, but the tests were built without `--features interstice-sdk/test-wasm`")
}
