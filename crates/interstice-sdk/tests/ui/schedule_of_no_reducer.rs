//! Schedule of no reducer.

use interstice_sdk::prelude::*;

pub struct Remind;

#[reducer]
fn plan(ctx: &ReducerContext) {
    ctx.schedule::<Remind>(Duration::from_secs(5), ());
}

fn main() {}
