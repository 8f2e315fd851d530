//! The host calls that read and write rows.

use super::host_hash::HostCall;
use super::meter::Meter;
use super::scan::lookup_prefix;
use super::{Execution, HostError, trapped};
use crate::limits::charge;
use crate::problems;
use interstice_store::table::{ApplyError, IndexId};
use interstice_store::write::WriteError;
use interstice_types::change::Change;
use interstice_types::schema::TableAccess;

impl Execution {
    /// Adds a row through handle `handle`; returns it as stored.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn insert(&mut self, handle: u32, row: &[u8]) -> Result<&[u8], HostError> {
        self.enter(HostCall::Insert, u64::from(handle), row)?;
        let table = self.handle(handle, TableAccess::may_insert)?;
        match self.tables.tx_mut()?.insert(table, row) {
            Ok(stored) => {
                self.meter.note(1, stored);
                Ok(stored)
            }
            Err(error) => Err(refused(&mut self.meter, error)),
        }
    }

    /// Replaces the row with the same primary key.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn update(&mut self, handle: u32, row: &[u8]) -> Result<(), HostError> {
        self.enter(HostCall::Update, u64::from(handle), row)?;
        let table = self.handle(handle, TableAccess::may_change)?;
        match self.tables.tx_mut()?.update(table, row) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(&mut self.meter, error)),
        }
    }

    /// Removes the row whose primary key's columns have these encoded values; returns it, if it was there.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn delete(&mut self, handle: u32, key: &[u8]) -> Result<Option<&[u8]>, HostError> {
        self.enter(HostCall::Delete, u64::from(handle), key)?;
        let table = self.handle(handle, TableAccess::may_change)?;
        let tx = self.tables.tx_mut()?;
        let before = tx.changes().len();
        let found = match tx.delete(table, key) {
            Ok(_) => true,
            Err(WriteError::Apply(ApplyError::NoSuchRow { .. })) => false,
            Err(error) => return Err(refused(&mut self.meter, error)),
        };
        let tx = self.tables.tx_mut()?;
        // The row itself is paid for; those that went with it are not.
        let others = tx.changes().len().saturating_sub(before + 1) as u64;
        self.meter.burn(others * charge::FOLLOWED_ROW)?;
        let old = match tx.changes().get(before) {
            Some(Change::Delete { old: Some(old), .. }) if found => Some(&**old),
            _ => None,
        };
        self.meter.note_row(old)?;
        Ok(old)
    }

    /// The row whose columns of `index` have these encoded values. An index that is not unique traps.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn get(&mut self, handle: u32, index: IndexId, values: &[u8]) -> Result<Option<&[u8]>, HostError> {
        self.enter(HostCall::Get, u64::from(handle) << 16 | u64::from(index.0), values)?;
        let id = self.handle(handle, TableAccess::may_read)?;
        let table = self.tables.table(id)?;
        let key = lookup_prefix(table, index, values)?;
        if !table.index_is_unique(index) {
            let text = format!("index {} of table `{}` is not unique: scan it", index.0, table.schema().name);
            return Err(trapped("not-unique", text));
        }
        let row = table.get_by(index, &key);
        self.meter.note_row(row)?;
        Ok(row)
    }
}

#[cold]
pub(super) fn refused(meter: &mut Meter, error: WriteError) -> HostError {
    meter.note(0, &[]);
    let problem = problems::write_refused(&error);
    match error {
        WriteError::TransactionTooLarge | WriteError::InvalidRow { .. } => HostError::Trapped(problem),
        _ => HostError::Refused(problem),
    }
}
