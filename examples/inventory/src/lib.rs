//! Items and how many of them are where. The tables are in their fourth version: a node at any of the three before is brought here
//! with its rows.

pub mod former;

use interstice_sdk::prelude::*;

/// A place where items are kept.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Warehouse {
    #[primary_key(auto_inc)]
    pub id: u32,
    #[unique]
    pub name: String,
}

/// Something that is kept.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    #[primary_key]
    pub sku: String,
    #[renamed(from = "name")]
    pub title: String,
    pub unit: Unit,
    /// What one of it costs, if it is for sale.
    pub price: Option<Price>,
}

/// How an item is counted.
#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub enum Unit {
    Piece,
    Weight { grams: u32 },
}

/// An amount of money.
#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    pub cents: u64,
    pub currency: String,
}

/// How many of an item are in a warehouse.
#[table(public, primary_key(warehouse, sku))]
#[derive(Debug, Clone, PartialEq)]
pub struct Stock {
    #[references(Warehouse, on_delete = cascade)]
    pub warehouse: u32,
    #[references(Item)]
    pub sku: String,
    pub count: u64,
}

/// Why something was not done.
#[datatype(error)]
#[derive(PartialEq)]
pub enum InventoryError {
    #[error("there is no item `{0}`")]
    NoSuchItem(String),
    #[error("{wanted} of `{sku}` are wanted, {available} are there")]
    TooFew { sku: String, wanted: u64, available: u64 },
}

/// The warehouse in which everything was before there were several.
pub const FIRST_WAREHOUSE: u32 = 1;

/// A warehouse and an item to begin with.
#[reducer(on = init)]
fn init(warehouses: Insert<Warehouse>, items: Insert<Item>) {
    warehouses.insert(Warehouse { id: FIRST_WAREHOUSE, name: "main".to_owned() });
    let price = Some(Price { cents: 450, currency: "EUR".to_owned() });
    items.insert(Item {
        sku: "tea".to_owned(),
        title: "Green tea".to_owned(),
        unit: Unit::Weight { grams: 100 },
        price,
    });
}

/// Makes an item known, or describes it anew.
#[reducer]
fn describe(items: Write<Item>, sku: String, title: String, unit: Unit, price: Option<Price>) {
    items.upsert(Item { sku, title, unit, price });
}

/// Opens a warehouse; returns its number.
#[reducer]
fn open(warehouses: Insert<Warehouse>, name: String) -> u32 {
    warehouses.insert(Warehouse { id: 0, name }).id
}

/// Closes a warehouse. What is in it is gone with it.
#[reducer]
fn close(warehouses: Write<Warehouse>, id: u32) -> bool {
    warehouses.delete(id).is_some()
}

/// Puts items into a warehouse. One that is not there is refused by the reference of the row.
#[reducer]
fn receive(stock: Write<Stock>, warehouse: u32, sku: String, count: u64) {
    let there = stock.get((warehouse, sku.clone())).map_or(0, |stock| stock.count);
    stock.upsert(Stock { warehouse, sku, count: there + count });
}

/// Takes items out, from the warehouses in their order.
#[reducer]
fn take(items: Read<Item>, stock: Write<Stock>, sku: String, count: u64) -> Result<(), InventoryError> {
    if !items.contains(&sku) {
        return Err(InventoryError::NoSuchItem(sku));
    }
    let rows: Vec<_> = stock.by_sku(&*sku).collect();
    let available = rows.iter().map(|row| row.count).sum();
    if available < count {
        return Err(InventoryError::TooFew { sku, wanted: count, available });
    }
    let mut left = count;
    for row in rows {
        let taken = left.min(row.count);
        left -= taken;
        stock.update(Stock { count: row.count - taken, ..row });
    }
    Ok(())
}

/// How many of an item there are in all warehouses.
#[query]
fn available(stock: Read<Stock>, sku: String) -> u64 {
    stock.by_sku(sku).map(|row| row.count).sum()
}
