//! What a publish does, and what it would do.

use super::as_text;
use crate::receipt::Receipt;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::schema::diff::{Difference, Sign, TableDifference};
use serde::{Deserialize, Serialize};

/// What a publish does to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStep {
    /// Its name.
    pub table: String,
    /// The name that it had, if it had another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The version that it has before; `None` if it is not there.
    pub from_version: Option<u32>,
    /// The version that it has then; `None` if it goes.
    pub to_version: Option<u32>,
    /// Rows that it has before.
    #[serde(with = "as_text")]
    pub rows: u64,
    /// Functions of the module that say what becomes of its rows, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<String>,
    /// What differs.
    pub differences: Vec<DifferenceLine>,
    /// Whether clients and modules that read it must be made anew.
    pub breaks_clients: bool,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceLine {
    /// `+`, `-` or `~`.
    pub sign: String,
    /// A column's name, or as in ``index `by_author` ``.
    pub item: String,
    /// From what to what.
    pub detail: String,
    /// `safe`, `checked`, `declared` or `destructive`.
    pub class: String,
}

impl TableStep {
    /// What differs of a table that has this version and so many rows.
    pub fn new(difference: &TableDifference, from_version: Option<u32>, rows: u64, migrations: Vec<String>) -> Self {
        let line = |one: &Difference| DifferenceLine {
            sign: one.sign.to_string(),
            item: one.item.clone(),
            detail: one.detail.clone(),
            class: one.class.name().to_owned(),
        };
        Self {
            table: difference.table.clone(),
            renamed_from: difference.renamed_from.clone(),
            from_version,
            to_version: (difference.sign != Sign::Removed).then(|| from_version.unwrap_or(0) + 1),
            rows,
            migrations,
            differences: difference.differences.iter().map(line).collect(),
            breaks_clients: difference.breaks,
        }
    }
}

/// What a publish would do, tried on a copy of the node's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishPlan {
    /// Whether it would be done.
    pub ok: bool,
    /// The module's name.
    pub module: String,
    /// Its own version.
    pub version: String,
    /// The newest transaction that the copy has.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// What it would do to tables that differ.
    pub steps: Vec<TableStep>,
    /// Functions that clients call, and that are gone or of another shape.
    pub breaks: Vec<String>,
    /// Why it would not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Rows that do not come through, the first of them: each with what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// How long it took on the copy.
    pub milliseconds: u64,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The transaction.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// The module's name.
    pub module: String,
    /// Its own version.
    pub version: String,
    /// BLAKE3 of the artefact, hex.
    pub artefact: String,
    /// How many tables it has.
    pub tables: usize,
    /// How many functions it has.
    pub functions: usize,
    /// What was done to tables that were there or came to be.
    pub steps: Vec<TableStep>,
    /// Proves which history the transaction stands in.
    pub receipt: Receipt,
}
