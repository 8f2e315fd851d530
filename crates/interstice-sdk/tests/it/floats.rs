//! Floats as keys: in the order of all floats, with one NaN above everything.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;

#[table(public)]
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    #[primary_key]
    level: f64,
    #[unique]
    noise: f32,
}

#[reducer]
fn read(readings: Insert<Reading>, level: f64, noise: f32) {
    readings.insert(Reading { level, noise });
}

/// How many rows with this key, whatever the bits of a NaN in it, each way to look finds.
#[reducer]
fn look(readings: Write<Reading>, level: f64, noise: f32) -> Vec<u64> {
    vec![
        u64::from(readings.get(level).is_some()),
        u64::from(readings.find_by_noise(noise).is_some()),
        readings.range(level..=level).count() as u64,
        readings.count_where(Reading::LEVEL.eq(level)),
        u64::from(readings.delete(level).is_some()),
        readings.count(),
    ]
}

#[query]
fn levels(readings: Read<Reading>) -> Vec<f64> {
    readings.iter().map(|reading| reading.level).collect()
}

#[interstice_sdk::test]
fn every_nan_is_one_key_above_all_others(db: &mut TestDatabase) {
    for (level, noise) in
        [(f64::INFINITY, 1.0_f32), (-0.0, 2.0), (f64::from_bits(0xfff8_0000_0000_0001), 3.0), (0.0, f32::NAN)]
    {
        db.call::<()>("read", (level, noise)).unwrap();
    }
    let levels: Vec<f64> = db.query("levels", ()).unwrap();
    assert_eq!(levels[..3], [-0.0, 0.0, f64::INFINITY]);
    assert!(levels[0].is_sign_negative() && levels[3].is_nan());
    let again = db.call::<()>("read", (f64::NAN, 4.0_f32)).unwrap_err();
    assert_eq!((&*again.code, again.message.contains("\"NaN\"")), ("duplicate-key", true), "{again}");
    let odd = f32::from_bits(0x7f80_0001);
    assert_eq!(db.call::<()>("read", (5.0, odd)).unwrap_err().code, "duplicate-key", "of a unique column too");
    let found: Vec<u64> = db.call("look", (f64::from_bits(0x7ff0_0000_0000_0001), odd)).unwrap();
    assert_eq!(found, [1, 1, 1, 1, 1, 3]);
    db.assert_replays();
}
