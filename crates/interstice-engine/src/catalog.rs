//! The catalog: modules in force with every name resolved to a number, worked out from the system tables.

use crate::execution::FORMER;
use crate::module::{CallError, ModuleFactory};
use crate::problems;
use crate::system::{self, ModuleRow};
use interstice_store::store::Store;
use interstice_types::id::{Identity, Offset, TableId};
use interstice_types::layout::RowLayout;
use interstice_types::problem::Problem;
use interstice_types::schema::{
    ChangeKind, Durability, FunctionKind, FunctionSchema, HandleSchema, SYSTEM_MODULE, Schema, TableAccess, TableRef,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Modules in force. Rebuilt by each publish, shared with everything that reads.
#[derive(Default)]
pub struct Catalog {
    modules: Vec<ModuleEntry>,
    by_name: BTreeMap<String, usize>,
    tables: BTreeMap<String, BTreeMap<String, TableId>>,
    event_reducers: Vec<EventReducer>,
    connect_reducers: Vec<(usize, u32)>,
    disconnect_reducers: Vec<(usize, u32)>,
    /// For each table id, whether changes of it are kept with the old row.
    keeps_old: Vec<bool>,
    /// For each table id, whether some event reducer listens to it.
    raises_events: Vec<bool>,
    /// For each table id, whether its rows are in no log.
    ephemeral: Vec<bool>,
    /// Whether there is one.
    has_ephemeral: bool,
    /// `interstice.schedule`.
    schedules: Option<TableId>,
}

/// A module in force.
pub struct ModuleEntry {
    /// What it declares.
    pub schema: Arc<Schema>,
    /// The offset of the publish that brought it in force.
    pub published_at: Offset,
    /// BLAKE3 of its artefact.
    pub artefact: [u8; 32],
    /// Who its events run as.
    pub identity: Identity,
    /// Who published it first; `None` if that is not known.
    pub owner: Option<Identity>,
    /// Its functions, by number.
    pub functions: Vec<FunctionEntry>,
    /// The functions of other modules that it may call, in the order of its imports: module and function number.
    pub imports: Vec<Option<(usize, u32)>>,
    /// Makes instances; `None` until it is loaded.
    pub factory: Option<Arc<dyn ModuleFactory>>,
}

/// A function with its tables resolved.
pub struct FunctionEntry {
    /// What it declares.
    pub schema: FunctionSchema,
    /// Its arguments, laid out as a row.
    pub args: RowLayout,
    /// By handle number; `None` where the table of another module is not there.
    pub handles: Vec<Option<(TableId, TableAccess)>>,
    /// All tables that it can see: those that its handles name, those of the functions that its module imports, and of theirs in turn.
    pub visible: Box<[TableId]>,
}

/// An event reducer; its position in the catalog is the `subscriber` of an event.
#[derive(Debug, Clone, Copy)]
pub struct EventReducer {
    /// The module's position.
    pub module: usize,
    /// The function's number.
    pub function: u32,
    /// What it listens to.
    pub table: TableId,
    /// Which changes.
    pub on: ChangeKind,
}

impl Catalog {
    /// A function's place, for people.
    pub(crate) fn place(&self, module: usize, function: u32) -> String {
        let entry = &self.modules[module];
        problems::place(&entry.schema.module, &entry.functions[function as usize].schema.name)
    }

    /// A call of a function ended with this.
    pub(crate) fn call_failed(&self, module: usize, function: u32, error: CallError) -> Problem {
        let schema = &self.modules[module].functions[function as usize].schema;
        problems::call_failed(schema, error).at(self.place(module, function))
    }

    /// Works the catalog out from the system tables; keeps the factories of artefacts that `before` had loaded.
    pub fn build(store: &Store, before: &Self) -> Self {
        let rows = system::modules(store);
        let mut tables: BTreeMap<String, BTreeMap<String, TableId>> = BTreeMap::new();
        for row in system::table_rows(store) {
            tables.entry(row.module).or_default().insert(row.name, row.id);
        }
        let own = system::own_tables(store).map(|table| (table.schema().name.clone(), table.id()));
        tables.insert(SYSTEM_MODULE.to_owned(), own.collect());
        let by_name: BTreeMap<_, _> =
            rows.iter().enumerate().map(|(position, row)| (row.name.clone(), position)).collect();
        let (schedules, owners) = (system::schedule::find_table(store), system::version::owners(store));
        let mut catalog = Self { by_name, tables, schedules, ..Self::default() };
        catalog.modules = rows.iter().map(|row| catalog.entry(row, &rows, &owners, before)).collect();
        catalog.collect_visible_tables();
        catalog.collect_event_reducers(store);
        catalog.connect_reducers = catalog.functions_of_kind(&FunctionKind::Connect);
        catalog.disconnect_reducers = catalog.functions_of_kind(&FunctionKind::Disconnect);
        catalog
    }

    fn entry(
        &self,
        row: &ModuleRow,
        rows: &[ModuleRow],
        owners: &BTreeMap<String, Identity>,
        before: &Self,
    ) -> ModuleEntry {
        let handle = |handle: &HandleSchema| {
            let id = if handle.former { Some(FORMER) } else { self.resolve(&row.name, &handle.table) };
            id.map(|id| (id, handle.access))
        };
        let function = |schema: &FunctionSchema| FunctionEntry {
            schema: schema.clone(),
            args: RowLayout::new(schema.args.iter().map(|arg| arg.ty.clone()).collect()),
            handles: schema.handles.iter().map(handle).collect(),
            visible: Box::default(),
        };
        let import = |module: &str, name: &str| {
            let position = *self.by_name.get(module)?;
            Some((position, rows[position].schema.function(name)?.0))
        };
        let imports = row.schema.imports.iter();
        let loaded = before.modules.iter().find(|entry| entry.artefact == row.artefact);
        ModuleEntry {
            published_at: row.published_at,
            artefact: row.artefact,
            identity: Identity::of_module(&row.name),
            owner: owners.get(&row.name).copied(),
            functions: row.schema.functions.iter().map(function).collect(),
            imports: imports.flat_map(|i| i.functions.iter().map(|f| import(&i.module, &f.name))).collect(),
            schema: Arc::clone(&row.schema),
            factory: loaded.and_then(|entry| entry.factory.clone()),
        }
    }

    /// Module and number of all functions of a kind, in the order of modules.
    fn functions_of_kind(&self, kind: &FunctionKind) -> Vec<(usize, u32)> {
        let of_module = |(module, entry): (usize, &ModuleEntry)| {
            let functions = entry.schema.functions.iter().enumerate().filter(|(_, function)| function.kind == *kind);
            functions.map(move |(number, _)| (module, number as u32)).collect::<Vec<_>>()
        };
        self.modules.iter().enumerate().flat_map(of_module).collect()
    }

    fn collect_event_reducers(&mut self, store: &Store) {
        let mut found = Vec::new();
        for (module, entry) in self.modules.iter().enumerate() {
            for (function, schema) in entry.schema.functions.iter().enumerate() {
                let FunctionKind::Event { on, table } = &schema.kind else { continue };
                let Some(table) = self.resolve(&entry.schema.module, table) else { continue };
                found.push(EventReducer { module, function: function as u32, table, on: *on });
            }
        }
        // Modules are in name order; functions are by the schema's own order, which is by name too.
        let count = store.next_table_id().0 as usize;
        self.keeps_old = vec![false; count];
        self.raises_events = vec![false; count];
        self.ephemeral = vec![false; count];
        for table in store.tables() {
            self.ephemeral[table.id().0 as usize] = table.schema().durability == Durability::Ephemeral;
        }
        self.has_ephemeral = self.ephemeral.contains(&true);
        for reducer in &found {
            let id = reducer.table.0 as usize;
            self.raises_events[id] = true;
            self.keeps_old[id] |= reducer.on != ChangeKind::Insert;
        }
        self.event_reducers = found;
    }

    /// Works it out once: every read asks for it.
    fn collect_visible_tables(&mut self) {
        for module in 0..self.modules.len() {
            for function in 0..self.modules[module].functions.len() {
                let visible = self.find_visible(module, function as u32);
                self.modules[module].functions[function].visible = visible;
            }
        }
    }

    fn find_visible(&self, module: usize, function: u32) -> Box<[TableId]> {
        let mut visible = BTreeSet::new();
        let mut seen = BTreeSet::from([(module, function)]);
        let mut left = vec![(module, function)];
        while let Some((module, function)) = left.pop() {
            let entry = &self.modules[module];
            let tables = entry.functions[function as usize].handles.iter().flatten();
            visible.extend(tables.map(|(table, _)| *table));
            left.extend(entry.imports.iter().flatten().filter(|import| seen.insert(**import)));
        }
        visible.into_iter().collect()
    }

    /// The tables that `function` of the module at position `module` can see, in the order of their ids.
    pub fn visible_tables(&self, module: usize, function: u32) -> &[TableId] {
        &self.modules[module].functions[function as usize].visible
    }

    /// The module `name` and its position.
    pub fn module(&self, name: &str) -> Option<(usize, &ModuleEntry)> {
        let position = *self.by_name.get(name)?;
        Some((position, &self.modules[position]))
    }

    /// All modules in name order.
    pub fn modules(&self) -> &[ModuleEntry] {
        &self.modules
    }

    /// Gives the module at `position` what makes its instances.
    pub fn set_factory(&mut self, position: usize, factory: Arc<dyn ModuleFactory>) {
        self.modules[position].factory = Some(factory);
    }

    /// The table `name` of `module`.
    pub fn table(&self, module: &str, name: &str) -> Option<TableId> {
        self.tables.get(module)?.get(name).copied()
    }

    /// The tables of `module` by name.
    pub fn tables_of(&self, module: &str) -> impl Iterator<Item = (&str, TableId)> + '_ {
        self.tables.get(module).into_iter().flatten().map(|(name, id)| (name.as_str(), *id))
    }

    /// The owner and the name of a table.
    pub fn table_name(&self, id: TableId) -> Option<(&str, &str)> {
        let mut all = self.tables.iter().flat_map(|(module, tables)| tables.iter().map(move |entry| (module, entry)));
        all.find(|(_, (_, known))| **known == id).map(|(module, (name, _))| (module.as_str(), name.as_str()))
    }

    /// The table of schedules; `None` where the store was made by a node that had none.
    pub fn schedules(&self) -> Option<TableId> {
        self.schedules
    }

    fn resolve(&self, module: &str, table: &TableRef) -> Option<TableId> {
        self.table(table.module.as_deref().unwrap_or(module), &table.table)
    }

    /// All event reducers, in the order of events on the same change.
    pub fn event_reducers(&self) -> &[EventReducer] {
        &self.event_reducers
    }

    /// Module and number of the reducers that are told of a connection, in the order in which they are.
    pub fn connect_reducers(&self) -> &[(usize, u32)] {
        &self.connect_reducers
    }

    /// Module and number of the reducers that are told that a connection ended, in the order in which they are.
    pub fn disconnect_reducers(&self) -> &[(usize, u32)] {
        &self.disconnect_reducers
    }

    /// Whether some module is told of connections: otherwise none is noted.
    pub fn notes_connections(&self) -> bool {
        !self.connect_reducers.is_empty() || !self.disconnect_reducers.is_empty()
    }

    /// Whether logged changes of `table` carry the old row.
    pub fn keeps_old(&self, table: TableId) -> bool {
        self.keeps_old.get(table.0 as usize).copied().unwrap_or(false)
    }

    /// Whether there is a table whose rows are in no log.
    pub fn has_ephemeral(&self) -> bool {
        self.has_ephemeral
    }

    /// Whether the rows of `table` are in no log.
    #[inline]
    pub fn is_ephemeral(&self, table: TableId) -> bool {
        self.has_ephemeral && self.ephemeral.get(table.0 as usize).copied().unwrap_or(false)
    }

    /// Whether some event reducer listens to `table`.
    pub fn raises_events(&self, table: TableId) -> bool {
        self.raises_events.get(table.0 as usize).copied().unwrap_or(false)
    }
}
