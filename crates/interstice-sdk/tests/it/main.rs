//! Everything that a module may declare, in one module, on the real engine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;
mod compile_errors;
mod connections;
mod filters;
mod floats;
mod guide;
mod module;
mod reproduce;
mod schedules;

use interstice_sdk::prelude::{BTreeMap, Duration, Identity, Timestamp, Uuid};
use interstice_sdk::test::TestDatabase;
use module::{Everything, Log, Seat, Shape, Ticket};

/// Milliseconds that a database of a test may take to be there.
const START_MAX: f64 = 10.0;

#[test]
fn a_database_is_there_in_less_than_ten_milliseconds() {
    let mut starts: Vec<_> = (0..21)
        .map(|_| {
            let started = std::time::Instant::now();
            let mut db = TestDatabase::new(env!("CARGO_PKG_NAME"));
            db.call::<u64>("draw_ticket", ("first",)).unwrap();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    starts.sort_by(f64::total_cmp);
    let median = starts[starts.len() / 2];
    println!("a database with its first call: {median:.3} ms in the median, at most {:.3}", starts[starts.len() - 1]);
    assert!(median < START_MAX, "{starts:?}");
}

fn seats(found: &[Seat]) -> Vec<(String, u32)> {
    found.iter().map(|seat| (seat.hall.clone(), seat.number)).collect()
}

fn seated(db: &mut TestDatabase) {
    for (hall, number, guest) in [("a", 1_u32, "ada"), ("a", 2, "grace"), ("b", 1, "edsger"), ("a", 10, "barbara")] {
        db.call::<()>("sit", (hall, number, guest)).unwrap();
    }
}

#[interstice_sdk::test]
fn composite_keys_are_found_by_key_prefix_and_range(db: &mut TestDatabase) {
    seated(db);
    let find = |db: &mut TestDatabase, how: &str| seats(&db.query::<Vec<Seat>>("seats", (how,)).unwrap());
    let names = |pairs: &[(&str, u32)]| pairs.iter().map(|(hall, n)| ((*hall).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(find(db, "all"), names(&[("a", 1), ("a", 2), ("a", 10), ("b", 1)]));
    assert_eq!(find(db, "prefix"), names(&[("a", 1), ("a", 2), ("a", 10)]));
    assert_eq!(find(db, "range"), names(&[("a", 2), ("a", 10)]));
    assert_eq!(find(db, "reverse"), names(&[("b", 1), ("a", 10)]));
    assert_eq!(find(db, "key"), names(&[("a", 2)]));
    assert_eq!(find(db, "by guest"), names(&[("b", 1), ("a", 2)]));
}

#[interstice_sdk::test]
fn constraints_end_the_call_or_are_handed_over(db: &mut TestDatabase) {
    seated(db);
    let taken = db.call::<()>("sit", ("a", 1_u32, "donald")).unwrap_err();
    assert_eq!(taken.code, "duplicate-key");
    let unique = db.call::<()>("sit", ("c", 1_u32, "ada")).unwrap_err();
    assert!(unique.message.contains("`guest`"), "{unique}");
    assert_eq!(db.call::<String>("try_sit", ("a", 1_u32, "donald")), Ok("duplicate-key".to_owned()));
    assert_eq!(db.call::<String>("try_sit", ("c", 1_u32, "donald")), Ok("seated".to_owned()));
    assert_eq!(db.call::<()>("move_guest", ("z", 9_u32, "nobody")).unwrap_err().code, "no-such-row");
    assert_eq!(db.rows::<Seat>().len(), 5);
    db.assert_replays();
}

#[interstice_sdk::test]
fn each_kind_of_change_is_an_event_of_its_own(db: &mut TestDatabase) {
    seated(db);
    db.call::<()>("move_guest", ("a", 1_u32, "alan")).unwrap();
    assert_eq!(db.call::<Option<Seat>>("leave", ("a", 1_u32)).unwrap().unwrap().guest, "alan");
    assert_eq!(db.call::<Option<Seat>>("leave", ("a", 1_u32)), Ok(None));
    assert_eq!(db.call::<u64>("leave_all", ()), Ok(3));
    let lines: Vec<_> = db.rows::<Log>().into_iter().map(|log| log.line).collect();
    let expected = [
        "ada sat",
        "grace sat",
        "edsger sat",
        "barbara sat",
        "ada became alan",
        "alan left",
        "grace left",
        "barbara left",
        "edsger left",
    ];
    assert_eq!(lines, expected);
    db.reopen();
    assert_eq!(db.rows::<Log>().len(), 9);
    db.assert_replays();
}

#[interstice_sdk::test]
fn sequences_count_and_upserts_replace(db: &mut TestDatabase) {
    assert_eq!(db.call::<u64>("draw_ticket", ("first",)), Ok(1));
    assert_eq!(db.call::<u64>("draw_ticket", ("second",)), Ok(2));
    assert_eq!(db.call::<u64>("put_ticket", (1_u64, "changed")), Ok(1));
    assert_eq!(db.call::<u64>("put_ticket", (10_u64, "far")), Ok(10));
    assert_eq!(db.call::<u64>("draw_ticket", ("behind",)), Ok(11));
    let texts: Vec<_> = db.rows::<Ticket>().into_iter().map(|ticket| (ticket.id, ticket.text)).collect();
    let expected = [(1, "changed"), (2, "second"), (10, "far"), (11, "behind")];
    assert_eq!(texts, expected.map(|(id, text)| (id, text.to_owned())));
}

#[interstice_sdk::test]
fn every_type_goes_there_and_back(db: &mut TestDatabase) {
    let everything = Everything {
        id: u128::MAX,
        small: i8::MIN,
        flag: true,
        real: -0.5,
        name: "naïve 🦀".to_owned(),
        bytes: vec![0, 255, 7],
        when: Timestamp(-1),
        span: Duration::from_secs(-3),
        who: Identity::of_name("ada"),
        token: Uuid([9; 16]),
        maybe: Some(vec![1, 2]),
        map: BTreeMap::from([("b".to_owned(), -1), ("a".to_owned(), 2)]),
        shape: Shape::Rectangle { width: 2, height: 3 },
    };
    assert_eq!(db.call::<Option<Everything>>("keep", (everything.clone(),)), Ok(Some(everything.clone())));
    assert_eq!(db.rows::<Everything>(), [everything]);
}

#[interstice_sdk::test]
fn random_numbers_differ_between_calls_and_not_between_runs(db: &mut TestDatabase) {
    let first: Vec<u64> = db.call("throw", ()).unwrap();
    let second: Vec<u64> = db.call("throw", ()).unwrap();
    assert_ne!(first, second);
    assert!(first[1] < 6 && second[1] < 6);
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_panic_is_a_trap_with_its_message_and_leaves_nothing(db: &mut TestDatabase) {
    let problem = db.call::<()>("fall", ()).unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.message.as_str()), ("panic", "no way down"));
    assert!(db.rows::<Log>().is_empty());
    let internal = db.call::<()>("inside", ()).unwrap_err();
    assert_eq!(internal.code, "wrong-kind");
}

#[interstice_sdk::test]
fn a_function_knows_who_calls_and_when_and_what_it_logged_is_kept(db: &mut TestDatabase) {
    let ada = db.act_as("ada");
    let (who, when): (Identity, Timestamp) = {
        let line: module::Known = db.call("know", ()).unwrap();
        (line.who, line.when)
    };
    assert_eq!((who, when), (ada, db.now()));
    let lines: Vec<_> = db.take_log().into_iter().map(|line| (line.level, line.text)).collect();
    assert!(lines.contains(&(3, "asked by ada\\n".to_owned())), "{lines:?}");
}
