//! `leaderboard` on a database of its own, beside a list that is sorted anew for each question.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;
use leaderboard::{BAND_WIDTH, BATCH, Band, Cursor, Entry, MAX_PLACES, MAX_SCORE, Place, made_up_score};

/// The best scores by player, and all questions answered the slow way.
#[derive(Default)]
struct Model(BTreeMap<u64, u64>);

impl Model {
    fn submit(&mut self, player: u64, score: u64) -> bool {
        let best = self.0.get(&player).is_none_or(|best| *best < score);
        if best {
            self.0.insert(player, score);
        }
        best
    }

    fn places(&self) -> Vec<Place> {
        let mut all: Vec<_> = self.0.iter().map(|(player, score)| (*score, *player)).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.into_iter().zip(1..).map(|((score, player), rank)| Place { rank, player, score }).collect()
    }
}

/// Numbers that look random and are the same each time.
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(0x9e37_79b9_u64), |x| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)))
        .map(|x| x >> 33)
}

#[interstice_sdk::test]
fn ranks_pages_and_neighbours_are_those_of_a_sorted_list(db: &mut TestDatabase) {
    let (mut model, mut numbers) = (Model::default(), numbers());
    let mut below = |bound: u64| numbers.next().unwrap() % bound;
    for _ in 0..600 {
        // Few scores, so that many are the same, in several bands; another season is nobody's business here.
        let (player, score) = (below(120), below(40) * (BAND_WIDTH / 8));
        assert_eq!(db.call("submit", (1_u32, player, score)), Ok(model.submit(player, score)));
        db.call::<bool>("submit", (2_u32, player, below(MAX_SCORE))).unwrap();
    }
    let places = model.places();
    assert_eq!(db.query("top", (1_u32, 10_u32)), Ok(places[..10].to_vec()));
    for (number, place) in places.iter().enumerate() {
        assert_eq!(db.query("rank", (1_u32, place.player)), Ok(Some(place.rank)));
        let near = places[number.saturating_sub(3)..places.len().min(number + 4)].to_vec();
        assert_eq!(db.query("around", (1_u32, place.player, 3_u32)), Ok(near));
    }
    let mut pages = Vec::new();
    loop {
        let after = pages.last().map(|place: &Place| Cursor { score: place.score, player: place.player });
        let page: Vec<Place> = db.query("page", (1_u32, after, 7_u32)).unwrap();
        if page.is_empty() {
            break;
        }
        pages.extend(page);
    }
    assert_eq!(pages, places);
    let counted: u64 = db.rows::<Band>().iter().filter(|band| band.season == 1).map(|band| band.count).sum();
    assert_eq!(counted, places.len() as u64);
    db.reopen();
    assert_eq!(db.query("top", (1_u32, MAX_PLACES)), Ok(places));
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_page_goes_on_where_the_last_one_ended_though_its_end_has_moved(db: &mut TestDatabase) {
    for player in 1..=6_u64 {
        db.call::<bool>("submit", (1_u32, player, player * 10)).unwrap();
    }
    let first: Vec<Place> = db.query("page", (1_u32, None::<Cursor>, 3_u32)).unwrap();
    let cursor = Cursor { score: first[2].score, player: first[2].player };
    assert_eq!(cursor, Cursor { score: 40, player: 4 });
    // The player at the cursor becomes the best: nobody is told twice, nobody is left out.
    db.call::<bool>("submit", (1_u32, 4_u64, 100_u64)).unwrap();
    let second: Vec<Place> = db.query("page", (1_u32, Some(cursor), 3_u32)).unwrap();
    assert_eq!(second.iter().map(|place| (place.rank, place.player)).collect::<Vec<_>>(), [(4, 3), (5, 2), (6, 1)]);
}

#[interstice_sdk::test]
fn a_season_is_filled_batch_by_batch(db: &mut TestDatabase) {
    let n = BATCH + 500;
    db.call::<()>("seed", (7_u32, n)).unwrap();
    assert_eq!(db.rows::<Entry>().len() as u64, BATCH, "the rest is a transaction of its own");
    // One who comes meanwhile is not run over.
    db.call::<bool>("submit", (7_u32, n, MAX_SCORE)).unwrap();
    db.advance(Duration::from_secs(1));
    assert_eq!(db.rows::<Entry>().len() as u64, n);
    let best: Vec<Place> = db.query("top", (7_u32, 1_u32)).unwrap();
    assert_eq!(best, [Place { rank: 1, player: n, score: MAX_SCORE }]);
    let ahead = (1..n).filter(|player| made_up_score(*player) > made_up_score(1)).count() as u64 + 1;
    assert_eq!(db.query("rank", (7_u32, 1_u64)), Ok(Some(ahead + 1)));
    assert_eq!(db.call::<()>("seed", (7_u32, 1_u64)).unwrap_err().code, "has-scores");
    assert!(db.dead_letters().is_empty());
}

#[interstice_sdk::test]
fn what_is_no_score_is_refused_and_who_has_none_has_no_rank(db: &mut TestDatabase) {
    assert_eq!(db.call::<bool>("submit", (1_u32, 1_u64, MAX_SCORE + 1)).unwrap_err().code, "check-failed");
    assert!(db.rows::<Entry>().is_empty() && db.rows::<Band>().is_empty());
    assert_eq!(db.query::<Option<u64>>("rank", (1_u32, 1_u64)), Ok(None));
    assert_eq!(db.query::<Vec<Place>>("around", (1_u32, 1_u64, 3_u32)), Ok(Vec::new()));
    assert_eq!(db.query::<Vec<Place>>("top", (1_u32, 3_u32)), Ok(Vec::new()));
}
