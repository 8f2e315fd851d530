//! Uses another module: calls its reducer in the same transaction, and counts its rows as they come.

use interstice_sdk::prelude::*;

// Typed bindings from `bindings/hello.json`.
interstice_sdk::import!("hello");

/// How often somebody was greeted, by whomever.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    #[primary_key]
    pub name: String,
    pub count: u64,
}

/// Greets two people, or neither: an error of the second undoes the first.
#[reducer]
fn greet_both(ctx: &ReducerContext, first: String, second: String) -> Result<u64, hello::GreetError> {
    hello::greet(ctx, &first)?;
    hello::greet(ctx, &second)
}

/// Greets somebody if that is allowed, and says whether it was: the error of a called module is a value like any other.
#[reducer]
fn try_greet(ctx: &ReducerContext, name: String) -> bool {
    hello::greet(ctx, name).is_ok()
}

/// Runs in a transaction of its own after each commit that adds a greeting, exactly once.
#[reducer(on = insert(hello::Greeting))]
fn count(tallies: Write<Tally>, greeting: hello::Greeting) {
    let count = tallies.get(&greeting.name).map_or(0, |tally| tally.count);
    tallies.upsert(Tally { name: greeting.name, count: count + 1 });
}

/// Everybody who was greeted.
#[query]
fn tallies(tallies: Read<Tally>) -> Vec<Tally> {
    tallies.iter().collect()
}

/// How many greetings there are, read from the other module's table.
#[query]
fn greetings(greetings: Read<hello::Greeting>) -> u64 {
    greetings.count()
}
