//! A file that is read in large pieces, from its beginning to its end: for what costs much for each read.

use super::StorageFile;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

/// Bytes of a piece.
pub const PIECE_SIZE: u64 = 1 << 20;
/// Pieces that are kept: what was read last, and what the largest frame began in.
const KEPT_PIECES: usize = 2;

/// A file, or its front, behind a few pieces of it in memory. It is only read.
pub struct ReadAhead<F> {
    inner: F,
    size: u64,
    /// Each with the byte where it begins.
    pieces: RefCell<VecDeque<(u64, Vec<u8>)>>,
}

impl<F: StorageFile> ReadAhead<F> {
    /// The first `limit` bytes of `inner`, or as many as it has.
    ///
    /// # Errors
    /// What the storage says.
    pub fn new(inner: F, limit: u64) -> io::Result<Self> {
        let size = inner.size()?.min(limit);
        Ok(Self { inner, size, pieces: RefCell::default() })
    }

    /// Fills the front of `buffer` from the piece that holds byte `at`; returns how many bytes that were.
    fn read_from_piece(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let start = at - at % PIECE_SIZE;
        let mut pieces = self.pieces.borrow_mut();
        if !pieces.iter().any(|(begin, _)| *begin == start) {
            let mut bytes = vec![0; (self.size - start).min(PIECE_SIZE) as usize];
            self.inner.read_exact_at(&mut bytes, start)?;
            pieces.truncate(KEPT_PIECES - 1);
            pieces.push_front((start, bytes));
        }
        let (_, piece) = pieces.iter().find(|(begin, _)| *begin == start).expect("invariant: it was just read");
        let from = &piece[(at - start) as usize..];
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

impl<F: StorageFile> StorageFile for ReadAhead<F> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        if at.checked_add(buffer.len() as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < buffer.len() {
            done += self.read_from_piece(&mut buffer[done..], at + done as u64)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Storage;
    use crate::storage::memory::MemoryStorage;

    #[test]
    fn what_is_read_is_what_is_there_up_to_the_limit_and_not_one_byte_more() {
        let storage = MemoryStorage::default();
        let bytes: Vec<u8> = (0..3 * PIECE_SIZE).map(|n| (n % 251) as u8).collect();
        storage.create("file").unwrap().write_all_at(&bytes, 0).unwrap();
        let limit = 2 * PIECE_SIZE + 100;
        let file = ReadAhead::new(storage.open("file").unwrap(), limit).unwrap();
        assert_eq!(file.size().unwrap(), limit);
        for (at, size) in [(0, 10), (PIECE_SIZE - 3, 7), (5, 2 * PIECE_SIZE as usize), (limit - 4, 4), (limit, 0)] {
            let mut buffer = vec![0; size];
            file.read_exact_at(&mut buffer, at).unwrap();
            assert!(buffer == bytes[at as usize..at as usize + size], "{size} bytes at {at}");
        }
        assert!(file.read_exact_at(&mut [0; 2], limit - 1).is_err());
        assert!(file.read_exact_at(&mut [0; 2], u64::MAX).is_err());
    }
}
