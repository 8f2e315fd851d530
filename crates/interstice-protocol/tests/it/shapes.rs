//! JSON over HTTP: each shape under its versioned name, and problems under their status.

use interstice_protocol::http::{
    Answer, Called, ChangeCounts, Envelope, ReceiptChecked, RowSet, ScheduleControlled, ScheduleFound, ScheduleList,
    Shape, status_of,
};
use interstice_protocol::receipt::{Receipt, Standing};
use interstice_types::problem::Problem;
use interstice_types::transaction::ScheduleAction;
use interstice_types::ty::{Field, Type};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::fmt::Debug;

/// `body` is written as `expected`, and read again as what it was.
fn check<T: Shape + DeserializeOwned + Clone + PartialEq + Debug>(body: &T, expected: &Json) {
    let enveloped = Envelope::new(body.clone());
    let written = serde_json::to_value(&enveloped).unwrap();
    assert_eq!(&written, expected);
    assert_eq!(serde_json::from_value::<Envelope<T>>(written).unwrap(), enveloped);
}

#[test]
fn schedules_stand_under_their_names() {
    let schedule = ScheduleFound {
        id: u64::MAX,
        module: "bank".to_owned(),
        function: "pay".to_owned(),
        args: json!({"n": 1}),
        due: "2026-01-01T00:00:00.000000Z".to_owned(),
        times: None,
        paused: true,
    };
    check(
        &ScheduleList { total: 1, schedules: vec![schedule] },
        &json!({"schema": "interstice.schedules/v1", "total": 1, "schedules": [{"id": "18446744073709551615",
            "module": "bank", "function": "pay", "args": {"n": 1}, "due": "2026-01-01T00:00:00.000000Z", "times": null,
            "paused": true}]}),
    );
    let receipt = Receipt { lineage: [1; 16], offset: 7, chain: [2; 32] };
    for action in ScheduleAction::ALL {
        check(
            &ScheduleControlled { offset: 7, schedule: 3, action, receipt },
            &json!({"schema": "interstice.schedule/v1", "offset": "7", "schedule": "3", "action": action.name(),
                "receipt": {"lineage": "01".repeat(16), "offset": "7", "chain": "02".repeat(32)}}),
        );
    }
}

#[test]
fn answers_stand_under_their_names_and_offsets_are_strings() {
    let counts = ChangeCounts { insert: 1, ..ChangeCounts::default() };
    let receipt = Receipt { lineage: [1; 16], offset: u64::MAX, chain: [2; 32] };
    check(
        &Called {
            offset: u64::MAX,
            value: json!(null),
            changes: [("a.b".to_owned(), counts)].into(),
            receipt: Some(receipt),
        },
        &json!({"schema": "interstice.call/v1", "offset": "18446744073709551615", "value": null,
            "changes": {"a.b": {"insert": 1, "update": 0, "delete": 0}},
            "receipt": {"lineage": "01".repeat(16), "offset": "18446744073709551615", "chain": "02".repeat(32)}}),
    );
    check(
        &ReceiptChecked { standing: Standing::Unverifiable },
        &json!({"schema": "interstice.receipt/v1", "standing": "unverifiable"}),
    );
    assert_eq!([Standing::Held, Standing::Unverifiable].map(|standing| json!(standing)), ["held", "unverifiable"]);
    check(
        &Answer { offset: 3, value: json!("7") },
        &json!({"schema": "interstice.value/v1", "offset": "3", "value": "7"}),
    );
    let columns = vec![Field { name: "id".to_owned(), ty: Type::U64 }];
    check(
        &RowSet { offset: 3, columns, rows: vec![vec![json!("1")]] },
        &json!({"schema": "interstice.rows/v1", "offset": "3", "columns": [{"name": "id", "type": "u64"}], "rows": [["1"]]}),
    );
}

#[test]
fn a_problem_has_the_status_of_whose_fault_it_is() {
    for (code, status) in [
        ("invalid-arguments", 400),
        ("unknown-module", 404),
        ("duplicate-key", 409),
        ("history-diverged", 409),
        ("too-large", 413),
        ("no-such-account", 422),
        ("unknown", 503),
        ("unavailable", 503),
    ] {
        assert_eq!(status_of(&Problem::new(code, "")), status, "{code}");
    }
}
