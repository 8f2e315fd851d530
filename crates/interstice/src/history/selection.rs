//! Which transactions are asked for.

use super::{describe, names};
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_log::frame::{FrameKind, StoredFrame};
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::{Identity, Offset, to_hex};
use interstice_types::problem::Problem;
use interstice_types::schema::ColumnSchema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Transaction};
use interstice_types::ty::Type;
use interstice_types::{codec, json};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// What a transaction may have come about by, and the loss frame that is none.
const CAUSES: [&str; 10] =
    ["genesis", "configure", "publish", "call", "event", "schedule", "connect", "disconnect", "control", "loss"];

/// Which transactions, in words: all that every field given holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// From this offset on.
    pub from: Option<Offset>,
    /// Up to the one before this offset.
    pub to: Option<Offset>,
    /// Not earlier, RFC 3339.
    pub since: Option<String>,
    /// Not later, RFC 3339.
    pub until: Option<String>,
    /// Published it, ran in it, or owns a table that was changed.
    pub module: Option<String>,
    /// `module.table`: a change is about it.
    pub table: Option<String>,
    /// A change is about this row of `table`: the value of its primary key as JSON, or plain text; of several columns a list.
    pub key: Option<String>,
    /// `module.function` that ran.
    pub function: Option<String>,
    /// The identity that called: its hex, or at least eight first digits of it, or the name of a local development identity.
    pub caller: Option<String>,
    /// `call`, `event`, `schedule`, `publish`, …; `loss` for what was given up where another history begins.
    pub cause: Option<String>,
    /// `ok`, `rejected` or `trapped`.
    pub outcome: Option<String>,
    /// A regular expression that is found in what is told of it, as JSON.
    pub pattern: Option<String>,
    /// So many at most.
    pub limit: Option<u64>,
}

/// A [`Selection`], understood.
#[derive(Debug)]
pub struct Selector {
    selection: Selection,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    table: Option<(String, String)>,
    /// What a caller's hex begins with.
    caller: Option<String>,
    pattern: Option<Regex>,
}

/// Digits of an identity that name it.
const MIN_CALLER_DIGITS: usize = 8;

impl Selection {
    /// Understands it.
    ///
    /// # Errors
    /// `invalid-selection`.
    pub fn selector(self) -> Result<Selector, Problem> {
        let invalid = |text: String, hint: &str| Problem::new("invalid-selection", text).hint(hint);
        let time = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => Timestamp::parse(text)
                .map(Some)
                .ok_or_else(|| invalid(format!("`{text}` is no time"), "write RFC 3339, as in `2026-11-20T10:00:00Z`")),
        };
        let full = |text: &str, what: &str| {
            let parts = text.split_once('.').filter(|(module, name)| !module.is_empty() && !name.is_empty());
            let parts = parts.map(|(module, name)| (module.to_owned(), name.to_owned()));
            parts.ok_or_else(|| {
                invalid(
                    format!("`{text}` does not name a {what}"),
                    &format!("write `module.{what}`, as in `chat.message`"),
                )
            })
        };
        let one_of = |text: &Option<String>, known: &[&str]| match text {
            Some(text) if !known.contains(&text.as_str()) => {
                Err(Problem::new("invalid-selection", format!("`{text}` is none of {}", known.join(", ")))
                    .did_you_mean(text, known.iter().copied())
                    .hint("leave it out to see all"))
            }
            _ => Ok(()),
        };
        one_of(&self.outcome, &["ok", "rejected", "trapped"])?;
        one_of(&self.cause, &CAUSES)?;
        if self.key.is_some() && self.table.is_none() {
            return Err(invalid("a key is one of a table".to_owned(), "name the table too: `--table MODULE.TABLE`"));
        }
        self.function.as_deref().map(|text| full(text, "function")).transpose()?;
        let pattern = self.pattern.as_deref().map(Regex::new).transpose();
        let pattern = pattern.map_err(|error| {
            invalid(error.to_string(), "write a regular expression; `\\` before a sign that stands for itself")
        })?;
        Ok(Selector {
            since: time(&self.since)?,
            until: time(&self.until)?,
            table: self.table.as_deref().map(|text| full(text, "table")).transpose()?,
            caller: self.caller.as_deref().map(digits_of_caller),
            pattern,
            selection: self,
        })
    }
}

/// The hex digits that the identity of a caller begins with.
fn digits_of_caller(text: &str) -> String {
    let digits = text.to_ascii_lowercase();
    let is_hex = digits.len() >= MIN_CALLER_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { digits } else { to_hex(&Identity::of_name(text).0) }
}

impl Selector {
    /// The first offset that may be selected: no state later than that is to begin with.
    pub fn from(&self) -> Offset {
        self.selection.from.unwrap_or(0)
    }

    /// How many are wanted.
    pub(super) fn limit(&self) -> u64 {
        self.selection.limit.unwrap_or(u64::MAX)
    }

    /// Whether neither `transaction` nor one behind it is selected.
    pub(super) fn ends_before(&self, transaction: &Transaction) -> bool {
        self.selection.to.is_some_and(|to| transaction.offset >= to)
            || self.until.is_some_and(|until| transaction.time > until)
    }

    /// Whether `transaction` is selected, which was made on `before`.
    pub(crate) fn selects(&self, transaction: &Transaction, before: &Engine) -> bool {
        let Selection { module, function, cause, outcome, .. } = &self.selection;
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let quick = transaction.offset >= self.from()
            && self.since.is_none_or(|since| transaction.time >= since)
            && is(cause, transaction.cause.name())
            && is(outcome, transaction.outcome.name())
            && function.as_ref().is_none_or(|wanted| ran(transaction, before, wanted))
            && module.as_ref().is_none_or(|module| concerns(module, transaction, before))
            && self.caller.as_ref().is_none_or(|digits| is_by(digits, transaction, before));
        quick && self.changes_row(transaction, before) && self.is_found(transaction, before)
    }

    /// Whether the pattern is found in what is told of `transaction`.
    fn is_found(&self, transaction: &Transaction, before: &Engine) -> bool {
        let found = |pattern: &Regex| pattern.is_match(&describe::describe(transaction, before).to_string());
        self.pattern.as_ref().is_none_or(found)
    }

    /// What was given up, as JSON, if `frame` says that and it is selected.
    pub(super) fn told_of_frame(&self, frame: &StoredFrame) -> Option<Json> {
        let Selection {
            from,
            to,
            since,
            until,
            module,
            table,
            key,
            function,
            caller,
            cause,
            outcome,
            pattern,
            limit: _,
        } = &self.selection;
        let of_a_transaction = [since, until, module, table, key, function, caller, outcome, pattern];
        let offset = frame.frame.first_offset;
        let selected = frame.frame.kind == FrameKind::Loss
            && of_a_transaction.iter().all(|field| field.is_none())
            && cause.as_deref().is_none_or(|cause| cause == "loss")
            && from.is_none_or(|from| offset >= from)
            && to.is_none_or(|to| offset < to);
        let loss = serde_json::from_slice(&frame.frame.payload).unwrap_or(Json::Null);
        selected.then(|| json!({"offset": offset.to_string(), "cause": "loss", "loss": loss, "changes": []}))
    }

    /// Whether what is looked for, and was not found, can be there: the key one of the table, in the state `end` that history ends with.
    ///
    /// # Errors
    /// `invalid-selection`.
    pub(super) fn check_found_nothing(&self, end: &Engine) -> Result<(), Problem> {
        let table = self.table().and_then(|(module, name)| end.catalog().table(module, name));
        table.and_then(|id| end.store().table(id)).map_or(Ok(()), |table| self.check_key(table))
    }

    /// Whether the table that is looked for is there.
    ///
    /// # Errors
    /// `unknown-table`.
    pub(super) fn check_table(&self, catalog: &Catalog) -> Result<(), Problem> {
        let Some((module, name)) = &self.table else { return Ok(()) };
        if catalog.table(module, name).is_some() {
            return Ok(());
        }
        let full = names::full(module, name);
        let known: Vec<_> = catalog.tables_of(module).map(|(name, _)| names::full(module, name)).collect();
        let problem = Problem::new("unknown-table", format!("table `{full}` does not exist"));
        Err(problem.did_you_mean(&full, known.iter().map(String::as_str)))
    }

    /// Whether the key that is looked for, if one is, may be one of `table`.
    ///
    /// # Errors
    /// `invalid-selection`.
    pub(crate) fn check_key(&self, table: &Table) -> Result<(), Problem> {
        let Some(key) = &self.selection.key else { return Ok(()) };
        let (module, name) = (table.module(), &table.schema().name);
        key_values(key, table).map(drop).map_err(|reason| {
            Problem::new("invalid-selection", format!("`{key}` is no key of `{module}.{name}`: {reason}"))
                .hint(format!("`interstice schema show {module}` says what the primary key is"))
        })
    }

    /// Whether a change is about the table, and the row of it, that are looked for.
    fn changes_row(&self, transaction: &Transaction, before: &Engine) -> bool {
        self.table.is_none() || !self.changes_of_row(transaction, before).is_empty()
    }

    /// The numbers of the changes that are about the table, and the row of it, that are looked for.
    pub(super) fn changes_of_row(&self, transaction: &Transaction, before: &Engine) -> Vec<usize> {
        let tables = names::Tables::of(transaction, before);
        let is_wanted = |change: &Change| {
            tables.get(change.table()).is_some_and(|table| self.is_of(table) && self.is_of_row(change, table))
        };
        let changes = transaction.changes.iter().enumerate();
        changes.filter(|(_, change)| is_wanted(change)).map(|(number, _)| number).collect()
    }

    /// Whether it is the table that is looked for.
    fn is_of(&self, table: &Table) -> bool {
        self.table.as_ref().is_some_and(|(module, name)| (&**table.module(), &table.schema().name) == (module, name))
    }

    /// Whether a change of `table` is about the row that is looked for; if it is any, whether it is about the table at all. No row has a
    /// key that cannot be one of the table.
    fn is_of_row(&self, change: &Change, table: &Table) -> bool {
        if self.selection.key.is_none() {
            return true;
        }
        let found = match change {
            Change::Insert { row, .. } | Change::Update { new: row, .. } => table.primary_key_values(row),
            Change::Delete { key, .. } => key.clone(),
            _ => return false,
        };
        self.key_in(table).is_some_and(|wanted| *found == *wanted)
    }

    /// Module and name of the table that is looked for.
    pub(super) fn table(&self) -> Option<(&str, &str)> {
        self.table.as_ref().map(|(module, name)| (module.as_str(), name.as_str()))
    }

    /// The encoded values of the key that is looked for, if it may be one of `table`.
    pub(super) fn key_in(&self, table: &Table) -> Option<Vec<u8>> {
        key_values(self.selection.key.as_ref()?, table).ok()
    }
}

/// Whether `function` ran.
fn ran(transaction: &Transaction, before: &Engine, function: &str) -> bool {
    names::function(&transaction.cause, before.catalog())
        .is_some_and(|(entry, schema)| function.split_once('.') == Some((&entry.schema.module, &schema.name)))
}

/// Whether `module` was published, ran, or owns a table that was changed.
fn concerns(module: &str, transaction: &Transaction, before: &Engine) -> bool {
    let tables = names::Tables::of(transaction, before);
    let owns = |change: &Change| tables.get(change.table()).is_some_and(|table| **table.module() == *module);
    matches!(&transaction.cause, Cause::Publish { module: published, .. } if published == module)
        || names::function(&transaction.cause, before.catalog()).is_some_and(|(entry, _)| entry.schema.module == module)
        || transaction.changes.iter().any(owns)
}

fn is_by(digits: &str, transaction: &Transaction, before: &Engine) -> bool {
    names::caller(transaction, before).is_some_and(|caller| caller.to_string().starts_with(digits))
}

/// The encoded values of a primary key that is written as JSON, or as plain text.
fn key_values(text: &str, table: &Table) -> Result<Vec<u8>, String> {
    let schema = table.schema();
    let columns: Vec<&ColumnSchema> =
        schema.primary_key.iter().map(|column| &schema.columns[usize::from(*column)]).collect();
    let parsed: Option<Json> = serde_json::from_str(text).ok();
    let mut out = Vec::new();
    if let [column] = columns[..] {
        encode(&column.ty, parsed.as_ref(), text, &mut out)?;
        return Ok(out);
    }
    let names = || columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let values = parsed.as_ref().and_then(Json::as_array).filter(|values| values.len() == columns.len());
    let values = values.ok_or_else(|| format!("it has the columns {}: write a list, as in `[1, \"a\"]`", names()))?;
    for (column, value) in columns.iter().zip(values) {
        encode(&column.ty, Some(value), "", &mut out)?;
    }
    Ok(out)
}

/// `parsed` as a value of type `ty`; where it is none, `text`.
fn encode(ty: &Type, parsed: Option<&Json>, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let value = match parsed.map(|parsed| json::from_json(ty, parsed)) {
        Some(Ok(value)) => value,
        _ => json::from_json(ty, &Json::String(text.to_owned())).map_err(|error| error.to_string())?,
    };
    codec::encode(ty, &value, out);
    Ok(())
}
