//! Sequences: values that fill columns on insert, each given once.

use crate::table::Table;
use crate::write::WriteError;
use interstice_types::row::RowBytes;
use interstice_types::ty::Type;

/// Fills sequence values into `row`; returns the sequences that move, with the value that each gives next.
///
/// A value that the caller chose moves the sequence behind it, so that it is never given again.
pub(crate) fn fill(table: &Table, row: &mut RowBytes) -> Result<Vec<(u16, u64)>, WriteError> {
    let mut moves = Vec::new();
    for (column, next) in table.sequences() {
        let ty = &table.layout().types()[usize::from(column)];
        let position = table.layout().reader_at(row, usize::from(column)).position();
        let size = ty.fixed_size().expect("invariant: sequences are integers");
        let field = position..position + size;
        let given = given(&row[field.clone()], ty);
        let exhausted = || WriteError::SequenceExhausted {
            table: table.schema().name.clone(),
            column: table.schema().columns[usize::from(column)].name.clone(),
        };
        match given {
            Some(0) => {
                if next > largest(ty) {
                    return Err(exhausted());
                }
                row.change_unshared(|row| row[field].copy_from_slice(&next.to_le_bytes()[..size]));
                moves.push((column, next + 1));
            }
            Some(given) if given >= next => moves.push((column, given.checked_add(1).ok_or_else(exhausted)?)),
            _ => {}
        }
    }
    Ok(moves)
}

/// The value in a field, if a sequence may give it.
pub(crate) fn given(field: &[u8], ty: &Type) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes[..field.len()].copy_from_slice(field);
    let value = u64::from_le_bytes(bytes);
    (value <= largest(ty)).then_some(value)
}

/// The largest value that a sequence may give.
fn largest(ty: &Type) -> u64 {
    match ty {
        Type::U32 => u64::from(u32::MAX),
        Type::I32 => i32::MAX as u64,
        Type::I64 => i64::MAX as u64,
        Type::U64 => u64::MAX - 1,
        other => panic!("invariant: {other} has no sequence"),
    }
}
