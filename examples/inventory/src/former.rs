//! The tables as they were, and what becomes of their rows: each version goes over to the next.

use crate::{FIRST_WAREHOUSE, Item, Price, Stock, Unit, Warehouse};
use interstice_sdk::prelude::*;

interstice_sdk::old_schema!(v1 = "schema/v1.json");
interstice_sdk::old_schema!(v2 = "schema/v2.json");
interstice_sdk::old_schema!(v3 = "schema/v3.json");

/// Prices were floats, and items were counted by the piece.
#[migration(from = 1)]
fn price_in_cents(old: v1::Item) -> v2::Item {
    v2::Item {
        sku: old.sku,
        name: old.name,
        quantity: old.quantity,
        cents: (old.price * 100.0).round() as u64,
        unit: v2::Unit::Piece,
    }
}

/// Everything was in euros, and what cost nothing was not for sale.
#[migration(from = 2)]
fn price_with_currency(old: v2::Item) -> v3::Item {
    let price = (old.cents > 0).then(|| v3::Price { cents: old.cents, currency: "EUR".to_owned() });
    let unit = match old.unit {
        v2::Unit::Piece => v3::Unit::Piece,
        v2::Unit::Weight { grams } => v3::Unit::Weight { grams },
    };
    v3::Item { sku: old.sku, title: old.name, quantity: old.quantity.into(), price, unit }
}

/// Everything was in one place. How many there are moves from the items to the stock of that place.
#[migration(from = 3)]
fn stock_by_warehouse(old: Read<v3::Item>, items: Insert<Item>, warehouses: Write<Warehouse>, stock: Insert<Stock>) {
    warehouses.upsert(Warehouse { id: FIRST_WAREHOUSE, name: "main".to_owned() });
    for row in &old {
        let price = row.price.map(|price| Price { cents: price.cents, currency: price.currency });
        let unit = match row.unit {
            v3::Unit::Piece => Unit::Piece,
            v3::Unit::Weight { grams } => Unit::Weight { grams },
        };
        items.insert(Item { sku: row.sku.clone(), title: row.title, unit, price });
        if row.quantity > 0 {
            stock.insert(Stock { warehouse: FIRST_WAREHOUSE, sku: row.sku, count: row.quantity });
        }
    }
}
