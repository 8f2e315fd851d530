//! What of WebAssembly a module may use, and the name of what it uses beside that.

use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

/// What a module may use. Anything else is off, whatever a later version switches on by itself.
pub(crate) const ALLOWED: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS);

/// Something that a module may not use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feature {
    pub(super) name: &'static str,
    /// What to do about it.
    pub(super) hint: &'static str,
    flags: WasmFeatures,
}

const fn feature(name: &'static str, hint: &'static str, flags: WasmFeatures) -> Feature {
    Feature { name, hint, flags }
}

const REFERENCES: WasmFeatures = WasmFeatures::GC_TYPES.union(WasmFeatures::FUNCTION_REFERENCES);

/// In the order in which they are tried: what needs less of another one first.
const FORBIDDEN: &[Feature] = &[
    feature("threads", "build without `-Ctarget-feature=+atomics`", WasmFeatures::THREADS),
    feature("relaxed SIMD", "build without `-Ctarget-feature=+relaxed-simd`", WasmFeatures::RELAXED_SIMD),
    feature("memory64", "build for wasm32-unknown-unknown, not for wasm64", WasmFeatures::MEMORY64),
    feature("multi-memory", "build without `-Ctarget-feature=+multimemory`", WasmFeatures::MULTI_MEMORY),
    feature("tail calls", "build without `-Ctarget-feature=+tail-call`", WasmFeatures::TAIL_CALL),
    feature("extended constants", "build without `-Ctarget-feature=+extended-const`", WasmFeatures::EXTENDED_CONST),
    feature("wide arithmetic", "build without `-Ctarget-feature=+wide-arithmetic`", WasmFeatures::WIDE_ARITHMETIC),
    feature("custom page sizes", "build without `--page-size` of the linker", WasmFeatures::CUSTOM_PAGE_SIZES),
    feature("memory control", "build with `interstice build`", WasmFeatures::MEMORY_CONTROL),
    feature("references to things of the host", "build without wasm-bindgen's `externref`", WasmFeatures::GC_TYPES),
    feature("typed function references", "build with `interstice build`", REFERENCES),
    feature("garbage collection", "build with `interstice build`", REFERENCES.union(WasmFeatures::GC)),
    feature("exceptions", "build with `panic = \"abort\"`", WasmFeatures::EXCEPTIONS.union(REFERENCES)),
    feature(
        "exceptions of the old form",
        "build with `panic = \"abort\"`",
        WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS),
    ),
    feature(
        "stack switching",
        "build with `interstice build`",
        REFERENCES.union(WasmFeatures::GC).union(WasmFeatures::EXCEPTIONS).union(WasmFeatures::STACK_SWITCHING),
    ),
    feature(
        "shared-everything threads",
        "build without `-Ctarget-feature=+atomics`",
        WasmFeatures::THREADS.union(REFERENCES).union(WasmFeatures::SHARED_EVERYTHING_THREADS),
    ),
];

/// Whether `wasm` is valid, with what it may use.
pub(crate) fn check(wasm: &[u8]) -> Result<(), BinaryReaderError> {
    check_with(wasm, ALLOWED)
}

/// What `wasm` uses that it may not, each with the byte at which the first such thing stands; and what is wrong with it beside that.
///
/// 1. Validate with what is allowed. If that fails, look for one thing that lets it come further when it is allowed too.
/// 2. Allow that, and begin again, until it is valid or nothing helps: then it is not valid in any case.
pub(super) fn faults(wasm: &[u8]) -> (Vec<(&'static Feature, usize)>, Option<BinaryReaderError>) {
    let mut features = ALLOWED;
    let mut found = Vec::new();
    while let Err(error) = check_with(wasm, features) {
        let helps = |feature: &&Feature| {
            let with = features.union(feature.flags);
            with != features && check_with(wasm, with).map_or_else(|next| next.offset() > error.offset(), |()| true)
        };
        let Some(feature) = FORBIDDEN.iter().find(helps) else { return (found, Some(error)) };
        found.push((feature, error.offset()));
        features = features.union(feature.flags);
    }
    (found, None)
}

fn check_with(wasm: &[u8], features: WasmFeatures) -> Result<(), BinaryReaderError> {
    Validator::new_with_features(features).validate_all(wasm).map(|_| ())
}
