//! What an artefact imports and exports, beside what it may and must.

use super::scan::{Import, Scan, signature_text};
use interstice_abi::host::{self, EXPORT_MEMORY, EXPORTS, IMPORT_MODULE, Signature};
use interstice_types::problem::{Problem, nearest};
use wasmparser::ExternalKind;

/// What is wrong with an import.
pub(super) enum ImportFault {
    /// The host does not offer it.
    Unknown,
    /// It is a host call, but not of this type.
    OtherType(&'static Signature),
}

/// What is wrong with an export.
pub(super) enum ExportFault {
    Missing,
    /// It is there, of another kind or type.
    OtherShape(String),
}

/// Every import that the host cannot give.
pub(super) fn import_faults<'w>(scan: &Scan<'w>) -> Vec<(Import<'w>, ImportFault)> {
    let fault = |import: &Import<'w>| {
        let call = host::host_call(import.name).filter(|_| import.module == IMPORT_MODULE);
        match (call, import.function) {
            (Some(call), Some(ty)) if scan.is_of_type(ty, call) => None,
            (Some(call), _) => Some((*import, ImportFault::OtherType(call))),
            (None, _) => Some((*import, ImportFault::Unknown)),
        }
    };
    scan.imports.iter().filter_map(fault).collect()
}

/// Every export that a module must have and this one has not.
pub(super) fn export_faults(scan: &Scan<'_>) -> Vec<(&'static str, ExportFault)> {
    let other = |name: &str| scan.exports.iter().find(|export| export.name == name);
    let mut faults = Vec::new();
    if scan.export(EXPORT_MEMORY, ExternalKind::Memory).is_none() {
        let fault = |_| ExportFault::OtherShape("it is not a memory".to_owned());
        faults.push((EXPORT_MEMORY, other(EXPORT_MEMORY).map_or(ExportFault::Missing, fault)));
    }
    for wanted in EXPORTS {
        let found = scan.export(wanted.name, ExternalKind::Func).and_then(|index| scan.type_of_function(index));
        let wants = signature_text(wanted);
        match found {
            Some(ty) if scan.is_of_type(ty, wanted) => {}
            Some(ty) => {
                let fault = format!("it is {}, and must be {wants}", scan.type_text(ty));
                faults.push((wanted.name, ExportFault::OtherShape(fault)));
            }
            None if other(wanted.name).is_some() => {
                faults.push((wanted.name, ExportFault::OtherShape(format!("it is not a function {wants}"))));
            }
            None => faults.push((wanted.name, ExportFault::Missing)),
        }
    }
    faults
}

/// Refuses imports that the host cannot give, naming all of them.
pub(super) fn check_imports(scan: &Scan<'_>) -> Result<(), Problem> {
    let faults = import_faults(scan);
    let Some((first, _)) = faults.first() else { return Ok(()) };
    let names: Vec<_> = faults.iter().map(|(import, _)| format!("`{}.{}`", import.module, import.name)).collect();
    let text = format!("the module imports {}, which this host does not offer", names.join(", "));
    Err(Problem::new("unknown-import", text).hint(likely_cause(first)))
}

/// Refuses a module without the exports that it must have, naming all of them.
pub(super) fn check_exports(scan: &Scan<'_>) -> Result<(), Problem> {
    let faults = export_faults(scan);
    if faults.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = faults.iter().map(|(name, _)| format!("`{name}`")).collect();
    let text = format!("the module does not export {} in the shape that is needed", names.join(", "));
    Err(Problem::new("missing-export", text).hint("build it with `interstice build`"))
}

/// Why an artefact most likely has such an import, and what to do.
pub(super) fn likely_cause(import: &Import<'_>) -> String {
    let own = |name: &str| {
        let near = nearest(name, host::HOST_CALLS.iter().map(|call| call.name));
        near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
    };
    match import.module {
        "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" => {
            "a dependency uses wasm-bindgen: switch off its `js` or `wasmbind` feature (often chrono, uuid, getrandom); \
             `cargo tree --target wasm32-unknown-unknown -i wasm-bindgen` says which"
                .to_owned()
        }
        "wasi_snapshot_preview1" | "wasi_unstable" => {
            "it was built for a WASI target: build for wasm32-unknown-unknown, as `interstice build` does".to_owned()
        }
        IMPORT_MODULE => {
            let near = own(import.name);
            format!("{near}it was built with another version of the SDK: build it anew with `interstice build`")
        }
        "env" => "a dependency calls C functions that are not there: leave out the crate that links C code, often one whose name \
                  ends in `-sys`"
            .to_owned(),
        _ => "build it with `interstice build`".to_owned(),
    }
}
