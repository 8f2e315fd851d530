//! Reducer takes itself.

use interstice_sdk::prelude::*;

struct Room;

impl Room {
    #[reducer]
    fn open(&self) {}
}

fn main() {}
