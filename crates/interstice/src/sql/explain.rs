//! What a `SELECT` does: which index serves it, what is looked at, what comes out.

use super::{MAX_RESULT_SIZE, Select};
use interstice_engine::read::Snapshot;
use interstice_types::codec::{self, Reader};
use interstice_types::filter::{Comparison, Filter, Operand, Operator, Place, Step};
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::TableSchema;
use interstice_types::ty::Type;

/// How a `SELECT` was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// `primary key`, or `index` and its name.
    pub index: String,
    /// What its keys are held to; nothing if all of them are walked.
    pub keys: Vec<String>,
    /// Whether they are walked backwards.
    pub backwards: bool,
    /// What is left to look at in each row, as SQL; `None` if nothing is.
    pub filter: Option<String>,
    /// Columns that rows are sorted by afterwards; none if the index gives the order, or none is asked for.
    pub sorted_by: Vec<String>,
    /// Rows that were looked at.
    pub examined: u64,
    /// Rows that came out.
    pub returned: u64,
}

impl Select {
    /// Executes it and says how.
    ///
    /// # Errors
    /// `result-too-large`.
    pub fn explain(&self, snapshot: &Snapshot) -> Result<Explanation, Problem> {
        let answer = self.execute(&snapshot.store, MAX_RESULT_SIZE)?;
        let table = snapshot.store.table(self.table);
        let schema = table.map(|table| &**table.schema());
        let name = |column: u16| schema.map_or_else(String::new, |one| one.columns[usize::from(column)].name.clone());
        let plan = &self.plan;
        let sorted_by = plan.sort.iter().map(|(column, descending)| {
            let direction = if *descending { " DESC" } else { "" };
            format!("{}{direction}", name(*column))
        });
        Ok(Explanation {
            index: plan.name.clone(),
            keys: plan.keys.clone(),
            backwards: plan.reverse,
            filter: schema.filter(|_| !plan.rest.is_everything()).map(|schema| text_of(&plan.rest, schema, false)),
            sorted_by: sorted_by.collect(),
            examined: answer.examined,
            returned: answer.rows.len() as u64,
        })
    }
}

/// A filter that fits its table, as SQL; in parentheses if it is one part of several.
pub(crate) fn text_of(filter: &Filter, schema: &TableSchema, inner: bool) -> String {
    match filter {
        Filter::All(parts) | Filter::Any(parts) if parts.len() == 1 => text_of(&parts[0], schema, inner),
        Filter::All(parts) if parts.is_empty() => "TRUE".to_owned(),
        Filter::Any(parts) if parts.is_empty() => "FALSE".to_owned(),
        Filter::All(parts) => joined(parts, schema, (" AND ", inner)),
        Filter::Any(parts) => joined(parts, schema, (" OR ", inner)),
        Filter::Not(part) => format!("NOT {}", text_of(part, schema, true)),
        Filter::IsNull(place) => format!("{} IS NULL", walk(place, schema).0),
        Filter::Is(place, variant) => {
            let (text, ty) = walk(place, schema);
            let Type::Enum(ty) = ty else { panic!("invariant: only an enum has variants") };
            format!("{text} IS {}", ty.variants[usize::from(*variant)].name)
        }
        Filter::Compare(Comparison { place, operator, with }) => {
            let (text, ty) = walk(place, schema);
            let with = match with {
                Operand::Place(other) => walk(other, schema).0,
                Operand::Value(bytes) => literal(ty, bytes),
            };
            format!("{text} {} {with}", sign(*operator))
        }
    }
}

fn joined(parts: &[Filter], schema: &TableSchema, (word, inner): (&str, bool)) -> String {
    let text = parts.iter().map(|part| text_of(part, schema, true)).collect::<Vec<_>>().join(word);
    if inner { format!("({text})") } else { text }
}

/// The path to a place, and the type of what is there.
fn walk<'s>(place: &Place, schema: &'s TableSchema) -> (String, &'s Type) {
    let column = &schema.columns[usize::from(place.column)];
    place.steps.iter().fold((column.name.clone(), &column.ty), |(path, ty), step| match (step, ty) {
        (Step::Inside, Type::Option(inner)) => (path, &**inner),
        (Step::Field(number), Type::Struct(ty)) => {
            let field = &ty.fields[usize::from(*number)];
            (format!("{path}.{}", field.name), &field.ty)
        }
        (Step::Variant(variant, number), Type::Enum(ty)) => {
            let variant = &ty.variants[usize::from(*variant)];
            let field = &variant.fields[usize::from(*number)];
            let is_only = field.name == "0" && variant.fields.len() == 1;
            let path = format!("{path}.{}", variant.name);
            (if is_only { path } else { format!("{path}.{}", field.name) }, &field.ty)
        }
        (Step::Length, _) => (format!("length({path})"), &Type::U64),
        (step, ty) => panic!("invariant: the filter fits its table, {ty} has no {step}"),
    })
}

fn literal(ty: &Type, bytes: &[u8]) -> String {
    let value = codec::decode(ty, &mut Reader::new(bytes)).expect("invariant: the filter fits its table");
    match json::to_json(ty, &value) {
        serde_json::Value::String(text) if !is_number(ty) => format!("'{}'", text.replace('\'', "''")),
        serde_json::Value::String(digits) => digits,
        other => other.to_string(),
    }
}

fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::U64 | Type::U128 | Type::I64 | Type::I128 | Type::Duration | Type::F32 | Type::F64)
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "<>",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
    }
}
