//! Where the columns of a row's bytes are, worked out once per table.

use crate::codec::{self, DecodeError, Reader};
use crate::key::{self, Key};
use crate::row::RowBytes;
use crate::ty::Type;

/// The types of a row's columns and the positions that do not depend on the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLayout {
    types: Vec<Type>,
    /// Positions of the columns up to and including the first one behind a column of variable size.
    fixed_positions: Vec<usize>,
    /// Size of a row all of whose byte strings are canonical; then a check of the length is enough.
    free_size: Option<usize>,
    /// Columns at the front all of whose byte strings are canonical.
    free_columns: usize,
}

impl RowLayout {
    /// For rows of `types`.
    pub fn new(types: Vec<Type>) -> Self {
        let mut fixed_positions = vec![0];
        for ty in &types {
            let Some(size) = ty.fixed_size() else { break };
            let last = fixed_positions.last().expect("invariant: starts with one");
            fixed_positions.push(last + size);
        }
        let free_size = types.iter().all(Type::is_free).then(|| fixed_positions[types.len()]);
        let free_columns = types.iter().take_while(|ty| ty.is_free()).count();
        Self { types, fixed_positions, free_size, free_columns }
    }

    /// The column types in order.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// Checks that `row` is canonical, but for the bits of NaNs.
    ///
    /// # Errors
    /// What is not canonical: see [`DecodeError`].
    #[inline]
    pub fn check(&self, row: &[u8]) -> Result<(), DecodeError> {
        if self.free_size == Some(row.len()) { Ok(()) } else { codec::check_all(&self.types, row) }
    }

    /// The canonical form of `row`: its own bytes, but for the bits of NaNs.
    ///
    /// # Errors
    /// What is not canonical: see [`DecodeError`].
    #[inline]
    pub fn canonical(&self, row: &[u8]) -> Result<RowBytes, DecodeError> {
        if self.free_size == Some(row.len()) {
            return Ok(row.into());
        }
        // What is short of the columns in front is short of the whole: the walk from the beginning says so.
        let odd = match self.fixed_positions[self.free_columns] {
            size if size <= row.len() => codec::odd_nans(size, &self.types[self.free_columns..], row)?,
            _ => codec::odd_nans(0, &self.types, row)?,
        };
        let mut canonical = RowBytes::from(row);
        if !odd.is_empty() {
            canonical.change_unshared(|bytes| odd.into_iter().for_each(|nan| nan.rewrite(bytes)));
        }
        Ok(canonical)
    }

    /// The known position that is nearest before `column`, and the types of the values between it and that.
    pub fn way_to(&self, column: usize) -> (usize, &[Type]) {
        let known = column.min(self.fixed_positions.len() - 1);
        (self.fixed_positions[known], &self.types[known..column])
    }

    /// A reader at the first byte of `column`.
    ///
    /// # Panics
    /// If `row` is not a canonical row of this layout.
    #[inline]
    pub fn reader_at<'r>(&self, row: &'r [u8], column: usize) -> Reader<'r> {
        let (known, between) = self.way_to(column);
        let mut reader = Reader::new(row);
        reader.take(known, "a column").expect("invariant: stored rows are canonical");
        for ty in between {
            codec::skip(ty, &mut reader).expect("invariant: stored rows are canonical");
        }
        reader
    }

    /// The encoded bytes of `column`.
    ///
    /// # Panics
    /// If `row` is not a canonical row of this layout.
    #[inline]
    pub fn column<'r>(&self, row: &'r [u8], column: usize) -> &'r [u8] {
        let mut reader = self.reader_at(row, column);
        let start = reader.position();
        codec::skip(&self.types[column], &mut reader).expect("invariant: stored rows are canonical");
        &row[start..reader.position()]
    }

    /// Appends the key bytes of `columns` of `row`.
    ///
    /// # Panics
    /// If `row` is not a canonical row of this layout.
    #[inline]
    pub fn encode_key(&self, row: &[u8], columns: &[u16], out: &mut Vec<u8>) {
        for &column in columns {
            let column = usize::from(column);
            let mut reader = self.reader_at(row, column);
            key::encode(&self.types[column], &mut reader, out).expect("invariant: stored rows are canonical");
        }
    }

    /// The key of `columns` of `row`.
    #[inline]
    pub fn key(&self, row: &[u8], columns: &[u16], scratch: &mut Vec<u8>) -> Key {
        if let Some(key) = self.u64_key(row, columns) {
            return key;
        }
        scratch.clear();
        self.encode_key(row, columns, scratch);
        Key::new(scratch)
    }

    /// The size of each key of `columns`, if all have the same.
    pub fn key_size(&self, columns: &[u16]) -> Option<usize> {
        columns.iter().map(|column| self.types[usize::from(*column)].fixed_size()).sum()
    }

    /// The commonest key by a short way: one `u64` whose place is known.
    #[inline]
    fn u64_key(&self, row: &[u8], columns: &[u16]) -> Option<Key> {
        let [column] = *columns else { return None };
        let position = *self.fixed_positions.get(usize::from(column))?;
        if self.types[usize::from(column)] != Type::U64 {
            return None;
        }
        let bytes = row.get(position..position + 8)?;
        Some(Key::of_u64(u64::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// The key for a lookup: `values` holds encoded values of the first of `columns`, perhaps not of all.
    /// Returns the key and how many columns it covers.
    ///
    /// # Errors
    /// If the bytes are not such values.
    #[inline]
    pub fn lookup_key(
        &self,
        values: &[u8],
        columns: &[u16],
        scratch: &mut Vec<u8>,
    ) -> Result<(Key, usize), DecodeError> {
        if let ([column], Ok(bytes)) = (columns, values.try_into())
            && self.types[usize::from(*column)] == Type::U64
        {
            return Ok((Key::of_u64(u64::from_le_bytes(bytes)), 1));
        }
        self.lookup_any_key(values, columns, scratch)
    }

    fn lookup_any_key(
        &self,
        values: &[u8],
        columns: &[u16],
        scratch: &mut Vec<u8>,
    ) -> Result<(Key, usize), DecodeError> {
        scratch.clear();
        let mut reader = Reader::new(values);
        let mut covered = 0;
        for &column in columns {
            if reader.left() == 0 {
                break;
            }
            let ty = &self.types[usize::from(column)];
            codec::skip(ty, &mut reader.clone())?;
            key::encode(ty, &mut reader, scratch)?;
            covered += 1;
        }
        reader.finish()?;
        Ok((Key::new(scratch), covered))
    }
}
