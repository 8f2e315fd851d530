//! Artefacts: what they import and export, the schema inside, and whether their memory can be reset.

use interstice_abi::host::{
    self, EXPORT_HEAP_BASE, EXPORT_MEMORY, EXPORT_STACK_POINTER, EXPORTS, IMPORT_MODULE, Number, SCHEMA_SECTION,
};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use wasm_encoder::{CustomSection, RawSection, Section};
use wasmparser::{ConstExpr, ExternalKind, FuncType, Operator, Parser, Payload, TypeRef, ValType};

/// Bytes of the magic number and the version in front of the first section.
const HEADER_SIZE: usize = 8;
/// Bytes of a WebAssembly page.
pub const PAGE_SIZE: u64 = 65_536;

/// What is known of an artefact without running it.
#[derive(Debug, Default)]
pub struct Artefact {
    /// What it declares, if it carries that.
    pub schema: Option<Schema>,
    /// The static data that a call may change, if a reset of it makes the instance as new.
    pub reset: Option<ResetRange>,
}

/// Where static data begins (the first stack pointer) and ends (`__heap_base`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetRange {
    /// First byte.
    pub start: u32,
    /// Byte behind the last.
    pub end: u32,
}

#[derive(Default)]
struct Scan {
    types: Vec<FuncType>,
    functions: Vec<u32>,
    exports: Vec<(String, ExternalKind, u32)>,
    memory: Option<(u64, Option<u64>)>,
    globals: Vec<(bool, Option<i32>)>,
    /// Whether code may change something outside of memory and globals that stays, or the size of memory.
    keeps_more: bool,
    /// Whether code sets a global.
    sets_globals: bool,
    unknown_imports: Vec<(String, String)>,
    schema: Option<Vec<u8>>,
}

/// Reads an artefact. It must be valid WebAssembly already.
///
/// # Errors
/// A problem that names everything that is wrong with its imports, or the first thing that is wrong elsewhere.
pub fn read(wasm: &[u8]) -> Result<Artefact, Problem> {
    let mut scan = Scan::default();
    for payload in Parser::new(0).parse_all(wasm) {
        payload.and_then(|payload| scan.payload(&payload)).map_err(|error| invalid_wasm(&error.to_string()))?;
    }
    scan.check_imports()?;
    scan.check_exports()?;
    let schema = scan.schema.as_deref().map(serde_json::from_slice).transpose();
    let schema = schema.map_err(|error| {
        Problem::new("invalid-schema", format!("the section `{SCHEMA_SECTION}` is not a schema: {error}"))
    })?;
    Ok(Artefact { schema, reset: scan.reset_range() })
}

/// The schema that an artefact carries, without compiling it.
///
/// # Errors
/// A problem, if the bytes are no artefact or carry none.
pub fn schema_of(wasm: &[u8]) -> Result<Schema, Problem> {
    read(wasm)?.schema.ok_or_else(missing_schema)
}

/// The artefact carries no schema.
pub(crate) fn missing_schema() -> Problem {
    Problem::new("missing-schema", "the artefact carries no schema").hint("build it with `interstice build`")
}

/// `wasm` with `schema` in its custom section, in place of the one that is there. What only a build needs is left out.
///
/// # Errors
/// If the bytes are not WebAssembly.
pub fn with_schema(wasm: &[u8], schema: &Schema) -> Result<Vec<u8>, Problem> {
    /// Sections that name tools and features of the build, and those for debuggers. The names of functions stay.
    const LEFT_OUT: [&str; 3] = [SCHEMA_SECTION, "producers", "target_features"];
    let is_left_out = |name: &str| LEFT_OUT.contains(&name) || name.starts_with(".debug");
    let mut out = wasm[..wasm.len().min(HEADER_SIZE)].to_vec();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| invalid_wasm(&error.to_string()))?;
        let left_out = matches!(&payload, Payload::CustomSection(section) if is_left_out(section.name()));
        if let (Some((id, range)), false) = (payload.as_section(), left_out) {
            RawSection { id, data: &wasm[range] }.append_to(&mut out);
        }
    }
    let data = schema.to_canonical_json();
    CustomSection { name: SCHEMA_SECTION.into(), data: data.as_slice().into() }.append_to(&mut out);
    Ok(out)
}

/// The bytes are not WebAssembly.
pub(crate) fn invalid_wasm(error: &str) -> Problem {
    Problem::new("invalid-wasm", format!("not a WebAssembly module: {error}")).hint("build it with `interstice build`")
}

impl Scan {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.clone().into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import?;
                    self.import(import.module, import.name, import.ty);
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions.clone() {
                    self.functions.push(ty?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory?;
                    self.memory = Some((memory.initial, memory.maximum));
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals.clone() {
                    let global = global?;
                    self.globals.push((global.ty.mutable, constant(&global.init_expr)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    self.exports.push((export.name.to_owned(), export.kind, export.index));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    let operator = operators.read()?;
                    self.sets_globals |= matches!(operator, Operator::GlobalSet { .. });
                    self.keeps_more |= matches!(
                        operator,
                        Operator::MemoryGrow { .. }
                            | Operator::TableGrow { .. }
                            | Operator::TableSet { .. }
                            | Operator::TableFill { .. }
                            | Operator::TableCopy { .. }
                            | Operator::TableInit { .. }
                            | Operator::ElemDrop { .. }
                            | Operator::DataDrop { .. }
                    );
                }
            }
            Payload::CustomSection(section) if section.name() == SCHEMA_SECTION => {
                self.schema = Some(section.data().to_vec());
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) {
        if let TypeRef::Func(ty) = ty {
            self.functions.push(ty);
            let known = host::host_call(name).filter(|_| module == IMPORT_MODULE);
            if known.is_some_and(|call| self.has_type(ty, call)) {
                return;
            }
        }
        self.unknown_imports.push((module.to_owned(), name.to_owned()));
    }

    fn has_type(&self, ty: u32, signature: &host::Signature) -> bool {
        let number = |number: &Number| match number {
            Number::I32 => ValType::I32,
            Number::I64 => ValType::I64,
        };
        let params: Vec<_> = signature.params.iter().map(number).collect();
        let results: Vec<_> = signature.result.iter().map(number).collect();
        self.types.get(ty as usize).is_some_and(|ty| ty.params() == params && ty.results() == results)
    }

    fn check_imports(&self) -> Result<(), Problem> {
        if self.unknown_imports.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.unknown_imports.iter().map(|(module, name)| format!("`{module}.{name}`")).collect();
        let text = format!("the module imports {}, which this host does not offer", names.join(", "));
        Err(Problem::new("unknown-import", text).hint(likely_cause(&self.unknown_imports[0].0)))
    }

    fn check_exports(&self) -> Result<(), Problem> {
        let find = |name: &str| self.exports.iter().find(|(export, ..)| export == name);
        let mut missing = Vec::new();
        if !find(EXPORT_MEMORY).is_some_and(|(_, kind, _)| *kind == ExternalKind::Memory) {
            missing.push(EXPORT_MEMORY);
        }
        for wanted in EXPORTS {
            let fits = find(wanted.name).is_some_and(|(_, kind, index)| {
                let ty = self.functions.get(*index as usize);
                *kind == ExternalKind::Func && ty.is_some_and(|ty| self.has_type(*ty, wanted))
            });
            if !fits {
                missing.push(wanted.name);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
        let text = format!("the module does not export {} in the shape that is needed", names.join(", "));
        Err(Problem::new("missing-export", text).hint("build it with `interstice build`"))
    }

    /// A reset makes an instance as new if memory cannot grow, and nothing outside of it changes but the stack pointer, which the host
    /// can set.
    fn reset_range(&self) -> Option<ResetRange> {
        let (minimum, maximum) = self.memory?;
        let mut mutable = self.globals.iter().enumerate().filter(|(_, (mutable, _))| *mutable);
        let (position, (_, initial)) = mutable.next()?;
        let stack_pointer = (*initial)?;
        let global = |wanted: &str| {
            let found = self.exports.iter().find(|(name, kind, _)| name == wanted && *kind == ExternalKind::Global);
            found.map(|(_, _, index)| *index as usize)
        };
        let heap_base = self.globals.get(global(EXPORT_HEAP_BASE)?)?.1?;
        let is_set_back = !self.sets_globals || global(EXPORT_STACK_POINTER) == Some(position);
        let fits = maximum == Some(minimum) && !self.keeps_more && is_set_back && mutable.next().is_none();
        let range = ResetRange { start: stack_pointer as u32, end: heap_base as u32 };
        (fits && range.start <= range.end && u64::from(range.end) <= minimum * PAGE_SIZE).then_some(range)
    }
}

fn constant(expression: &ConstExpr<'_>) -> Option<i32> {
    match expression.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(value),
        _ => None,
    }
}

fn likely_cause(module: &str) -> &'static str {
    match module {
        "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" => {
            "a dependency uses wasm-bindgen: switch off its `js` or `wasmbind` feature (often chrono, uuid, getrandom)"
        }
        "wasi_snapshot_preview1" => "it was built for a WASI target: build for wasm32-unknown-unknown",
        IMPORT_MODULE => "it was built with another version of the SDK: build it anew with `interstice build`",
        "env" => "a dependency calls C functions that are not there",
        _ => "build it with `interstice build`",
    }
}
