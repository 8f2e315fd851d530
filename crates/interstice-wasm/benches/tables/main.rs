//! The benchmark "tables": a million rows of (`u64`, `u32`, string of sixteen bytes), and each thing that one does with them: in the
//! store, from a module that does one, from a module that does a hundred; beside a `BTreeMap` of plain structs and SQLite in
//! memory with prepared statements. All in one process, in turn, medians of rounds. How to run it: `docs/benchmarks.md`.
//!
//! SQLite is a dependency of this target alone: nothing that is shipped carries it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where something is odd")]

mod evolve;
mod plain;
mod sqlite;
mod store;
mod wasm;

use std::time::Instant;

/// Rows of each table.
const ROWS: u64 = 1_000_000;
/// Teams that they belong to: ten rows each.
const TEAMS: u64 = 100_000;
/// The teams that the filter lets through.
const FILTERED: u32 = 1_000;
/// Rows of a range.
const RANGE: u64 = 100;
/// Bytes of an encoded row.
const ROW_SIZE: usize = 8 + 4 + 4 + 16;
const ROUNDS: usize = 5;
/// What a module does in one call where it does many.
const MANY: u64 = 100;
const TEXT: &str = "sixteen letters!";

/// Another number for each, in no order: a step of SplitMix64, as in `fixtures/modules/tables`.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

fn key(number: u64) -> u64 {
    mixed(number) >> 1
}

fn ascending_key(number: u64) -> u64 {
    1 << 63 | number
}

fn team(number: u64) -> u32 {
    (number % TEAMS) as u32
}

/// The key of a row drawn at random.
fn drawn(number: u64) -> u64 {
    key(mixed(number) % ROWS)
}

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Insert,
    InsertAscending,
    Lookup,
    Update,
    Delete,
    Range,
    Index,
    Filter,
    Scan,
}

const OPERATIONS: [(Operation, &str); 9] = [
    (Operation::Insert, "insert, random keys"),
    (Operation::InsertAscending, "insert, ascending keys"),
    (Operation::Lookup, "lookup"),
    (Operation::Update, "update"),
    (Operation::Delete, "delete"),
    (Operation::Range, "range of 100 rows"),
    (Operation::Index, "index lookup, 10 rows"),
    (Operation::Filter, "filter over all rows"),
    (Operation::Scan, "scan of all rows"),
];

impl Operation {
    /// How often it is done in one measurement; a walk over all rows counts as many as there are rows.
    fn count(self) -> u64 {
        match self {
            Self::Filter | Self::Scan => ROWS,
            Self::Range => 2_000,
            Self::Index => 10_000,
            _ => 20_000,
        }
    }
}

/// What is measured. Numbers of rows begin at `from`; `many` of them make one transaction, or one call. A subject begins with
/// [`ROWS`] rows, and is left with as many: what it inserts it is asked to delete, in the next measurement or outside of one.
trait Subject {
    /// Does it for the numbers from `from` on; returns something of what it read.
    fn run(&mut self, operation: Operation, from: u64, count: u64, many: u64) -> u64;
    /// Removes rows with ascending keys.
    fn remove_ascending(&mut self, from: u64, count: u64);
}

/// Nanoseconds for each; and what was read, which all subjects must agree on.
fn measure(subject: &mut dyn Subject, operation: Operation, many: u64) -> (f64, u64) {
    let (count, from) = (operation.count(), ROWS);
    if operation == Operation::Delete {
        subject.run(Operation::Insert, from, count, MANY);
    }
    let started = Instant::now();
    let read = subject.run(operation, from, count, many);
    let each = started.elapsed().as_nanos() as f64 / count as f64;
    match operation {
        Operation::Insert => drop(subject.run(Operation::Delete, from, count, MANY)),
        Operation::InsertAscending => subject.remove_ascending(from, count),
        _ => {}
    }
    (each, read)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Columns of the table that is printed: a subject, and how much it does at once.
const COLUMNS: [(usize, u64, &str); 6] = [
    (0, 1, "store"),
    (1, 1, "module, one"),
    (1, MANY, "module, 100"),
    (2, 1, "BTreeMap"),
    (3, 1, "SQLite, one"),
    (3, MANY, "SQLite, 100"),
];

fn main() {
    let artefact = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(artefact) = artefact else {
        println!("name the artefact of `fixtures/modules/tables`: see docs/benchmarks.md");
        return;
    };
    let artefact = std::fs::read(artefact).unwrap();
    let (store, bytes) = store::Tables::new();
    let mut subjects: [Box<dyn Subject>; 4] = [
        Box::new(store),
        Box::new(wasm::Module::new(&artefact)),
        Box::new(plain::Maps::new()),
        Box::new(sqlite::Database::new()),
    ];
    println!("| nanoseconds for each | {} |", COLUMNS.map(|(_, _, name)| name).join(" | "));
    println!("|---|{}", "---|".repeat(COLUMNS.len()));
    let mut of_map = Vec::new();
    let mut of_sqlite = [Vec::new(), Vec::new()];
    let mut filtered = 0.0;
    for (operation, name) in OPERATIONS {
        let mut found = vec![Vec::new(); COLUMNS.len()];
        for _ in 0..ROUNDS {
            let mut read = None;
            for (times, (subject, many, column)) in found.iter_mut().zip(COLUMNS) {
                let (each, said) = measure(&mut *subjects[subject], operation, many);
                assert_eq!(*read.get_or_insert(said), said, "{name}: {column} read something else");
                times.push(each);
            }
        }
        let ratio = |a: usize, b: usize| median(found[a].iter().zip(&found[b]).map(|(a, b)| a / b).collect());
        of_map.push((name, ratio(0, 3)));
        of_sqlite[0].push((name, ratio(4, 1)));
        of_sqlite[1].push((name, ratio(5, 2)));
        let medians: Vec<_> = found.into_iter().map(median).collect();
        if operation == Operation::Filter {
            filtered = 1e3 / medians[0];
        }
        let texts = medians.iter().map(|each| format!("{each:.1}")).collect::<Vec<_>>();
        println!("| {name} | {} |", texts.join(" | "));
    }
    verdicts(&of_map, &of_sqlite, (filtered, bytes));
    drop(subjects);
    let [column, index] = evolve::measure(&mut wasm::Module::new(&artefact), &artefact);
    for (what, limit, times) in [("a column with a default", 2, column), ("an index", 1, index)] {
        let (publish, maps) = (times.publish, times.maps);
        println!("| {what} for a million rows, seconds (BTreeMap {maps:.2}) | {publish:.2} | at most {limit} |");
    }
}

fn verdicts(of_map: &[(&str, f64)], of_sqlite: &[Vec<(&str, f64)>; 2], (filtered, bytes): (f64, [f64; 3])) {
    println!("\n| goal | is | should be |\n|---|---|---|");
    let list = |ratios: &[(&str, f64)]| {
        let parts = ratios.iter().map(|(name, ratio)| format!("{name} {ratio:.2}"));
        parts.collect::<Vec<_>>().join("; ")
    };
    println!("| store, time of BTreeMap | {} | at most 3 |", list(of_map));
    for (ratios, many) in of_sqlite.iter().zip(["one", "100"]) {
        let middle = median(ratios.iter().map(|(_, ratio)| *ratio).collect());
        println!("| module doing {many}, speed of SQLite | {} | at least 1 |", list(ratios));
        println!("| the median of those | {middle:.2} | at least 1.5 |");
    }
    println!("| filter in the store, million rows a second | {filtered:.1} | at least 20 |");
    let [random, ascending, index] = bytes.map(|bytes| bytes / ROW_SIZE as f64);
    println!("| bytes of a row, of the encoded row, random | {random:.2} | at most 2.5 |");
    println!("| the same, ascending | {ascending:.2} | at most 2.5 |");
    println!("| bytes of its index entry, of the encoded row | {index:.2} | |");
}
