//! Segments that are prepared ahead: used if they are whole, missed by nobody if they are not.

use crate::support::{append, claim, failing, open, open_options, payloads};
use crate::writers::{FIRST, QUARTER};
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, LocalLog, MIN_SEGMENT_SIZE, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Preparation};
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::verify;
use interstice_log::writer::LocalWriter;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn spares<S: Storage>(storage: &S) -> Vec<String> {
    storage.list().unwrap().into_iter().filter(|name| name.starts_with("spare-")).collect()
}

/// Appends until there is one segment more; returns its name.
fn rotate<S: Storage>(log: &LocalLog<S>, writer: &mut LocalWriter<S>) -> String {
    let before = log.segments().len();
    while log.segments().len() == before {
        append(writer, &[4; QUARTER]);
    }
    log.segments().last().unwrap().name()
}

/// A log whose next segment is prepared.
fn prepared() -> (MemoryStorage, LocalLog<MemoryStorage>, LocalWriter<MemoryStorage>, String) {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, &[1; QUARTER]);
    writer.prepare().unwrap()().unwrap();
    let name = spares(&storage).remove(0);
    (storage, log, writer, name)
}

fn last_byte(storage: &MemoryStorage, name: &str) -> u8 {
    let file = storage.open(name).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, file.size().unwrap() - 1).unwrap();
    byte[0]
}

/// Its settings may have been changed meanwhile: there is little place in what it was made with.
#[test]
fn a_segment_that_was_made_when_they_were_smaller_has_the_next_one_prepared_at_once() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    append(&mut claim(&mut log), &[1; 100]);
    drop(log);
    let options = OpenOptions { segment_size: MIN_SEGMENT_SIZE * 4, ..open_options() };
    let mut log = LocalLog::open(storage.clone(), options).unwrap().0;
    let mut writer = claim(&mut log);
    assert!(log.room().unwrap().open < MIN_SEGMENT_SIZE);
    writer.prepare().expect("there is little place")().unwrap();
    assert!(log.room().unwrap().spare.unwrap() > MIN_SEGMENT_SIZE * 3);
}

#[test]
fn the_file_that_was_prepared_becomes_the_segment() {
    let (storage, log, mut writer, spare) = prepared();
    let size = storage.open(&spare).unwrap().size().unwrap();
    assert_eq!(size, storage.open(FIRST).unwrap().size().unwrap());
    // Behind all that is ever read: it only tells this file from another one.
    storage.open(&spare).unwrap().write_all_at(&[7], size - 1).unwrap();
    let segment = rotate(&log, &mut writer);
    assert_eq!(last_byte(&storage, &segment), 7);
    assert_eq!(spares(&storage), [""; 0]);
    let next = rotate(&log, &mut writer);
    assert_eq!(last_byte(&storage, &next), 0, "nothing was prepared for the one after");
    drop((writer, log));
    assert!(verify(&storage).unwrap().is_ok());
}

#[test]
fn work_is_given_out_once_and_again_when_it_was_dropped() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    assert!(writer.prepare().is_none(), "a log that is nearly empty needs no second segment");
    append(&mut writer, &[1; QUARTER]);
    let work = writer.prepare().unwrap();
    assert!(writer.prepare().is_none(), "somebody has it");
    drop(work);
    let work = writer.prepare().unwrap();
    work().unwrap();
    assert!(writer.prepare().is_none(), "one is ready");
    rotate(&log, &mut writer);
    append(&mut writer, &[1; QUARTER]);
    assert!(writer.prepare().is_some(), "it was used");
}

#[test]
fn a_file_that_is_not_whole_is_not_used() {
    for size in [0, 1, MIN_SEGMENT_SIZE / 2] {
        let (storage, log, mut writer, spare) = prepared();
        let whole = storage.open(FIRST).unwrap().size().unwrap();
        storage.create(&spare).unwrap().write_all_at(&vec![9; size as usize], 0).unwrap();
        let segment = rotate(&log, &mut writer);
        assert_eq!(storage.open(&segment).unwrap().size().unwrap(), whole);
        assert_eq!(last_byte(&storage, &segment), 0);
        drop((writer, log));
        assert!(verify(&storage).unwrap().is_ok());
    }
}

#[test]
fn a_file_that_is_gone_is_made_anew() {
    let (storage, log, mut writer, spare) = prepared();
    storage.remove(&spare).unwrap();
    rotate(&log, &mut writer);
    let frames = payloads(&log).len();
    drop((writer, log));
    assert_eq!(payloads(&open(&storage)).len(), frames);
}

#[test]
fn work_that_is_late_serves_the_segment_after() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, &[1; QUARTER]);
    let work = writer.prepare().unwrap();
    rotate(&log, &mut writer);
    work().unwrap();
    assert_eq!(spares(&storage).len(), 1);
    rotate(&log, &mut writer);
    assert_eq!(spares(&storage).len(), 0);
    assert!(verify(&storage).unwrap().is_ok());
}

#[test]
fn the_next_writer_takes_what_the_last_one_had_prepared() {
    let (storage, mut log, stale, _) = prepared();
    let mut writer = claim(&mut log);
    assert!(writer.prepare().is_none());
    rotate(&log, &mut writer);
    assert_eq!(spares(&storage).len(), 0);
    drop(stale);
}

#[test]
fn work_that_outlives_its_log_leaves_nothing() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, &[1; QUARTER]);
    let work = writer.prepare().unwrap();
    drop((writer, log));
    work().unwrap();
    assert_eq!(spares(&storage), [""; 0]);
}

#[test]
fn a_full_disk_costs_the_preparation_and_nothing_else() {
    let (storage, failing) = failing();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, &[1; QUARTER]);
    failing.full.store(true, SeqCst);
    assert!(writer.prepare().unwrap()().is_err());
    append(&mut writer, b"the segment has room");
    failing.full.store(false, SeqCst);
    writer.prepare().unwrap()().unwrap();
    // Full again: what was prepared is enough for the next segment.
    failing.full.store(true, SeqCst);
    rotate(&log, &mut writer);
    assert!(verify(&failing.inner).unwrap().is_ok());
}

type Event = Box<dyn FnOnce() + Send>;

/// The segment is full while its successor is being prepared on another thread.
#[test]
fn a_file_that_is_being_prepared_is_not_a_segment() {
    // What happens before the first write to a file that is being prepared.
    let meanwhile: Arc<Mutex<Option<Event>>> = Arc::default();
    let next = Arc::clone(&meanwhile);
    let storage = HookedStorage::new(MemoryStorage::default(), move |operation| {
        if operation == (Operation::Write { created: true }) {
            let happens = next.lock().unwrap().take();
            happens.into_iter().for_each(|happens| happens());
        }
        Ok(())
    });
    let mut log = open(&storage);
    let whole = storage.open(FIRST).unwrap().size().unwrap();
    let mut writer = claim(&mut log);
    append(&mut writer, &[1; QUARTER]);
    let work = writer.prepare().unwrap();
    let segments = Arc::new(Mutex::new(Vec::new()));
    let found = Arc::clone(&segments);
    *meanwhile.lock().unwrap() = Some(Box::new(move || {
        let names = [rotate(&log, &mut writer), rotate(&log, &mut writer)];
        found.lock().unwrap().extend(names);
    }));
    work().unwrap();
    assert_eq!(segments.lock().unwrap().len(), 2);
    for name in segments.lock().unwrap().iter() {
        // A segment may be longer by its last frame.
        assert!(storage.open(name).unwrap().size().unwrap() >= whole, "{name}");
    }
    assert!(verify(&storage).unwrap().is_ok());
}

/// What the append that changes segments costs on a real disk. Run with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn the_cost_of_changing_segments() {
    measure("at once", Duration::ZERO, drop);
    measure("prepared between appends", Duration::ZERO, |work| work().unwrap());
    for pause in [0, 1, 2] {
        let name = format!("prepared on a thread, {pause} ms between appends");
        measure(&name, Duration::from_millis(pause), |work| drop(std::thread::spawn(work)));
    }
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn measure(name: &str, pause: Duration, prepare: impl Fn(Preparation)) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let storage = DirectoryStorage::create(&folder.path().join("log")).unwrap();
    let options = OpenOptions { segment_size: DEFAULT_SEGMENT_SIZE, ..crate::support::open_options() };
    let (mut log, _) = LocalLog::open(storage, options).unwrap();
    let mut writer = claim(&mut log);
    let (mut changes, mut others) = (Vec::new(), Vec::new());
    while changes.len() < 9 {
        let (before, started) = (log.segments().len(), Instant::now());
        append(&mut writer, &vec![4; 500_000]);
        let times = if log.segments().len() > before { &mut changes } else { &mut others };
        times.push(started.elapsed());
        writer.prepare().into_iter().for_each(&prepare);
        std::thread::sleep(pause);
    }
    let micros = |times: &mut Vec<Duration>, percent: usize| {
        times.sort();
        times[(times.len() - 1) * percent / 100].as_micros()
    };
    println!("{name}: change {} us, at most {} us", micros(&mut changes, 50), micros(&mut changes, 100));
    println!("    other appends {} us, p99 {} us", micros(&mut others, 50), micros(&mut others, 99));
}
