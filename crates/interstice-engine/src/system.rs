//! System tables: the node's own state as rows of module `interstice`, with fixed ids.

use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::change::Change;
use interstice_types::codec;
use interstice_types::id::{ClientId, Identity, Offset, TableId};
use interstice_types::json;
use interstice_types::key::Key;
use interstice_types::schema::{ColumnSchema, IndexSchema, SYSTEM_MODULE, Schema, TableSchema};
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
/// Events whose reducer failed.
pub const DEAD_LETTER: TableId = TableId(4);
/// Callers: number, identity.
pub const CLIENT: TableId = TableId(5);

/// The schemas of the system tables, by id.
pub fn tables() -> Vec<TableSchema> {
    vec![
        table(
            MODULE,
            &[
                ("name", Type::String),
                ("published_at", Type::U64),
                ("version", Type::String),
                ("artefact", Type::Bytes),
                ("schema", Type::String),
            ],
            1,
        ),
        table(TABLE, &[("id", Type::U32), ("module", Type::String), ("name", Type::String)], 1),
        table(ARTEFACT, &[("hash", Type::Bytes), ("bytes", Type::Bytes)], 1),
        table(
            EVENT_CURSOR,
            &[("id", Type::U8), ("of", Type::U64), ("change", Type::U32), ("subscriber", Type::U32)],
            1,
        ),
        table(
            DEAD_LETTER,
            &[
                ("of", Type::U64),
                ("change", Type::U32),
                ("subscriber", Type::U32),
                ("function", Type::String),
                ("problem", Type::String),
                ("time", Type::Timestamp),
            ],
            3,
        ),
        clients(),
    ]
}

/// The names of the system tables, by id.
const NAMES: [&str; 6] = ["module", "table", "artefact", "event_cursor", "dead_letter", "client"];

/// The name of a system table; `None` for a table of a module.
pub fn table_of(id: TableId) -> Option<&'static str> {
    NAMES.get(id.0 as usize).copied()
}

/// The system table of this name.
pub fn table_named(name: &str) -> Option<TableId> {
    NAMES.iter().position(|table| *table == name).map(|id| TableId(id as u32))
}

/// The schema under which the system tables can be queried.
pub fn schema() -> Schema {
    Schema {
        module: SYSTEM_MODULE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tables: tables(),
        functions: Vec::new(),
        imports: Vec::new(),
    }
}

fn table(id: TableId, columns: &[(&str, Type)], key_columns: u16) -> TableSchema {
    let column = |(name, ty): &(&str, Type)| ColumnSchema {
        name: (*name).to_owned(),
        doc: String::new(),
        ty: ty.clone(),
        auto_inc: false,
        default: None,
    };
    TableSchema {
        name: NAMES[id.0 as usize].to_owned(),
        doc: String::new(),
        public: true,
        ephemeral: false,
        columns: columns.iter().map(column).collect(),
        primary_key: (0..key_columns).collect(),
        indexes: Vec::new(),
    }
}

fn clients() -> TableSchema {
    let mut clients = table(CLIENT, &[("id", Type::U64), ("identity", Type::Identity)], 1);
    clients.columns[0].auto_inc = true;
    clients.indexes.push(IndexSchema { name: "identity".to_owned(), columns: vec![1], unique: true });
    clients
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
    /// Writes the row, replacing an older version's.
    ///
    /// # Errors
    /// If the row is too large.
    pub fn write(&self, tx: &mut WriteTx) -> Result<(), WriteError> {
        let schema = String::from_utf8(self.schema.to_canonical_json()).expect("invariant: JSON is UTF-8");
        let values = [
            Value::from(self.name.as_str()),
            Value::U64(self.published_at),
            Value::from(self.schema.version.as_str()),
            Value::Bytes(self.artefact.to_vec()),
            Value::String(schema),
        ];
        upsert(tx, MODULE, &values)
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

/// The id, module and name of every table that a module owns.
pub fn table_names(store: &Store) -> Vec<(TableId, String, String)> {
    let rows = rows(store, TABLE).into_iter().map(|values| match &values[..] {
        [Value::U32(id), Value::String(module), Value::String(name)] => (TableId(*id), module.clone(), name.clone()),
        _ => panic!("invariant: the columns of interstice.table"),
    });
    rows.collect()
}

/// The artefact with this hash.
pub fn artefact(store: &Store, hash: &[u8; 32]) -> Option<Vec<u8>> {
    let table = store.table(ARTEFACT)?;
    let key = Key::new(&json::key_of(&Type::Bytes, &Value::Bytes(hash.to_vec())));
    let row = table.get(&key)?;
    match codec::decode_all(table.layout().types(), row).expect("invariant: stored rows are canonical").pop() {
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
    insert(tx, ARTEFACT, &[Value::Bytes(hash.to_vec()), Value::Bytes(bytes.to_vec())])
}

/// Names a new table.
///
/// # Errors
/// If the transaction is full.
pub fn write_table_name(tx: &mut WriteTx, id: TableId, module: &str, name: &str) -> Result<(), WriteError> {
    insert(tx, TABLE, &[Value::U32(id.0), Value::from(module), Value::from(name)])
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
    let values = [Value::U8(0), Value::U64(event.of), Value::U32(event.change), Value::U32(event.subscriber)];
    upsert(tx, EVENT_CURSOR, &values)
}

/// Records an event whose reducer failed.
///
/// # Errors
/// If the transaction is full.
pub fn write_dead_letter(
    tx: &mut WriteTx,
    event: EventId,
    function: &str,
    problem: &[u8],
    time: Timestamp,
) -> Result<(), WriteError> {
    let values = [
        Value::U64(event.of),
        Value::U32(event.change),
        Value::U32(event.subscriber),
        Value::from(function),
        Value::String(String::from_utf8_lossy(problem).into_owned()),
        Value::Timestamp(time),
    ];
    insert(tx, DEAD_LETTER, &values)
}

/// The number of a caller, given now if it has none.
///
/// # Errors
/// If the transaction is full.
pub fn client_id(tx: &mut WriteTx, identity: Identity) -> Result<ClientId, WriteError> {
    if let Some(id) = find_client(tx.store(), identity) {
        return Ok(id);
    }
    insert(tx, CLIENT, &[Value::U64(0), Value::Identity(identity)])?;
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
    store.table(CLIENT)?.get(&Key::new(&client.0.to_be_bytes())).map(|row| identity_in(row))
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
    all.map(|row| codec::decode_all(table.layout().types(), row).expect("invariant: stored rows are canonical"))
        .collect()
}

fn encode(tx: &WriteTx, id: TableId, values: &[Value]) -> Vec<u8> {
    let table = tx.store().table(id).expect("invariant: system tables are there from genesis on");
    codec::encode_all(table.layout().types(), values)
}

fn insert(tx: &mut WriteTx, id: TableId, values: &[Value]) -> Result<(), WriteError> {
    let row = encode(tx, id, values);
    tx.insert(id, &row).map(|_| ())
}

fn upsert(tx: &mut WriteTx, id: TableId, values: &[Value]) -> Result<(), WriteError> {
    let row = encode(tx, id, values);
    let table = tx.store().table(id).expect("invariant: system tables are there from genesis on");
    let key = table.primary_key(&row, &mut Vec::new());
    if table.get(&key).is_some() { tx.update(id, &row).map(|_| ()) } else { tx.insert(id, &row).map(|_| ()) }
}
