//! SQLite in memory: prepared statements, each by itself or so many in one transaction.

use super::{FILTERED, Operation, RANGE, ROWS, Subject, TEAMS, TEXT, ascending_key, drawn, key, mixed, team};
use rusqlite::{Connection, params};

pub(super) struct Database(Connection);

/// Its integers are signed: the order of keys stays the same.
fn signed(key: u64) -> i64 {
    (key ^ 1 << 63) as i64
}

impl Database {
    pub(super) fn new() -> Self {
        let database = Connection::open_in_memory().unwrap();
        let schema = "CREATE TABLE row (id INTEGER PRIMARY KEY, team INTEGER NOT NULL, text TEXT NOT NULL);
            CREATE TABLE indexed (id INTEGER PRIMARY KEY, team INTEGER NOT NULL, text TEXT NOT NULL);
            CREATE INDEX by_team ON indexed (team); BEGIN;";
        database.execute_batch(schema).unwrap();
        for table in ["row", "indexed"] {
            let mut insert = database.prepare(&format!("INSERT INTO {table} VALUES (?, ?, ?)")).unwrap();
            for number in 0..ROWS {
                insert.execute(params![signed(key(number)), team(number), TEXT]).unwrap();
            }
        }
        database.execute_batch("COMMIT; ANALYZE;").unwrap();
        Self(database)
    }

    /// One statement for each number.
    fn each(
        &self,
        (from, count, many): (u64, u64, u64),
        sql: &str,
        mut one: impl FnMut(&mut rusqlite::CachedStatement<'_>, u64) -> u64,
    ) -> u64 {
        let database = &self.0;
        let mut statement = database.prepare_cached(sql).unwrap();
        let mut begin = database.prepare_cached("BEGIN").unwrap();
        let mut commit = database.prepare_cached("COMMIT").unwrap();
        let mut read = 0;
        for number in from..from + count {
            let place = (number - from) % many;
            if many > 1 && place == 0 {
                begin.execute([]).unwrap();
            }
            read += one(&mut statement, number);
            if many > 1 && (place == many - 1 || number == from + count - 1) {
                commit.execute([]).unwrap();
            }
        }
        read
    }

    fn number(&self, sql: &str, below: Option<u32>) -> u64 {
        let mut statement = self.0.prepare_cached(sql).unwrap();
        let found: i64 = match below {
            Some(below) => statement.query_row([below], |row| row.get(0)).unwrap(),
            None => statement.query_row([], |row| row.get(0)).unwrap(),
        };
        found as u64
    }
}

/// Adds up a number of each row.
fn total(rows: &mut rusqlite::Rows<'_>, read: impl Fn(&rusqlite::Row<'_>) -> u64) -> u64 {
    let mut total = 0;
    while let Some(row) = rows.next().unwrap() {
        total += read(row);
    }
    total
}

fn team_and_text(row: &rusqlite::Row<'_>) -> u64 {
    let text: String = row.get(1).unwrap();
    u64::from(row.get::<_, u32>(0).unwrap()) + text.len() as u64 - TEXT.len() as u64
}

impl Subject for Database {
    fn run(&mut self, operation: Operation, from: u64, count: u64, many: u64) -> u64 {
        let numbers = (from, count, many);
        let insert = "INSERT INTO row VALUES (?, ?, ?)";
        match operation {
            Operation::Insert => self.each(numbers, insert, |insert, n| {
                insert.execute(params![signed(key(n)), team(n), TEXT]).unwrap() as u64 - 1
            }),
            Operation::InsertAscending => self.each(numbers, insert, |insert, n| {
                insert.execute(params![signed(ascending_key(n)), team(n), TEXT]).unwrap() as u64 - 1
            }),
            Operation::Lookup => self.each(numbers, "SELECT team, text FROM row WHERE id = ?", |get, n| {
                get.query_row([signed(drawn(n))], |row| Ok(team_and_text(row))).unwrap()
            }),
            Operation::Update => self.each(numbers, "UPDATE row SET team = ?, text = ? WHERE id = ?", |update, n| {
                update.execute(params![team(n), TEXT, signed(drawn(n))]).unwrap() as u64 - 1
            }),
            Operation::Delete => self.each(numbers, "DELETE FROM row WHERE id = ?", |delete, n| {
                delete.execute([signed(key(n))]).unwrap() as u64
            }),
            Operation::Range => {
                let sql = "SELECT team, text FROM row WHERE id >= ? ORDER BY id LIMIT ?";
                self.each(numbers, sql, |range, n| {
                    total(&mut range.query(params![signed(drawn(n)), RANGE as i64]).unwrap(), team_and_text)
                })
            }
            Operation::Index => {
                let sql = "SELECT team, text, id FROM indexed WHERE team = ?";
                self.each(numbers, sql, |index, n| {
                    let read = |row: &rusqlite::Row<'_>| {
                        let _ = team_and_text(row);
                        (row.get::<_, i64>(2).unwrap() & 1) as u64
                    };
                    total(&mut index.query([mixed(n) % TEAMS]).unwrap(), read)
                })
            }
            Operation::Filter => self.number("SELECT COUNT(*) FROM row WHERE team < ?", Some(FILTERED)),
            Operation::Scan => {
                let mut scan = self.0.prepare_cached("SELECT team, text FROM row").unwrap();
                total(&mut scan.query([]).unwrap(), team_and_text)
            }
        }
    }

    fn remove_ascending(&mut self, from: u64, count: u64) {
        self.each((from, count, count), "DELETE FROM row WHERE id = ?", |delete, n| {
            delete.execute([signed(ascending_key(n))]).unwrap() as u64
        });
    }
}
