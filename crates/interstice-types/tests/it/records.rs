//! Transaction records: there and back, cut anywhere, and the bytes of one, for ever.

use expect_test::expect;
use interstice_types::change::Change;
use interstice_types::id::{ClientId, ScheduleId, TableId, to_hex};
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, EventId, Outcome, ScheduleAction, Transaction, Work};

fn transaction() -> Transaction {
    let table = TableId(7);
    Transaction {
        offset: 300,
        time: Timestamp(1_700_000_000_000_000),
        seed: [0xab; 16],
        cause: Cause::Call { version: 2, function: 1, caller: ClientId(1), args: vec![1, 2, 3] },
        outcome: Outcome::Ok(vec![9]),
        changes: vec![
            Change::Sequence { table, column: 0, next: 12, previous: 0 },
            Change::Insert { table, row: [11, 0].into() },
            Change::Update { table, old: None, new: [5, 1].into() },
            Change::Delete { table, key: [4].into(), old: Some([4, 9].into()) },
        ],
        work: Work { fuel: 1_000, host_calls: 3, host_hash: 5 },
        host_marks: Vec::new(),
        state_digest: 6,
        flags: 0,
    }
}

fn encode(transaction: &Transaction) -> Vec<u8> {
    let mut bytes = Vec::new();
    transaction.encode(|_| true, &mut bytes);
    bytes
}

#[test]
fn the_bytes_of_a_record_stay_what_they_are() {
    expect!["6000000000ac0200401e18240a0600abababababababababababababababab0302010103010203000109040307000c0007020b00020702050107070104020409e80703050000000000000000000000000000000600000000000000000000000000000000"]
        .assert_eq(&to_hex(&encode(&transaction())));
}

fn scheduled(function: Option<u32>) -> Cause {
    Cause::Schedule { schedule: ScheduleId(300), version: 7, function, due: Timestamp(i64::MAX) }
}

fn control(action: ScheduleAction) -> Cause {
    Cause::Control { caller: ClientId(4), action, schedule: ScheduleId(300) }
}

#[test]
fn marks_in_the_hash_of_host_calls_stand_in_the_extension_area_and_what_a_later_version_adds_is_skipped() {
    let marked = Transaction { host_marks: vec![1, u64::MAX], ..transaction() };
    let record = encode(&marked);
    let at = record.len() - 19;
    assert_eq!(to_hex(&record[at..]), format!("120110{:016x}{}", 1_u64.swap_bytes(), "f".repeat(16)));
    // A field with tag 9 before it, and one behind.
    let area = [&[9, 2, 0, 0][..], &record[at + 1..], &[9, 0]].concat();
    let mut longer = [&record[4..at], &[area.len() as u8], &area[..]].concat();
    longer.splice(..0, (longer.len() as u32).to_le_bytes());
    assert_eq!(Transaction::decode(&mut &longer[..]).unwrap(), marked);
    // Seven bytes are no marks.
    let area = [1, 7, 0, 0, 0, 0, 0, 0, 0];
    let mut broken = [&record[4..at], &[area.len() as u8], &area[..]].concat();
    broken.splice(..0, (broken.len() as u32).to_le_bytes());
    assert!(Transaction::decode(&mut &broken[..]).is_err());
}

#[test]
fn the_bytes_of_what_schedules_cause_stay_what_they_are() {
    let cause_of = |cause| {
        let record =
            encode(&Transaction { cause, outcome: Outcome::Ok(Vec::new()), changes: Vec::new(), ..transaction() });
        // Behind length, flags, offset, time and seed; before outcome, changes, work, digest and extension area.
        to_hex(&record[4 + 1 + 2 + 8 + 16..record.len() - 2 - 1 - 19 - 16 - 1])
    };
    expect!["05ac020702ffffffffffffff7f"].assert_eq(&cause_of(scheduled(Some(1))));
    expect!["05ac020700ffffffffffffff7f"].assert_eq(&cause_of(scheduled(None)));
    let controls = ScheduleAction::ALL.map(|action| cause_of(control(action)));
    assert_eq!(controls, ["0a0400ac02", "0a0401ac02", "0a0402ac02", "0a0403ac02"]);
}

#[test]
fn records_go_there_and_back() {
    let causes = [
        Cause::Genesis { node: [1; 16] },
        Cause::Configure,
        Cause::Publish { module: "bank".to_owned(), caller: ClientId(3) },
        Cause::Event { event: EventId { of: 9, change: 2, subscriber: 1 }, depth: 3 },
        scheduled(Some(u32::MAX)),
        scheduled(None),
        control(ScheduleAction::Cancel),
    ];
    let outcomes =
        [Outcome::Rejected(vec![1]), Outcome::Trapped(Vec::new()), Outcome::Ok(Vec::new()), Outcome::Ok(vec![0; 200])];
    let outcomes = outcomes.into_iter().cycle();
    let mut bytes = Vec::new();
    let mut expected = vec![transaction()];
    for (cause, outcome) in causes.into_iter().zip(outcomes) {
        expected.push(Transaction { cause, outcome, ..transaction() });
    }
    expected.iter().for_each(|transaction| transaction.encode(|_| true, &mut bytes));
    let mut rest = bytes.as_slice();
    let back: Vec<_> =
        std::iter::from_fn(|| (!rest.is_empty()).then(|| Transaction::decode(&mut rest).unwrap())).collect();
    assert_eq!(back, expected);
}

#[test]
fn a_cut_or_changed_record_is_refused_or_still_one() {
    let bytes = encode(&Transaction { host_marks: vec![3], ..transaction() });
    for cut in 0..bytes.len() {
        assert!(Transaction::decode(&mut &bytes[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        for with in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = with;
            if let Ok(transaction) = Transaction::decode(&mut &changed[..]) {
                encode(&transaction);
            }
        }
    }
}
