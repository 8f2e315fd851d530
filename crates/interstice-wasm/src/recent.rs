//! What was made of artefacts last: modules are loaded again and again, by several threads, and to make code takes long.

use interstice_engine::module::artefact_hash;
use std::sync::{Mutex, PoisonError};

/// Artefacts whose code is kept in memory, the last ones.
const MAX_RECENT: usize = 16;

/// Code of the last artefacts, by their hashes.
pub(crate) struct Recent<C> {
    kept: Mutex<Vec<([u8; 32], C)>>,
}

impl<C: Clone> Recent<C> {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::new(Vec::new()) }
    }

    /// The code of `wasm`, else what `make` gives, which is kept. Who asks meanwhile waits: nothing is made twice at a time.
    pub(crate) fn get_or_make<E>(&self, wasm: &[u8], make: impl FnOnce() -> Result<C, E>) -> Result<C, E> {
        let hash = artefact_hash(wasm);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, code)) = kept.iter().find(|(known, _)| *known == hash) {
            return Ok(code.clone());
        }
        let code = make()?;
        kept.truncate(MAX_RECENT - 1);
        kept.insert(0, (hash, code.clone()));
        Ok(code)
    }
}
