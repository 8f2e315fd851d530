//! Compiled code on disk: compiled once for each artefact, wasmtime and configuration, afterwards mapped into memory.
//!
//! A file `<name>.cwasm` is what the compiler made, `<name>.mac` is its keyed BLAKE3. The name is a keyed BLAKE3 of the
//! artefact and of all that decides what the compiler makes of it.
//!
//! 1. Open `<name>.cwasm`, read it, compare its MAC. The MAC covers the name: no file passes under another one's.
//! 2. Map the very file that was read.
//! 3. Whatever goes wrong on the way: compile, write a file beside it, rename. Two processes may do so at once.
//! 4. Remove the oldest files as long as all together are too large.
//!
//! The cache is never needed: no failure of it is an error. Its files are made only here and never changed in place.

use blake3::Hasher;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::Hash;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use wasmtime::{Engine, Module};

/// Bytes that all files of a cache may have together.
pub const MAX_CACHE_SIZE: u64 = 1 << 30;

/// Compiled code in a directory.
pub(crate) struct CodeCache {
    directory: PathBuf,
    key: [u8; 32],
    fingerprint: [u8; 32],
    size_max: u64,
}

impl CodeCache {
    /// The cache in `directory`, which is made when the first file is written. Files that were made with another `key`
    /// do not count.
    pub(crate) fn new(directory: PathBuf, key: [u8; 32], engine: &Engine, size_max: u64) -> Self {
        Self { directory, key, fingerprint: fingerprint(engine), size_max }
    }

    /// The compiled form of `wasm`, if it is there and is what was once written.
    pub(crate) fn load(&self, engine: &Engine, wasm: &[u8]) -> Option<Module> {
        let name = self.name(wasm);
        let mut file = File::open(self.path(&name, "cwasm")).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let mac = std::fs::read(self.path(&name, "mac")).ok()?;
        let mac = blake3::Hash::from_bytes(mac.try_into().ok()?);
        (mac == self.mac(&name, &bytes)).then(|| map(engine, file))?
    }

    /// Keeps the compiled form of `wasm`, if the disk lets us.
    pub(crate) fn store(&self, wasm: &[u8], module: &Module) {
        let Ok(bytes) = module.serialize() else { return };
        let name = self.name(wasm);
        // What fails leaves at most a file without its MAC, which nobody loads.
        let _ = self.write(&name, &bytes);
        let _ = self.shrink();
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        write_whole(&self.path(name, "cwasm"), bytes)?;
        write_whole(&self.path(name, "mac"), self.mac(name, bytes).as_bytes())
    }

    /// Removes the oldest files until the rest is small enough.
    fn shrink(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if !is_ours(&path) {
                continue;
            }
            // Another process may have removed it just now.
            let Ok(metadata) = path.metadata() else { continue };
            files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
        }
        files.sort();
        let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, removed, path) in files {
            if size <= self.size_max {
                break;
            }
            std::fs::remove_file(path)?;
            size -= removed;
        }
        Ok(())
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.directory.join(format!("{name}.{ending}"))
    }

    fn name(&self, wasm: &[u8]) -> String {
        let mut hasher = Hasher::new_keyed(&self.key);
        hasher.update(b"interstice cache name ").update(&self.fingerprint).update(wasm);
        hasher.finalize().to_hex().to_string()
    }

    fn mac(&self, name: &str, bytes: &[u8]) -> blake3::Hash {
        let mut hasher = Hasher::new_keyed(&self.key);
        hasher.update(b"interstice cache mac ").update(name.as_bytes()).update(bytes).finalize()
    }
}

/// Maps a file that was just read and found to be one that we wrote.
#[expect(unsafe_code, reason = "compiled code cannot be mapped otherwise; its MAC was checked")]
fn map(engine: &Engine, file: File) -> Option<Module> {
    // SAFETY: `deserialize_open_file` asks for two things. The bytes must be what `Module::serialize` gave: they have the MAC
    // that only `CodeCache::write` makes, over bytes from `serialize`, with a key that only this node has; the name under
    // the MAC holds the fingerprint of version and configuration, which wasmtime checks again itself. And the file must
    // not change as long as it is mapped: files are written under another name and renamed, never written in place, and
    // the directory is open to this user only; a rename or a removal leaves the mapped file as it is.
    unsafe { Module::deserialize_open_file(engine, file).ok() }
}

/// Writes a file that is under its name whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = path.with_extension(format!("{}-{count}.part", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
    let written = written.and_then(|mut file| file.write_all(bytes)).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // Only gives space back; `shrink` finds what is left.
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// Whether we name files like this: nothing else in the directory is touched.
fn is_ours(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ["cwasm", "mac", "part"].contains(&ending))
}

/// A hash of all that decides what the compiler makes of an artefact: wasmtime's version, the configuration, the processor.
fn fingerprint(engine: &Engine) -> [u8; 32] {
    let mut hasher = Bytes(Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    *hasher.0.finalize().as_bytes()
}

/// Takes what a value hashes as bytes, so that all of it counts and not 64 bits.
struct Bytes(Hasher);

impl std::hash::Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("invariant: a hash has 32 bytes"))
    }
}
