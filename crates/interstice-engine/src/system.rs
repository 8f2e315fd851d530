//! System tables: the node's own state as rows of module `interstice`, with fixed ids.

pub mod connection;
pub mod dead_letter;
pub(crate) mod limit;
pub mod schedule;
pub mod version;

use crate::limits::Limits;
use interstice_store::store::{SharedTable, Store};
use interstice_store::table::{IndexId, Table};
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::Change;
use interstice_types::codec;
use interstice_types::id::{ClientId, Identity, Offset, TableId};
use interstice_types::json;
use interstice_types::key::Key;
use interstice_types::schema::{ColumnSchema, IndexSchema, SYSTEM_MODULE, Schema, TableSchema, diff};
use interstice_types::time::Timestamp;
use interstice_types::transaction::EventId;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use std::sync::Arc;

/// Modules in force: name, offset of the publish, version, hash of the artefact, schema.
pub const MODULE: TableId = TableId(0);
/// Tables: id, module, name.
pub const TABLE: TableId = TableId(1);
/// Artefacts: hash, bytes.
pub const ARTEFACT: TableId = TableId(2);
/// The last event that was consumed: one row.
pub const EVENT_CURSOR: TableId = TableId(3);
/// Events and schedules whose reducer failed.
pub const DEAD_LETTER: TableId = TableId(4);
/// Callers: number, identity.
pub const CLIENT: TableId = TableId(5);
/// Tables that a publish put under another schema.
const MIGRATION: &str = "migration";

/// The system tables that a new log begins with, in the order of their ids. Those above have the same id in every log; one that
/// came later has the next id that was free when the node first knew of it, and is found by its name.
pub fn tables() -> Vec<TableSchema> {
    vec![
        table(
            "module",
            &[
                ("name", Type::String),
                ("published_at", Type::U64),
                ("version", Type::String),
                ("artefact", Type::Bytes),
                ("schema", Type::String),
            ],
            1,
        ),
        numbered_tables(),
        table("artefact", &[("hash", Type::Bytes), ("bytes", Type::Bytes)], 1),
        table(
            "event_cursor",
            &[("id", Type::U8), ("of", Type::U64), ("change", Type::U32), ("subscriber", Type::U32)],
            1,
        ),
        dead_letter::schema(),
        clients(),
        table(
            MIGRATION,
            &[
                ("offset", Type::U64),
                ("table", Type::U32),
                ("module", Type::String),
                ("name", Type::String),
                ("from_version", Type::U32),
                ("to_version", Type::U32),
                ("steps", Type::String),
                ("rows", Type::U64),
                ("time", Type::Timestamp),
            ],
            2,
        ),
        schedule::schema(),
        version::schema(),
        connection::schema(),
        limit::schema(),
    ]
}

/// The schema under which these system tables can be queried.
pub fn schema(tables: Vec<TableSchema>) -> Schema {
    Schema {
        module: SYSTEM_MODULE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tables,
        functions: Vec::new(),
        imports: Vec::new(),
    }
}

/// The system tables of `store`.
pub fn own_tables(store: &Store) -> impl Iterator<Item = &SharedTable> {
    store.tables().filter(|table| **table.module() == *SYSTEM_MODULE)
}

/// The system table of this name.
fn named<'s>(store: &'s Store, name: &str) -> Option<&'s SharedTable> {
    own_tables(store).find(|table| table.schema().name == name)
}

fn table(name: &str, columns: &[(&str, Type)], key_columns: u16) -> TableSchema {
    TableSchema {
        name: name.to_owned(),
        public: true,
        columns: columns.iter().map(|(name, ty)| ColumnSchema::new(*name, ty.clone())).collect(),
        primary_key: (0..key_columns).collect(),
        ..TableSchema::default()
    }
}

fn numbered_tables() -> TableSchema {
    let columns = [("id", Type::U32), ("module", Type::String), ("name", Type::String), ("version", Type::U32)];
    let mut tables = table("table", &columns, 1);
    tables.columns[3].default = Some("01000000".to_owned());
    tables
}

fn clients() -> TableSchema {
    let mut clients = table("client", &[("id", Type::U64), ("identity", Type::Identity)], 1);
    clients.columns[0].auto_inc = true;
    clients.indexes.push(IndexSchema { name: "identity".to_owned(), columns: vec![1], unique: true });
    clients
}

/// Whether this node knows system tables, or columns of them, that `store` has not, or has other limits than are noted there.
pub fn is_outdated(store: &Store, limits: &Limits) -> bool {
    let has_others = || limit::noted(store).is_none_or(|noted| noted != *limits);
    has_others()
        || tables().iter().any(|schema| named(store, &schema.name).is_none_or(|table| **table.schema() != *schema))
}

/// Gives the store the system tables, and the columns of them, that this node knows, and notes its limits.
///
/// # Errors
/// If the transaction is full.
pub fn update_tables(tx: &mut WriteTx, limits: &Limits) -> Result<(), WriteError> {
    for schema in tables() {
        match named(tx.store(), &schema.name).map(|table| (table.id(), Arc::clone(table.schema()))) {
            None => drop(tx.create_table(SYSTEM_MODULE.into(), Arc::new(schema))?),
            Some((_, old)) if *old == schema => {}
            Some((id, old)) => {
                let defaults = diff::new_columns(&old, &schema);
                tx.alter_table(id, Arc::new(schema), defaults)?;
            }
        }
    }
    limit::note(tx, limits)
}

/// A row of `interstice.module`.
#[derive(Debug, Clone)]
pub struct ModuleRow {
    /// Its name.
    pub name: String,
    /// The offset of the publish that brought this version in force.
    pub published_at: Offset,
    /// BLAKE3 of the artefact.
    pub artefact: [u8; 32],
    /// What it declares.
    pub schema: Arc<Schema>,
}

impl ModuleRow {
    /// Writes the row, replacing an older version's, and a row of `interstice.version` that says by whom and when, which stays.
    ///
    /// # Errors
    /// If the row is too large.
    pub fn write(&self, tx: &mut WriteTx, by: (ClientId, Timestamp)) -> Result<(), WriteError> {
        let schema = String::from_utf8(self.schema.to_canonical_json()).expect("invariant: JSON is UTF-8");
        let values = [
            ("name", Value::from(self.name.as_str())),
            ("published_at", Value::U64(self.published_at)),
            ("version", Value::from(self.schema.version.as_str())),
            ("artefact", Value::Bytes(self.artefact.to_vec())),
            ("schema", Value::String(schema)),
        ];
        upsert(tx, MODULE, &values)?;
        version::write(tx, self, by)
    }
}

/// All rows of `interstice.module`, in name order.
///
/// # Panics
/// If a row is not what [`ModuleRow::write`] wrote: only the engine writes system tables.
pub fn modules(store: &Store) -> Vec<ModuleRow> {
    let rows = rows(store, MODULE).into_iter().map(|values| {
        let [Value::String(name), Value::U64(published_at), _, Value::Bytes(artefact), Value::String(schema)] =
            &values[..]
        else {
            panic!("invariant: the columns of interstice.module");
        };
        ModuleRow {
            name: name.clone(),
            published_at: *published_at,
            artefact: artefact.as_slice().try_into().expect("invariant: a hash has 32 bytes"),
            schema: Arc::new(serde_json::from_str(schema).expect("invariant: a stored schema was validated")),
        }
    });
    rows.collect()
}

/// A row of `interstice.table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Its id, which it keeps.
    pub id: TableId,
    /// The module that owns it.
    pub module: String,
    /// Its name now.
    pub name: String,
    /// How many schemas it has had.
    pub version: u32,
}

impl TableRow {
    /// Writes the row, replacing what was said of the table before.
    ///
    /// # Errors
    /// If the transaction is full.
    pub fn write(&self, tx: &mut WriteTx) -> Result<(), WriteError> {
        let values = [
            ("id", Value::U32(self.id.0)),
            ("module", Value::from(self.module.as_str())),
            ("name", Value::from(self.name.as_str())),
            ("version", Value::U32(self.version)),
        ];
        upsert(tx, TABLE, &values)
    }
}

/// All rows of `interstice.table`, in the order of ids.
pub fn table_rows(store: &Store) -> Vec<TableRow> {
    rows(store, TABLE).iter().map(|values| table_row_of(values)).collect()
}

/// The row of `interstice.table` of this table.
pub fn table_row(store: &Store, id: TableId) -> Option<TableRow> {
    let table = store.table(TABLE)?;
    table.get(&Key::new(&id.0.to_be_bytes())).map(|row| table_row_of(&values_of(table, row)))
}

fn table_row_of(values: &[Value]) -> TableRow {
    match values {
        // A store that was made by a node that did not count versions has none.
        [Value::U32(id), Value::String(module), Value::String(name), version @ ..] => TableRow {
            id: TableId(*id),
            module: module.clone(),
            name: name.clone(),
            version: if let [Value::U32(version)] = version { *version } else { 1 },
        },
        _ => panic!("invariant: the columns of interstice.table"),
    }
}

/// Takes the row of a table that is gone out of `interstice.table`.
///
/// # Errors
/// If the transaction is full.
pub fn delete_table_row(tx: &mut WriteTx, id: TableId) -> Result<(), WriteError> {
    tx.delete(TABLE, &id.0.to_le_bytes()).map(|_| ())
}

/// A table that a publish put under another schema: a row of `interstice.migration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationRow {
    /// The offset of the publish.
    pub offset: Offset,
    /// The table, with the version that it has now.
    pub table: TableRow,
    /// The version that it had; 0 if it was not there.
    pub from_version: u32,
    /// What was done, one step a line.
    pub steps: String,
    /// How many rows it had.
    pub rows: u64,
    /// When.
    pub time: Timestamp,
}

impl MigrationRow {
    /// Writes the row, if the store has a table for it.
    ///
    /// # Errors
    /// If the transaction is full.
    pub fn write(&self, tx: &mut WriteTx) -> Result<(), WriteError> {
        let Some(id) = named(tx.store(), MIGRATION).map(|table| table.id()) else { return Ok(()) };
        let values = [
            ("offset", Value::U64(self.offset)),
            ("table", Value::U32(self.table.id.0)),
            ("module", Value::from(self.table.module.as_str())),
            ("name", Value::from(self.table.name.as_str())),
            ("from_version", Value::U32(self.from_version)),
            ("to_version", Value::U32(self.table.version)),
            ("steps", Value::from(self.steps.as_str())),
            ("rows", Value::U64(self.rows)),
            ("time", Value::Timestamp(self.time)),
        ];
        insert(tx, id, &values)
    }
}

/// The artefact with this hash.
pub fn artefact(store: &Store, hash: &[u8; 32]) -> Option<Vec<u8>> {
    let table = store.table(ARTEFACT)?;
    let key = Key::new(&json::key_of(&Type::Bytes, &Value::Bytes(hash.to_vec())));
    let row = table.get(&key)?;
    match values_of(table, row).pop() {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => panic!("invariant: the columns of interstice.artefact"),
    }
}

/// Adds an artefact, unless it is there.
///
/// # Errors
/// If it is too large.
pub fn write_artefact(tx: &mut WriteTx, hash: &[u8; 32], bytes: &[u8]) -> Result<(), WriteError> {
    if artefact(tx.store(), hash).is_some() {
        return Ok(());
    }
    insert(tx, ARTEFACT, &[("hash", Value::Bytes(hash.to_vec())), ("bytes", Value::Bytes(bytes.to_vec()))])
}

/// The last event that was consumed.
pub fn event_cursor(store: &Store) -> Option<EventId> {
    let values = rows(store, EVENT_CURSOR).pop()?;
    match values[..] {
        [_, Value::U64(of), Value::U32(change), Value::U32(subscriber)] => Some(EventId { of, change, subscriber }),
        _ => panic!("invariant: the columns of interstice.event_cursor"),
    }
}

/// Moves the cursor to `event`.
///
/// # Errors
/// If the transaction is full.
pub fn write_event_cursor(tx: &mut WriteTx, event: EventId) -> Result<(), WriteError> {
    let values = [
        ("id", Value::U8(0)),
        ("of", Value::U64(event.of)),
        ("change", Value::U32(event.change)),
        ("subscriber", Value::U32(event.subscriber)),
    ];
    upsert(tx, EVENT_CURSOR, &values)
}

/// The number of a caller, given now if it has none.
///
/// # Errors
/// If the transaction is full.
pub fn client_id(tx: &mut WriteTx, identity: Identity) -> Result<ClientId, WriteError> {
    if let Some(id) = find_client(tx.store(), identity) {
        return Ok(id);
    }
    insert(tx, CLIENT, &[("id", Value::U64(0)), ("identity", Value::Identity(identity))])?;
    Ok(find_client(tx.store(), identity).expect("invariant: just inserted"))
}

/// The number of a caller that has one.
pub fn find_client(store: &Store, identity: Identity) -> Option<ClientId> {
    let table = store.table(CLIENT)?;
    let row = table.get_by(IndexId(1), &Key::new(&identity.0))?;
    Some(ClientId(u64::from_le_bytes(row[..8].try_into().expect("invariant: id is the first column"))))
}

/// The caller with this number.
pub fn identity_of(store: &Store, client: ClientId) -> Option<Identity> {
    store.table(CLIENT)?.get(&Key::new(&client.0.to_be_bytes())).map(identity_in)
}

/// The caller that got this number by `changes`: it was their first transaction.
pub fn identity_given(changes: &[Change], client: ClientId) -> Option<Identity> {
    changes.iter().find_map(|change| match change {
        Change::Insert { table: CLIENT, row } if row.starts_with(&client.0.to_le_bytes()) => Some(identity_in(row)),
        _ => None,
    })
}

fn identity_in(row: &[u8]) -> Identity {
    Identity(row[8..40].try_into().expect("invariant: identity is the second column"))
}

fn rows(store: &Store, id: TableId) -> Vec<Vec<Value>> {
    let Some(table) = store.table(id) else { return Vec::new() };
    let all = table.scan(IndexId::PRIMARY, &interstice_store::range::KeyRange::all(), false);
    all.map(|row| values_of(table, row)).collect()
}

fn values_of(table: &Table, row: &[u8]) -> Vec<Value> {
    codec::decode_all(table.layout().types(), row).expect("invariant: stored rows are canonical")
}

/// Values by the names of their columns. A store that was made by a node that did not know a column does without it.
type Values<'v> = [(&'v str, Value)];

fn encode(table: &Table, values: &Values<'_>) -> Vec<u8> {
    let mut row = Vec::new();
    for column in &table.schema().columns {
        let value = values.iter().find(|(name, _)| *name == column.name);
        let (_, value) = value.expect("invariant: every column of a system table is known here");
        codec::encode(&column.ty, value, &mut row);
    }
    row
}

fn insert(tx: &mut WriteTx, id: TableId, values: &Values<'_>) -> Result<(), WriteError> {
    let row = encode(system_table(tx, id), values);
    tx.insert(id, &row).map(|_| ())
}

fn upsert(tx: &mut WriteTx, id: TableId, values: &Values<'_>) -> Result<(), WriteError> {
    let table = system_table(tx, id);
    let row = encode(table, values);
    let key = table.primary_key(&row, &mut Vec::new());
    match table.get(&key) {
        // As where a store has no column for the only thing that is new.
        Some(there) if *there == *row => Ok(()),
        Some(_) => tx.update(id, &row).map(|_| ()),
        None => tx.insert(id, &row).map(|_| ()),
    }
}

fn system_table(tx: &WriteTx, id: TableId) -> &Table {
    tx.store().table(id).expect("invariant: system tables are there from genesis on")
}
