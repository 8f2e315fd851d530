//! Reducers that run later: once, again and again, and by the clock; missed times, cancelled ones, failures.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;

/// One run of a reducer.
#[table]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    #[primary_key(auto_inc)]
    id: u64,
    what: String,
    at: Timestamp,
    by: Identity,
}

fn note(ctx: &ReducerContext, runs: &Insert<Run>, what: &str) {
    runs.insert(Run { id: 0, what: what.to_owned(), at: ctx.now(), by: ctx.caller() });
}

/// Only schedules and other modules call it.
#[reducer(access = internal)]
fn ring(ctx: &ReducerContext, runs: Insert<Run>, text: String, times: u32) {
    note(ctx, &runs, &format!("{text} {times}"));
}

#[reducer]
fn set_alarm(ctx: &ReducerContext, text: String, after: Duration) -> ScheduleId {
    ctx.schedule::<ring>(after, (text, 2))
}

#[reducer]
fn set_alarm_at(ctx: &ReducerContext, due: Timestamp) -> ScheduleId {
    ctx.schedule_at::<ring>(due, ("at".to_owned(), 1))
}

#[reducer]
fn set_alarm_and_fail(ctx: &ReducerContext) -> Result<(), String> {
    ctx.schedule::<ring>(Duration::ZERO, ("never".to_owned(), 0));
    Err("no".to_owned())
}

#[reducer]
fn turn_off(ctx: &ReducerContext, alarm: ScheduleId) -> bool {
    ctx.cancel(alarm)
}

/// Runs `left` times, and says so each time.
#[reducer]
fn count_down(ctx: &ReducerContext, runs: Insert<Run>, left: u32) {
    note(ctx, &runs, &format!("left {left}"));
    if left > 0 {
        ctx.schedule::<count_down>(Duration::from_secs(1), (left - 1,));
    }
}

#[reducer]
fn explode(_ctx: &ReducerContext, runs: Write<Run>) {
    runs.insert(Run { id: 0, what: "boom".to_owned(), at: Timestamp::EPOCH, by: Identity::default() });
    panic!("on purpose");
}

#[reducer]
fn light_a_fuse(ctx: &ReducerContext) {
    ctx.schedule::<explode>(Duration::from_secs(1), ());
}

#[reducer(every = "6h", missed = skip)]
fn skipping(ctx: &ReducerContext, runs: Insert<Run>) {
    note(ctx, &runs, "skip");
}

#[reducer(every = "6h")]
fn once(ctx: &ReducerContext, runs: Insert<Run>) {
    note(ctx, &runs, "once");
}

#[reducer(every = "6h", missed = all)]
fn each(ctx: &ReducerContext, runs: Insert<Run>) {
    note(ctx, &runs, "all");
}

#[reducer(cron = "30 2 * * *", tz = "Europe/Paris", missed = skip)]
fn nightly(ctx: &ReducerContext, runs: Insert<Run>) {
    note(ctx, &runs, "night");
}

fn runs_of(db: &TestDatabase, what: &str) -> Vec<Run> {
    db.rows::<Run>().into_iter().filter(|run| run.what.starts_with(what)).collect()
}

fn times_of(db: &TestDatabase, what: &str) -> Vec<String> {
    runs_of(db, what).iter().map(|run| run.at.to_string()).collect()
}

fn until(db: &mut TestDatabase, time: &str) {
    let span = Timestamp::parse(time).unwrap().since(db.now());
    db.advance(span);
}

#[interstice_sdk::test]
fn a_schedule_runs_once_at_its_time_as_its_module(db: &mut TestDatabase) {
    let made = db.now();
    let id = db.call::<ScheduleId>("set_alarm", ("tea", Duration::from_mins(3))).unwrap();
    db.advance(Duration::from_secs(179));
    assert!(runs_of(db, "tea").is_empty());
    db.advance(Duration::from_secs(1_000));
    let [run] = &runs_of(db, "tea")[..] else { panic!("one run") };
    assert_eq!(run.what, "tea 2");
    assert_eq!(
        run.at.since(made),
        Duration::from_micros(180_000_001),
        "three minutes behind the call, which took a step"
    );
    assert_eq!(run.by, Identity::of_module("interstice_sdk"));
    assert_eq!(db.call("turn_off", (id,)), Ok(false), "it has run");
    db.assert_replays();
}

#[interstice_sdk::test]
fn the_past_is_now_and_the_end_of_time_never_comes(db: &mut TestDatabase) {
    db.call::<ScheduleId>("set_alarm_at", (Timestamp(i64::MIN),)).unwrap();
    let last = db.call::<ScheduleId>("set_alarm_at", (Timestamp(i64::MAX),)).unwrap();
    db.call::<ScheduleId>("set_alarm", ("far", Duration(i64::MAX))).unwrap();
    assert_eq!(runs_of(db, "at").len(), 0, "it runs by itself, not within the call");
    db.advance(Duration::ZERO);
    assert_eq!(runs_of(db, "at").len(), 1);
    assert!(runs_of(db, "at")[0].at <= db.now());
    db.advance(Duration::from_hours(24));
    assert_eq!((runs_of(db, "at").len(), runs_of(db, "far").len()), (1, 0));
    assert_eq!(db.call("turn_off", (last,)), Ok(true));
    assert_eq!(db.call("turn_off", (last,)), Ok(false));
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_cancelled_schedule_and_one_of_a_failed_call_do_not_run(db: &mut TestDatabase) {
    let id = db.call::<ScheduleId>("set_alarm", ("tea", Duration::from_secs(5))).unwrap();
    assert_eq!(db.call("turn_off", (ScheduleId(id.0 + 100),)), Ok(false));
    assert_eq!(db.call("turn_off", (id,)), Ok(true));
    db.call::<()>("set_alarm_and_fail", ()).unwrap_err();
    db.advance(Duration::from_mins(1));
    assert!(runs_of(db, "tea").is_empty() && runs_of(db, "never").is_empty());
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_module_does_not_cancel_what_it_declares(db: &mut TestDatabase) {
    for id in 1..=4 {
        assert_eq!(db.call("turn_off", (ScheduleId(id),)), Ok(false), "{id}");
    }
    db.advance(Duration::from_hours(6));
    assert_eq!(runs_of(db, "once").len(), 1);
}

#[interstice_sdk::test]
fn a_reducer_schedules_itself_until_it_is_done(db: &mut TestDatabase) {
    db.call::<()>("count_down", (3_u32,)).unwrap();
    db.advance(Duration::from_secs(2));
    assert_eq!(runs_of(db, "left").len(), 3);
    db.reopen();
    db.advance(Duration::from_mins(1));
    let all: Vec<_> = runs_of(db, "left").into_iter().map(|run| run.what).collect();
    assert_eq!(all, ["left 3", "left 2", "left 1", "left 0"]);
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_failed_run_is_consumed_and_leaves_nothing_but_a_dead_letter(db: &mut TestDatabase) {
    db.call::<()>("light_a_fuse", ()).unwrap();
    let before = db.next_due().unwrap();
    db.advance(Duration::from_mins(1));
    assert!(db.next_due().unwrap() > before);
    assert!(runs_of(db, "boom").is_empty());
    let [letter] = &db.dead_letters()[..] else { panic!("one dead letter") };
    assert_eq!((letter.function.as_str(), letter.problem.code.as_ref()), ("interstice_sdk.explode", "panic"));
    db.assert_replays();
}

#[interstice_sdk::test]
fn intervals_and_clocks_go_on_through_a_change_of_the_clocks(db: &mut TestDatabase) {
    until(db, "2026-03-27T12:00:00Z");
    let before = runs_of(db, "night").len();
    until(db, "2026-03-31T00:00:01Z");
    let nights = times_of(db, "night")[before..].to_vec();
    // 02:30 in Paris; on the 29th clocks go from 02:00 to 03:00.
    assert_eq!(nights, ["2026-03-28T01:30:00.000000Z", "2026-03-29T01:00:00.000000Z", "2026-03-30T00:30:00.000000Z"]);
    let six_hours = Duration::from_hours(6);
    let once = runs_of(db, "once");
    assert!(once.windows(2).all(|pair| pair[1].at.since(pair[0].at) == six_hours), "an interval knows no clocks");
    assert_eq!(once.len() as i64, db.now().since(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()).0 / six_hours.0);
    db.assert_replays();
}

#[interstice_sdk::test]
fn missed_times_are_made_up_for_as_it_is_declared(db: &mut TestDatabase) {
    db.advance(Duration::from_hours(7));
    for what in ["skip", "once", "all"] {
        assert_eq!(runs_of(db, what).len(), 1, "{what}");
    }
    // Away from 07:00 to 25:00: 12:00, 18:00 and 24:00 are missed.
    db.reopen_after(Duration::from_hours(18));
    let counts = ["skip", "once", "all"].map(|what| runs_of(db, what).len());
    assert_eq!(counts, [1, 2, 4]);
    let late: Vec<_> = runs_of(db, "all").iter().skip(1).map(|run| run.at).collect();
    assert!(late.iter().all(|at| db.now().since(*at) < Duration::from_secs(1)), "late is now");
    // They go on at their own times.
    db.advance(Duration::from_hours(6));
    let counts = ["skip", "once", "all"].map(|what| runs_of(db, what).len());
    assert_eq!(counts, [2, 3, 5]);
    let last = ["skip", "once", "all"].map(|what| runs_of(db, what).pop().unwrap().at);
    assert!(last.windows(2).all(|pair| pair[1].since(pair[0]) < Duration::from_secs(1)), "{last:?}");
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_night_that_was_missed_is_skipped_and_the_next_one_is_not(db: &mut TestDatabase) {
    db.reopen_after(Duration::from_hours(36));
    assert!(runs_of(db, "night").is_empty());
    assert!(db.dead_letters().is_empty(), "what its author wanted is no failure");
    until(db, "2026-01-03T02:00:00Z");
    assert_eq!(times_of(db, "night"), ["2026-01-03T01:30:00.000000Z"]);
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_run_that_is_a_little_late_was_not_missed(db: &mut TestDatabase) {
    let due = db.next_due().unwrap();
    let before = due.since(db.now());
    db.advance(Duration(before.0 - 1_000_000));
    db.reopen_after(Duration::from_secs(60));
    assert_eq!(runs_of(db, "skip").len() + runs_of(db, "night").len(), 1, "59 seconds late");
}
