//! `inventory` on a database of its own, and databases of its former versions brought to this one.

use interstice_sdk::test::TestDatabase;
use inventory::former::{v1, v2, v3};
use inventory::{Item, Price, Stock, Unit, Warehouse};

const PACKAGE: &str = env!("CARGO_PKG_NAME");

#[interstice_sdk::test]
fn what_is_received_can_be_taken(db: &mut TestDatabase) {
    assert_eq!(db.call::<u32>("open", ("north",)), Ok(2));
    db.call::<()>("receive", (1_u32, "tea", 5_u64)).unwrap();
    db.call::<()>("receive", (2_u32, "tea", 7_u64)).unwrap();
    assert_eq!(db.query::<u64>("available", ("tea",)), Ok(12));
    let problem = db.call::<()>("take", ("tea", 13_u64)).unwrap_err();
    assert_eq!((&*problem.code, &*problem.message), ("too-few", "13 of `tea` are wanted, 12 are there"));
    db.call::<()>("take", ("tea", 6_u64)).unwrap();
    let counts: Vec<_> = db.rows::<Stock>().iter().map(|stock| (stock.warehouse, stock.count)).collect();
    assert_eq!(counts, [(1, 0), (2, 6)]);
    db.assert_replays();
}

#[interstice_sdk::test]
fn rows_name_rows_that_are_there(db: &mut TestDatabase) {
    let problem = db.call::<()>("receive", (9_u32, "tea", 1_u64)).unwrap_err();
    assert_eq!(problem.code, "no-such-referent");
    assert!(problem.message.contains("refers to row 9 of table `warehouse`, which is not there"), "{problem}");
    db.call::<()>("receive", (1_u32, "tea", 1_u64)).unwrap();
    assert_eq!(db.call::<bool>("close", (1_u32,)), Ok(true));
    assert_eq!(
        (db.rows::<Warehouse>().len(), db.rows::<Stock>().len()),
        (0, 0),
        "the stock of a warehouse goes with it"
    );
}

#[test]
fn every_former_version_is_brought_here() {
    let tea = |price: Option<u64>| Item {
        sku: "tea".to_owned(),
        title: "Green tea".to_owned(),
        unit: Unit::Piece,
        price: price.map(|cents| Price { cents, currency: "EUR".to_owned() }),
    };
    let (sku, name) = ("tea".to_owned(), "Green tea".to_owned());
    let stock = [Stock { warehouse: 1, sku: sku.clone(), count: 3 }];

    let mut db = TestDatabase::of_version(PACKAGE, include_str!("../schema/v1.json"));
    db.put(&v1::Item { sku: sku.clone(), name: name.clone(), quantity: 3, price: 4.5 });
    db.publish(PACKAGE);
    assert_eq!((db.rows::<Item>(), db.rows::<Stock>()), (vec![tea(Some(450))], stock.to_vec()));
    db.publish(PACKAGE);
    assert_eq!(db.rows::<Stock>(), stock, "nothing is migrated twice");
    db.reopen();
    db.assert_replays();

    let mut db = TestDatabase::of_version(PACKAGE, include_str!("../schema/v2.json"));
    db.put(&v2::Item { sku: sku.clone(), name: name.clone(), quantity: 3, cents: 0, unit: v2::Unit::Piece });
    db.publish(PACKAGE);
    assert_eq!((db.rows::<Item>(), db.rows::<Stock>()), (vec![tea(None)], stock.to_vec()));

    let mut db = TestDatabase::of_version(PACKAGE, include_str!("../schema/v3.json"));
    db.put(&v3::Item { sku, title: name, quantity: 3, price: None, unit: v3::Unit::Piece });
    db.publish(PACKAGE);
    assert_eq!((db.rows::<Item>(), db.rows::<Stock>()), (vec![tea(None)], stock.to_vec()));
    db.assert_replays();
}
