//! Subscriptions: what each durable transaction did to the rows of every standing query.
//!
//! For a transaction and a table with standing queries:
//! 1. Net the changes: a row that came and went within the transaction is nobody's news.
//! 2. For each distinct query filter and project both sides.
//! 3. Encode once for each format that somebody wants, and give every subscriber the same bytes.

use crate::ask::{Format, Subscribe};
use crate::commit_thread::refusal;
use crate::outbox::Outbox;
use crate::session::{Session, UpdateBody, row_to_json};
use interstice::sql::Select;
use interstice_engine::read::Snapshot;
use interstice_protocol::{reply, text};
use interstice_types::change::Change;
use interstice_types::id::{Identity, Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// All standing queries, by the table that they look at.
#[derive(Default)]
pub(crate) struct Subscriptions {
    by_table: BTreeMap<TableId, Vec<Standing>>,
}

/// One distinct query and all who asked it.
struct Standing {
    sql: String,
    select: Arc<Select>,
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    session: Arc<Session>,
    caller: Identity,
    id: u32,
    format: Format,
}

impl Subscriptions {
    /// Adds a subscription as of `snapshot`; every later transaction is told to it.
    pub(crate) fn add(
        &mut self,
        session: &Arc<Session>,
        ask: &Subscribe,
        snapshot: &Snapshot,
    ) -> Result<Arc<Select>, Problem> {
        let (session, caller) = (Arc::clone(session), ask.caller);
        let subscriber = Subscriber { session, caller, id: ask.id, format: ask.format };
        let known = self.by_table.values_mut().flatten().find(|standing| standing.sql == ask.sql);
        if let Some(standing) = known {
            standing.select.check_caller(snapshot, caller)?;
            standing.subscribers.push(subscriber);
            return Ok(Arc::clone(&standing.select));
        }
        let select = Arc::new(Select::parse(&ask.sql, snapshot)?);
        select.is_subscribable()?;
        select.check_caller(snapshot, caller)?;
        let standing = Standing { sql: ask.sql.clone(), select: Arc::clone(&select), subscribers: vec![subscriber] };
        self.by_table.entry(select.table()).or_default().push(standing);
        Ok(select)
    }

    /// Takes one subscription of a session away, or all of them.
    pub(crate) fn remove(&mut self, session: u64, id: Option<u32>) {
        let goes =
            |subscriber: &Subscriber| subscriber.session.id == session && id.is_none_or(|id| subscriber.id == id);
        for standing in self.by_table.values_mut().flatten() {
            standing.subscribers.retain(|subscriber| !goes(subscriber));
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        self.by_table.values_mut().for_each(|queries| queries.retain(|standing| !standing.subscribers.is_empty()));
        self.by_table.retain(|_, queries| !queries.is_empty());
    }

    /// Tells every subscriber what the `changes` of one transaction did to its rows, and at which offset it was. With a number
    /// above 0 it is in no log: so many since that offset are not.
    pub(crate) fn tell(&self, at: (Offset, u32), changes: &[Change], outbox: &mut Outbox) {
        if self.by_table.is_empty() {
            return;
        }
        let touched: BTreeSet<_> = changes.iter().map(Change::table).collect();
        for table in touched {
            let Some(queries) = self.by_table.get(&table) else { continue };
            let net = Net::of(table, changes);
            queries.iter().for_each(|standing| standing.tell(at, &net, outbox));
        }
    }

    /// Goes over to the schemas in force after a publish; closes what they do not have any more.
    pub(crate) fn republish(&mut self, snapshot: &Snapshot, outbox: &mut Outbox) {
        for standing in self.by_table.values_mut().flatten() {
            let reason = match Select::parse(&standing.sql, snapshot) {
                Ok(select) if select.table() != standing.select.table() => "its table is another one now".to_owned(),
                Ok(select) if select.fields() != standing.select.fields() => "its columns have changed".to_owned(),
                Ok(select) => {
                    standing.select = Arc::new(select);
                    let select = &standing.select;
                    let may_not = |one: &mut Subscriber| select.check_caller(snapshot, one.caller).is_err();
                    close(standing.subscribers.extract_if(.., may_not), "its table is private now", outbox);
                    continue;
                }
                Err(problem) => problem.message.clone(),
            };
            close(standing.subscribers.drain(..), &reason, outbox);
        }
        self.drop_empty();
    }
}

/// Tells subscribers that a publish ended their subscriptions.
fn close(subscribers: impl Iterator<Item = Subscriber>, reason: &str, outbox: &mut Outbox) {
    let problem = Problem::new("subscription-closed", format!("a publish ended this subscription: {reason}"))
        .hint("subscribe again with what there is now");
    for Subscriber { session, id, format, .. } in subscribers {
        session.end_subscription(id);
        outbox.push(&session, refusal(id, format, &problem));
    }
}

impl Standing {
    fn tell(&self, at: (Offset, u32), net: &Net<'_>, outbox: &mut Outbox) {
        let chosen = |rows: &[&RowBytes]| -> Vec<RowBytes> {
            rows.iter().filter(|row| self.select.matches(row)).map(|row| self.select.project(row)).collect()
        };
        let (mut inserts, mut deletes) = (chosen(&net.inserts), chosen(&net.deletes));
        cancel(&mut inserts, &mut deletes);
        if inserts.is_empty() && deletes.is_empty() {
            return;
        }
        let (mut binary, mut text) = (None, None);
        for Subscriber { session, id, format, .. } in &self.subscribers {
            let body = match format {
                Format::Binary => binary.get_or_insert_with(|| encode_binary(at, &inserts, &deletes)),
                Format::Text => text.get_or_insert_with(|| self.encode_text(at, &inserts, &deletes)),
            };
            outbox.update(session, *id, body.clone());
        }
    }

    fn encode_text(&self, at: (Offset, u32), inserts: &[RowBytes], deletes: &[RowBytes]) -> UpdateBody {
        let to_json =
            |rows: &[RowBytes]| -> Vec<_> { rows.iter().map(|row| row_to_json(self.select.fields(), row)).collect() };
        UpdateBody::Text(text::update_body(at, &to_json(inserts), &to_json(deletes)).into())
    }
}

fn encode_binary(at: (Offset, u32), inserts: &[RowBytes], deletes: &[RowBytes]) -> UpdateBody {
    UpdateBody::Binary(reply::update_body(at, inserts, deletes).into())
}

/// What a transaction did to the rows of one table, in the end.
struct Net<'c> {
    inserts: Vec<&'c RowBytes>,
    deletes: Vec<&'c RowBytes>,
}

impl<'c> Net<'c> {
    fn of(table: TableId, changes: &'c [Change]) -> Self {
        let mut net = Self { inserts: Vec::new(), deletes: Vec::new() };
        let complete = "invariant: a change that the store made is complete";
        for change in changes.iter().filter(|change| change.table() == table) {
            match change {
                Change::Insert { row, .. } => net.inserts.push(row),
                Change::Delete { old, .. } => net.deletes.push(old.as_ref().expect(complete)),
                Change::Update { old, new, .. } => {
                    net.deletes.push(old.as_ref().expect(complete));
                    net.inserts.push(new);
                }
                _ => {}
            }
        }
        cancel(&mut net.inserts, &mut net.deletes);
        net
    }
}

/// Takes away from both sides what stands on both. Whole rows are unique in their table, so what is left is exact.
fn cancel<R: AsRef<[u8]> + Clone>(inserts: &mut Vec<R>, deletes: &mut Vec<R>) {
    if inserts.is_empty() || deletes.is_empty() {
        return;
    }
    let rows = inserts.clone();
    let mut added: HashMap<&[u8], usize> = HashMap::new();
    rows.iter().for_each(|row| *added.entry(row.as_ref()).or_default() += 1);
    let mut taken: HashMap<&[u8], usize> = HashMap::new();
    deletes.retain(|row| match added.get_key_value(row.as_ref()) {
        Some((row, count)) if *count > taken.get(row).copied().unwrap_or(0) => {
            *taken.entry(row).or_default() += 1;
            false
        }
        _ => true,
    });
    inserts.retain(|row| match taken.get_mut(row.as_ref()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(byte: u8) -> RowBytes {
        vec![byte].into()
    }

    fn insert(byte: u8) -> Change {
        Change::Insert { table: TableId(1), row: row(byte) }
    }

    fn delete(byte: u8) -> Change {
        Change::Delete { table: TableId(1), key: row(byte), old: Some(row(byte)) }
    }

    fn update(old: u8, new: u8) -> Change {
        Change::Update { table: TableId(1), old: Some(row(old)), new: row(new) }
    }

    fn net(changes: &[Change]) -> (Vec<u8>, Vec<u8>) {
        let net = Net::of(TableId(1), changes);
        (net.inserts.iter().map(|row| row[0]).collect(), net.deletes.iter().map(|row| row[0]).collect())
    }

    #[test]
    fn what_came_and_went_in_one_transaction_is_no_news() {
        assert_eq!(net(&[insert(1), delete(1)]), (vec![], vec![]));
        assert_eq!(net(&[update(1, 2), update(2, 3)]), (vec![3], vec![1]));
        assert_eq!(net(&[update(1, 2), update(2, 1)]), (vec![], vec![]));
        assert_eq!(net(&[delete(1), insert(1), insert(2)]), (vec![2], vec![]));
        assert_eq!(net(&[Change::Insert { table: TableId(2), row: row(9) }]), (vec![], vec![]));
    }
}
