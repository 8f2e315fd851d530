//! A hundred thousand accounts, and transfers between them that either happen or do not.

use interstice_sdk::prelude::*;

/// Accounts that there are from the beginning.
pub const ACCOUNTS: u64 = 100_000;
/// What each of them holds.
pub const OPENING_BALANCE: i64 = 1_000;

/// One account.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub balance: i64,
    /// Transfers that it took part in.
    pub transfers: u64,
    pub owner: String,
}

/// Why a transfer did not happen.
#[datatype(error)]
#[derive(PartialEq)]
pub enum TransferError {
    #[error("account {0} does not exist")]
    NoSuchAccount(u64),
    #[error("account {account} has {available}, needs {needed}")]
    Insufficient { account: u64, needed: i64, available: i64 },
    #[error("{0} is not an amount")]
    NotAnAmount(i64),
}

/// Opens the accounts.
#[reducer(on = init)]
fn init(accounts: Insert<Account>) {
    for id in 1..=ACCOUNTS {
        accounts.insert(Account { id, balance: OPENING_BALANCE, transfers: 0, owner: format!("customer {id:06}") });
    }
}

/// Moves an amount from one account to another.
#[reducer]
fn transfer(accounts: Write<Account>, from: u64, to: u64, amount: i64) -> Result<(), TransferError> {
    if amount <= 0 || from == to {
        return Err(TransferError::NotAnAmount(amount));
    }
    let mut payer = accounts.get(from).ok_or(TransferError::NoSuchAccount(from))?;
    let mut payee = accounts.get(to).ok_or(TransferError::NoSuchAccount(to))?;
    if payer.balance < amount {
        return Err(TransferError::Insufficient { account: from, needed: amount, available: payer.balance });
    }
    payer.balance -= amount;
    payee.balance += amount;
    payer.transfers += 1;
    payee.transfers += 1;
    accounts.update(payer);
    accounts.update(payee);
    Ok(())
}

/// What an account holds, if it is there.
#[query]
fn balance(accounts: Read<Account>, id: u64) -> Option<i64> {
    accounts.get(id).map(|account| account.balance)
}

/// What all accounts hold together: transfers never change it.
#[query]
fn total(accounts: Read<Account>) -> i64 {
    accounts.iter().map(|account| account.balance).sum()
}
