//! The graph that schemas declare.
//!
//! What a function may do to tables stands in its signature. What a module calls of others stands in its schema, but not from which
//! of its functions: such an edge leaves the module.

use super::{EdgeKind, Graph, Node, NodeKind, id};
use crate::history::names::full;
use interstice_types::schema::{
    FunctionKind, FunctionSchema, OnDelete, SYSTEM_MODULE, Schema, TableAccess, TableRef, TableSchema,
};

/// The graph of modules in force together. What they name of modules that are not among them is left out.
pub fn declared<'s>(schemas: impl Iterator<Item = &'s Schema> + Clone) -> Graph {
    let mut graph = Graph::default();
    for schema in schemas.clone() {
        add_nodes(schema, &mut graph);
    }
    for schema in schemas {
        add_calls(schema, &mut graph);
        schema.tables.iter().for_each(|table| add_references(schema, table, &mut graph));
        schema.functions.iter().for_each(|function| add_effects(schema, function, &mut graph));
    }
    graph
}

/// What a function is in a graph.
pub(super) fn kind_of(function: &FunctionSchema) -> NodeKind {
    match function.kind {
        FunctionKind::Query => NodeKind::Query,
        FunctionKind::Event { .. } => NodeKind::EventReducer,
        FunctionKind::Reducer
        | FunctionKind::Owner
        | FunctionKind::Internal
        | FunctionKind::Init
        | FunctionKind::Upgrade
        | FunctionKind::Connect
        | FunctionKind::Disconnect
        | FunctionKind::Migration { .. }
        | FunctionKind::Schedule { .. } => NodeKind::Reducer,
    }
}

/// What a reducer is beside one that everybody may call.
fn role_of(function: &FunctionSchema) -> Option<&'static str> {
    Some(match function.kind {
        FunctionKind::Query | FunctionKind::Reducer | FunctionKind::Event { .. } => return None,
        FunctionKind::Owner => "owner",
        FunctionKind::Internal => "internal",
        FunctionKind::Init => "init",
        FunctionKind::Upgrade => "upgrade",
        FunctionKind::Connect => "connect",
        FunctionKind::Disconnect => "disconnect",
        FunctionKind::Migration { .. } => "migration",
        FunctionKind::Schedule { .. } => "schedule",
    })
}

fn add_nodes(schema: &Schema, graph: &mut Graph) {
    let module = &schema.module;
    graph.add(Node::new(NodeKind::Module, module, module.clone()).with("version", &schema.version));
    for table in &schema.tables {
        graph.add(Node::new(NodeKind::Table, module, full(module, &table.name)));
    }
    for function in &schema.functions {
        let name = full(module, &function.name);
        let mut node = Node::new(kind_of(function), module, name.clone());
        if let Some(role) = role_of(function) {
            node = node.with("role", role);
        }
        let place = graph.add(node);
        if let FunctionKind::Schedule { times, .. } = &function.kind {
            let times = Node::new(NodeKind::Schedule, module, name).with("times", times.to_string());
            let times = graph.add(times);
            graph.connect(times, place, EdgeKind::Due);
        }
    }
}

fn add_calls(schema: &Schema, graph: &mut Graph) {
    let Some(from) = graph.place(&id(NodeKind::Module, &schema.module)) else { return };
    for import in &schema.imports {
        for function in &import.functions {
            let name = full(&import.module, &function.name);
            if let Some(to) = graph.place(&id(NodeKind::Reducer, &name)) {
                graph.connect(from, to, EdgeKind::Calls);
            }
        }
    }
}

/// What a delete does to rows that name the one that goes.
fn add_references(schema: &Schema, table: &TableSchema, graph: &mut Graph) {
    let place = |name: &str| graph.place(&id(NodeKind::Table, &full(&schema.module, name)));
    let mut found = Vec::new();
    for reference in &table.references {
        let kind = match reference.on_delete {
            OnDelete::Restrict => continue,
            OnDelete::Cascade => EdgeKind::Cascades,
            OnDelete::SetNull => EdgeKind::Clears,
        };
        found.extend(place(&reference.table).zip(place(&table.name)).map(|(from, to)| (from, to, kind)));
    }
    found.into_iter().for_each(|(from, to, kind)| graph.connect(from, to, kind));
}

/// What a function does to tables, and what has it run.
fn add_effects(schema: &Schema, function: &FunctionSchema, graph: &mut Graph) {
    let Some(place) = graph.place(&id(kind_of(function), &full(&schema.module, &function.name))) else { return };
    // A table as it was before a migration is not one of today's.
    for handle in function.handles.iter().filter(|handle| !handle.former) {
        let kind = match handle.access {
            TableAccess::Read => EdgeKind::Reads,
            TableAccess::Insert => EdgeKind::Inserts,
            TableAccess::Write => EdgeKind::Writes,
        };
        if let Some(table) = table_place(schema, &handle.table, graph) {
            graph.connect(place, table, kind);
        }
    }
    match &function.kind {
        FunctionKind::Event { on, table } => {
            if let Some(table) = table_place(schema, table, graph) {
                graph.connect(table, place, EdgeKind::On(*on));
            }
        }
        FunctionKind::Migration { table, .. } => {
            if let Some(table) = graph.place(&id(NodeKind::Table, &full(&schema.module, table))) {
                graph.connect(place, table, EdgeKind::Writes);
            }
        }
        _ => {}
    }
}

/// Where a table is that a module names; a system table comes to be where it is named.
fn table_place(schema: &Schema, table: &TableRef, graph: &mut Graph) -> Option<usize> {
    let name = full_name(schema, table);
    if table.module.as_deref() == Some(SYSTEM_MODULE) {
        return Some(graph.add(Node::new(NodeKind::Table, SYSTEM_MODULE, name)));
    }
    graph.place(&id(NodeKind::Table, &name))
}

/// `module.table`.
pub(super) fn full_name(schema: &Schema, table: &TableRef) -> String {
    full(table.module.as_deref().unwrap_or(&schema.module), &table.table)
}
