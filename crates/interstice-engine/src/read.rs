//! Queries on a snapshot, away from the engine.

use crate::catalog::Catalog;
use crate::engine::{Engine, instantiate};
use crate::execution::{Execution, Instances, Surroundings};
use crate::last_changed::LastChanged;
use crate::limits::Limits;
use crate::module::ModuleLoader;
use crate::problems;
use crate::schedule::Pending;
use interstice_store::store::Store;
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::schema::FunctionKind;
use interstice_types::time::Timestamp;
use std::sync::Arc;

/// The whole state at one moment. A clone is O(1).
#[derive(Clone)]
pub struct Snapshot {
    /// All tables.
    pub store: Store,
    /// The modules in force.
    pub catalog: Arc<Catalog>,
    /// How many transactions it includes.
    pub next_offset: Offset,
    /// The time of the newest one.
    pub time: Timestamp,
    /// The bounds on one call.
    pub limits: Limits,
    /// When each table and the catalog last changed.
    pub last_changed: LastChanged,
}

impl Snapshot {
    /// How many offsets must be durable before an answer of query `function` of `module` may leave.
    pub fn rests_on(&self, module: &str, function: &str) -> Offset {
        let found = self.catalog.module(module);
        let found = found.and_then(|(position, entry)| Some((position, entry.schema.function(function)?.0)));
        found.map_or(self.last_changed.catalog(), |(position, number)| {
            self.last_changed.function(&self.catalog, position, number)
        })
    }
}

impl Snapshot {
    /// An engine that goes on from here by itself: what is done on it is seen nowhere else.
    pub fn fork(&self, loader: Arc<dyn ModuleLoader>) -> Engine {
        Engine {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog),
            instances: instantiate(&self.catalog),
            next_offset: self.next_offset,
            time: self.time,
            last_changed: self.last_changed.clone(),
            ..Engine::new(loader, self.limits)
        }
    }
}

/// Runs queries; keeps instances from one to the next.
#[derive(Default)]
pub struct Reader {
    instances: Instances,
    catalog: Option<Arc<Catalog>>,
}

impl Engine {
    /// The whole state now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog),
            next_offset: self.next_offset,
            time: self.time,
            limits: self.limits,
            last_changed: self.last_changed.clone(),
        }
    }
}

impl Reader {
    /// A reader without instances yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs query `function` of `module` with canonical argument bytes; returns its answer's bytes.
    ///
    /// # Errors
    /// A problem, if there is no such query, the arguments are not its own, or it fails.
    pub fn query(
        &mut self,
        snapshot: &Snapshot,
        (module, function): (&str, &str),
        args: &[u8],
        caller: Identity,
    ) -> Result<Vec<u8>, Problem> {
        let found = snapshot.catalog.find(&FunctionKind::Query, module, function)?;
        found.check(args)?;
        if !self.catalog.as_ref().is_some_and(|catalog| Arc::ptr_eq(catalog, &snapshot.catalog)) {
            self.instances = instantiate(&snapshot.catalog);
            self.catalog = Some(Arc::clone(&snapshot.catalog));
        }
        if self.instances[found.position].is_none() {
            return Err(Problem::new("module-unavailable", format!("module `{module}` could not be loaded")));
        }
        let (now, offset_hint) = (snapshot.time, snapshot.next_offset);
        let surroundings = Surroundings { now, seed: [0; 16], caller, offset_hint, schedules: Pending::default() };
        let instances = std::mem::take(&mut self.instances);
        let catalog = Arc::clone(&snapshot.catalog);
        let execution = Execution::read(snapshot.store.clone(), instances, catalog, snapshot.limits, surroundings);
        let (execution, result) = execution.invoke(found.position, found.number, args);
        self.instances = execution.finish().instances;
        result.map_err(|error| problems::call_failed(&found.function().schema, error))
    }
}
