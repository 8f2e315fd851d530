//! Histories of the log alone: `INTERSTICE_LOG_SEEDS` of them (100,000 unless set), from `INTERSTICE_LOG_FIRST` on.

use interstice_sim::log_history::{Reached, run};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Histories that must reach everything.
const ENOUGH: u64 = 5_000;

#[test]
fn no_history_of_the_log_breaks_a_promise() {
    let first = crate::number("INTERSTICE_LOG_FIRST", 0);
    let count = crate::number("INTERSTICE_LOG_SEEDS", 100_000);
    let (next, started) = (AtomicU64::new(first), Instant::now());
    let worker = || {
        let mut reached = Reached::default();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= first + count {
                return reached;
            }
            match run(seed) {
                Ok(counts) => reached.add(&counts),
                Err(broken) => panic!(
                    "seed {seed}: {broken}\nreproduce: INTERSTICE_LOG_FIRST={seed} INTERSTICE_LOG_SEEDS=1 cargo test -p interstice-sim --release log_histories"
                ),
            }
        }
    };
    let mut reached = Reached::default();
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        for handle in running {
            reached.add(&handle.join().unwrap_or_else(|broken| std::panic::resume_unwind(broken)));
        }
    });
    println!("{count} histories of the log in {:?}: {reached:?}", started.elapsed());
    for (what, n) in reached.counts() {
        assert!(n > 0 || count < ENOUGH, "no history reached: {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_history_of_the_log() {
    (0..20).for_each(|seed| assert_eq!(run(seed), run(seed)));
}
