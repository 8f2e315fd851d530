//! A program without a database: maps of plain structs.

use super::{FILTERED, Operation, RANGE, ROWS, Subject, TEAMS, TEXT, ascending_key, drawn, key, mixed, team};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

struct Row {
    team: u32,
    #[expect(dead_code, reason = "takes the room that it takes in a row")]
    text: String,
}

pub(super) struct Maps {
    rows: BTreeMap<u64, Row>,
    by_team: BTreeSet<(u32, u64)>,
}

fn row(number: u64) -> Row {
    Row { team: team(number), text: TEXT.to_owned() }
}

impl Maps {
    pub(super) fn new() -> Self {
        let rows = (0..ROWS).map(|number| (key(number), row(number))).collect();
        let by_team = (0..ROWS).map(|number| (team(number), key(number))).collect();
        Self { rows, by_team }
    }
}

impl Subject for Maps {
    fn run(&mut self, operation: Operation, from: u64, count: u64, _: u64) -> u64 {
        let Self { rows, by_team } = self;
        let mut numbers = from..from + count;
        match operation {
            Operation::Insert => numbers.map(|n| u64::from(rows.insert(key(n), row(n)).is_some())).sum(),
            Operation::InsertAscending => {
                numbers.map(|n| u64::from(rows.insert(ascending_key(n), row(n)).is_some())).sum()
            }
            Operation::Lookup => numbers.map(|n| u64::from(rows[&drawn(n)].team)).sum(),
            Operation::Update => {
                numbers.for_each(|n| *rows.get_mut(&drawn(n)).unwrap() = row(n));
                0
            }
            Operation::Delete => numbers.map(|n| u64::from(rows.remove(&key(n)).is_some())).sum(),
            Operation::Range => {
                let each = |n| rows.range(drawn(n)..).take(RANGE as usize);
                numbers.flat_map(each).map(|(_, row)| u64::from(row.team)).sum()
            }
            Operation::Index => {
                let each = |n| {
                    let team = (mixed(n) % TEAMS) as u32;
                    by_team.range((team, 0)..=(team, u64::MAX))
                };
                numbers.flat_map(each).map(|(_, key)| key & u64::from(rows.contains_key(key))).sum()
            }
            Operation::Filter => rows.values().filter(|row| row.team < FILTERED).count() as u64,
            Operation::Scan => {
                numbers.next();
                black_box(rows.values().map(|row| u64::from(row.team)).sum())
            }
        }
    }

    fn remove_ascending(&mut self, from: u64, count: u64) {
        (from..from + count).for_each(|number| drop(self.rows.remove(&ascending_key(number))));
    }
}
