//! The module under test.

use interstice_sdk::prelude::*;

/// Who sits where.
#[table(public, name = "seat", primary_key(hall, number), index(by_place(number, guest)))]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seat {
    pub(crate) hall: String,
    pub(crate) number: u32,
    #[unique]
    pub(crate) guest: String,
}

#[table]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Log {
    #[primary_key(auto_inc)]
    pub(crate) id: u32,
    pub(crate) line: String,
}

#[table]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticket {
    #[primary_key(auto_inc)]
    pub(crate) id: u64,
    #[default("none")]
    pub(crate) text: String,
}

#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Point,
    Circle(u32),
    Rectangle { width: u32, height: u32 },
}

#[table]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Everything {
    #[primary_key]
    pub(crate) id: u128,
    pub(crate) small: i8,
    pub(crate) flag: bool,
    pub(crate) real: f64,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) when: Timestamp,
    pub(crate) span: Duration,
    pub(crate) who: Identity,
    pub(crate) token: Uuid,
    pub(crate) maybe: Option<Vec<u16>>,
    pub(crate) map: BTreeMap<String, i32>,
    pub(crate) shape: Shape,
}

#[datatype]
pub(crate) struct Known {
    pub(crate) who: Identity,
    pub(crate) when: Timestamp,
}

#[reducer]
fn sit(seats: Insert<Seat>, hall: String, number: u32, guest: String) {
    seats.insert(Seat { hall, number, guest });
}

/// Handles and arguments may stand in any order.
#[reducer]
fn try_sit(hall: String, seats: Insert<Seat>, number: u32, guest: String) -> String {
    match seats.try_insert(Seat { hall, number, guest }) {
        Ok(_) => "seated".to_owned(),
        Err(error) => error.code,
    }
}

#[reducer]
fn move_guest(seats: Write<Seat>, hall: String, number: u32, guest: String) {
    seats.update(Seat { hall, number, guest });
}

#[reducer]
fn leave(seats: Write<Seat>, hall: String, number: u32) -> Option<Seat> {
    seats.delete((hall, number))
}

#[reducer]
fn leave_all(seats: Write<Seat>) -> u64 {
    seats.clear()
}

#[reducer(on = insert(Seat))]
fn on_sit(log: Insert<Log>, seat: Seat) {
    log.insert(Log { id: 0, line: format!("{} sat", seat.guest) });
}

#[reducer(on = update(Seat))]
fn on_move(log: Insert<Log>, old: Seat, new: Seat) {
    log.insert(Log { id: 0, line: format!("{} became {}", old.guest, new.guest) });
}

#[reducer(on = delete(Seat))]
fn on_leave(old: Seat, log: Insert<Log>) {
    log.insert(Log { id: 0, line: format!("{} left", old.guest) });
}

#[query]
fn seats(seats: Read<Seat>, how: String) -> Vec<Seat> {
    match how.as_str() {
        "prefix" => seats.range("a").collect(),
        "range" => seats.range(("a".to_owned(), 2)..("b".to_owned(), 0)).collect(),
        "reverse" => seats.iter().reverse().take(2).collect(),
        "key" => seats.get(("a", 2)).into_iter().filter(|seat| seats.find_by_guest(&seat.guest).is_some()).collect(),
        // Of the composite index: the last row of a prefix, then one key.
        "by guest" => {
            let last = seats.by_place(1).reverse().next();
            last.into_iter().chain(seats.by_place((2, "grace".to_owned()))).collect()
        }
        _ => (&seats).into_iter().collect(),
    }
}

#[reducer]
fn draw_ticket(tickets: Insert<Ticket>, text: String) -> u64 {
    tickets.insert(Ticket { id: 0, text }).id
}

#[reducer]
fn put_ticket(tickets: Write<Ticket>, id: u64, text: String) -> u64 {
    tickets.upsert(Ticket { id, text }).id
}

#[reducer]
fn keep(rows: Write<Everything>, row: Everything) -> Option<Everything> {
    let id = row.id;
    rows.insert(row);
    rows.get(id)
}

#[reducer]
fn throw(ctx: &ReducerContext) -> Vec<u64> {
    let mut rng = ctx.rng();
    vec![rng.next_u64(), rng.below(6)]
}

#[reducer]
fn fall(log: Insert<Log>) {
    log.insert(Log { id: 0, line: "falling".to_owned() });
    panic!("no way down");
}

#[reducer(access = internal)]
fn inside() {}

#[reducer]
fn know(ctx: &ReducerContext) -> Known {
    info!("asked by ada\n");
    ctx.log().debug("and answered");
    Known { who: ctx.caller(), when: ctx.now() }
}
