//! Storage: the few things that a log asks of a directory. Everything that must survive a power cut goes through it.

pub mod directory;
pub mod hooked;
pub mod memory;
pub mod paced;
pub mod read_ahead;
pub mod view;

use std::io;

/// A flat directory of files. Storage that is only read has nothing to say about what changes it.
pub trait Storage: Clone + Send + Sync + 'static {
    /// An open file.
    type File: StorageFile;
    /// Held as long as the directory is ours.
    type Lock: Send + 'static;

    /// Names of all files, in no order.
    ///
    /// # Errors
    /// What the operating system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there, for reading and writing.
    ///
    /// # Errors
    /// What the operating system says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Makes a file, empty, in place of one with this name.
    ///
    /// # Errors
    /// What the operating system says.
    fn create(&self, _name: &str) -> io::Result<Self::File> {
        Err(only_read())
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(only_read())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(only_read())
    }

    /// Makes names durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_directory(&self) -> io::Result<()> {
        Err(only_read())
    }

    /// Takes the directory for this process; `None` if another one has it.
    ///
    /// # Errors
    /// What the operating system says.
    fn try_lock(&self) -> io::Result<Option<Self::Lock>>;
}

/// An open file.
pub trait StorageFile: Send {
    /// Its size in bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from byte `at`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;

    /// Writes all of `bytes` at byte `at`, growing the file as needed.
    ///
    /// # Errors
    /// What the operating system says.
    fn write_all_at(&mut self, _bytes: &[u8], _at: u64) -> io::Result<()> {
        Err(only_read())
    }

    /// Makes written bytes and the size durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync(&mut self) -> io::Result<()> {
        Err(only_read())
    }

    /// Lets reads come from the medium, where memory of the operating system holds the bytes too.
    ///
    /// # Errors
    /// What the operating system says.
    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What storage says that is only read.
pub fn only_read() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "these files are only read")
}
