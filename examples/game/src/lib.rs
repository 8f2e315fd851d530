//! A little game. Players walk over a field, pick up gems, and tag each other. Where they are is in memory alone; who has how many
//! points stays; a hit is told to whoever listens and kept by nobody.

use interstice_sdk::prelude::*;

/// Columns and rows of the field: places are from 0 to one less.
pub const FIELD: i32 = 200;
/// Where players begin.
pub const START: (i32, i32) = (FIELD / 2, FIELD / 2);
/// The farthest that anybody goes in one tick.
pub const MAX_SPEED: i32 = 5;
/// How near a gem, or another player, has to be.
pub const REACH: i32 = 5;
/// Gems that lie on the field while somebody plays.
pub const GEMS: u64 = 8;
/// Points for a hit.
pub const HIT_POINTS: u32 = 3;
/// Whoever does nothing for so long is taken off the field.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// There is an award for each so many points.
pub const AWARD_POINTS: u32 = 10;

/// Somebody who has played, and what that came to.
#[table(public, index(by_points(points)))]
#[derive(Debug, Clone, PartialEq)]
pub struct Player {
    #[primary_key]
    pub id: Identity,
    #[unique]
    pub name: String,
    pub points: u32,
}

/// Something to be proud of.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Award {
    #[primary_key(auto_inc)]
    pub id: u64,
    #[references(Player, on_delete = cascade)]
    pub player: Identity,
    pub title: Title,
    pub given_at: Timestamp,
}

/// What for.
#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub enum Title {
    Newcomer,
    Collector { points: u32 },
}

/// Where a player is now, and how far they go in each tick. In no log: after a restart the field is empty.
#[table(public, ephemeral)]
#[derive(Debug, Clone, PartialEq)]
pub struct Walker {
    #[primary_key]
    pub player: Identity,
    pub x: i32,
    pub y: i32,
    pub dx: i32,
    pub dy: i32,
    pub seen_at: Timestamp,
}

/// Something to pick up.
#[table(public, ephemeral, primary_key(x, y))]
#[derive(Debug, Clone, PartialEq)]
pub struct Gem {
    pub x: i32,
    pub y: i32,
    pub worth: u32,
}

/// One player has tagged another. The row is there for its transaction, for subscribers, and for `score_hit`.
#[table(public, event, primary_key(by, of))]
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub by: Identity,
    pub of: Identity,
}

/// Why something cannot be done.
#[datatype(error)]
#[derive(PartialEq)]
pub enum GameError {
    #[error("`{0}` is no name: between 1 and 20 characters")]
    NoName(String),
    #[error("the name `{0}` is taken")]
    NameTaken(String),
    #[error("you are not on the field: join first")]
    NotPlaying,
    #[error("`{0}` is not on the field")]
    NobodyThere(String),
    #[error("nobody goes as far as ({dx}, {dy}) in a tick")]
    TooFast { dx: i32, dy: i32 },
    #[error("`{name}` is {distance} away, too far for a hand")]
    OutOfReach { name: String, distance: u32 },
}

/// Steps onto the field under a name; whoever is there already is seen again.
#[reducer]
fn join(ctx: &ReducerContext, players: Write<Player>, walkers: Write<Walker>, name: String) -> Result<(), GameError> {
    if !(1..=20).contains(&name.chars().count()) {
        return Err(GameError::NoName(name));
    }
    if players.find_by_name(&name).is_some_and(|player| player.id != ctx.caller()) {
        return Err(GameError::NameTaken(name));
    }
    match players.get(ctx.caller()) {
        None => drop(players.insert(Player { id: ctx.caller(), name, points: 0 })),
        Some(player) if player.name == name => {}
        Some(player) => players.update(Player { name, ..player }),
    }
    let (x, y) = START;
    let new = Walker { player: ctx.caller(), x, y, dx: 0, dy: 0, seen_at: ctx.now() };
    let walker = walkers.get(ctx.caller()).unwrap_or(new);
    walkers.upsert(Walker { seen_at: ctx.now(), ..walker });
    Ok(())
}

/// Leaves the field; whether the caller was there.
#[reducer]
fn leave(ctx: &ReducerContext, walkers: Write<Walker>) -> bool {
    walkers.delete(ctx.caller()).is_some()
}

/// Goes so far in each tick from now on.
#[reducer]
fn steer(ctx: &ReducerContext, walkers: Write<Walker>, dx: i32, dy: i32) -> Result<(), GameError> {
    let walker = walkers.get(ctx.caller()).ok_or(GameError::NotPlaying)?;
    if square(dx) + square(dy) > square(MAX_SPEED) {
        return Err(GameError::TooFast { dx, dy });
    }
    walkers.update(Walker { dx, dy, seen_at: ctx.now(), ..walker });
    Ok(())
}

/// Tags another player, who is somewhere else then.
#[reducer]
fn tag(
    ctx: &ReducerContext,
    players: Read<Player>,
    walkers: Write<Walker>,
    hits: Insert<Hit>,
    name: String,
) -> Result<(), GameError> {
    let walker = walkers.get(ctx.caller()).ok_or(GameError::NotPlaying)?;
    let other = players.find_by_name(&name).filter(|other| other.id != ctx.caller());
    let Some(other) = other.and_then(|other| walkers.get(other.id)) else {
        return Err(GameError::NobodyThere(name));
    };
    let distance = distance((walker.x, walker.y), (other.x, other.y));
    if distance > f64::from(REACH) {
        return Err(GameError::OutOfReach { name, distance: distance.ceil() as u32 });
    }
    hits.insert(Hit { by: walker.player, of: other.player });
    let (x, y) = somewhere(ctx);
    walkers.update(Walker { x, y, dx: 0, dy: 0, ..other });
    walkers.update(Walker { seen_at: ctx.now(), ..walker });
    Ok(())
}

/// Moves the world on: everybody goes their way and picks up what is in reach.
#[reducer(every = "100ms")]
fn tick(ctx: &ReducerContext, walkers: Write<Walker>, gems: Write<Gem>, players: Write<Player>) {
    for walker in walkers.iter() {
        if ctx.now().since(walker.seen_at) > PATIENCE {
            walkers.delete(walker.player);
            continue;
        }
        let (x, y) = (walker.x + walker.dx, walker.y + walker.dy);
        let walker = Walker { x: x.clamp(0, FIELD - 1), y: y.clamp(0, FIELD - 1), ..walker };
        pick_up(&walker, &gems, &players);
        walkers.update(walker);
    }
    if walkers.count() == 0 {
        gems.clear();
        return;
    }
    while gems.count() < GEMS {
        let (x, y) = somewhere(ctx);
        gems.upsert(Gem { x, y, worth: 1 + ctx.rng().below(3) as u32 });
    }
}

/// Whoever comes for the first time gets something for it.
#[reducer(on = insert(Player))]
fn welcome(ctx: &ReducerContext, awards: Insert<Award>, player: Player) {
    awards.insert(Award { id: 0, player: player.id, title: Title::Newcomer, given_at: ctx.now() });
}

/// The points of a hit, and nobody else's business: what it does is replayed, though nobody kept where the two were.
#[reducer(on = insert(Hit))]
fn score_hit(players: Write<Player>, hit: Hit) {
    if let Some(player) = players.get(hit.by) {
        players.update(Player { points: player.points + HIT_POINTS, ..player });
    }
}

/// An award for each ten points.
#[reducer(on = update(Player))]
fn reward(ctx: &ReducerContext, awards: Insert<Award>, old: Player, new: Player) {
    for tens in old.points / AWARD_POINTS + 1..=new.points / AWARD_POINTS {
        let title = Title::Collector { points: tens * AWARD_POINTS };
        awards.insert(Award { id: 0, player: new.id, title, given_at: ctx.now() });
    }
}

/// The `n` players with the most points, the best first.
#[query]
fn standings(players: Read<Player>, n: u32) -> Vec<Player> {
    players.by_points(..).reverse().limit(n.into()).collect()
}

/// What a player has been given, the newest last.
#[query]
fn awards_of(players: Read<Player>, awards: Read<Award>, name: String) -> Vec<Title> {
    let player = players.find_by_name(&name);
    player.map_or_else(Vec::new, |player| awards.by_player(player.id).map(|award| award.title).collect())
}

fn pick_up(walker: &Walker, gems: &Write<Gem>, players: &Write<Player>) {
    let rows = gems.range((walker.x - REACH, i32::MIN)..=(walker.x + REACH, i32::MAX));
    let near = rows.filter(|gem| distance((gem.x, gem.y), (walker.x, walker.y)) <= f64::from(REACH));
    let worth: u32 = near.map(|gem| gems.delete((gem.x, gem.y)).map_or(0, |gem| gem.worth)).sum();
    if let Some(player) = players.get(walker.player).filter(|_| worth > 0) {
        players.update(Player { points: player.points + worth, ..player });
    }
}

fn somewhere(ctx: &ReducerContext) -> (i32, i32) {
    let mut random = ctx.rng();
    (random.below(FIELD as u64) as i32, random.below(FIELD as u64) as i32)
}

fn square(number: i32) -> i64 {
    i64::from(number) * i64::from(number)
}

fn distance(a: (i32, i32), b: (i32, i32)) -> f64 {
    ((square(a.0 - b.0) + square(a.1 - b.1)) as f64).sqrt()
}
