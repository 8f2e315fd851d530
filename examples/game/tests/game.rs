//! `game` on a database of its own: several players, a clock that the test moves, and restarts.

use game::{Award, FIELD, GEMS, Gem, HIT_POINTS, Hit, PATIENCE, Player, REACH, START, Title, Walker};
use interstice_sdk::prelude::*;
use interstice_sdk::test::{Arguments, TestDatabase};

const TICK: Duration = Duration::from_millis(100);

/// Somebody joins under their own name, and acts from now on.
fn join(db: &mut TestDatabase, name: &str) -> Identity {
    let id = db.act_as(name);
    db.call::<()>("join", (name,)).unwrap();
    id
}

fn place(db: &TestDatabase, player: Identity) -> (i32, i32) {
    let walker = db.rows::<Walker>().into_iter().find(|walker| walker.player == player).unwrap();
    (walker.x, walker.y)
}

fn points(db: &TestDatabase, player: Identity) -> u32 {
    db.rows::<Player>().iter().find(|row| row.id == player).unwrap().points
}

/// The code that a call is refused with.
fn refused(db: &mut TestDatabase, function: &str, args: impl Arguments) -> String {
    db.call::<()>(function, args).unwrap_err().code.to_string()
}

/// The way to `to`, as far as one goes in a tick.
fn step(from: (i32, i32), to: (i32, i32)) -> (i32, i32) {
    ((to.0 - from.0).clamp(-3, 3), (to.1 - from.1).clamp(-3, 3))
}

#[interstice_sdk::test]
fn players_go_their_ways_and_no_faster_than_allowed(db: &mut TestDatabase) {
    let ada = join(db, "ada");
    let grace = join(db, "grace");
    db.call::<()>("steer", (-3, 4)).unwrap();
    assert_eq!(refused(db, "steer", (4, 4)), "too-fast");
    assert_eq!(refused(db, "steer", (i32::MIN, i32::MAX)), "too-fast");
    db.advance(Duration::from_secs(1));
    assert_eq!((place(db, ada), place(db, grace)), (START, (START.0 - 30, START.1 + 40)));
    db.advance(Duration::from_secs(20));
    assert_eq!(place(db, grace), (0, FIELD - 1), "the field has an end");
    db.act_as("edsger");
    assert_eq!(refused(db, "steer", (0, 0)), "not-playing");
    db.assert_replays();
}

#[interstice_sdk::test]
fn gems_are_picked_up_for_points_and_points_for_awards(db: &mut TestDatabase) {
    let ada = join(db, "ada");
    db.advance(TICK);
    assert_eq!(db.rows::<Gem>().len() as u64, GEMS);
    for _ in 0..1_000 {
        let here = place(db, ada);
        let way = |gem: &Gem| (gem.x - here.0).abs().max((gem.y - here.1).abs());
        let nearest = db.rows::<Gem>().into_iter().min_by_key(way).unwrap();
        let (dx, dy) = step(here, (nearest.x, nearest.y));
        db.call::<()>("steer", (dx, dy)).unwrap();
        db.advance(TICK);
        if points(db, ada) >= 20 {
            break;
        }
    }
    let titles: Vec<Title> = db.query("awards_of", ("ada",)).unwrap();
    assert_eq!(titles, [Title::Newcomer, Title::Collector { points: 10 }, Title::Collector { points: 20 }]);
    assert!(db.dead_letters().is_empty());
    assert_eq!(db.rows::<Gem>().len() as u64, GEMS, "others lie there instead");
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_hit_counts_and_is_not_there_afterwards(db: &mut TestDatabase) {
    let ada = join(db, "ada");
    let grace = join(db, "grace");
    assert_eq!(refused(db, "tag", ("grace",)), "nobody-there");
    db.call::<()>("tag", ("ada",)).unwrap();
    assert_eq!((points(db, grace), points(db, ada)), (HIT_POINTS, 0));
    assert!(db.rows::<Hit>().is_empty(), "the row was there for its transaction, and for what listens");
    let moved = place(db, ada);
    let apart = (moved.0 - START.0).abs().max((moved.1 - START.1).abs());
    assert!(apart > REACH, "{moved:?}");
    let problem = db.call::<()>("tag", ("ada",)).unwrap_err();
    assert_eq!(problem.code, "out-of-reach");
    assert!(problem.message.ends_with("away, too far for a hand"), "{problem}");
    assert_eq!(points(db, grace), HIT_POINTS);
    assert!(db.dead_letters().is_empty());
    // The same two again: the key of a row that is gone is free.
    db.act_as("ada");
    db.call::<bool>("leave", ()).unwrap();
    db.call::<()>("join", ("ada",)).unwrap();
    db.act_as("grace");
    db.call::<()>("tag", ("ada",)).unwrap();
    assert_eq!(points(db, grace), 2 * HIT_POINTS);
    db.assert_replays();
}

#[interstice_sdk::test]
fn after_a_restart_the_field_is_empty_and_scores_are_there(db: &mut TestDatabase) {
    let ada = join(db, "ada");
    join(db, "grace");
    db.call::<()>("tag", ("ada",)).unwrap();
    db.advance(TICK);
    let (players, awards) = (db.rows::<Player>(), db.rows::<Award>());
    assert_eq!((players.len(), awards.len(), db.rows::<Walker>().len()), (2, 2, 2));
    db.reopen();
    assert_eq!((db.rows::<Walker>().len(), db.rows::<Gem>().len()), (0, 0));
    assert_eq!((db.rows::<Player>(), db.rows::<Award>()), (players, awards));
    assert_eq!(refused(db, "steer", (1, 0)), "not-playing");
    // The tick goes on, and whoever comes back has what he had.
    db.advance(TICK);
    db.act_as("ada");
    db.call::<()>("join", ("countess",)).unwrap();
    assert_eq!(place(db, ada), START);
    let standings: Vec<Player> = db.query("standings", (10_u32,)).unwrap();
    let standings: Vec<_> = standings.iter().map(|player| (&*player.name, player.points)).collect();
    assert_eq!(standings, [("grace", HIT_POINTS), ("countess", 0)]);
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_tick_of_an_empty_world_changes_only_when_the_next_one_is_due(db: &mut TestDatabase) {
    let before = db.assert_replays();
    let due = db.next_due().unwrap();
    db.advance(Duration::from_secs(1));
    assert_eq!(db.assert_replays(), before + 10, "each tick is a transaction: its next time is a row");
    assert_eq!(db.next_due(), Some(due.saturating_add(Duration::from_secs(1))));
    assert_eq!((db.rows::<Walker>().len(), db.rows::<Gem>().len(), db.rows::<Player>().len()), (0, 0, 0));
    // What is in memory alone is in no log: steering adds nothing to it, joining for the first time does.
    join(db, "ada");
    let joined = db.assert_replays();
    db.call::<()>("steer", (1, 1)).unwrap();
    db.call::<()>("steer", (2, 1)).unwrap();
    assert_eq!(db.assert_replays(), joined);
    // Nobody was there for an hour: one tick makes up for all of them.
    db.reopen_after(Duration::from_hours(1));
    assert_eq!(db.assert_replays(), joined + 1);
}

#[interstice_sdk::test]
fn whoever_does_nothing_is_taken_off_the_field(db: &mut TestDatabase) {
    join(db, "ada");
    let grace = join(db, "grace");
    for _ in 0..4 {
        db.advance(Duration::from_secs(10));
        db.call::<()>("steer", (0, 0)).unwrap();
    }
    assert_eq!(db.rows::<Walker>().iter().map(|walker| walker.player).collect::<Vec<_>>(), [grace]);
    db.advance(PATIENCE.max(TICK));
    db.advance(TICK);
    assert_eq!((db.rows::<Walker>().len(), db.rows::<Gem>().len()), (0, 0), "the gems go with the last player");
    assert_eq!(db.call("leave", ()), Ok(false));
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_name_is_one_players(db: &mut TestDatabase) {
    join(db, "ada");
    db.act_as("grace");
    assert_eq!(refused(db, "join", ("ada",)), "name-taken");
    assert_eq!(refused(db, "join", ("",)), "no-name");
    assert_eq!(refused(db, "join", ("x".repeat(21),)), "no-name");
    assert!(db.rows::<Walker>().len() == 1 && db.rows::<Player>().len() == 1);
}
