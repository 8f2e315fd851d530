//! Orders. What is ordered is taken from the inventory in the same transaction: both happen, or neither.

use interstice_sdk::prelude::*;

// Typed bindings from `bindings/inventory.json`.
interstice_sdk::import!("inventory");

/// An order.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    #[primary_key(auto_inc)]
    pub id: u64,
    #[index]
    pub sku: String,
    pub count: u64,
    pub by: Identity,
}

/// Why an order was not placed.
#[datatype(error)]
#[derive(PartialEq)]
pub enum OrderError {
    #[error("an order of nothing")]
    Nothing,
    #[error("it cannot be had: {0}")]
    NotToBeHad(String),
}

/// Places an order; returns its number.
#[reducer]
fn place(ctx: &ReducerContext, orders: Insert<Order>, sku: String, count: u64) -> Result<u64, OrderError> {
    if count == 0 {
        return Err(OrderError::Nothing);
    }
    let order = orders.insert(Order { id: 0, sku: sku.clone(), count, by: ctx.caller() });
    // Its error undoes its own writes; returning one undoes the order too.
    inventory::take(ctx, &sku, count).map_err(|error| OrderError::NotToBeHad(error.to_string()))?;
    Ok(order.id)
}

/// Puts what was ordered back into the first warehouse; whether there was such an order.
#[reducer]
fn cancel(ctx: &ReducerContext, orders: Write<Order>, id: u64) -> bool {
    let Some(order) = orders.delete(id) else { return false };
    inventory::receive(ctx, 1, &order.sku, order.count);
    true
}

/// All orders of an item.
#[query]
fn orders_of(orders: Read<Order>, sku: String) -> Vec<Order> {
    orders.by_sku(sku).collect()
}
