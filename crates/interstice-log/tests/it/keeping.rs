//! Keeping segments: copied whole and sealed, proven on the way, named by what they end with.

use crate::support::{append, bytes_of, claim, flip, open, open_options, payloads};
use interstice_log::backup::{CopyError, Segment, keep, kept_name, prove};
use interstice_log::frame::{Epoch, Frame, Lineage, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Standing};
use interstice_log::salvage::{NewHistory, plan_to, write};
use interstice_log::segment::SegmentHeader;
use interstice_log::storage::Storage;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::view::View;
use interstice_log::verify::verify;
use std::io;

const PAYLOAD: usize = MIN_SEGMENT_SIZE as usize / 5;

/// A log of ten transactions in several segments.
fn log() -> (MemoryStorage, LocalLog<MemoryStorage>) {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    (0..10).for_each(|number| append(&mut writer, &vec![number + 1; PAYLOAD]));
    (storage, log)
}

/// Keeps all of a log; returns the view of what is kept.
fn keep_all(log: &LocalLog<MemoryStorage>, to: &MemoryStorage) -> Result<View<MemoryStorage>, CopyError> {
    let inventory = log.inventory();
    let (mut epoch, mut names) = (Epoch(0), Vec::new());
    for (number, header) in inventory.segments.iter().enumerate() {
        let open_to = (number + 1 == inventory.segments.len()).then_some(inventory.byte);
        let kept = keep(log.storage(), to, Segment { header, epoch, open_to }, |_| ())?;
        let name = kept_name(header, &kept.end.chain);
        assert_eq!(prove(to, &name, Segment { header, epoch, open_to }, |_| ()).unwrap(), kept);
        epoch = kept.end.epoch;
        names.push((header.name(), name));
    }
    Ok(View::of(to.clone(), names))
}

fn is_unfinished(storage: &MemoryStorage) -> bool {
    storage.list().unwrap().iter().any(|name| name.starts_with("unfinished-"))
}

#[test]
fn what_is_kept_is_a_log_with_the_same_frames_and_receipts_and_every_segment_sealed() {
    let (_, log) = log();
    let view = keep_all(&log, &MemoryStorage::default()).unwrap();
    let kept = LocalLog::open_read_only(view.clone()).unwrap();
    assert_eq!(payloads(&kept), payloads(&log));
    assert_eq!(kept.tail(), log.tail());
    let report = verify(&view).unwrap();
    assert!(report.is_ok() && report.segments.len() > 1 && report.segments.iter().all(|segment| segment.sealed));
    assert!(view.create("new").is_err() && view.remove(&log.segments()[0].name()).is_err(), "a view is only read");
}

#[test]
fn the_parts_of_a_transaction_that_is_not_whole_are_not_kept() {
    let options = OpenOptions { segment_size: 4 << 20, ..open_options() };
    let (mut log, _) = LocalLog::open(MemoryStorage::default(), options).unwrap();
    let mut writer = claim(&mut log);
    append(&mut writer, b"whole");
    let end = log.tail();
    let parts = Frame::split(1, &vec![7; 1_500_000]);
    for part in &parts[..2] {
        writer.append(writer.tail().position, part);
    }
    writer.settle();
    assert!(log.tail().position.0 == end.position.0 + 2, "two parts are durable");
    let to = MemoryStorage::default();
    let kept = LocalLog::open_read_only(keep_all(&log, &to).unwrap()).unwrap();
    assert_eq!((kept.tail(), payloads(&kept)), (end, vec![b"whole".to_vec()]));
    let names = to.list().unwrap();
    assert!(names.len() == 1 && bytes_of(&to, &names[0]).len() < 10_000, "their bytes neither: {names:?}");
}

#[test]
fn only_durable_bytes_are_given_of_the_open_segment() {
    let (storage, log) = log();
    let inventory = log.inventory();
    let open = inventory.segments.last().unwrap().name();
    let mut given = Vec::new();
    loop {
        let piece = log.read_durable(&open, (given.len() as u64, 1000)).unwrap();
        if piece.is_empty() {
            break;
        }
        given.extend(piece);
    }
    assert_eq!(given, bytes_of(&storage, &open)[..inventory.byte as usize]);
    assert!(log.read_durable(&open, (u64::MAX, 10)).unwrap().is_empty());
    for name in ["durable.mark", "lock", "../secret", "00000000000000000003.log"] {
        assert_eq!(log.read_durable(name, (0, 10)).unwrap_err().kind(), io::ErrorKind::NotFound, "{name}");
    }
}

#[test]
fn a_damaged_segment_is_not_kept_and_it_is_said_where() {
    let (storage, log) = log();
    let segments = log.segments();
    for (number, header) in segments.iter().enumerate() {
        for byte in [20, 4200, 5000, MIN_SEGMENT_SIZE as usize / 2] {
            let to = MemoryStorage::default();
            flip(&storage, &header.name(), byte, 3);
            match keep_all(&log, &to) {
                Err(CopyError::Damaged { segment, .. }) => assert_eq!(segment, header.name()),
                other => panic!("segment {number}, byte {byte}: {other:?}"),
            }
            assert!(!is_unfinished(&to));
            flip(&storage, &header.name(), byte, 3);
        }
    }
}

#[test]
fn a_copy_that_cannot_be_written_leaves_nothing_behind() {
    let (storage, log) = log();
    let header: SegmentHeader = log.segments()[0];
    let segment = Segment { header: &header, epoch: Epoch(0), open_to: None };
    for failing in 0..5 {
        let to = MemoryStorage::default();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let hooked = HookedStorage::new(to.clone(), move |operation| {
            let changes = !matches!(operation, Operation::Read { .. } | Operation::Remove);
            let fails = changes && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == failing * 2;
            if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        match keep(&storage, &hooked, segment, |_| ()) {
            Err(CopyError::Write { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::StorageFull),
            Ok(_) => assert!(failing > 0),
            Err(other) => panic!("{other}"),
        }
        assert!(!is_unfinished(&to), "operation {failing}");
    }
}

#[test]
fn a_log_is_cut_at_any_offset_and_receipts_up_to_there_are_held() {
    let (storage, log) = log();
    let frames: Vec<_> = log.read(Position(0)).unwrap().map(Result::unwrap).collect();
    for to in 1..=10 {
        let (salvage, inside) = plan_to(&storage, Position(0), to).unwrap().unwrap();
        assert!(inside.is_none() && salvage.tail.next_offset == to);
        let cut = MemoryStorage::default();
        let (lineage, salt_seed, segment_size) = (Lineage([7; 16]), [8; 16], MIN_SEGMENT_SIZE);
        let frame = Frame::transactions(to, 1, b"again".to_vec());
        let history = NewHistory { lineage, salt_seed, segment_size, loss: b"{}", frames: &[frame] };
        write(&storage, &cut, &salvage, &history).unwrap();
        assert!(verify(&cut).unwrap().is_ok());
        let cut = open(&cut);
        assert_eq!(payloads(&cut).len() as u64, to + 2, "the transactions, the loss and the one again");
        for stored in frames.iter().filter(|stored| stored.frame.count > 0) {
            let next_offset = stored.frame.first_offset + 1;
            let receipt = interstice_log::log::Receipt { lineage: stored.lineage, next_offset, chain: stored.chain };
            let expected = if next_offset <= to { Standing::Held } else { Standing::Diverged };
            assert_eq!(cut.standing(&receipt).unwrap(), expected, "offset {next_offset}, cut at {to}");
        }
    }
}
