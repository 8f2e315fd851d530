//! What a snapshot says of itself beside its rows.

use interstice_log::frame::{Lineage, Position};
use interstice_log::log::Receipt;
use interstice_types::id::{Offset, TableId, decode_hex, to_hex};
use interstice_types::schema::TableSchema;
use serde::{Deserialize, Serialize};

/// The manifest of a snapshot; in its file as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The count of offsets that it stands for.
    pub next_offset: Offset,
    /// The number of the frame behind the last one that was folded.
    pub position: u64,
    /// The time of the last transaction, in microseconds.
    pub time: i64,
    /// The history, hex.
    pub lineage: String,
    /// The chain hash of the frame that holds the last transaction, hex.
    pub chain: String,
    /// The state digest, hex.
    pub digest: String,
    /// The id that the next table gets.
    pub next_table_id: u32,
    /// Where the events begin that are still pending.
    pub events_from: EventsFrom,
    /// In the order of their ids, which is the order of the rows.
    pub tables: Vec<TableManifest>,
}

/// A transaction and the frame that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsFrom {
    /// The transaction that raised the first pending event; without one, the next transaction.
    pub offset: Offset,
    /// Its frame.
    pub position: u64,
}

/// One table in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableManifest {
    /// Its id.
    pub id: u32,
    /// The module that owns it.
    pub module: String,
    /// Its schema.
    pub schema: TableSchema,
    /// How many rows it has.
    pub rows: u64,
    /// Column and next value of each sequence.
    pub sequences: Vec<(u16, u64)>,
}

impl TableManifest {
    /// Its id.
    pub(super) fn table(&self) -> TableId {
        TableId(self.id)
    }
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let hex = decode_hex::<16>(&manifest.lineage).is_some()
            && decode_hex::<32>(&manifest.chain).is_some()
            && decode_hex::<16>(&manifest.digest).is_some();
        let sorted = manifest.tables.is_sorted_by(|a, b| a.id < b.id);
        let ids = manifest.tables.last().is_none_or(|last| last.id < manifest.next_table_id);
        let sound = hex && sorted && ids && manifest.events_from.offset <= manifest.next_offset;
        if sound { Ok(manifest) } else { Err("the manifest contradicts itself".to_owned()) }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a manifest has a JSON form")
    }

    /// The state digest.
    pub fn state_digest(&self) -> u128 {
        u128::from_be_bytes(decode_hex(&self.digest).expect("invariant: checked when it was read"))
    }

    /// The number of the frame behind the last one that was folded.
    pub fn end(&self) -> Position {
        Position(self.position)
    }

    /// What the log must confirm.
    pub fn receipt(&self) -> Receipt {
        let checked = "invariant: checked when it was read";
        Receipt {
            lineage: Lineage(decode_hex(&self.lineage).expect(checked)),
            next_offset: self.next_offset,
            chain: decode_hex(&self.chain).expect(checked),
        }
    }
}

/// How a digest stands in a manifest.
pub(super) fn digest_text(digest: u128) -> String {
    to_hex(&digest.to_be_bytes())
}
