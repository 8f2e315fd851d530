//! Code that tells its host when each function in it begins and ends, made of code that does not.
//!
//! 1. Two more imports: [`BEGIN`], which is given the number of a function, and [`END`].
//! 2. In front of every function, imported ones too, stands another of the same type: it says that the function begins, calls it with
//!    what it was given, and says that it ends. Wherever the code names a function, it now names the one in front of it.
//! 3. What that costs in fuel does not depend on what runs: [`BEFORE_BEGIN`] and [`BEFORE_END`] until it is said, and for the call
//!    itself [`Functions::call_costs`]. Who takes that off has the fuel of the code as it was, exactly.
//!
//! Memory, globals, tables and the order of everything that happens stay as they are.

use super::invalid_wasm;
use super::scan::Scan;
use interstice_types::problem::Problem;
use std::collections::BTreeMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, EntityType, Function, FunctionSection, ImportSection, Instruction, Module, SectionId, TypeSection,
};
use wasmparser::{CodeSectionReader, CompositeInnerType, FunctionSectionReader, Parser, Payload, TypeRef};

/// The module that the two imports are of.
pub(crate) const TELL_MODULE: &str = "interstice_trace";
/// A function begins: its number, as it was before.
pub(crate) const BEGIN: &str = "begin";
/// The function that began last ends.
pub(crate) const END: &str = "end";

/// Fuel that is burnt before a beginning is said: a function, its number, the call that says it.
pub(crate) const BEFORE_BEGIN: u64 = 3;
/// Fuel that is burnt before an end is said: the call that says it.
pub(crate) const BEFORE_END: u64 = 1;
/// Imports that are added.
const ADDED: u32 = 2;

/// Code that tells, and what there is to know of each of its functions by its number as it was.
pub(crate) struct Telling {
    pub(crate) wasm: Vec<u8>,
    pub(crate) functions: Functions,
}

/// What there is to know of functions, by number.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// Fuel that is burnt between a beginning that was said and the function: what it is given, and the call.
    pub(crate) call_costs: Vec<u64>,
    /// What it is called; of an imported one, what it is imported as.
    pub(crate) names: BTreeMap<u32, String>,
}

/// What stands in a module that its functions need.
#[derive(Default)]
struct Shape {
    /// How many values a function type is given; `None` for types that are not a function's.
    types: Vec<Option<usize>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    imported: u32,
    /// Whether it says what it imports.
    has_imports: bool,
}

/// Makes `wasm`, which is valid, tell.
///
/// # Errors
/// `invalid-wasm`.
pub(crate) fn telling(wasm: &[u8]) -> Result<Telling, Problem> {
    let invalid = |error: &dyn std::fmt::Display| invalid_wasm(&error.to_string());
    let shape = Shape::of(wasm).map_err(|error| invalid(&error))?;
    let call_costs = shape.functions.iter().map(|ty| shape.params(*ty) as u64 + 1).collect();
    let functions = Functions { call_costs, names: Scan::of(wasm).map_err(|error| invalid(&error))?.code_names() };
    let mut module = Module::new();
    let numbers = Numbers { imported: shape.imported, functions: shape.functions.len() as u32 };
    let mut writer = Writer { shape, numbers };
    writer.parse_core_module(&mut module, Parser::new(0), wasm).map_err(|error| invalid(&error))?;
    Ok(Telling { wasm: module.finish(), functions })
}

impl Shape {
    fn of(wasm: &[u8]) -> wasmparser::Result<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(groups) => {
                    for group in groups {
                        let types = group?.into_types().map(|ty| match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function.params().len()),
                            _ => None,
                        });
                        shape.types.extend(types);
                    }
                }
                Payload::ImportSection(imports) => {
                    shape.has_imports = true;
                    for import in imports.into_imports() {
                        if let TypeRef::Func(ty) = import?.ty {
                            shape.functions.push(ty);
                            shape.imported += 1;
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        shape.functions.push(ty?);
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    fn params(&self, ty: u32) -> usize {
        self.types.get(ty as usize).copied().flatten().unwrap_or(0)
    }

    /// The number of the two types that are added: of a beginning, and behind it of an end.
    fn begin_type(&self) -> u32 {
        self.types.len() as u32
    }
}

/// The numbers that functions get.
#[derive(Clone, Copy)]
struct Numbers {
    imported: u32,
    /// Imported ones too.
    functions: u32,
}

impl Numbers {
    /// Of the function that stands in front of function `number`.
    fn front(self, number: u32) -> u32 {
        self.imported + ADDED + number
    }

    /// Of function `number` itself: imported ones stay where they are, the others come behind those in front of them.
    fn itself(self, number: u32) -> u32 {
        if number < self.imported { number } else { self.front(self.functions) + number - self.imported }
    }
}

/// Whatever names a function names the one in front of it; all else stays as it is.
impl Reencode for Numbers {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        Ok(self.front(function))
    }
}

/// Writes the code anew.
struct Writer {
    shape: Shape,
    numbers: Numbers,
}

impl Writer {
    fn add(&self, imports: &mut ImportSection) {
        let begin = self.shape.begin_type();
        imports.import(TELL_MODULE, BEGIN, EntityType::Function(begin));
        imports.import(TELL_MODULE, END, EntityType::Function(begin + 1));
    }
}

impl Reencode for Writer {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        self.numbers.function_index(function)
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        self.numbers.parse_type_section(types, section)?;
        types.ty().function([wasm_encoder::ValType::I32], []);
        types.ty().function([], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        self.numbers.parse_import_section(imports, section)?;
        self.add(imports);
        Ok(())
    }

    /// One that imports nothing gets the section behind that of types.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        _: Option<SectionId>,
    ) -> Result<(), Error<Self::Error>> {
        if !self.shape.has_imports && after == Some(SectionId::Type) {
            let mut imports = ImportSection::new();
            self.add(&mut imports);
            module.section(&imports);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        _: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let own = &self.shape.functions[self.shape.imported as usize..];
        for ty in self.shape.functions.iter().chain(own) {
            functions.function(*ty);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        for (number, ty) in (0..).zip(&self.shape.functions) {
            let mut front = Function::new([]);
            front.instruction(&Instruction::I32Const(number as i32));
            front.instruction(&Instruction::Call(self.shape.imported));
            for param in 0..self.shape.params(*ty) {
                front.instruction(&Instruction::LocalGet(param as u32));
            }
            front.instruction(&Instruction::Call(self.numbers.itself(number)));
            front.instruction(&Instruction::Call(self.shape.imported + 1));
            front.instruction(&Instruction::End);
            code.function(&front);
        }
        self.numbers.parse_code_section(code, section)
    }

    /// What stands in custom sections is about the code as it was.
    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        Ok(())
    }
}
