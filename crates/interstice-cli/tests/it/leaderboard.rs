//! A million rows on a real node: filled by one call, and asked through a composite index.

use crate::support::Node;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PLAYERS: u64 = 1_000_000;

/// Score and player of all that are seeded, the best first; as the example makes them up.
fn ranking() -> Vec<(u64, u64)> {
    let mut all: Vec<_> = (1..=PLAYERS).map(|player| (player % 999_983 * 7_919 % 999_983, player)).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    all
}

fn places(ranking: &[(u64, u64)], from: usize, count: usize) -> Value {
    let place = |number: usize| {
        let (score, player) = ranking[number];
        json!({"rank": (number + 1).to_string(), "player": player.to_string(), "score": score.to_string()})
    };
    (from..from + count).map(place).collect()
}

fn asked(node: &Node, args: &[&str]) -> Value {
    node.run(&[&["query"], args, &["-o", "json"]].concat()).ok().json()["value"].clone()
}

fn explained(node: &Node, sql: &str) -> Value {
    node.run(&["sql", "--explain", sql, "-o", "json"]).ok().json()
}

#[test]
fn a_million_rows_are_filled_by_one_call_and_asked_through_a_composite_index() {
    let node = Node::in_memory();
    node.publish("examples/leaderboard");
    node.run(&["call", "leaderboard.seed", "1", &PLAYERS.to_string()]).ok();
    // The rest runs by itself, a batch at a time; whoever calls meanwhile has a turn in between.
    let between = node.run(&["call", "leaderboard.submit", "2", "1", "5", "-o", "json"]).ok().json();
    let filled = || node.run(&["sql", "select count(*) from leaderboard.entry where season = 1"]).ok().stdout;
    let deadline = Instant::now() + Duration::from_mins(1);
    while filled() != format!("count\n{PLAYERS}\n") {
        assert!(Instant::now() < deadline, "{}", filled());
        std::thread::sleep(Duration::from_millis(50));
    }
    // Genesis, publish, ten batches and this call: it was not the last of them.
    let end: u64 = node.run(&["status", "-o", "json"]).ok().json()["offset"].as_str().unwrap().parse().unwrap();
    let between: u64 = between["offset"].as_str().unwrap().parse().unwrap();
    assert!(end == 13 && between < 12, "{between} of {end}");

    let ranking = ranking();
    assert_eq!(asked(&node, &["leaderboard.top", "1", "10"]), places(&ranking, 0, 10));
    for number in [0, 1, 999, 1_000, 567_890, 999_998, 999_999] {
        let player = ranking[number].1.to_string();
        assert_eq!(asked(&node, &["leaderboard.rank", "1", &player]), json!((number + 1).to_string()));
    }
    let (score, player) = ranking[432_100];
    assert_eq!(asked(&node, &["leaderboard.around", "1", &player.to_string(), "2"]), places(&ranking, 432_098, 5));
    let cursor = json!({"score": score.to_string(), "player": player.to_string()}).to_string();
    assert_eq!(asked(&node, &["leaderboard.page", "1", &cursor, "3"]), places(&ranking, 432_101, 3));

    let best = "select player, score from leaderboard.entry where season = 1 order by score desc limit 10";
    let told = explained(&node, best);
    assert!(told.to_string().contains("by_rank"), "{told}");
    assert_eq!((&told["examined"], &told["returned"]), (&json!(10), &json!(10)), "{told}");
    let better = ranking.iter().filter(|(score, _)| *score > 999_900).count();
    let told = explained(&node, "select count(*) from leaderboard.entry where season = 1 and score > 999900");
    assert!(told.to_string().contains("by_rank"), "{told}");
    assert_eq!(told["examined"], json!(better), "{told}");
}
