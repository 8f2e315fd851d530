//! The model: what `bank` and `audit` mean, in the plainest code, one whole copy for each offset.

use crate::bank::UNLUCKY;
use std::collections::{BTreeMap, VecDeque};

/// The whole state after some offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Owner and balance by id.
    pub accounts: BTreeMap<u64, (String, i64)>,
    /// The id of the newest account.
    pub last_account: u64,
    /// Size of each blob by id.
    pub blobs: BTreeMap<u64, u32>,
    /// Account and delta by number.
    pub entries: BTreeMap<u64, (u64, i64)>,
    /// Account and delta of what is still to be entered.
    pub pending: VecDeque<(u64, i64)>,
    /// Events that failed.
    pub dead_letters: usize,
    /// Whether the modules are published.
    pub published: (bool, bool),
}

/// Something to do.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the functions of the two modules")]
pub enum Op {
    Publish { audit: bool },
    Open { owner: String, balance: i64 },
    OpenTwice { owner: String },
    Transfer { from: u64, to: u64, amount: i64 },
    Close { id: u64 },
    Spoil { id: u64, trap: bool },
    StoreBlob { size: u32 },
    Event,
}

/// What must come of it: the answer and the next state, or the code of the refusal.
pub type Expected = Result<(Vec<u8>, Model), &'static str>;

impl Model {
    /// What `op` must do.
    ///
    /// # Errors
    /// The code with which it must be refused.
    pub fn step(&self, op: &Op) -> Expected {
        let mut next = self.clone();
        if !matches!(op, Op::Publish { .. } | Op::Event) && !self.published.0
            || matches!(op, Op::OpenTwice { .. }) && !self.published.1
        {
            return Err("unknown-module");
        }
        let answer = match op {
            Op::Publish { audit } => next.publish(*audit)?,
            Op::Open { owner, balance } => next.open(owner, *balance)?.to_le_bytes().to_vec(),
            Op::OpenTwice { owner } => next.open(owner, 1)?.to_le_bytes().to_vec(),
            Op::Transfer { from, to, amount } => next.transfer(*from, *to, *amount)?,
            Op::Close { id } => next.close(*id)?,
            Op::Spoil { id: _, trap } => return Err(if *trap { "trap" } else { "unlucky" }),
            Op::StoreBlob { size } => {
                let id = next.blobs.len() as u64 + 1;
                next.blobs.insert(id, *size);
                id.to_le_bytes().to_vec()
            }
            Op::Event => next.event()?,
        };
        Ok((answer, next))
    }

    fn publish(&mut self, audit: bool) -> Result<Vec<u8>, &'static str> {
        if !self.pending.is_empty() {
            return Err("events-pending");
        }
        if audit && !self.published.0 {
            return Err("unknown-module");
        }
        if audit {
            self.published.1 = true;
        } else {
            self.published.0 = true;
        }
        Ok(Vec::new())
    }

    fn raise(&mut self, account: u64, delta: i64) {
        if self.published.1 {
            self.pending.push_back((account, delta));
        }
    }

    fn open(&mut self, owner: &str, balance: i64) -> Result<u64, &'static str> {
        if self.accounts.values().any(|(there, _)| there == owner) {
            return Err("duplicate-key");
        }
        self.last_account += 1;
        self.accounts.insert(self.last_account, (owner.to_owned(), balance));
        self.raise(self.last_account, balance);
        Ok(self.last_account)
    }

    fn close(&mut self, id: u64) -> Result<Vec<u8>, &'static str> {
        let (_, balance) = self.accounts.remove(&id).ok_or("no-such-account")?;
        self.raise(id, -balance);
        Ok(Vec::new())
    }

    fn transfer(&mut self, from: u64, to: u64, amount: i64) -> Result<Vec<u8>, &'static str> {
        let balance = self.accounts.get(&from).ok_or("no-such-account")?.1;
        self.accounts.get(&to).ok_or("no-such-account")?;
        if balance < amount {
            return Err("insufficient");
        }
        for (id, delta) in [(from, -amount), (to, amount)] {
            self.accounts.get_mut(&id).ok_or("no-such-account")?.1 += delta;
            self.raise(id, delta);
        }
        Ok(Vec::new())
    }

    fn event(&mut self) -> Result<Vec<u8>, &'static str> {
        let (account, delta) = self.pending.pop_front().ok_or("no-event")?;
        if delta % UNLUCKY == 0 {
            self.dead_letters += 1;
        } else {
            self.entries.insert(self.entries.len() as u64 + 1, (account, delta));
        }
        Ok(Vec::new())
    }
}
