//! Salvage: what stands before a damage is kept byte for byte, and another history begins behind it.

use crate::support::{append, bytes_of, claim, open, open_options, payloads};
use interstice_log::frame::{FrameKind, Lineage, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenError};
use interstice_log::log::{CommitLog, Receipt, Standing};
use interstice_log::salvage::{NewHistory, plan, write};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::verify;

const PAYLOAD: usize = MIN_SEGMENT_SIZE as usize / 5;
const NEW: Lineage = Lineage([77; 16]);

/// Thirteen transactions in several segments, the receipt of each, and the names of the segments.
fn log() -> (MemoryStorage, Vec<Receipt>, Vec<String>) {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    for number in 0..13 {
        append(&mut writer, &vec![number + 1; PAYLOAD]);
    }
    let frames = log.read(Position(0)).unwrap().map(Result::unwrap).filter(|frame| frame.frame.count > 0);
    let receipt = |(next_offset, frame): (u64, interstice_log::frame::StoredFrame)| Receipt {
        lineage: frame.lineage,
        next_offset,
        chain: frame.chain,
    };
    let receipts = (1..).zip(frames).map(receipt).collect();
    let names = log.segments().iter().map(|segment| segment.name()).collect();
    (storage, receipts, names)
}

fn flip(storage: &MemoryStorage, name: &str, byte: u64) {
    let mut file = storage.open(name).unwrap();
    let mut there = [0];
    file.read_exact_at(&mut there, byte).unwrap();
    file.write_all_at(&[there[0] ^ 8], byte).unwrap();
}

fn salvage(from: &MemoryStorage) -> MemoryStorage {
    let to = MemoryStorage::default();
    let kept = plan(from, Position(0)).unwrap().unwrap();
    let history = NewHistory {
        lineage: NEW,
        salt_seed: [9; 16],
        segment_size: MIN_SEGMENT_SIZE,
        loss: b"{\"lost\":1}",
        frames: &[],
    };
    write(from, &to, &kept, &history).unwrap();
    to
}

#[test]
fn what_stands_before_the_damage_goes_on_and_what_stands_behind_is_given_up() {
    let (storage, receipts, names) = log();
    flip(&storage, &names[1], MIN_SEGMENT_SIZE / 2);
    assert!(matches!(LocalLog::open(storage.clone(), open_options()), Err(OpenError::Corrupt { .. })));
    let before = bytes_of(&storage, &names[1]);
    let repaired = salvage(&storage);
    assert_eq!(bytes_of(&storage, &names[1]), before, "the damaged log is not touched");
    assert_eq!(bytes_of(&repaired, &names[0]), bytes_of(&storage, &names[0]));

    let mut log = open(&repaired);
    let kept = log.tail().next_offset;
    assert!(kept > 4 && kept < 13 && log.tail().lineage == NEW, "{kept} are kept");
    for receipt in &receipts {
        let expected = if receipt.next_offset <= kept { Standing::Held } else { Standing::Diverged };
        assert_eq!(log.standing(receipt).unwrap(), expected, "offset {}", receipt.next_offset);
    }
    let mut writer = claim(&mut log);
    append(&mut writer, b"after");
    assert_eq!(log.standing(&receipts[kept as usize]).unwrap(), Standing::Diverged, "another transaction stands there");
    drop((writer, log));
    let log = open(&repaired);
    let loss = log.read(Position(0)).unwrap().map(Result::unwrap).find(|frame| frame.frame.kind == FrameKind::Loss);
    assert_eq!(loss.unwrap().frame.payload, b"{\"lost\":1}");
    assert_eq!(payloads(&log).last().unwrap(), b"after");
    let report = verify(&repaired).unwrap();
    assert!(report.is_ok(), "{report:?}");
    let notices: Vec<_> = report.segments.iter().flat_map(|segment| &segment.notices).collect();
    assert!(notices.iter().any(|notice| notice.kind == "loss" && notice.text.contains("lost")), "{notices:?}");
}

/// Wherever a bit turns: what was whole before it is kept, and the new log opens.
#[test]
fn a_log_damaged_anywhere_is_salvaged_up_to_there() {
    let (storage, _, names) = log();
    for name in &names {
        for byte in (40..MIN_SEGMENT_SIZE).step_by(1_031) {
            flip(&storage, name, byte);
            if LocalLog::open_read_only(storage.clone()).is_err() && plan(&storage, Position(0)).unwrap().is_some() {
                let repaired = salvage(&storage);
                let kept = payloads(&open(&repaired)).len();
                let payloads = payloads(&open(&repaired));
                let right =
                    payloads[..kept - 1].iter().zip(1_u8..).all(|(there, number)| *there == vec![number; PAYLOAD]);
                assert!(right, "{name}, byte {byte}");
            }
            flip(&storage, name, byte);
        }
    }
    assert!(LocalLog::open_read_only(storage).is_ok(), "as it was");
}

#[test]
fn what_stands_behind_the_damage_is_whole_by_itself() {
    let (storage, _, names) = log();
    flip(&storage, &names[0], MIN_SEGMENT_SIZE / 2);
    assert!(LocalLog::open_read_only(storage.clone()).is_err());
    assert!(plan(&storage, Position(0)).unwrap().unwrap().tail.next_offset < 13);
    let last = plan(&storage, Position(1_000)).unwrap().unwrap();
    assert_eq!((last.tail.next_offset, last.whole.len()), (13, 0));
}

/// A history that nobody began by a repair is refused as before.
#[test]
fn another_lineage_without_a_loss_is_refused() {
    let (storage, _, names) = log();
    let other = MemoryStorage::default();
    let mut options = open_options();
    options.lineage = Lineage([5; 16]);
    let mut log = LocalLog::open(other.clone(), options).unwrap().0;
    append(&mut claim(&mut log), &[1; PAYLOAD]);
    let bytes = bytes_of(&other, &names[0]);
    storage.create(&names[0]).unwrap().write_all_at(&bytes, 0).unwrap();
    assert!(matches!(LocalLog::open(storage, open_options()), Err(OpenError::Corrupt { .. })));
}
