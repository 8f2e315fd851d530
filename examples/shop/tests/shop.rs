//! `shop` on the real engine, with the inventory that it imports.

use interstice_sdk::test::TestDatabase;
// Linked, so that it can be published.
use inventory::Stock;
use shop::Order;

fn count(db: &TestDatabase) -> u64 {
    db.rows::<shop::inventory::Stock>().iter().map(|stock| stock.count).sum()
}

#[interstice_sdk::test]
fn an_order_takes_what_it_is_of_or_nothing_happens(db: &mut TestDatabase) {
    assert_eq!(std::any::type_name::<Stock>().rsplit("::").next(), Some("Stock"));
    db.call::<()>("inventory.receive", (1_u32, "tea", 5_u64)).unwrap();
    assert_eq!(db.call::<u64>("place", ("tea", 3_u64)), Ok(1));
    let problem = db.call::<u64>("place", ("tea", 3_u64)).unwrap_err();
    assert_eq!(problem.message, "it cannot be had: 3 of `tea` are wanted, 2 are there");
    assert_eq!((db.rows::<Order>().len(), count(db)), (1, 2));
    assert_eq!(db.call::<bool>("cancel", (1_u64,)), Ok(true));
    assert_eq!((db.rows::<Order>().len(), count(db)), (0, 5));
    db.assert_replays();
}
