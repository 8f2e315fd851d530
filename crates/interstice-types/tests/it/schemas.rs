//! Schemas: all broken rules at once, and signatures that see what matters only.

use interstice_types::schema::diff::{Class, SchemaDifference};
use interstice_types::schema::validate::validate;
use interstice_types::schema::{FunctionKind, FunctionSchema, HandleSchema, Schema, TableAccess, TableRef, signature};
use serde_json::json;

fn schema(value: serde_json::Value) -> Schema {
    serde_json::from_value(value).unwrap()
}

fn good() -> Schema {
    schema(json!({
        "module": "chat", "version": "1.0.0",
        "tables": [{"name": "message", "public": true, "primary_key": [0],
            "columns": [{"name": "id", "type": "u64", "auto_inc": true}, {"name": "text", "type": {"option": "string"}}]}],
        "functions": [{"name": "send", "kind": "reducer", "returns": "unit", "args": [{"name": "text", "type": "string"}],
            "handles": [{"table": "message", "access": "insert"}]}],
    }))
}

#[test]
fn a_good_schema_breaks_no_rule_and_survives_json() {
    let schema = good();
    assert_eq!(validate(&schema), []);
    assert_eq!(serde_json::from_slice::<Schema>(&schema.to_canonical_json()).unwrap(), schema);
}

#[test]
fn what_runs_at_times_of_its_own_takes_no_arguments_and_has_times() {
    let said = |times: serde_json::Value, args: serde_json::Value| -> Vec<String> {
        let mut schema = good();
        schema.functions[0].kind =
            serde_json::from_value(json!({ "schedule": { "times": times, "missed": "skip" } })).unwrap();
        schema.functions[0].args = serde_json::from_value(args).unwrap();
        assert_eq!(serde_json::from_slice::<Schema>(&schema.to_canonical_json()).unwrap(), schema);
        validate(&schema).into_iter().map(|violation| violation.message).collect()
    };
    assert!(said(json!({"cron": {"expression": "0 3 * * *", "zone": "Europe/Paris"}}), json!([])).is_empty());
    assert!(said(json!({"every": {"micros": 300_000_000}}), json!([])).is_empty());
    assert!(said(json!({"every": {"micros": 0}}), json!([]))[0].contains("too short"));
    assert!(said(json!({"cron": {"expression": "x", "zone": "UTC"}}), json!([]))[0].contains("no cron expression"));
    let text = json!([{"name": "text", "type": "string"}]);
    assert!(said(json!({"every": {"micros": 1_000}}), text)[0].contains("takes no arguments"));
}

#[test]
fn every_broken_rule_is_said_at_once() {
    let mut schema = good();
    schema.module = "Interstice!".to_owned();
    schema.tables.push(schema.tables[0].clone());
    schema.tables[0].primary_key.clear();
    schema.tables[0].columns[1].auto_inc = true;
    schema.tables[0].columns[1].default = Some("zz".to_owned());
    let missing = HandleSchema {
        table: TableRef { module: None, table: "mesage".to_owned() },
        access: TableAccess::Write,
        former: false,
    };
    schema.functions[0].handles.push(missing);
    schema.functions[0].kind = FunctionKind::Query;
    let said: Vec<_> = validate(&schema).into_iter().map(|violation| violation.message).collect();
    for words in [
        "is not lower case",
        "stands there twice",
        "no primary key",
        "`auto_inc` needs",
        "default is not",
        "there is no table `mesage`",
        "may only take `Read`",
    ] {
        assert!(said.iter().any(|message| message.contains(words)), "{words:?} is not in {said:#?}");
    }
}

#[test]
fn a_signature_sees_shapes_and_not_words() {
    let function = &good().functions[0];
    let documented = FunctionSchema { doc: "Says something.".to_owned(), ..function.clone() };
    assert_eq!(signature::of_function(function), signature::of_function(&documented));
    let longer = FunctionSchema { args: Vec::new(), ..function.clone() };
    assert_ne!(signature::of_function(function), signature::of_function(&longer));
}

fn with_checks(checks: serde_json::Value) -> Schema {
    let mut schema = good();
    schema.tables[0].checks = serde_json::from_value(checks).unwrap();
    schema
}

#[test]
fn a_check_must_fit_its_columns_and_stand_there_once() {
    let id = json!({"compare": {"place": {"column": 0}, "operator": "less", "with": {"value": "0500000000000000"}}});
    let text = json!({"is_null": {"column": 1, "steps": ["inside"]}});
    let fits = json!([{"expression": "id < 5", "filter": id}, {"expression": "text.is_none()", "filter": text}]);
    assert_eq!(validate(&with_checks(fits)), []);
    let wrong = json!([
        {"expression": "id < 5", "filter": {"is_null": {"column": 2}}},
        {"expression": "id < 5", "filter": id},
        {"expression": "", "filter": id},
    ]);
    let said: Vec<_> = validate(&with_checks(wrong)).into_iter().map(|violation| violation.message).collect();
    assert_eq!(
        said,
        ["there is no column 2", "the check stands there twice", "a check of 0 bytes, 1 to 1024 are allowed"]
    );
}

#[test]
fn a_new_check_takes_a_look_at_every_row_and_one_that_goes_takes_nothing() {
    let id = json!({"compare": {"place": {"column": 0}, "operator": "less", "with": {"value": "0500000000000000"}}});
    let checked = with_checks(json!([{"expression": "id < 5", "filter": id}]));
    let class = |old: &Schema, new: &Schema| SchemaDifference::between(old, new).class();
    assert_eq!(class(&good(), &checked), Some(Class::Checked));
    assert_eq!(class(&checked, &good()), Some(Class::Safe));
    assert_eq!(class(&checked, &checked), None);
    let other = json!({"compare": {"place": {"column": 0}, "operator": "less", "with": {"value": "0600000000000000"}}});
    let changed = with_checks(json!([{"expression": "id < 6", "filter": other}]));
    assert_eq!(class(&checked, &changed), Some(Class::Checked));
}
