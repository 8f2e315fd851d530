//! Time and randomness: the only place of a node that asks for them.

use crate::start::StartError;
use interstice_types::time::Timestamp;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// Gives each input of the engine its time and its seed.
pub(crate) struct Moments {
    rng: ChaCha12Rng,
}

impl Moments {
    /// Seeded by the operating system.
    pub(crate) fn new() -> Result<Self, StartError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| StartError::Io {
            what: "asking the operating system for random bytes".to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
        Ok(Self { rng: ChaCha12Rng::from_seed(seed) })
    }

    /// Sixteen bytes that were never given before.
    pub(crate) fn seed(&mut self) -> [u8; 16] {
        let mut seed = [0; 16];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// Thirty-two bytes that were never given before.
    pub(crate) fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.rng.fill_bytes(&mut key);
        key
    }
}

/// The wall clock. Before 1970 it stands still: the engine holds time back itself.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
