//! `interstice.version`: everything that was ever published, one row each, and by whom.

use super::{ModuleRow, Table, identity_of, insert, named, table, values_of};
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::codec;
use interstice_types::id::{ClientId, Identity};
use interstice_types::schema::TableSchema;
use interstice_types::time::Timestamp;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use std::collections::BTreeMap;

/// The name of the table.
const NAME: &str = "version";

/// The table, as a node makes it. Of what a node published that did not note by whom, nobody is known to be the publisher.
pub(super) fn schema() -> TableSchema {
    let columns = [
        ("published_at", Type::U64),
        ("module", Type::String),
        ("version", Type::String),
        ("artefact", Type::Bytes),
        ("time", Type::Timestamp),
        ("publisher", Type::U64),
    ];
    let mut versions = table(NAME, &columns, 1);
    versions.columns[5].default = Some("00".repeat(8));
    versions
}

/// Adds the row of what is published, if the store has a table for it.
pub(super) fn write(tx: &mut WriteTx, module: &ModuleRow, by: (ClientId, Timestamp)) -> Result<(), WriteError> {
    let Some(versions) = named(tx.store(), NAME).map(|table| table.id()) else { return Ok(()) };
    let values = [
        ("published_at", Value::U64(module.published_at)),
        ("module", Value::from(module.name.as_str())),
        ("version", Value::from(module.schema.version.as_str())),
        ("artefact", Value::Bytes(module.artefact.to_vec())),
        ("time", Value::Timestamp(by.1)),
        ("publisher", Value::U64(by.0.0)),
    ];
    insert(tx, versions, &values)
}

/// Who owns each module: its first publisher who is known.
pub fn owners(store: &Store) -> BTreeMap<String, Identity> {
    let mut owners = BTreeMap::new();
    let Some(versions) = named(store, NAME) else { return owners };
    for row in versions.scan(IndexId::PRIMARY, &KeyRange::all(), false) {
        let (module, publisher) = publisher_in(versions, row);
        // Numbers of clients begin at 1.
        if let Some(owner) = identity_of(store, publisher) {
            owners.entry(module).or_insert(owner);
        }
    }
    owners
}

/// Has `owner` be the publisher of all versions of `module`.
///
/// # Errors
/// If the transaction is full.
pub(crate) fn set_owner(tx: &mut WriteTx, module: &str, owner: ClientId) -> Result<(), WriteError> {
    let Some(versions) = named(tx.store(), NAME) else { return Ok(()) };
    let id = versions.id();
    let rows = versions.scan(IndexId::PRIMARY, &KeyRange::all(), false).map(|row| values_of(versions, row));
    let of_module = rows.filter(|values| matches!(&values[..], [_, Value::String(name), _, _, _, _] if name == module));
    let owned = of_module.map(|mut values| {
        values[5] = Value::U64(owner.0);
        codec::encode_all(versions.layout().types(), &values)
    });
    let owned: Vec<_> = owned.collect();
    owned.iter().try_for_each(|row| tx.update(id, row).map(drop))
}

fn publisher_in(versions: &Table, row: &[u8]) -> (String, ClientId) {
    match &values_of(versions, row)[..] {
        [_, Value::String(module), _, _, _, Value::U64(publisher)] => (module.clone(), ClientId(*publisher)),
        // A store that was made by a node that did not note who published.
        [_, Value::String(module), ..] => (module.clone(), ClientId(0)),
        _ => panic!("invariant: the columns of interstice.version"),
    }
}
