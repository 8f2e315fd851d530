//! JSON for people who edit it: what fits on a line is on one, and what names a thing stands first.

use serde_json::Value as Json;

/// Characters of a line; what does not fit is divided.
const WIDTH: usize = 120;

/// What stands first in an object, in this order; the rest is behind, by name.
const ORDER: [&str; 28] = [
    "schema",
    "from",
    "to",
    "module",
    "owners",
    "tables",
    "schedules",
    "transactions",
    "sequences",
    "rows",
    "offset",
    "time",
    "seed",
    "cause",
    "function",
    "args",
    "caller",
    "of",
    "due",
    "connection",
    "action",
    "schedule",
    "outcome",
    "value",
    "problem",
    "changes",
    "table",
    "old",
];

/// `value`, with a line break at the end.
pub(super) fn pretty(value: &Json) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out
}

fn write(value: &Json, indent: usize, out: &mut String) {
    let line = on_a_line(value);
    let is_whole = indent + line.chars().count() <= WIDTH;
    match value {
        Json::Array(items) if !is_whole || has_objects(items) => {
            let items = items.iter().map(|item| (None, item));
            block(items, ('[', ']'), indent, out);
        }
        Json::Object(object) if !is_whole || has_lists(value) => {
            let mut entries: Vec<_> = object.iter().map(|(name, item)| (Some(name.as_str()), item)).collect();
            entries.sort_by_key(|(name, _)| place(name.unwrap_or_default()));
            block(entries.into_iter(), ('{', '}'), indent, out);
        }
        _ => out.push_str(&line),
    }
}

/// Whether a list is of things that each have a line.
fn has_objects(items: &[Json]) -> bool {
    items.iter().any(Json::is_object)
}

fn has_lists(value: &Json) -> bool {
    value
        .as_object()
        .is_some_and(|object| object.values().any(|item| item.as_array().is_some_and(|items| has_objects(items))))
}

fn block<'j>(
    items: impl Iterator<Item = (Option<&'j str>, &'j Json)>,
    (open, close): (char, char),
    indent: usize,
    out: &mut String,
) {
    out.push(open);
    for (number, (name, item)) in items.enumerate() {
        out.push_str(if number == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', indent + 2));
        if let Some(name) = name {
            out.extend([&*Json::from(name).to_string(), ": "]);
        }
        write(item, indent + 2, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}

fn on_a_line(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(on_a_line).collect::<Vec<_>>().join(", ")),
        Json::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(name, _)| place(name));
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, item)| format!("{}: {}", Json::from(name.as_str()), on_a_line(item)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn place(name: &str) -> usize {
    ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_is_on_a_line_and_what_names_a_thing_stands_first() {
        let row = |text: &str| json!({"id": "1", "text": text});
        let changes =
            json!([{"insert": row("short"), "table": "a.b"}, {"delete": row(&"long".repeat(30)), "table": "a.b"}]);
        let value = json!({"changes": changes, "schema": "s", "rows": [1, 2], "tables": {}});
        let printed = pretty(&value);
        expect_test::expect![[r#"
            {
              "schema": "s",
              "tables": {},
              "rows": [1, 2],
              "changes": [
                {"table": "a.b", "insert": {"id": "1", "text": "short"}},
                {
                  "table": "a.b",
                  "delete": {
                    "id": "1",
                    "text": "longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong"
                  }
                }
              ]
            }
        "#]]
        .assert_eq(&printed);
        assert_eq!(serde_json::from_str::<Json>(&printed).unwrap(), value, "it is still the same");
    }
}
