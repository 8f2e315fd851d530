//! What a module declares, collected while it is linked, and the way from a function's number to its code.
//!
//! Numbers are ranks by name. They are worked out once, before the first call, and without the heap: what stands there is
//! gone in the next call.

use interstice_abi::header::Header;
use interstice_types::id::to_hex;
use interstice_types::schema::signature::Signature;
use interstice_types::schema::{FunctionKind, FunctionSchema, Import, ImportedName, Schema, TableRef, TableSchema};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// A module's name and version, as Cargo knows them.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// With `-`.
    pub name: &'static str,
    /// Of the crate.
    pub version: &'static str,
}

/// Runs a function on its argument bytes: the answer's bytes, or the typed error's.
pub type Run = fn(&Header<'_>, &[u8]) -> Result<Vec<u8>, Vec<u8>>;

/// A table that a module declares.
pub struct TableEntry {
    /// Whose it is.
    pub package: Package,
    /// What it declares.
    pub schema: fn() -> TableSchema,
}

/// A function that a module declares.
pub struct FunctionEntry {
    /// Whose it is.
    pub package: Package,
    /// Its name.
    pub name: &'static str,
    /// What it declares.
    pub describe: fn() -> FunctionSchema,
    /// Runs it: the answer's bytes, or the error's.
    pub call: Run,
    number: AtomicU32,
}

/// A function of another module that this one may call.
pub struct ImportEntry {
    /// Whose bindings these are.
    pub package: Package,
    /// The other module.
    pub module: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// The shape that the bindings give it.
    ///
    /// A function, so that modules without imports need not carry what works it out.
    pub signature: fn() -> Signature,
    number: AtomicU32,
}

/// A function in the registry.
pub struct FunctionReference(pub &'static FunctionEntry);

/// Bindings in the registry.
pub struct ImportReference(pub &'static ImportEntry);

/// A table of another module of which this one has bindings.
pub struct ForeignTableEntry {
    /// Whose bindings these are.
    pub package: Package,
    /// The other module.
    pub module: &'static str,
    /// Its name there.
    pub table: &'static str,
    /// The shape that the bindings give it.
    pub signature: fn() -> Signature,
}

inventory::collect!(TableEntry);
inventory::collect!(FunctionReference);
inventory::collect!(ImportReference);
inventory::collect!(ForeignTableEntry);

fn functions() -> impl Iterator<Item = &'static FunctionEntry> {
    inventory::iter::<FunctionReference>.into_iter().map(|reference| reference.0)
}

fn imports() -> impl Iterator<Item = &'static ImportEntry> {
    inventory::iter::<ImportReference>.into_iter().map(|reference| reference.0)
}

impl FunctionEntry {
    #[doc(hidden)]
    pub const fn new(package: Package, name: &'static str, describe: fn() -> FunctionSchema, call: Run) -> Self {
        Self { package, name, describe, call, number: AtomicU32::new(0) }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }
}

impl ImportEntry {
    #[doc(hidden)]
    pub const fn new(package: Package, module: &'static str, name: &'static str, signature: fn() -> Signature) -> Self {
        Self { package, module, name, signature, number: AtomicU32::new(0) }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }
}

/// Gives every function and import its number. Runs once, uses no heap, and may run again without harm.
pub(crate) fn assign_numbers() {
    for entry in functions() {
        let before = functions().filter(|other| other.package.name == entry.package.name && other.name < entry.name);
        entry.number.store(before.count() as u32, Ordering::Relaxed);
    }
    for entry in imports() {
        let key = |entry: &ImportEntry| (entry.module, entry.name);
        let before = imports().filter(|other| other.package.name == entry.package.name && key(other) < key(entry));
        entry.number.store(before.count() as u32, Ordering::Relaxed);
    }
}

/// Runs function `number` of `package`; `None` if it has none with that number.
pub(crate) fn dispatch(
    package: Option<&str>,
    number: u32,
    header: &Header<'_>,
    args: &[u8],
) -> Option<Result<Vec<u8>, Vec<u8>>> {
    let entry = functions().find(|entry| {
        package.is_none_or(|name| entry.package.name == name) && entry.number.load(Ordering::Relaxed) == number
    })?;
    Some((entry.call)(header, args))
}

/// All packages that declare something.
pub(crate) fn packages() -> Vec<Package> {
    let tables = inventory::iter::<TableEntry>.into_iter().map(|entry| entry.package);
    let functions = functions().map(|entry| entry.package);
    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    tables.chain(functions).for_each(|package| {
        packages.insert(package.name, package);
    });
    packages.into_values().collect()
}

/// What `package` declares.
pub(crate) fn describe(package: Package) -> Schema {
    let own = |other: &Package| other.name == package.name;
    let tables = inventory::iter::<TableEntry>.into_iter().filter(|entry| own(&entry.package));
    let mut tables: Vec<_> = tables.map(|entry| (entry.schema)()).collect();
    let functions = self::functions().filter(|entry| own(&entry.package));
    let mut functions: Vec<_> = functions.map(|entry| (entry.describe)()).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    let imports = imports_of(package, &functions);
    Schema { module: package.name.replace('-', "_"), version: package.version.to_owned(), tables, functions, imports }
}

/// What `package` uses of other modules: the functions of its bindings, and the tables that its `functions` touch.
fn imports_of(package: Package, functions: &[FunctionSchema]) -> Vec<Import> {
    let mut used: BTreeMap<String, Import> = BTreeMap::new();
    let empty = |module: &str| Import { module: module.to_owned(), functions: Vec::new(), tables: Vec::new() };
    for entry in imports() {
        if entry.package.name == package.name {
            let import = used.entry(entry.module.to_owned()).or_insert_with(|| empty(entry.module));
            let signature = to_hex(&(entry.signature)());
            import.functions.push(ImportedName { name: entry.name.to_owned(), signature });
        }
    }
    for entry in inventory::iter::<ForeignTableEntry> {
        let table = TableRef { module: Some(entry.module.to_owned()), table: entry.table.to_owned() };
        if entry.package.name == package.name && functions.iter().any(|function| touches(function, &table)) {
            let import = used.entry(entry.module.to_owned()).or_insert_with(|| empty(entry.module));
            let signature = to_hex(&(entry.signature)());
            import.tables.push(ImportedName { name: entry.table.to_owned(), signature });
        }
    }
    for import in used.values_mut() {
        import.functions.sort_by(|a, b| a.name.cmp(&b.name));
        import.tables.sort_by(|a, b| a.name.cmp(&b.name));
    }
    used.into_values().collect()
}

fn touches(function: &FunctionSchema, used: &TableRef) -> bool {
    let listens = matches!(&function.kind, FunctionKind::Event { table, .. } if table == used);
    listens || function.handles.iter().any(|handle| handle.table == *used)
}
