//! `interstice.connection`: who is connected, one row each, while some module asks to be told.

use super::{encode, named, system_table, table, values_of};
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::id::{ClientId, TableId};
use interstice_types::key::Key;
use interstice_types::schema::TableSchema;
use interstice_types::time::Timestamp;
use interstice_types::ty::Type;
use interstice_types::value::Value;

/// The name of the table.
const NAME: &str = "connection";

/// The table, as a node makes it.
pub(super) fn schema() -> TableSchema {
    let columns = [("id", Type::U64), ("client", Type::U64), ("connected_at", Type::Timestamp)];
    let mut connections = table(NAME, &columns, 1);
    connections.columns[0].auto_inc = true;
    connections
}

/// The table's id; `None` in a store that was made by a node without it.
pub(crate) fn find_table(store: &Store) -> Option<TableId> {
    named(store, NAME).map(|table| table.id())
}

/// Adds a connection; gives the number that it got, which no other has had. `None` in a store that was made by a node that did not
/// know connections.
///
/// # Errors
/// If the transaction is full.
pub(crate) fn open(tx: &mut WriteTx, client: ClientId, time: Timestamp) -> Result<Option<u64>, WriteError> {
    let Some(id) = find_table(tx.store()) else { return Ok(None) };
    let values = [("id", Value::U64(0)), ("client", Value::U64(client.0)), ("connected_at", Value::Timestamp(time))];
    let row = encode(system_table(tx, id), &values);
    let stored = tx.insert(id, &row)?;
    Ok(Some(u64::from_le_bytes(stored[..8].try_into().expect("invariant: id is the first column"))))
}

/// Takes a connection away; gives whose it was. `None` if it is not there.
///
/// # Errors
/// If the transaction is full.
pub(crate) fn close(tx: &mut WriteTx, connection: u64) -> Result<Option<ClientId>, WriteError> {
    let client = client_of(tx.store(), connection);
    if let (Some(id), Some(_)) = (find_table(tx.store()), client) {
        tx.delete(id, &connection.to_le_bytes())?;
    }
    Ok(client)
}

/// Whose a connection is.
pub fn client_of(store: &Store, connection: u64) -> Option<ClientId> {
    let table = named(store, NAME)?;
    let row = table.get(&Key::new(&connection.to_be_bytes()))?;
    match values_of(table, row)[..] {
        [_, Value::U64(client), _] => Some(ClientId(client)),
        _ => panic!("invariant: the columns of interstice.connection"),
    }
}

/// The numbers of all connections, the oldest first.
pub fn all(store: &Store) -> Vec<u64> {
    let Some(table) = named(store, NAME) else { return Vec::new() };
    let number = |row| match values_of(table, row)[..] {
        [Value::U64(id), ..] => id,
        _ => panic!("invariant: the columns of interstice.connection"),
    };
    table.scan(IndexId::PRIMARY, &KeyRange::all(), false).map(number).collect()
}
