//! A million scores. Best ones, neighbours and pages come straight from a composite index; a rank is counted by bands of scores, so
//! that nobody walks over all that are better.

use interstice_sdk::prelude::*;

/// The highest score that there can be.
pub const MAX_SCORE: u64 = 1_000_000;
/// Scores that are counted together.
pub const BAND_WIDTH: u64 = 1_000;
/// Rows that one transaction of `seed` adds: what a node does in a fraction of a second, while all others wait.
pub const BATCH: u64 = 100_000;
/// Places that are given out at once.
pub const MAX_PLACES: u32 = 1_000;

/// The best score of a player in a season.
#[table(public, primary_key(season, player), index(by_rank(season, score, player)))]
#[check(score <= 1000000)]
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub season: u32,
    pub player: u64,
    pub score: u64,
}

/// How many scores of a season are in a band: `BAND_WIDTH` of them, the first one divisible by it.
#[table(public, primary_key(season, band))]
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    pub season: u32,
    pub band: u64,
    pub count: u64,
}

/// An entry and how many are ahead of it, and one. Of two with the same score the player with the greater number is ahead.
#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub rank: u64,
    pub player: u64,
    pub score: u64,
}

/// The last entry of a page: the next page begins behind it, whatever has come or gone meanwhile.
#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    pub score: u64,
    pub player: u64,
}

/// Why something was not done.
#[datatype(error)]
#[derive(PartialEq)]
pub enum LeaderboardError {
    #[error("season {0} has scores already: seed another one")]
    HasScores(u32),
}

/// Reports a score. The best one of a player counts; whether this is it.
#[reducer]
fn submit(entries: Write<Entry>, bands: Write<Band>, season: u32, player: u64, score: u64) -> bool {
    let before = entries.get((season, player));
    if before.as_ref().is_some_and(|entry| entry.score >= score) {
        return false;
    }
    entries.upsert(Entry { season, player, score });
    if let Some(before) = before {
        leave_band(&bands, season, before.score);
    }
    enter_band(&bands, season, score / BAND_WIDTH, 1);
    true
}

/// Fills an empty season with players 1 to `n` and made-up scores: the first of them now, the rest in transactions of their own, one
/// behind the other, so that calls get their turn in between.
#[reducer]
fn seed(
    ctx: &ReducerContext,
    entries: Write<Entry>,
    bands: Write<Band>,
    season: u32,
    n: u64,
) -> Result<(), LeaderboardError> {
    if entries.range(season).limit(1).next().is_some() {
        return Err(LeaderboardError::HasScores(season));
    }
    add_batch(ctx, (&entries, &bands), season, (1, n));
    Ok(())
}

/// Goes on with what `seed` began; only schedules call it.
#[reducer(access = internal)]
fn seed_on(ctx: &ReducerContext, entries: Write<Entry>, bands: Write<Band>, season: u32, from: u64, last: u64) {
    add_batch(ctx, (&entries, &bands), season, (from, last));
}

/// The `n` best of a season.
#[query]
fn top(entries: Read<Entry>, season: u32, n: u32) -> Vec<Place> {
    placed(1, entries.by_rank(season).reverse().limit(at_most(n)))
}

/// The `n` places behind a cursor; without one, the first.
#[query]
fn page(entries: Read<Entry>, bands: Read<Band>, season: u32, after: Option<Cursor>, n: u32) -> Vec<Place> {
    let Some(Cursor { score, player }) = after else {
        return placed(1, entries.by_rank(season).reverse().limit(at_most(n)));
    };
    let behind = entries.by_rank((season, 0, 0)..(season, score, player)).reverse().limit(at_most(n));
    let last = Entry { season, player, score };
    let ahead = ahead_of(&entries, &bands, &last);
    // The entry that the page before ended with may be another one by now.
    let is_there = entries.get((season, player)).is_some_and(|entry| entry.score == score);
    placed(ahead + 1 + u64::from(is_there), behind)
}

/// A player's rank in a season, if there is a score.
#[query]
fn rank(entries: Read<Entry>, bands: Read<Band>, season: u32, player: u64) -> Option<u64> {
    entries.get((season, player)).map(|entry| ahead_of(&entries, &bands, &entry) + 1)
}

/// A player's place, up to `n` in front of it, and up to `n` behind; nothing if there is no score.
#[query]
fn around(entries: Read<Entry>, bands: Read<Band>, season: u32, player: u64, n: u32) -> Vec<Place> {
    let Some(entry) = entries.get((season, player)) else { return Vec::new() };
    let own = (season, entry.score, player);
    let mut rows: Vec<_> = entries.by_rank(own..=(season, u64::MAX, u64::MAX)).limit(at_most(n) + 1).collect();
    rows.reverse();
    let first = ahead_of(&entries, &bands, &entry) + 2 - rows.len() as u64;
    rows.extend(entries.by_rank((season, 0, 0)..own).reverse().limit(at_most(n)));
    placed(first, rows.into_iter())
}

/// A made-up score: for players below the prime it is divided by, each another one.
pub fn made_up_score(player: u64) -> u64 {
    player % 999_983 * 7_919 % 999_983
}

fn at_most(n: u32) -> u64 {
    n.min(MAX_PLACES).into()
}

fn placed(first: u64, entries: impl Iterator<Item = Entry>) -> Vec<Place> {
    entries.zip(first..).map(|(entry, rank)| Place { rank, player: entry.player, score: entry.score }).collect()
}

/// How many entries are ahead of one: those in higher bands by their counts, and those in its own band by looking at them.
fn ahead_of(entries: &Read<Entry>, bands: &Read<Band>, entry: &Entry) -> u64 {
    let &Entry { season, player, score } = entry;
    let band = score / BAND_WIDTH;
    let higher: u64 = bands.range((season, band + 1)..=(season, u64::MAX)).map(|band| band.count).sum();
    let end = (season, (band + 1) * BAND_WIDTH, 0);
    let own = entries.by_rank((season, score, player)..end).filter(|row| (row.score, row.player) > (score, player));
    higher + own.count() as u64
}

/// Adds players `from` to `last`, or as many of them as fit into a transaction, and sees to the rest. One who has come by other
/// means meanwhile stays.
fn add_batch(
    ctx: &ReducerContext,
    (entries, bands): (&Write<Entry>, &Write<Band>),
    season: u32,
    (from, last): (u64, u64),
) {
    let end = last.min(from.saturating_add(BATCH - 1));
    let mut counts = BTreeMap::<u64, u64>::new();
    for player in from..=end {
        let score = made_up_score(player);
        if entries.try_insert(Entry { season, player, score }).is_ok() {
            *counts.entry(score / BAND_WIDTH).or_default() += 1;
        }
    }
    for (band, count) in counts {
        enter_band(bands, season, band, count);
    }
    if end < last {
        ctx.schedule_at::<seed_on>(ctx.now(), (season, end + 1, last));
    }
}

fn enter_band(bands: &Write<Band>, season: u32, band: u64, more: u64) {
    let count = bands.get((season, band)).map_or(0, |band| band.count);
    bands.upsert(Band { season, band, count: count + more });
}

fn leave_band(bands: &Write<Band>, season: u32, score: u64) {
    if let Some(band) = bands.get((season, score / BAND_WIDTH)) {
        bands.update(Band { count: band.count - 1, ..band });
    }
}
