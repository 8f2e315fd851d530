//! The host calls that read and write rows.

use super::scan::lookup_prefix;
use super::{Execution, HostError, host_hash, trapped};
use crate::limits::charge;
use crate::problems;
use interstice_store::table::{ApplyError, IndexId};
use interstice_store::write::WriteError;
use interstice_types::change::RowBytes;
use interstice_types::schema::TableAccess;

impl Execution {
    /// Adds a row through handle `handle`; returns it as stored.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn insert(&mut self, handle: u32, row: &[u8]) -> Result<RowBytes, HostError> {
        self.enter(host_hash::INSERT, row.len())?;
        let table = self.handle(handle, TableAccess::may_insert)?;
        self.host_hash.fold(u64::from(handle), row);
        let result = self.tx_mut()?.insert(table, row).map_err(refused);
        self.note(&result);
        result
    }

    /// Replaces the row with the same primary key; returns the old one.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn update(&mut self, handle: u32, row: &[u8]) -> Result<RowBytes, HostError> {
        self.enter(host_hash::UPDATE, row.len())?;
        let table = self.handle(handle, TableAccess::may_change)?;
        self.host_hash.fold(u64::from(handle), row);
        let result = self.tx_mut()?.update(table, row).map_err(refused);
        self.note(&result);
        result
    }

    /// Removes the row whose primary key's columns have these encoded values; returns it, if it was there.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn delete(&mut self, handle: u32, key: &[u8]) -> Result<Option<RowBytes>, HostError> {
        self.enter(host_hash::DELETE, key.len())?;
        let table = self.handle(handle, TableAccess::may_change)?;
        self.host_hash.fold(u64::from(handle), key);
        let result = match self.tx_mut()?.delete(table, key) {
            Ok(row) => Ok(Some(row)),
            Err(WriteError::Apply(ApplyError::NoSuchRow { .. })) => Ok(None),
            Err(error) => Err(refused(error)),
        };
        self.note_optional(result)
    }

    /// The row whose columns of `index` have these encoded values. An index that is not unique traps.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn get(&mut self, handle: u32, index: IndexId, values: &[u8]) -> Result<Option<RowBytes>, HostError> {
        self.enter(host_hash::GET, values.len())?;
        let id = self.handle(handle, TableAccess::may_read)?;
        self.host_hash.fold(u64::from(handle) << 16 | u64::from(index.0), values);
        let table = self.table(id)?;
        let prefix = lookup_prefix(table, index, values)?;
        if !table.index_is_unique(index) {
            let text = format!("index {} of table `{}` is not unique: scan it", index.0, table.schema().name);
            return Err(trapped("not-unique", text));
        }
        let row = table.get_by(index, &prefix).cloned();
        self.note_optional(Ok(row))
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn count(&mut self, handle: u32) -> Result<u64, HostError> {
        self.enter(host_hash::COUNT, 0)?;
        let id = self.handle(handle, TableAccess::may_read)?;
        let count = self.table(id)?.count() as u64;
        self.host_hash.fold(count, &[]);
        Ok(count)
    }

    fn note(&mut self, result: &Result<RowBytes, HostError>) {
        match result {
            Ok(row) => self.host_hash.fold(1, row),
            Err(_) => self.host_hash.fold(0, &[]),
        }
    }

    fn note_optional(&mut self, result: Result<Option<RowBytes>, HostError>) -> Result<Option<RowBytes>, HostError> {
        if let Ok(Some(row)) = &result {
            self.burn(row.len() as u64 / 16 * charge::SIXTEEN_BYTES)?;
            self.host_hash.fold(1, row);
        } else {
            self.host_hash.fold(0, &[]);
        }
        result
    }
}

fn refused(error: WriteError) -> HostError {
    let problem = problems::write_refused(&error);
    match error {
        WriteError::TransactionTooLarge | WriteError::InvalidRow { .. } => HostError::Trapped(problem),
        _ => HostError::Refused(problem),
    }
}
