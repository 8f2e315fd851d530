//! The simulation in CI: `INTERSTICE_SIM_SEEDS` histories (2,000 unless set), from `INTERSTICE_SIM_FIRST` on; the debugger on histories of
//! the same modules.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod debug;
mod log_histories;
#[cfg(feature = "planted")]
mod planted;
#[cfg(feature = "planted")]
#[path = "../../../../fixtures/planted.rs"]
mod planted_again;
mod power;
mod repairs;

use interstice_sim::scenario::{Config, Reached, run};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_seed_breaks_a_promise() {
    let first = number("INTERSTICE_SIM_FIRST", 0);
    let count = number("INTERSTICE_SIM_SEEDS", 2_000);
    let mut reached = Reached::default();
    for seed in first..first + count {
        match run(seed, Config::default()) {
            Ok(counts) => reached.add(&counts),
            Err(broken) => panic!(
                "seed {seed}: {broken}\nreproduce: INTERSTICE_SIM_FIRST={seed} INTERSTICE_SIM_SEEDS=1 cargo test -p interstice-sim --release"
            ),
        }
    }
    println!("{count} histories: {reached:?}");
    if count < 100 {
        return;
    }
    for (what, n) in reached.counts() {
        assert!(n > 0, "no history reached: {what}");
    }
}

#[test]
fn a_disk_that_drops_synced_writes_is_found_out() {
    let broken = (0..40).filter(|seed| run(*seed, Config { lying_disk: true, ..Config::default() }).is_err()).count();
    assert!(broken > 20, "only {broken} of 40 histories on a lying disk broke a promise");
}

#[test]
fn the_same_seed_is_the_same_history() {
    assert_eq!(run(7, Config::default()), run(7, Config::default()));
}
