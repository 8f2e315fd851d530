//! Greetings: a table, a reducer with a typed error, a query, and a reducer that runs at the first publish.

use interstice_sdk::prelude::*;

/// One greeting that was said.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Greeting {
    #[primary_key(auto_inc)]
    pub id: u64,
    /// Who was greeted.
    pub name: String,
    pub text: String,
    pub said_at: Timestamp,
}

/// Why a greeting was not said.
#[datatype(error)]
#[derive(PartialEq)]
pub enum GreetError {
    #[error("a name must not be empty")]
    EmptyName,
    #[error("`{0}` is too long for a name")]
    TooLong(String),
}

/// Longest name, in characters.
const MAX_NAME_LENGTH: usize = 40;

/// Runs once, when the module is first published.
#[reducer(on = init)]
fn init(ctx: &ReducerContext, greetings: Insert<Greeting>) {
    say(ctx, &greetings, "world".to_owned());
}

/// Greets somebody; returns the greeting's id.
#[reducer]
fn greet(ctx: &ReducerContext, greetings: Insert<Greeting>, name: String) -> Result<u64, GreetError> {
    match name.chars().count() {
        0 => Err(GreetError::EmptyName),
        length if length > MAX_NAME_LENGTH => Err(GreetError::TooLong(name)),
        _ => Ok(say(ctx, &greetings, name).id),
    }
}

/// The last `n` greetings, the newest first.
#[query]
fn latest(greetings: Read<Greeting>, n: u32) -> Vec<Greeting> {
    greetings.iter().reverse().take(n as usize).collect()
}

fn say(ctx: &ReducerContext, greetings: &Insert<Greeting>, name: String) -> Greeting {
    info!("greeting {name}");
    greetings.insert(Greeting { id: 0, text: format!("Hello, {name}!"), name, said_at: ctx.now() })
}
