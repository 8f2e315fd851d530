//! Schedule with other arguments.

use interstice_sdk::prelude::*;

#[reducer]
fn remind(text: String) {
    let _ = text;
}

#[reducer]
fn plan(ctx: &ReducerContext) {
    ctx.schedule::<remind>(Duration::from_secs(5), (5_u32,));
}

fn main() {}
