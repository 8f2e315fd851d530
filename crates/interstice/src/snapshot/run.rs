//! The last states of (table, key) pairs, sorted: in memory, in a file of their own while they are merged, in a snapshot.
//!
//! An entry in a run: table `u32` ─ size of the key `u32` ─ key ─ 0 if the row is gone, 1 if it follows ─ size `u32` ─ row.
//! A chunk of a snapshot: table `u32` ─ then rows, each behind its size `u32`.

use super::build::BuildError;
use super::shapes::Shapes;
use interstice_log::snapshot::{SnapshotError, SnapshotReader};
use interstice_log::storage::{Storage, StorageFile};
use interstice_types::id::TableId;
use interstice_types::key::Key;
use interstice_types::row::RowBytes;
use std::collections::btree_map;

/// Bytes written or read in one go.
const WINDOW_SIZE: usize = 128 << 10;

/// The last state of one row.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) table: TableId,
    pub(super) key: Key,
    /// `None` if it is gone.
    pub(super) row: Option<RowBytes>,
}

/// Where entries come from, in the order of table and key.
pub(super) enum Layer<F> {
    Snapshot(Box<SnapshotRows<F>>),
    Run(RunReader<F>),
    Memory(btree_map::IntoIter<(TableId, Key), Option<RowBytes>>),
}

impl<F: StorageFile> Layer<F> {
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry>, BuildError> {
        match self {
            Self::Snapshot(rows) => rows.next_entry(),
            Self::Run(run) => run.next_entry(),
            Self::Memory(entries) => Ok(entries.next().map(|((table, key), row)| Entry { table, key, row })),
        }
    }
}

/// The rows of a snapshot. The schemas that say where their keys are, are those of its own manifest.
pub(super) struct SnapshotRows<F> {
    reader: SnapshotReader<F>,
    shapes: Shapes,
    chunk: Vec<u8>,
    at: usize,
    scratch: Vec<u8>,
}

impl<F: StorageFile> SnapshotRows<F> {
    pub(super) fn new(reader: SnapshotReader<F>, shapes: Shapes) -> Self {
        Self { reader, shapes, chunk: Vec::new(), at: 0, scratch: Vec::new() }
    }

    /// The next row and its table.
    pub(super) fn next_row(&mut self) -> Result<Option<(TableId, RowBytes)>, SnapshotError> {
        if self.at == self.chunk.len() {
            let Some(chunk) = self.reader.next_chunk()? else { return Ok(None) };
            (self.chunk, self.at) = (chunk, size_of::<u32>());
        }
        let table = number_at(&self.chunk, 0).map(TableId);
        let row = number_at(&self.chunk, self.at).and_then(|size| {
            let start = self.at + size_of::<u32>();
            self.chunk.get(start..start.checked_add(size as usize)?)
        });
        match (table, row) {
            (Some(table), Some(row)) if self.shapes.get(table).is_some_and(|shape| shape.admits(row)) => {
                self.at += size_of::<u32>() + row.len();
                Ok(Some((table, row.into())))
            }
            _ => Err(self.reader.contradicts("a chunk does not hold rows of its table")),
        }
    }

    /// The error of rows that contradict themselves.
    pub(super) fn contradicts(&self, reason: &str) -> SnapshotError {
        self.reader.contradicts(reason)
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, BuildError> {
        let Some((table, row)) = self.next_row()? else { return Ok(None) };
        let shape = self.shapes.get(table).expect("invariant: the row is of a table");
        let key = shape.key(&row, &mut self.scratch);
        Ok(Some(Entry { table, key, row: Some(row) }))
    }
}

/// Writes entries into a file that nobody needs once they are merged.
pub(super) struct RunWriter<S: Storage> {
    storage: S,
    name: String,
    file: S::File,
    buffer: Vec<u8>,
    byte: u64,
}

/// A file of sorted entries; removed when it is dropped.
pub(super) struct Run<S: Storage> {
    storage: S,
    name: String,
    size: u64,
}

impl<S: Storage> RunWriter<S> {
    pub(super) fn create(storage: &S, name: String) -> Result<Self, BuildError> {
        let file = storage.create(&name)?;
        Ok(Self { storage: storage.clone(), name, file, buffer: Vec::new(), byte: 0 })
    }

    pub(super) fn push(&mut self, entry: &Entry) -> Result<(), BuildError> {
        let key = entry.key.as_bytes();
        self.buffer.extend(entry.table.0.to_le_bytes());
        self.buffer.extend((key.len() as u32).to_le_bytes());
        self.buffer.extend(key);
        self.buffer.push(u8::from(entry.row.is_some()));
        if let Some(row) = &entry.row {
            self.buffer.extend((row.len() as u32).to_le_bytes());
            self.buffer.extend(row.iter());
        }
        if self.buffer.len() >= WINDOW_SIZE { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<Run<S>, BuildError> {
        self.flush()?;
        let Self { storage, name, byte, .. } = self;
        Ok(Run { storage, name, size: byte })
    }

    fn flush(&mut self) -> Result<(), BuildError> {
        self.file.write_all_at(&self.buffer, self.byte)?;
        self.byte += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<S: Storage> Run<S> {
    pub(super) fn read(&self) -> Result<RunReader<S::File>, BuildError> {
        let file = self.storage.open(&self.name)?;
        Ok(RunReader { file, size: self.size, byte: 0, window: Vec::new(), at: 0 })
    }
}

impl<S: Storage> Drop for Run<S> {
    fn drop(&mut self) {
        // Only gives space back: pruning removes what is left of it.
        let _ = self.storage.remove(&self.name);
    }
}

/// Reads a run window by window.
pub(super) struct RunReader<F> {
    file: F,
    size: u64,
    /// Behind the window.
    byte: u64,
    window: Vec<u8>,
    at: usize,
}

impl<F: StorageFile> RunReader<F> {
    fn next_entry(&mut self) -> Result<Option<Entry>, BuildError> {
        if self.at == self.window.len() && self.byte == self.size {
            return Ok(None);
        }
        let table = TableId(self.number()?);
        let size = self.number()? as usize;
        let key = Key::new(self.take(size)?);
        let mut row = None;
        if self.take(1)? != [0] {
            let size = self.number()? as usize;
            row = Some(RowBytes::from(self.take(size)?));
        }
        Ok(Some(Entry { table, key, row }))
    }

    fn number(&mut self) -> Result<u32, BuildError> {
        let bytes = self.take(size_of::<u32>())?;
        Ok(number_at(bytes, 0).expect("invariant: so many bytes were taken"))
    }

    fn take(&mut self, count: usize) -> Result<&[u8], BuildError> {
        if self.window.len() - self.at < count {
            self.window.drain(..self.at);
            self.at = 0;
            let left = self.size - self.byte;
            let wanted = (count - self.window.len()).max(WINDOW_SIZE) as u64;
            let (start, more) = (self.window.len(), left.min(wanted));
            self.window.resize(start + more as usize, 0);
            self.file.read_exact_at(&mut self.window[start..], self.byte)?;
            self.byte += more;
        }
        let taken = self.window.get(self.at..self.at + count).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        self.at += count;
        Ok(taken)
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
