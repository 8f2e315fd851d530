//! The history of a row by an index: only the transactions that changed it are read, and told beside a state that has nothing but
//! that row, the callers, and tables and modules as they were.
//!
//! 1. From the newest stretch back: under which hashes the row may stand there, and which transactions those name, until there are enough.
//! 2. From there on: those transactions, and the ones that changed tables and modules, in order; each is told, then the part of it that
//!    matters is made.
//!
//! Where older ones are left out, the first of these is not told: what the row was before it is not known, but what it was behind it.
//! Nor is it known behind a publish that gave the rows of the table other keys, or the table another name: the index knows rows by their
//! keys. If the next change does not record it, nothing is told.

use super::base::{Base, SystemRows};
use super::outline::Outline;
use super::stretch::{End, Hash, Head, Place, StretchFile};
use super::{Index, IndexError, Open, transaction_at};
use crate::history::row::{Entries, RowHistory};
use crate::history::{HistoryError, Selector};
use interstice_engine::engine::Engine;
use interstice_engine::system::{self, connection};
use interstice_log::log::CommitLog;
use interstice_log::storage::Storage;
use interstice_store::alter::RowRebuild;
use interstice_types::change::Change;
use interstice_types::id::{ClientId, Offset, TableId};
use interstice_types::row::RowBytes;
use interstice_types::schema::SYSTEM_MODULE;
use interstice_types::transaction::{Cause, Transaction};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// The newest `limit` changes that `selector` selects, as [`row_history`](crate::history::row::row_history) has them from where `base`
/// stands; `index` has followed `log` to where it is to end. `None` if it cannot say: whoever asks goes over everything.
///
/// # Errors
/// [`HistoryError`].
pub fn row_history<L: CommitLog, S: Storage, B: Storage>(
    log: &L,
    (index, base): (&Index<S>, &Base<B>),
    (selector, limit): (&Selector, usize),
) -> Result<Option<RowHistory>, HistoryError> {
    let complete = index.stretches.iter().filter(|head| head.end.frame > base.end().frame);
    let stretches = complete.map(Stretch::File).chain([Stretch::Open(&index.open)]).collect();
    let (files, callers) = (RefCell::default(), OnceCell::new());
    let history = Rows { log, storage: &index.storage, base, stretches, selector, files, callers };
    let mut wanted = limit.saturating_add(1);
    loop {
        let chosen = history.choose(wanted)?;
        let Some(Told { entries, hides, end }) = history.tell(&chosen, limit)? else { return Ok(None) };
        // A hash may have named transactions that are about another row.
        let is_enough = entries.len() >= limit && (hides || entries.is_cut());
        if is_enough || !chosen.leaves_out {
            let told = entries.end(&end, selector)?;
            return Ok(Some(RowHistory { more: told.more || hides, ..told }));
        }
        wanted = wanted.saturating_mul(2);
    }
}

/// A stretch that is looked into.
#[derive(Clone, Copy)]
enum Stretch<'i> {
    File(&'i Head),
    Open(&'i Open),
}

/// The transactions to go over.
struct Chosen {
    /// The stretch in which the first one stands.
    stretch: usize,
    /// The first that is about the row.
    first: Option<Place>,
    /// In order; those before the first change tables and modules.
    places: BTreeSet<Place>,
    /// Whether there may be older ones.
    leaves_out: bool,
}

/// What was told.
struct Told {
    entries: Entries,
    /// Whether a change was not told, for it is not known what the row was before it.
    hides: bool,
    /// The state at the end.
    end: Engine,
}

/// Whether it is known what the row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    /// Not yet, for older changes are left out.
    LeftOut,
    /// It may have come from under another key, or another name.
    No,
}

struct Rows<'h, L, S: Storage, B> {
    log: &'h L,
    storage: &'h S,
    base: &'h Base<B>,
    /// Those that are not all before the base, in order.
    stretches: Vec<Stretch<'h>>,
    selector: &'h Selector,
    /// Files that are open, by their first offset.
    files: RefCell<BTreeMap<Offset, Rc<StretchFile<S::File>>>>,
    /// Who there was at the base, once somebody asked.
    callers: OnceCell<SystemRows>,
}

/// Files that are open at a time: a long log has more of them than a process may open.
const MAX_OPEN_FILES: usize = 32;

impl<'h, L: CommitLog, S: Storage, B: Storage> Rows<'h, L, S, B> {
    /// The newest `wanted` transactions that may have changed the row.
    fn choose(&self, wanted: usize) -> Result<Chosen, IndexError> {
        let (mut rows, mut turns) = (BTreeSet::new(), BTreeSet::new());
        let mut stretch = self.stretches.len();
        while stretch > 0 && rows.len() <= wanted {
            stretch -= 1;
            let here = self.stretches[stretch];
            let turns_here = self.places(here, Hash::OUTLINE)?;
            for hash in self.hashes(here, &turns_here)? {
                rows.extend(self.places(here, hash)?);
            }
            turns.extend(turns_here);
        }
        let leaves_out = rows.len() > wanted;
        let rows: Vec<_> = rows.into_iter().rev().take(wanted).collect();
        Ok(Chosen { stretch, first: rows.last().copied(), places: rows.into_iter().chain(turns).collect(), leaves_out })
    }

    /// What `stretch` has under `hash`, but for what stands before the base.
    fn places(&self, stretch: Stretch<'h>, hash: Hash) -> Result<Vec<Place>, IndexError> {
        let mut found = match stretch {
            Stretch::File(head) => self.file(head)?.find(hash)?,
            Stretch::Open(open) => open.find(hash),
        };
        found.retain(|place| place.offset >= self.base.end().offset);
        Ok(found)
    }

    /// The file of a stretch.
    fn file(&self, head: &Head) -> Result<Rc<StretchFile<S::File>>, IndexError> {
        let mut files = self.files.borrow_mut();
        if let Some(file) = files.get(&head.begin.offset) {
            return Ok(Rc::clone(file));
        }
        let file = Rc::new(StretchFile::open(self.storage, head.begin.offset)?);
        if file.head() != head {
            return Err(IndexError::DoesNotFit("a file of it was replaced meanwhile".to_owned()));
        }
        if files.len() == MAX_OPEN_FILES {
            files.clear();
        }
        files.insert(head.begin.offset, Rc::clone(&file));
        Ok(file)
    }

    /// Under which hashes the row may stand in `stretch`, in which tables and modules changed at `turns`.
    fn hashes(&self, stretch: Stretch<'h>, turns: &[Place]) -> Result<BTreeSet<Hash>, IndexError> {
        let mut outline = self.outline(stretch)?;
        let mut hashes: BTreeSet<_> = self.hash(&outline).into_iter().collect();
        for turn in turns {
            outline.follow(&transaction_at(self.log, *turn)?)?;
            hashes.extend(self.hash(&outline));
        }
        Ok(hashes)
    }

    fn hash(&self, outline: &Outline) -> Option<Hash> {
        let (id, key) = self.row(outline)?;
        Some(Hash::of_row(id, &key))
    }

    /// The table that is looked for, and the encoded values of the key.
    fn row(&self, outline: &Outline) -> Option<(TableId, Vec<u8>)> {
        let (module, name) = self.selector.table()?;
        let table = outline.find(module, name)?;
        Some((table.id(), self.selector.key_in(table)?))
    }

    /// The outline before `stretch`, or where the base stands in it.
    fn outline(&self, stretch: Stretch<'h>) -> Result<Outline, IndexError> {
        match stretch {
            _ if stretch.begin() < self.base.end() => Ok(self.base.outline().clone()),
            Stretch::File(head) => Ok(Outline::decode(&self.file(head)?.outline()?)?),
            Stretch::Open(open) => Ok(Outline::decode(&open.before)?),
        }
    }

    /// Tells what is chosen. `None` where the row is not known.
    fn tell(&self, chosen: &Chosen, limit: usize) -> Result<Option<Told>, IndexError> {
        let mut engine = self.engine(chosen)?;
        let mut row = if chosen.leaves_out && !self.is_in_outline() { Known::LeftOut } else { Known::Yes };
        let (mut entries, mut hides) = (Entries::new(limit), false);
        for place in &chosen.places {
            let mut part = self.part(transaction_at(self.log, *place)?, &engine);
            if chosen.leaves_out && chosen.first.is_some_and(|first| *place < first) {
                // What is between it and the first one is left out, so nothing is known of rows.
                part.changes.retain(Outline::has);
                engine.make_part(part.changes)?;
                continue;
            }
            self.add_callers(&part.cause, *place, &mut engine)?;
            let moves = self.moves(&part, &engine);
            if self.selector.selects(&part, &engine) {
                let is_known =
                    moves.is_none() && (row == Known::Yes || records_row(&part, &mut engine, self.selector)?);
                match row {
                    _ if is_known => entries.tell(&part, &engine, self.selector),
                    Known::LeftOut if moves.is_none() => {
                        replace_row(&mut part, &engine, self.selector);
                        hides = true;
                    }
                    _ => return Ok(None),
                }
                row = Known::Yes;
            }
            engine.make_part(part.changes)?;
            if let Some(table) = moves {
                engine.make_part(vec![Change::ClearTable { table }])?;
                row = Known::No;
            }
        }
        Ok(Some(Told { entries, hides, end: engine }))
    }

    /// Whether the rows of the table that is looked for are part of every outline.
    fn is_in_outline(&self) -> bool {
        self.selector.table().is_some_and(|(module, name)| Outline::has_rows_of_named(module, name))
    }

    /// The table that is looked for, if `part` has its rows under other keys than before, or gives it its name or another one.
    fn moves(&self, part: &Transaction, before: &Engine) -> Option<TableId> {
        part.changes.iter().find_map(|change| {
            let Change::AlterTable { table, schema, defaults } = change else { return None };
            let old = before.store().table(*table)?;
            let is_wanted = |name: &str| self.selector.table() == Some((old.module(), name));
            let stays = match (is_wanted(&old.schema().name), is_wanted(&schema.name)) {
                (false, false) => true,
                (true, true) => RowRebuild::new(old.schema(), Arc::clone(old.layout()), schema, defaults)
                    .is_ok_and(|rebuild| rebuild.keeps_key()),
                (true, false) | (false, true) => false,
            };
            (!stays).then_some(*table)
        })
    }

    /// The state before the first transaction.
    fn engine(&self, chosen: &Chosen) -> Result<Engine, IndexError> {
        let outline = self.outline(self.stretches[chosen.stretch])?;
        let mut engine = outline.engine();
        if chosen.leaves_out || self.is_in_outline() {
            return Ok(engine);
        }
        if let Some((table, key)) = self.row(&outline) {
            let row = self.base.row(self.log, table, &key)?;
            put(&mut engine, table, row)?;
        }
        Ok(engine)
    }

    /// `transaction` without what is of no concern here.
    fn part(&self, mut transaction: Transaction, before: &Engine) -> Transaction {
        let of_row = self.selector.changes_of_row(&transaction, before);
        let caller = caller(&transaction.cause);
        let is_caller = |change: &Change| match change {
            Change::Insert { table: system::CLIENT, row } => {
                caller.is_some_and(|caller| row.starts_with(&caller.0.to_le_bytes()))
            }
            _ => false,
        };
        let mut numbers = 0..;
        transaction.changes.retain(|change| {
            let number = numbers.next().expect("invariant: there is a next number");
            of_row.contains(&number) || Outline::has(change) || is_caller(change)
        });
        transaction
    }

    /// Gives `engine` the rows that say whom `cause` names, of the transaction at `place`.
    fn add_callers(&self, cause: &Cause, place: Place, engine: &mut Engine) -> Result<(), IndexError> {
        let mut client = caller(cause);
        if let Cause::Disconnect { connection } = *cause {
            let table = engine.catalog().table(SYSTEM_MODULE, "connection");
            table.map_or(Ok(()), |table| self.add_row((table, &connection.to_le_bytes()), place, engine))?;
            client = connection::client_of(engine.store(), connection);
        }
        let Some(client) = client.filter(|client| system::identity_of(engine.store(), *client).is_none()) else {
            return Ok(());
        };
        self.add_row((system::CLIENT, &client.0.to_le_bytes()), place, engine)
    }

    /// Gives `engine` a row of a system table, whose schema never changed its key, as it was before `place`; nothing if it has it.
    fn add_row(&self, (table, key): (TableId, &[u8]), place: Place, engine: &mut Engine) -> Result<(), IndexError> {
        let has_key = |row: &RowBytes| row.starts_with(key);
        let stands = |engine: &Engine| {
            let table = engine.store().table(table)?;
            table.get(&table.lookup_key(key, &mut Vec::new()).ok()?).map(drop)
        };
        if stands(engine).is_some() {
            return Ok(());
        }
        for stretch in self.stretches.iter().rev().copied() {
            let before = self.places(stretch, Hash::of_row(table, key))?;
            for found in before.into_iter().rev().filter(|found| found.offset < place.offset) {
                let last = transaction_at(self.log, found)?.changes.into_iter().rev().find_map(|change| match change {
                    Change::Insert { table: of, row } | Change::Update { table: of, new: row, .. } if of == table => {
                        has_key(&row).then_some(Some(row))
                    }
                    Change::Delete { table: of, key: gone, .. } if of == table && *gone == *key => Some(None),
                    _ => None,
                });
                if let Some(row) = last {
                    return put(engine, table, row);
                }
            }
        }
        if self.callers.get().is_none() {
            let callers = self.base.callers(self.log)?;
            self.callers.get_or_init(|| callers);
        }
        let callers = self.callers.get().expect("invariant: they were just read");
        put(engine, table, callers.get(&(table, key.to_vec())).cloned())
    }
}

impl Stretch<'_> {
    fn begin(self) -> End {
        match self {
            Self::File(head) => head.begin,
            Self::Open(open) => open.begin,
        }
    }
}

fn caller(cause: &Cause) -> Option<ClientId> {
    match cause {
        Cause::Publish { caller, .. }
        | Cause::Call { caller, .. }
        | Cause::Connect { caller, .. }
        | Cause::Control { caller, .. } => Some(*caller),
        Cause::Genesis { .. }
        | Cause::Configure
        | Cause::Event { .. }
        | Cause::Schedule { .. }
        | Cause::Disconnect { .. } => None,
    }
}

fn put(engine: &mut Engine, table: TableId, row: Option<RowBytes>) -> Result<(), IndexError> {
    let changes = row.map(|row| Change::Insert { table, row }).into_iter().collect();
    Ok(engine.make_part(changes)?)
}

/// The first change of `part` that is about the row.
fn first_of_row<'p>(part: &'p Transaction, engine: &Engine, selector: &Selector) -> Option<(usize, &'p Change)> {
    let number = *selector.changes_of_row(part, engine).first()?;
    Some((number, &part.changes[number]))
}

/// Whether the first change of the row says what was there before; if so, `engine` has it.
fn records_row(part: &Transaction, engine: &mut Engine, selector: &Selector) -> Result<bool, IndexError> {
    let (table, old) = match first_of_row(part, engine, selector) {
        None | Some((_, Change::Insert { .. })) => return Ok(true),
        Some((_, Change::Update { table, old, .. } | Change::Delete { table, old, .. })) => (*table, old.clone()),
        Some(_) => return Ok(false),
    };
    let is_recorded = old.is_some();
    put(engine, table, old)?;
    Ok(is_recorded)
}

/// Has the first change of the row fit a state in which there is none.
fn replace_row(part: &mut Transaction, engine: &Engine, selector: &Selector) {
    let (number, replaced) = match first_of_row(part, engine, selector) {
        Some((number, Change::Update { table, new, .. })) => {
            (number, Some(Change::Insert { table: *table, row: new.clone() }))
        }
        Some((number, _)) => (number, None),
        None => return,
    };
    part.changes.splice(number..=number, replaced);
}
