//! Random statements on random rows, judged by three-valued logic on plain values; plans by the rows that they look at.

use expect_test::{Expect, expect};
use interstice::sql::{MAX_RESULT_SIZE, Select};
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::{LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_engine::read::Snapshot;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::time::Timestamp;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::sync::Arc;

/// A module with a table and no functions.
struct Tables;

impl ModuleFactory for Tables {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Err(LoadError { problem: Problem::new("none", "there is nothing to call") })
    }
}

impl ModuleLoader for Tables {
    fn load(&self, _: &[u8]) -> Result<Loaded, LoadError> {
        let json = r#"{"module": "chat", "version": "1.0.0", "functions": [], "tables": [{"name": "message", "primary_key": [0],
            "columns": [{"name": "id", "type": "u64"}, {"name": "room", "type": "string"}, {"name": "seq", "type": "u32"},
                {"name": "score", "type": {"option": "i32"}}, {"name": "seen", "type": "bool"}],
            "indexes": [{"name": "by_room", "columns": [1, 2]}, {"name": "score", "columns": [3]}]},
            {"name": "post", "primary_key": [0], "columns": [{"name": "id", "type": "u64"},
                {"name": "body", "type": {"enum": {"name": "Body", "variants": [
                    {"name": "Text", "shape": "tuple", "fields": [{"name": "0", "type": "string"}]},
                    {"name": "Image", "shape": "struct",
                        "fields": [{"name": "url", "type": "string"}, {"name": "width", "type": "u32"}]},
                    {"name": "Nothing", "shape": "unit"}]}}},
                {"name": "price", "type": {"option": {"struct": {"name": "Price",
                    "fields": [{"name": "currency", "type": "string"}, {"name": "amount", "type": {"option": "i64"}}]}}}},
                {"name": "least", "type": "i64"}]}]}"#;
        let schema: Schema = serde_json::from_str(json).unwrap();
        Ok(Loaded { schema, factory: Arc::new(Tables) })
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    id: u64,
    room: String,
    seq: u32,
    score: Option<i32>,
    seen: bool,
}

impl Row {
    fn bytes(&self) -> Vec<u8> {
        let mut out = self.id.to_le_bytes().to_vec();
        out.extend((self.room.len() as u32).to_le_bytes());
        out.extend(self.room.as_bytes());
        out.extend(self.seq.to_le_bytes());
        out.push(u8::from(self.score.is_some()));
        self.score.iter().for_each(|score| out.extend(score.to_le_bytes()));
        out.push(u8::from(self.seen));
        out
    }
}

pub(crate) fn snapshot_of(table: &str, rows: impl IntoIterator<Item = Vec<u8>>) -> Snapshot {
    let mut engine = Engine::new(Arc::new(Tables), Limits::default());
    let loaded = Tables.load(&[]).unwrap();
    let publish =
        Request::Publish { artefact: vec![1], loaded, caller: Identity::default(), options: PublishOptions::default() };
    for (n, request) in [Request::Genesis { node: [0; 16] }, publish].into_iter().enumerate() {
        engine.step(Input { now: Timestamp(n as i64), seed: [n as u8; 16], request }).reply.unwrap();
    }
    let mut snapshot = engine.snapshot();
    let table = snapshot.catalog.table("chat", table).unwrap();
    let mut tx = snapshot.store.clone().begin();
    for row in rows {
        tx.insert(table, &row).unwrap();
    }
    snapshot.store = tx.commit().0;
    snapshot
}

fn snapshot(rows: &[Row]) -> Snapshot {
    snapshot_of("message", rows.iter().map(Row::bytes))
}

/// A condition, as text and as what it means.
#[derive(Debug, Clone)]
enum Condition {
    Id(&'static str, u64),
    Room(&'static str, String),
    Seq(&'static str, u32),
    Score(&'static str, i32),
    ScoreIsNull(bool),
    ScoreIn(bool, Vec<i32>),
    SeqBetween(bool, u32, u32),
    Seen,
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

fn holds(op: &str, order: Ordering) -> bool {
    match op {
        "=" => order.is_eq(),
        "<>" | "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

impl Condition {
    fn text(&self) -> String {
        let not = |negated: &bool| if *negated { "not " } else { "" };
        match self {
            Self::Id(op, value) => format!("id {op} {value}"),
            Self::Room(op, value) => format!("room {op} '{value}'"),
            // The column may stand on either side.
            Self::Seq(op, value) => format!("{value} {} seq", flipped(op)),
            Self::Score(op, value) => format!("chat.message.score {op} {value}"),
            Self::ScoreIsNull(negated) => format!("score is {}null", not(negated)),
            Self::ScoreIn(negated, values) => {
                let list: Vec<_> = values.iter().map(ToString::to_string).collect();
                format!("score {}in ({})", not(negated), list.join(", "))
            }
            Self::SeqBetween(negated, low, high) => format!("seq {}between {low} and {high}", not(negated)),
            Self::Seen => "seen".to_owned(),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::And(a, b) => format!("({} and {})", a.text(), b.text()),
            Self::Or(a, b) => format!("({} or {})", a.text(), b.text()),
        }
    }

    /// `None` is unknown: something was compared with NULL.
    fn value(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Id(op, value) => Some(holds(op, row.id.cmp(value))),
            Self::Room(op, value) => Some(holds(op, row.room.cmp(value))),
            Self::Seq(op, value) => Some(holds(op, row.seq.cmp(value))),
            Self::Score(op, value) => row.score.map(|score| holds(op, score.cmp(value))),
            Self::ScoreIsNull(negated) => Some(row.score.is_none() != *negated),
            Self::ScoreIn(negated, values) => row.score.map(|score| values.contains(&score) != *negated),
            Self::SeqBetween(negated, low, high) => Some((*low..=*high).contains(&row.seq) != *negated),
            Self::Seen => Some(row.seen),
            Self::Not(inner) => inner.value(row).map(|value| !value),
            Self::And(a, b) => match (a.value(row), b.value(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(a, b) => match (a.value(row), b.value(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn flipped(op: &'static str) -> &'static str {
    match op {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let op = || prop::sample::select(vec!["=", "<>", "!=", "<", "<=", ">", ">="]);
    let room = || prop::sample::select(vec!["a", "b", "b'", "c"]);
    let leaf = prop_oneof![
        (op(), 0_u64..30).prop_map(|(op, value)| Condition::Id(op, value)),
        (op(), room()).prop_map(|(op, value)| Condition::Room(op, value.replace('\'', ""))),
        (op(), 0_u32..6).prop_map(|(op, value)| Condition::Seq(op, value)),
        (op(), -3_i32..4).prop_map(|(op, value)| Condition::Score(op, value)),
        any::<bool>().prop_map(Condition::ScoreIsNull),
        (any::<bool>(), prop::collection::vec(-3_i32..4, 1..4)).prop_map(|(n, values)| Condition::ScoreIn(n, values)),
        (any::<bool>(), 0_u32..6, 0_u32..6).prop_map(|(n, low, high)| Condition::SeqBetween(n, low, high)),
        Just(Condition::Seen),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Condition::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Condition::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (prop::sample::select(vec!["a", "b", "c"]), 0_u32..6, prop::option::of(-3_i32..4), any::<bool>());
    prop::collection::vec(row, 0..30).prop_map(|rows| {
        let row = |(id, (room, seq, score, seen))| Row { id: id as u64, room: str::to_owned(room), seq, score, seen };
        rows.into_iter().enumerate().map(row).collect()
    })
}

/// NULL before every value, as the keys have it.
fn compare(a: &Row, b: &Row, column: &str) -> Ordering {
    match column {
        "id" => a.id.cmp(&b.id),
        "room" => a.room.cmp(&b.room),
        "seq" => a.seq.cmp(&b.seq),
        "score" => a.score.cmp(&b.score),
        _ => a.seen.cmp(&b.seen),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_select_gives_the_rows_that_its_condition_lets_in(
        rows in rows(),
        condition in prop::option::of(condition()),
        order in prop::collection::vec((prop::sample::select(vec!["id", "room", "seq", "score", "seen"]), any::<bool>()), 0..4),
        limit in prop::option::of(0_u64..8),
        skip in 0_u64..4,
    ) {
        let snapshot = snapshot(&rows);
        let filter = condition.as_ref().map(|condition| format!(" where {}", condition.text())).unwrap_or_default();
        // With the key behind it an order is one of all rows.
        let mut order = order;
        order.push(("id", false));
        let parts: Vec<_> = order.iter().map(|(c, desc)| format!("{c}{}", if *desc { " desc" } else { "" })).collect();
        let count = limit.map(|limit| format!(" limit {limit}")).unwrap_or_default();
        let text = format!("select * from chat.message{filter} order by {}{count} offset {skip}", parts.join(", "));
        let mut expected: Vec<_> = rows.iter()
            .filter(|row| condition.as_ref().is_none_or(|condition| condition.value(row) == Some(true)))
            .collect();
        expected.sort_by(|a, b| {
            let orders = order.iter().map(|(column, desc)| {
                let order = compare(a, b, column);
                if *desc { order.reverse() } else { order }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        let matching: Vec<_> = expected.iter().map(|row| row.id).collect();
        let expected: Vec<_> = expected.into_iter().skip(skip as usize).take(limit.unwrap_or(99) as usize).map(Row::bytes).collect();
        let select = Select::parse(&text, &snapshot).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        let found: Vec<_> = select.rows(&snapshot).unwrap().iter().map(|row| row.to_vec()).collect();
        prop_assert_eq!(select.holds(&snapshot.store).unwrap(), !expected.is_empty(), "{}", text);
        prop_assert_eq!(found, expected, "{} by {}", text, select.plan());
        // Whether it is so: of a count, and of a boolean.
        let holds = |text: String| Select::parse(&text, &snapshot).unwrap().holds(&snapshot.store).unwrap();
        let counted = holds(format!("select count(*) from chat.message{filter}"));
        prop_assert_eq!(counted, !matching.is_empty(), "{}", text);
        let seen = rows.iter().any(|row| matching.contains(&row.id) && row.seen);
        prop_assert_eq!(holds(format!("select seen from chat.message{filter}")), seen, "{}", text);
        // What a subscription would say of each row.
        for row in &rows {
            prop_assert_eq!(select.matches(&row.bytes()), matching.contains(&row.id), "{}", text);
        }
    }
}

fn hundred() -> Snapshot {
    let row = |id: u64| Row {
        id,
        room: if id.is_multiple_of(10) { "rare" } else { "usual" }.to_owned(),
        seq: id as u32,
        score: id.is_multiple_of(2).then_some(id as i32),
        seen: false,
    };
    snapshot(&(0..100).map(row).collect::<Vec<_>>())
}

#[test]
fn an_index_keeps_rows_from_being_looked_at() {
    let snapshot = hundred();
    let cases = [
        ("id = 7", 1, "primary key (id =)"),
        ("id >= 90 and id < 95", 5, "primary key (id in a range)"),
        ("room = 'rare'", 10, "index by_room (room =)"),
        ("room = 'rare' and seq > 50", 4, "index by_room (room =, seq in a range)"),
        ("room = 'rare' order by seq desc limit 2", 2, "index by_room (room =), backwards"),
        ("score > 90 and seen = false", 4, "index score (score in a range), the rest checked on each row"),
        ("seen = false limit 3", 3, "primary key, the rest checked on each row"),
        ("seen = false order by id desc limit 3", 3, "primary key, backwards, the rest checked on each row"),
        ("id > 97 order by seq", 2, "primary key (id in a range), sorted afterwards"),
        ("room = 'x' or id = 1", 100, "primary key, the rest checked on each row"),
    ];
    for (rest, examined, plan) in cases {
        let select = Select::parse(&format!("select id from chat.message where {rest}"), &snapshot).unwrap();
        let answer = select.execute(&snapshot.store, MAX_RESULT_SIZE).unwrap();
        assert_eq!((answer.examined, select.plan().to_string().as_str()), (examined, plan), "{rest}");
    }
}

#[test]
fn columns_are_chosen_renamed_and_counted() {
    let snapshot = hundred();
    let select = Select::parse("select seq as number, room from chat.message where id = 3", &snapshot).unwrap();
    let names: Vec<_> = select.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["number", "room"]);
    let expected = [&3_u32.to_le_bytes()[..], &5_u32.to_le_bytes(), b"usual"].concat();
    assert_eq!(select.rows(&snapshot).unwrap()[0].to_vec(), expected);
    let count = Select::parse("SELECT COUNT(*) FROM chat.message WHERE score IS NOT NULL", &snapshot).unwrap();
    assert_eq!(count.rows(&snapshot).unwrap()[0].to_vec(), 50_u64.to_le_bytes());
    assert!(count.is_subscribable().is_err());
}

#[test]
fn an_answer_is_bounded() {
    let snapshot = hundred();
    let select = Select::parse("select * from chat.message", &snapshot).unwrap();
    let size: usize = select.rows(&snapshot).unwrap().iter().map(|row| row.len()).sum();
    assert_eq!(select.execute(&snapshot.store, size).unwrap().rows.len(), 100);
    assert_eq!(select.execute(&snapshot.store, size - 1).unwrap_err().code, "result-too-large");
}

fn refused(text: &str, expected: &Expect) {
    let problem = Select::parse(text, &hundred()).unwrap_err();
    expected.assert_eq(&problem.to_string());
}

#[test]
fn what_is_wrong_is_said_and_shown() {
    refused(
        "select id\nfrom chat.mesage",
        &expect![[r"
            error[unknown-table]: table `chat.mesage` does not exist
              where: line 2, column 6
              |
            2 | from chat.mesage
              |      ^^^^^^^^^^^
              hint:  did you mean `chat.message`?"]],
    );
    refused(
        "select id from chat.message where scre = 1",
        &expect![[r"
            error[unknown-column]: table `chat.message` has no column `scre`
              where: line 1, column 35
              |
            1 | select id from chat.message where scre = 1
              |                                   ^^^^
              hint:  did you mean `score`?"]],
    );
    for (text, code) in [
        ("", "invalid-sql"),
        ("select", "invalid-sql"),
        ("select * from message", "invalid-sql"),
        ("select * from chat.message; select * from chat.message", "invalid-sql"),
        ("select * from chat.message where id = 1.5", "invalid-literal"),
        ("select * from chat.message where seen = 1", "invalid-literal"),
        ("select * from chat.message where room = 1", "invalid-literal"),
        ("select * from chat.message where id + 1 = 2", "unsupported-sql"),
        ("select * from chat.message where room like 'a%'", "unsupported-sql"),
        ("select * from chat.message where id = (select 1)", "invalid-literal"),
        ("select max(id) from chat.message", "unsupported-sql"),
        ("select room from chat.message group by room", "unsupported-sql"),
        ("select distinct room from chat.message", "unsupported-sql"),
        ("select * from chat.message limit -1", "invalid-literal"),
        ("with x as (select 1) select * from chat.message", "unsupported-sql"),
        ("select * from chat.message union select * from chat.message", "unsupported-sql"),
        ("insert into chat.message values (1)", "unsupported-sql"),
        ("drop table chat.message", "unsupported-sql"),
    ] {
        let problem = Select::parse(text, &hundred()).unwrap_err();
        assert_eq!(problem.code, code, "{text}: {problem}");
    }
}
