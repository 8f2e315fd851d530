//! Times of cron expressions: through changes of the clocks, and what is no expression or no zone.

use interstice_types::calendar::Clock;
use interstice_types::schema::schedule::{MAX_INTERVAL, Recurrence};
use interstice_types::time::{Duration, Timestamp};
use proptest::prelude::*;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The first `count` times behind `after`, without their seconds.
fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let clock = Clock::new(expression, zone).unwrap();
    let next = |after: &Timestamp| clock.first_after(*after);
    let times = std::iter::successors(clock.first_after(time(after)), next).take(count);
    times.map(|time| time.to_string()[..16].to_owned()).collect()
}

#[test]
fn a_time_of_day_stays_one_when_clocks_change() {
    let spring = times("0 3 * * *", "Europe/Paris", "2026-03-27T12:00:00Z", 3);
    assert_eq!(spring, ["2026-03-28T02:00", "2026-03-29T01:00", "2026-03-30T01:00"]);
    let autumn = times("0 3 * * *", "Europe/Paris", "2026-10-23T12:00:00Z", 3);
    assert_eq!(autumn, ["2026-10-24T01:00", "2026-10-25T02:00", "2026-10-26T02:00"]);
}

#[test]
fn a_time_that_no_clock_shows_comes_behind_the_gap_and_one_shown_twice_comes_once() {
    let gap = times("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", 2);
    assert_eq!(gap, ["2026-03-29T01:00", "2026-03-30T00:30"], "02:30 is not there: 03:00 is, at once behind the gap");
    let fold = times("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2);
    assert_eq!(fold, ["2026-10-25T00:30", "2026-10-26T01:30"], "02:30 comes twice: the first counts");
}

#[test]
fn open_hours_go_by_what_clocks_show() {
    let fold = times("30 * * * *", "Europe/Paris", "2026-10-24T23:45:00Z", 3);
    assert_eq!(
        fold,
        ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"],
        "02:30 comes twice, and is meant twice"
    );
    let gap = times("30 * * * *", "Europe/Paris", "2026-03-29T00:00:00Z", 2);
    assert_eq!(gap, ["2026-03-29T00:30", "2026-03-29T01:30"]);
}

#[test]
fn days_months_and_steps_are_those_of_a_cron_table() {
    assert_eq!(times("*/20 * * * *", "UTC", "2026-01-01T00:00:00Z", 2), ["2026-01-01T00:20", "2026-01-01T00:40"]);
    assert_eq!(times("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2), ["2028-02-29T00:00", "2032-02-29T00:00"]);
    assert_eq!(times("0 9 * * mon", "UTC", "2026-01-01T00:00:00Z", 2), ["2026-01-05T09:00", "2026-01-12T09:00"]);
    assert_eq!(times("0 9 * * 7", "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-04T09:00"]);
    assert_eq!(times("@daily", "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-02T00:00"]);
}

#[test]
fn parts_of_a_second_do_not_hide_a_time_nor_repeat_it() {
    let clock = Clock::new("* * * * *", "UTC").unwrap();
    let minute = time("2026-01-01T00:01:00Z");
    assert_eq!(clock.first_after(Timestamp(minute.0 - 1)), Some(minute));
    assert_eq!(clock.first_after(Timestamp(minute.0 + 1)), Some(time("2026-01-01T00:02:00Z")));
    for end in [i64::MIN, i64::MAX] {
        assert_eq!(clock.first_after(Timestamp(end)), None, "outside of what calendars have");
    }
}

#[test]
fn what_does_not_say_when_is_refused_in_words() {
    let refused = |expression: &str, zone: &str| {
        Recurrence::Cron { expression: expression.to_owned(), zone: zone.to_owned() }.check().unwrap_err()
    };
    for (expression, zone, words) in [
        ("0 3 * *", "UTC", "five fields"),
        ("0 0 3 * * *", "UTC", "five fields"),
        ("61 3 * * *", "UTC", "`61 3 * * *` is no cron expression"),
        ("ä * * * *", "UTC", "has no meaning"),
        ("@soon", "UTC", "is no cron expression"),
        ("0 0 30 2 *", "UTC", "never comes"),
        ("0 3 * * *", "Europe/Pariss", "no time zone `Europe/Pariss`"),
        (&"1,".repeat(500), "UTC", "at most 256"),
    ] {
        let message = refused(expression, zone);
        assert!(message.contains(words), "{message}");
    }
    assert!(refused("0 3 * * *", &"x".repeat(1 << 20)).len() < 200, "what is long is not said whole");
    let every = |micros| Recurrence::Every { micros }.check();
    assert!(every(0).is_err() && every(999).is_err() && every(i64::MIN).is_err() && every(i64::MAX).is_err());
    assert!(every(1_000).is_ok() && every(MAX_INTERVAL.0).is_ok() && every(MAX_INTERVAL.0 + 1).is_err());
    assert_eq!(Recurrence::Every { micros: Duration::from_hours(36).0 }.to_string(), "every 36h");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(expression in "[-*/#?@+,0-9LWa-z ]{0,40}", zone in "(UTC|Asia/Kolkata|[a-zA-Z/_]{0,12})", at: i64) {
        if let Ok(clock) = Clock::new(&expression, &zone)
            && let Some(next) = clock.first_after(Timestamp(at))
        {
            prop_assert!(next.0 > at);
        }
    }

    #[test]
    fn five_random_fields_do_not_make_it_panic(fields in prop::collection::vec("[*0-9/,LW#-]{1,6}", 5), at in 0_i64..1 << 52) {
        if let Ok(clock) = Clock::new(&fields.join(" "), "America/New_York")
            && let Some(next) = clock.first_after(Timestamp(at))
        {
            prop_assert!(next.0 > at && clock.first_after(next).is_none_or(|later| later > next));
        }
    }
}
