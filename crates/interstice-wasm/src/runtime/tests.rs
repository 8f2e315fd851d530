//! Whatever is wrong with a cache, the module loads, and what is run is what was compiled of it.

use super::*;
use interstice_engine::module::ModuleFactory;
use std::fs;
use std::path::Path;

const WAT: &str = r#"(module
    (memory (export "memory") 2 2)
    (func (export "interstice_init"))
    (func (export "interstice_alloc") (param i32) (result i32) (i32.const 8192))
    (func (export "interstice_describe") (result i64) (i64.const 0))
    (func (export "interstice_call") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

fn wasm() -> Vec<u8> {
    wat::parse_str(WAT).unwrap()
}

fn cached(directory: &Path, key: u8) -> Runtime {
    Runtime::with_cache(directory.to_owned(), [key; 32]).unwrap()
}

/// How many modules a new runtime compiles to load the artefact; 0 if it was in the cache.
fn compiled(directory: &Path, key: u8) -> u64 {
    let runtime = cached(directory, key);
    runtime.compile(&wasm()).map(|_| ()).unwrap();
    runtime.compiled()
}

fn file(directory: &Path, ending: &str) -> PathBuf {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_second_start_compiles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("cache");
    assert_eq!(compiled(&directory, 1), 1);
    assert_eq!(compiled(&directory, 1), 0);
    let without = Runtime::new().unwrap();
    without.compile(&wasm()).map(|_| ()).unwrap();
    assert_eq!(without.compiled(), 1);
}

#[test]
fn another_key_and_another_artefact_find_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(compiled(folder.path(), 1), 1);
    assert_eq!(compiled(folder.path(), 2), 1);
    let runtime = cached(folder.path(), 1);
    let other = wat::parse_str(WAT.replace("8192", "8200")).unwrap();
    runtime.compile(&other).map(|_| ()).unwrap();
    assert_eq!(runtime.compiled(), 1);
}

/// Damages one of the two files, loads once to see it compiled anew, and once more to see it repaired.
fn is_repaired(ending: &str, damage: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(compiled(folder.path(), 1), 1);
    damage(&file(folder.path(), ending));
    assert_eq!(compiled(folder.path(), 1), 1, "what is damaged is not used");
    assert_eq!(compiled(folder.path(), 1), 0, "and is written anew");
}

#[test]
fn damaged_files_are_compiled_anew() {
    for ending in ["cwasm", "mac"] {
        is_repaired(ending, |path| fs::write(path, []).unwrap());
        is_repaired(ending, |path| fs::write(path, b"garbage").unwrap());
        is_repaired(ending, |path| fs::write(path, [0; 32]).unwrap());
        is_repaired(ending, |path| fs::remove_file(path).unwrap());
        is_repaired(ending, |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        });
    }
}

#[test]
fn no_flipped_byte_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = cached(folder.path(), 1);
    runtime.compile(&wasm()).map(|_| ()).unwrap();
    let (path, cache) = (file(folder.path(), "cwasm"), runtime.cache.as_ref().unwrap());
    let whole = fs::read(&path).unwrap();
    for byte in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert!(cache.load(&runtime.engine, &wasm()).is_none(), "byte {byte}");
    }
    fs::write(&path, whole).unwrap();
    assert!(cache.load(&runtime.engine, &wasm()).is_some());
}

/// A pair of files that is valid under its own name is not valid under another one's.
#[test]
fn a_file_does_not_pass_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = cached(folder.path(), 1);
    runtime.compile(&wasm()).map(|_| ()).unwrap();
    let (code, mac) = (file(folder.path(), "cwasm"), file(folder.path(), "mac"));
    let other = wat::parse_str(WAT.replace("8192", "8200")).unwrap();
    let (kept_code, kept_mac) = (fs::read(&code).unwrap(), fs::read(&mac).unwrap());
    fs::remove_file(&code).unwrap();
    fs::remove_file(&mac).unwrap();
    runtime.compile(&other).map(|_| ()).unwrap();
    fs::write(file(folder.path(), "cwasm"), kept_code).unwrap();
    fs::write(file(folder.path(), "mac"), kept_mac).unwrap();
    assert!(runtime.cache.as_ref().unwrap().load(&runtime.engine, &other).is_none());
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a file");
    fs::write(&path, []).unwrap();
    assert_eq!(compiled(&path, 1), 1);
    assert_eq!(compiled(&path.join("below"), 1), 1);
    let blocked = folder.path().join("blocked");
    assert_eq!(compiled(&blocked, 1), 1);
    let code = file(&blocked, "cwasm");
    fs::remove_file(&code).unwrap();
    fs::create_dir(&code).unwrap();
    assert_eq!(compiled(&blocked, 1), 1);
    assert!(fs::read_dir(&blocked).unwrap().all(|e| e.unwrap().path().extension().is_some_and(|e| e != "part")));
}

#[test]
fn the_oldest_go_when_all_are_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let mut runtime = cached(folder.path(), 1);
    runtime.compile(&wasm()).map(|_| ()).unwrap();
    let one = file(folder.path(), "cwasm").metadata().unwrap().len();
    let size_max = 3 * one;
    runtime.cache = Some(CodeCache::new(folder.path().to_owned(), [1; 32], &runtime.engine, size_max));
    fs::write(folder.path().join("foreign"), vec![0; 4 * one as usize]).unwrap();
    let variant = |n: u32| wat::parse_str(WAT.replace("8192", &(8192 + 8 * n).to_string())).unwrap();
    for n in 1..8 {
        runtime.compile(&variant(n)).map(|_| ()).unwrap();
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
        let ours = files.filter(|entry| entry.file_name() != "foreign");
        assert!(ours.map(|entry| entry.metadata().unwrap().len()).sum::<u64>() <= size_max);
    }
    let cache = runtime.cache.as_ref().unwrap();
    assert!(cache.load(&runtime.engine, &variant(7)).is_some(), "the newest stays");
    assert!(cache.load(&runtime.engine, &wasm()).is_none(), "the oldest is gone");
    assert!(folder.path().join("foreign").exists());
}

#[test]
fn two_that_write_at_once_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let load = || (0..8).for_each(|n| assert!(compiled(folder.path(), n) <= 1));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(load);
        }
    });
    (0..8).for_each(|n| assert_eq!(compiled(folder.path(), n), 0));
}

#[test]
fn without_address_space_for_a_pool_there_are_instances_all_the_same() {
    let runtime = Runtime::with_slots(u32::MAX).unwrap();
    let factory = runtime.compile(&wasm()).unwrap().1;
    assert!(factory.instantiate().is_ok());
}

#[test]
fn a_module_that_asks_for_too_much_is_told_so() {
    let runtime = Runtime::new().unwrap();
    let large = wat::parse_str(WAT.replace("2 2)", "2000)")).unwrap();
    assert_eq!(runtime.compile(&large).map(|_| ()).unwrap_err().problem.code, "module-too-large");
}

/// What a load costs: compiling, and mapping with the MAC checked. Run with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn the_cost_of_a_load() {
    let body = "(i64.store (i32.const 8) (i64.mul (i64.load (i32.const 0)) (i64.const 3)))".repeat(20);
    let functions = format!("(func {body})").repeat(500);
    let wasm = wat::parse_str(WAT.replacen("(func", &format!("{functions}(func"), 1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let runtime = cached(folder.path(), 1);
        let started = std::time::Instant::now();
        runtime.compile(&wasm).map(|_| ()).unwrap();
        let micros = started.elapsed().as_micros();
        println!("{} KiB, compiled {}: {micros} us", wasm.len() / 1024, runtime.compiled());
    }
    let runtime = cached(folder.path(), 1);
    let started = std::time::Instant::now();
    let module = runtime.module(&wasm).unwrap();
    let mapped = started.elapsed().as_micros();
    artefact::read(&wasm).map(|_| ()).unwrap();
    println!("of which mapping {mapped} us, reading the artefact {} us", started.elapsed().as_micros() - mapped);
    drop(module);
    println!("{} KiB of code", file(folder.path(), "cwasm").metadata().unwrap().len() / 1024);
}
