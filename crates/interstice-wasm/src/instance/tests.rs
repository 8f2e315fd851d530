//! What an instance costs, and that running out of places for them is a value.

use super::*;
use crate::compiled::Compiled;
use crate::configuration;
use crate::runtime::Runtime;
use std::time::{Duration, Instant};

/// A module of `pages` pages, 1 KiB of static data and a call that touches a static and the first page of its heap.
fn factory(runtime: &Runtime, pages: u32) -> Factory<Compiled> {
    factory_with_image(runtime, pages, 1024)
}

/// The same, with `image` bytes of static data.
fn factory_with_image(runtime: &Runtime, pages: u32, image: u32) -> Factory<Compiled> {
    let heap_base = 1024 + image;
    let text = format!(
        r#"(module
        (memory (export "memory") {pages} {pages})
        (global $stack (mut i32) (i32.const 1024))
        (global (export "__heap_base") i32 (i32.const {heap_base}))
        (data (i32.const 1024) "{data}")
        (func (export "interstice_init") (i64.store (i32.const 1032) (i64.const 7)))
        (func (export "interstice_alloc") (param i32) (result i32) (i32.const 65536))
        (func (export "interstice_describe") (result i64) (i64.const 0))
        (func (export "interstice_call") (param i32 i32 i32) (result i32)
          (i64.store (i32.const 1032) (i64.add (i64.load (i32.const 1032)) (i64.const 1)))
          (i64.store (i32.const 65600) (i64.const 1))
          (i32.const 0)))"#,
        data = "static".repeat(100)
    );
    runtime.compile(&wat::parse_str(text).unwrap()).unwrap().1
}

fn median(count: usize, mut work: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..count).map(|_| work()).collect();
    times.sort();
    times[count / 2]
}

/// Makes an instance, runs one call as the engine does, drops it.
fn fresh_call(factory: &Factory<Compiled>) -> Duration {
    let started = Instant::now();
    let mut live = Live::<Compiled>::new(&factory.code, factory.reset).unwrap();
    live.instance.set_fuel(1_000_000);
    let pointer = live.instance.alloc(100).unwrap();
    live.instance.memory()[pointer as usize..][..100].fill(1);
    live.instance.call(0, (pointer, 100)).unwrap();
    drop(live);
    started.elapsed()
}

/// The static data of a module like `bank` are 5 KiB.
#[test]
fn a_reset_takes_far_less_than_a_microsecond() {
    const ROUNDS: u32 = 1_000;
    let runtime = Runtime::new().unwrap();
    for image in [1 << 10, 8 << 10, 32 << 10] {
        let factory = factory_with_image(&runtime, 256, image);
        let mut live = Live::<Compiled>::new(&factory.code, factory.reset).unwrap();
        assert_eq!(live.image.as_ref().unwrap().1.len(), image as usize);
        let time = median(99, || {
            let started = Instant::now();
            (0..ROUNDS).for_each(|_| assert!(live.reset()));
            started.elapsed()
        });
        let nanos = time.as_nanos() / u128::from(ROUNDS);
        println!("{nanos} ns per reset of {} KiB", image >> 10);
        // The largest is there to be read: it moves as much as the second-level cache holds, and who else uses that shows.
        assert!(cfg!(debug_assertions) || image > 8 << 10 || nanos <= 1_000, "{nanos} ns per reset of {image} bytes");
    }
}

#[test]
fn a_reset_gives_the_image_back() {
    let factory = factory(&Runtime::new().unwrap(), 2);
    let mut live = Live::<Compiled>::new(&factory.code, factory.reset).unwrap();
    let before = live.instance.memory()[1024..2048].to_vec();
    live.instance.set_fuel(1_000_000);
    live.instance.call(0, (65536, 0)).unwrap();
    assert_ne!(live.instance.memory()[1024..2048], before);
    assert!(live.reset());
    assert_eq!(live.instance.memory()[1024..2048], before);
}

#[test]
fn more_instances_than_places_is_a_problem_and_passes() {
    let runtime = Runtime::with_slots(2).unwrap();
    let factory = factory(&runtime, 2);
    let new = || Live::<Compiled>::new(&factory.code, factory.reset);
    let (first, _second) = (new().unwrap(), new().unwrap());
    assert_eq!(new().map(|_| ()).unwrap_err().code, "no-instance-slot");
    drop(first);
    assert!(new().is_ok());
}

/// A slot that was used before shows nothing of that: also where the pool clears by hand.
#[test]
fn a_slot_used_before_is_as_new() {
    let runtime = Runtime::with_slots(1).unwrap();
    let factory = factory(&runtime, 256);
    let mut live = Live::<Compiled>::new(&factory.code, factory.reset).unwrap();
    let first = live.instance.memory().to_vec();
    live.instance.memory().fill(9);
    drop(live);
    let mut again = Live::<Compiled>::new(&factory.code, factory.reset).unwrap();
    assert!(again.instance.memory() == first);
}

/// A fresh instance and its first call, in a pool and without. Run with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn the_cost_of_a_fresh_instance() {
    let single = wasmtime::Engine::new(&configuration::configuration(configuration::Images::CopiedOnWrite)).unwrap();
    for (name, runtime) in [("pooled", Runtime::new().unwrap()), ("single", Runtime::of_engine(single).unwrap())] {
        for pages in [2, 256, 1024] {
            let factory = factory(&runtime, pages);
            let time = median(2_001, || fresh_call(&factory));
            println!("{name}, {pages} pages: {} ns", time.as_nanos());
        }
    }
}
