//! What is seen of an artefact in one walk over its bytes, none of which is run.
//!
//! What is kept grows with the bytes, never with a number that stands in them.

use interstice_abi::host::{Number, SCHEMA_SECTION, Signature};
use std::collections::BTreeMap;
use wasmparser::{
    BinaryReaderError, CompositeInnerType, ConstExpr, Encoding, ExternalKind, FuncType, FunctionBody, GlobalType,
    KnownCustom, MemoryType, Name, NameSectionReader, Operator, Parser, Payload, TableType, TypeRef, ValType,
};

/// Functions that are named where something is found in many.
const MAX_NAMED: usize = 3;

/// All that is seen.
#[derive(Default)]
pub(super) struct Scan<'w> {
    pub(super) sections: Vec<Section<'w>>,
    /// `None` for a type that is not a function's.
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    pub(super) imported_functions: u32,
    pub(super) imports: Vec<Import<'w>>,
    pub(super) exports: Vec<Export<'w>>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) tables: Vec<TableType>,
    pub(super) globals: Vec<Global>,
    /// Instructions that change something outside of memory and globals that stays, or the size of memory.
    pub(super) keeping: BTreeMap<&'static str, Places>,
    /// The function that runs when an instance is made.
    pub(super) start: Option<u32>,
    pub(super) schema: Option<&'w [u8]>,
    /// Names of functions, in their order.
    names: Vec<(u32, &'w str)>,
    /// Where the code of each function begins.
    bodies: Vec<usize>,
}

/// A section, in the order of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'w> {
    pub(super) kind: &'static str,
    /// Of a custom section.
    pub(super) name: Option<&'w str>,
    pub(super) bytes: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Import<'w> {
    pub(super) module: &'w str,
    pub(super) name: &'w str,
    /// Its type, if it is a function.
    pub(super) function: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Export<'w> {
    pub(super) name: &'w str,
    pub(super) kind: ExternalKind,
    pub(super) index: u32,
}

#[derive(Debug, Default)]
pub(super) struct Global {
    pub(super) mutable: bool,
    /// What it begins with, if that is a constant number of 32 bits.
    pub(super) initial: Option<i32>,
    /// Who sets it.
    pub(super) writers: Places,
}

/// Functions in which something is found: the first few, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) first: Vec<u32>,
    pub(super) count: usize,
    last: Option<u32>,
}

impl Places {
    /// The functions of an artefact are walked over one after the other.
    fn add(&mut self, function: u32) {
        if self.last.replace(function) == Some(function) {
            return;
        }
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(function);
        }
    }
}

impl<'w> Scan<'w> {
    /// Walks over `wasm`.
    ///
    /// # Errors
    /// Why it is not a WebAssembly module.
    pub(super) fn of(wasm: &'w [u8]) -> Result<Self, String> {
        let mut scan = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(|error| error.to_string())?;
            if let Payload::Version { encoding: Encoding::Component, .. } = payload {
                return Err("it is a component; modules are built for wasm32-unknown-unknown".to_owned());
            }
            scan.payload(payload).map_err(|error| error.to_string())?;
        }
        Ok(scan)
    }

    fn payload(&mut self, payload: Payload<'w>) -> Result<(), BinaryReaderError> {
        self.section(&payload);
        match payload {
            Payload::TypeSection(groups) => {
                for group in groups {
                    let types = group?.into_types().map(|ty| match ty.composite_type.inner {
                        CompositeInnerType::Func(function) => Some(function),
                        _ => None,
                    });
                    self.types.extend(types);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    self.import(import.module, import.name, import.ty);
                }
            }
            Payload::FunctionSection(functions) => each(functions, |ty| self.functions.push(ty))?,
            Payload::TableSection(tables) => each(tables, |table| self.tables.push(table.ty))?,
            Payload::MemorySection(memories) => each(memories, |memory| self.memories.push(memory))?,
            Payload::GlobalSection(globals) => each(globals, |global| {
                self.global(&global.ty, constant(&global.init_expr));
            })?,
            Payload::ExportSection(exports) => each(exports, |export| {
                self.exports.push(Export { name: export.name, kind: export.kind, index: export.index });
            })?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::CustomSection(section) if section.name() == SCHEMA_SECTION => self.schema = Some(section.data()),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn section(&mut self, payload: &Payload<'w>) {
        let Some((_, range)) = payload.as_section() else { return };
        let (kind, name) = match payload {
            Payload::CustomSection(section) => ("custom", Some(section.name())),
            Payload::TypeSection(_) => ("type", None),
            Payload::ImportSection(_) => ("import", None),
            Payload::FunctionSection(_) => ("function", None),
            Payload::TableSection(_) => ("table", None),
            Payload::MemorySection(_) => ("memory", None),
            Payload::GlobalSection(_) => ("global", None),
            Payload::ExportSection(_) => ("export", None),
            Payload::StartSection { .. } => ("start", None),
            Payload::ElementSection(_) => ("element", None),
            Payload::DataCountSection { .. } => ("data count", None),
            Payload::CodeSectionStart { .. } => ("code", None),
            Payload::DataSection(_) => ("data", None),
            _ => ("other", None),
        };
        self.sections.push(Section { kind, name, bytes: range.len() });
    }

    fn import(&mut self, module: &'w str, name: &'w str, ty: TypeRef) {
        let function = match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => Some(ty),
            _ => None,
        };
        self.functions.extend(function);
        self.imported_functions += u32::from(function.is_some());
        match ty {
            TypeRef::Table(ty) => self.tables.push(ty),
            TypeRef::Memory(ty) => self.memories.push(ty),
            TypeRef::Global(ty) => self.global(&ty, None),
            _ => {}
        }
        self.imports.push(Import { module, name, function });
    }

    fn global(&mut self, ty: &GlobalType, initial: Option<i32>) {
        self.globals.push(Global { mutable: ty.mutable, initial, writers: Places::default() });
    }

    fn body(&mut self, body: &FunctionBody<'w>) -> Result<(), BinaryReaderError> {
        let function = self.imported_functions + self.bodies.len() as u32;
        self.bodies.push(body.range().start);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            if let Operator::GlobalSet { global_index } = operator
                && let Some(global) = self.globals.get_mut(global_index as usize)
            {
                global.writers.add(function);
            }
            if let Some(name) = keeps(&operator) {
                self.keeping.entry(name).or_default().add(function);
            }
        }
        Ok(())
    }

    fn names(&mut self, section: NameSectionReader<'w>) {
        // Names are for people: where they make no sense there are none.
        for name in section.map_while(Result::ok) {
            if let Name::Function(functions) = name {
                let functions = functions.into_iter().map_while(Result::ok);
                self.names.extend(functions.map(|naming| (naming.index, naming.name)));
            }
        }
        self.names.sort_unstable_by_key(|(index, _)| *index);
    }
}

impl Scan<'_> {
    /// Functions that it has itself.
    pub(super) fn own_functions(&self) -> usize {
        self.functions.len() - self.imported_functions as usize
    }

    /// Whether functions have names.
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether the function of type `ty` has this signature.
    pub(super) fn is_of_type(&self, ty: u32, signature: &Signature) -> bool {
        self.type_at(ty).is_some_and(|ty| {
            ty.params().iter().copied().eq(signature.params.iter().copied().map(value_type))
                && ty.results().iter().copied().eq(signature.result.map(value_type))
        })
    }

    fn type_at(&self, ty: u32) -> Option<&FuncType> {
        self.types.get(ty as usize)?.as_ref()
    }

    /// As in `(i32, i64) → i32`.
    pub(super) fn type_text(&self, ty: u32) -> String {
        /// What is longer is cut: nobody reads on.
        const MAX_SHOWN: usize = 12;
        let list = |types: &[ValType]| {
            let shown: Vec<_> = types.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
            if types.len() > MAX_SHOWN { format!("{}, …", shown.join(", ")) } else { shown.join(", ") }
        };
        self.type_at(ty).map_or_else(
            || "not a function".to_owned(),
            |ty| {
                format!(
                    "({}) → {}",
                    list(ty.params()),
                    if ty.results().is_empty() { "nothing".to_owned() } else { list(ty.results()) }
                )
            },
        )
    }

    /// The type of the function with this number.
    pub(super) fn type_of_function(&self, function: u32) -> Option<u32> {
        self.functions.get(function as usize).copied()
    }

    /// The export of this name and kind.
    pub(super) fn export(&self, name: &str, kind: ExternalKind) -> Option<u32> {
        self.exports.iter().find(|export| export.name == name && export.kind == kind).map(|export| export.index)
    }

    /// What a function is called, for people.
    pub(super) fn name_of(&self, function: u32) -> String {
        let named = self.names.binary_search_by_key(&function, |(index, _)| *index);
        named.map_or_else(|_| format!("function {function}"), |at| format!("`{}`", self.names[at].1))
    }

    /// What functions are called, by number: as the module names them, imported ones as in `host.insert`.
    pub(super) fn code_names(&self) -> BTreeMap<u32, String> {
        let imported = self.imports.iter().filter(|import| import.function.is_some());
        let imported = (0..).zip(imported.map(|import| format!("host.{}", import.name)));
        let own = self.names.iter().filter(|(number, _)| *number >= self.imported_functions);
        own.map(|(number, name)| (*number, format!("{:#}", rustc_demangle::demangle(name)))).chain(imported).collect()
    }

    /// The function whose code has the byte `offset`, for people.
    pub(super) fn function_at(&self, offset: usize) -> Option<String> {
        let before = self.bodies.partition_point(|start| *start <= offset).checked_sub(1)?;
        Some(self.name_of(self.imported_functions + before as u32))
    }

    /// As in `` `a`, `b`, `c` and 2 more``.
    pub(super) fn names_of(&self, places: &Places) -> String {
        let names: Vec<_> = places.first.iter().map(|function| self.name_of(*function)).collect();
        match places.count - places.first.len() {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }
}

/// The signature as [`Scan::type_text`] says it.
pub(super) fn signature_text(signature: &Signature) -> String {
    let params: Vec<_> = signature.params.iter().map(|number| value_type(*number).to_string()).collect();
    let result = signature.result.map_or_else(|| "nothing".to_owned(), |number| value_type(number).to_string());
    format!("({}) → {result}", params.join(", "))
}

fn value_type(number: Number) -> ValType {
    match number {
        Number::I32 => ValType::I32,
        Number::I64 => ValType::I64,
    }
}

/// Takes each item of a section.
fn each<T>(
    section: impl IntoIterator<Item = Result<T, BinaryReaderError>>,
    mut take: impl FnMut(T),
) -> Result<(), BinaryReaderError> {
    section.into_iter().try_for_each(|item| item.map(&mut take))
}

fn constant(expression: &ConstExpr<'_>) -> Option<i32> {
    match expression.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(value),
        _ => None,
    }
}

/// The name of an instruction that changes something outside of memory and globals that stays, or the size of memory.
fn keeps(operator: &Operator<'_>) -> Option<&'static str> {
    Some(match operator {
        Operator::MemoryGrow { .. } => "memory.grow",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableSet { .. } => "table.set",
        Operator::TableFill { .. } => "table.fill",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::ElemDrop { .. } => "elem.drop",
        Operator::DataDrop { .. } => "data.drop",
        _ => return None,
    })
}
