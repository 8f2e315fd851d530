//! Reminders: reducers that run later, again and again, and by the clock.

use interstice_sdk::prelude::*;

/// Something that somebody wants to be told.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    #[primary_key(auto_inc)]
    pub id: u64,
    pub text: String,
    pub due: Timestamp,
    /// What will ring; `cancel` needs it.
    pub alarm: ScheduleId,
    pub rung: bool,
}

/// How many reminders rang in each hour.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Hour {
    #[primary_key]
    pub counted_at: Timestamp,
    pub rung: u64,
}

/// Rings in so many seconds; returns the reminder's id.
#[reducer]
fn remind(ctx: &ReducerContext, reminders: Write<Reminder>, text: String, seconds: u32) -> u64 {
    let due = ctx.now().saturating_add(Duration::from_secs(i64::from(seconds)));
    let mut reminder = reminders.insert(Reminder { id: 0, text, due, alarm: ScheduleId(0), rung: false });
    reminder.alarm = ctx.schedule_at::<ring>(due, (reminder.id,));
    let id = reminder.id;
    reminders.update(reminder);
    id
}

/// Only the schedule calls it.
#[reducer(access = internal)]
fn ring(reminders: Write<Reminder>, id: u64) {
    if let Some(reminder) = reminders.get(id) {
        info!("{}!", reminder.text);
        reminders.update(Reminder { rung: true, ..reminder });
    }
}

/// Whether it had not rung yet.
#[reducer]
fn forget(ctx: &ReducerContext, reminders: Write<Reminder>, id: u64) -> bool {
    reminders.delete(id).is_some_and(|reminder| ctx.cancel(reminder.alarm))
}

/// Counts each hour, also the hours in which the node was down.
#[reducer(every = "1h", missed = all)]
fn count_hour(ctx: &ReducerContext, reminders: Read<Reminder>, hours: Insert<Hour>) {
    let rung = reminders.iter().filter(|reminder| reminder.rung).count() as u64;
    hours.insert(Hour { counted_at: ctx.now(), rung });
}

/// Throws away what has rung, each night at three; a night that was missed is made up for.
#[reducer(cron = "0 3 * * *", tz = "Europe/Paris", missed = once)]
fn tidy(reminders: Write<Reminder>) {
    let rung: Vec<_> = reminders.iter().filter(|reminder| reminder.rung).map(|reminder| reminder.id).collect();
    for id in rung {
        reminders.delete(id);
    }
}

/// Those that have not rung yet, the next first.
#[query]
fn open(reminders: Read<Reminder>) -> Vec<Reminder> {
    let mut open: Vec<_> = reminders.iter().filter(|reminder| !reminder.rung).collect();
    open.sort_by_key(|reminder| reminder.due);
    open
}
