//! How wasmtime is set up: what modules may use, and where their instances live.
//!
//! Instances come from a pool of slots that are reserved once: a new one is a copy-on-write mapping of the module's image
//! into a slot, and a slot's reservation covers all that a 32-bit address can reach, so that no access needs a bounds
//! check. Where the address space for that is not given, each instance is mapped by itself: slower to make, the same code.

use crate::artefact::features::ALLOWED;
use crate::runtime::{MAX_MEMORY_SIZE, MAX_STACK_SIZE, MAX_TABLE_ELEMENTS, MAX_TABLES};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures};

/// Address space behind each memory: all that 32 bits can name.
const MEMORY_RESERVATION_SIZE: u64 = 4 << 30;
/// Address space behind that, for the constant offset of an access.
const MEMORY_GUARD_SIZE: u64 = 32 << 20;
/// Bytes of a memory and of a table that are cleared by hand when an instance goes, rather than by unmapping: below this
/// size the system call and the page faults after it cost more.
const KEEP_RESIDENT_SIZE: usize = 64 << 10;

/// How the memory of a new instance comes by its static data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    /// Mapped, and copied page by page when it is written: nothing is done for what is not touched.
    CopiedOnWrite,
    /// Copied. Where threads make many small instances beside each other this is faster: each page of a mapping that is written
    /// interrupts the other processors.
    Copied,
}

/// An engine with room for `slots` instances in a pool, or without a pool if the system does not give it.
///
/// # Errors
/// If this machine cannot run WebAssembly.
pub(crate) fn engine(slots: u32, images: Images) -> wasmtime::Result<Engine> {
    let mut pooled = configuration(images);
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)));
    Engine::new(&pooled).or_else(|_| Engine::new(&configuration(images)))
}

/// Every feature is set one way or the other: what a later default switches on must not change what a module may do.
pub(crate) fn configuration(images: Images) -> Config {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(ALLOWED, true);
    config.cranelift_nan_canonicalization(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.consume_fuel(true);
    config.max_wasm_stack(MAX_STACK_SIZE);
    config.wasm_backtrace_max_frames(None);
    config.memory_reservation(MEMORY_RESERVATION_SIZE);
    config.memory_guard_size(MEMORY_GUARD_SIZE);
    config.memory_init_cow(images == Images::CopiedOnWrite);
    config
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots);
    pool.total_memories(slots);
    pool.total_tables(slots.saturating_mul(MAX_TABLES as u32));
    pool.max_memories_per_module(1);
    pool.max_tables_per_module(MAX_TABLES as u32);
    pool.max_memory_size(MAX_MEMORY_SIZE);
    pool.table_elements(MAX_TABLE_ELEMENTS);
    pool.linear_memory_keep_resident(KEEP_RESIDENT_SIZE);
    pool.table_keep_resident(KEEP_RESIDENT_SIZE);
    pool
}
