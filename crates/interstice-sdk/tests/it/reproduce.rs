//! Recordings: what is put in, what comes out, what differs is told, and what is no recording.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[table]
pub(crate) struct Parcel {
    #[primary_key(auto_inc)]
    pub id: u64,
    pub to: String,
    pub by: Identity,
    pub at: Timestamp,
    /// The offset that its reducer saw.
    pub seen: u64,
}

#[table]
pub(crate) struct Receipt {
    #[primary_key]
    pub parcel: u64,
    pub delivered: bool,
}

#[datatype(error)]
pub(crate) enum ParcelError {
    #[error("parcel {0} goes nowhere")]
    Nowhere(u64),
}

#[reducer]
fn post_parcel(ctx: &ReducerContext, parcels: Insert<Parcel>, to: String) -> Result<u64, ParcelError> {
    let seen = ctx.offset_hint();
    let parcel = parcels.insert(Parcel { id: 0, to, by: ctx.caller(), at: ctx.now(), seen });
    if parcel.to.is_empty() {
        return Err(ParcelError::Nowhere(parcel.id));
    }
    ctx.schedule::<deliver_parcel>(Duration::from_hours(1), (parcel.id,));
    Ok(parcel.id)
}

#[reducer(on = insert(Parcel))]
fn note_parcel(receipts: Insert<Receipt>, parcel: Parcel) {
    receipts.insert(Receipt { parcel: parcel.id, delivered: false });
}

#[reducer(access = internal)]
fn deliver_parcel(receipts: Write<Receipt>, parcel: u64) -> Result<(), String> {
    let receipt = receipts.get(parcel).ok_or("there is no receipt")?;
    receipts.update(Receipt { delivered: true, ..receipt });
    Ok(())
}

#[reducer(access = owner)]
fn lose_parcel(parcels: Write<Parcel>, id: u64) -> bool {
    parcels.delete(id).is_some()
}

const ADA: &str = "ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0ada0";
const OWNER: &str = "0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e0b0e";

/// A parcel with number 7 is there; one is posted, noted, another one lost by the owner, and the first is delivered.
fn recording() -> Value {
    let parcel = |id: &str, seen: &str| json!({"id": id, "to": "grace", "by": ADA, "at": "2020-02-01T10:00:00.000000Z", "seen": seen});
    let call = |offset: u64, time: &str, function: &str, args: Value, caller: &str| {
        json!({
            "offset": offset.to_string(), "time": time, "seed": "000102030405060708090a0b0c0d0e0f", "cause": "call",
            "function": format!("interstice_sdk.{function}"), "args": args, "caller": caller, "outcome": "ok", "changes": []
        })
    };
    let mut posted = call(40, "2020-02-01T10:00:00Z", "post_parcel", json!({"to": "grace"}), ADA);
    posted["value"] = json!("8");
    let schedule = json!({
        "id": "3", "function": "interstice_sdk.deliver_parcel", "args": {"parcel": "8"}, "due": "2020-02-01T11:00:00.000000Z"
    });
    posted["changes"] = json!([
        {"table": "interstice_sdk.parcel", "insert": parcel("8", "40")},
        {"table": "interstice.schedule", "insert": schedule}
    ]);
    let noted = json!({
        "offset": 41, "time": "2020-02-01T10:00:01Z", "seed": "00000000000000000000000000000000", "cause": "event",
        "function": "interstice_sdk.note_parcel", "of": 40, "outcome": "ok",
        "changes": [{"table": "interstice_sdk.receipt", "insert": {"parcel": 8, "delivered": false}}]
    });
    let mut lost = call(43, "2020-02-01T10:00:02Z", "lose_parcel", json!([7]), OWNER);
    (lost["value"], lost["changes"]) =
        (json!(true), json!([{"table": "interstice_sdk.parcel", "delete": parcel("7", "9")}]));
    let delivered = json!({
        "offset": 44, "time": "2020-02-01T11:00:00Z", "seed": "00000000000000000000000000000000", "cause": "schedule",
        "function": "interstice_sdk.deliver_parcel", "due": "2020-02-01T11:00:00Z", "outcome": "ok",
        "changes": [
            {"table": "interstice_sdk.receipt", "update": {"new": {"parcel": 8, "delivered": true}}},
            {"table": "interstice.schedule", "delete": schedule}
        ]
    });
    json!({
        "schema": "interstice.recording/v1", "from": 40, "to": 45, "module": "interstice_sdk",
        "owners": {"interstice_sdk": OWNER},
        "tables": {
            "interstice_sdk.parcel": {"sequences": {"id": 8}, "rows": [parcel("7", "9")]},
            "interstice.schedule": {"sequences": {"id": 3}}
        },
        "transactions": [posted, noted, lost, delivered]
    })
}

fn database() -> TestDatabase {
    TestDatabase::new(env!("CARGO_PKG_NAME"))
}

/// What a test with this recording says when it fails.
fn said_of(recording: &str) -> String {
    let mut db = database();
    let failed = catch_unwind(AssertUnwindSafe(|| db.reproduce(recording))).unwrap_err();
    failed.downcast_ref::<String>().unwrap().clone()
}

/// What a test says whose recording was edited.
fn said(edit: impl FnOnce(&mut Value)) -> String {
    let mut edited = recording();
    edit(&mut edited);
    said_of(&edited.to_string())
}

#[interstice_sdk::test]
fn what_is_recorded_happens_again_with_the_callers_times_numbers_and_offsets_of_then(db: &mut TestDatabase) {
    assert_eq!(db.reproduce(&recording().to_string()), 4);
    let parcels = db.rows::<Parcel>();
    let [parcel] = &parcels[..] else { panic!("the first one is lost") };
    assert_eq!((parcel.id, parcel.seen, parcel.by.to_string()), (8, 40, ADA.to_owned()));
    assert_eq!(
        (parcel.at.to_string(), db.now().to_string()),
        ("2020-02-01T10:00:00.000000Z".to_owned(), "2020-02-01T11:00:00.000000Z".to_owned())
    );
    assert_eq!(db.next_due(), None, "no schedule of the publish is left");
    // Offset 42, of which the recording says nothing, is an empty one.
    assert_eq!(db.assert_replays(), 5);
    db.reopen();
    assert_eq!(db.rows::<Receipt>().iter().map(|receipt| receipt.delivered).collect::<Vec<_>>(), [true]);
    // It goes on from there.
    db.act_as("ada");
    assert_eq!(db.call::<u64>("post_parcel", ("edsger",)), Ok(9));
    assert_eq!((db.rows::<Parcel>()[1].seen, db.rows::<Receipt>().len()), (45, 2));
    assert_eq!(db.assert_replays(), 7);
}

#[interstice_sdk::test]
fn what_was_wrong_is_corrected_and_what_follows_keeps_its_offset(db: &mut TestDatabase) {
    let mut corrected = recording();
    let again = corrected["transactions"][0].clone();
    let first = &mut corrected["transactions"][0];
    first["args"] = json!({"to": ""});
    first["outcome"] = json!("rejected");
    first["problem"] = json!({"code": "nowhere", "data": {"tag": "Nowhere", "value": "8"}});
    first["changes"] = json!([]);
    let mut again = again;
    again["offset"] = json!(41);
    again["changes"][0]["insert"]["seen"] = json!("41");
    corrected["transactions"] = json!([first.clone(), again]);
    assert_eq!(db.reproduce(&corrected.to_string()), 2);
    assert_eq!(db.assert_replays(), 2);
}

#[test]
fn the_first_difference_is_told() {
    let changes = |edited: &mut Value, at: usize| edited["transactions"][at]["changes"].take();
    assert_eq!(
        said(|edited| edited["transactions"][0]["changes"][0]["insert"]["to"] = json!("edsger")),
        r#"offset 40 (interstice_sdk.post_parcel): interstice_sdk.parcel 8 to: recorded "edsger", found "grace""#
    );
    assert_eq!(
        said(|edited| edited["transactions"][0]["value"] = json!(9)),
        "offset 40 (interstice_sdk.post_parcel): value: recorded 9, found 8"
    );
    assert_eq!(
        said(|edited| edited["transactions"][1]["changes"] = json!([])),
        "offset 41 (interstice_sdk.note_parcel): interstice_sdk.receipt 8: recorded no row, found (parcel=8, delivered=false)"
    );
    assert_eq!(
        said(|edited| edited["transactions"][1]["changes"][0]["insert"]["parcel"] = json!(5)),
        "offset 41 (interstice_sdk.note_parcel): interstice_sdk.receipt 5: recorded (parcel=5, delivered=false), found no row"
    );
    assert_eq!(
        said(|edited| {
            edited["transactions"][2]["args"] = json!([6]);
            drop(changes(edited, 2));
            edited["transactions"][2]["changes"] = json!([]);
        }),
        "offset 43 (interstice_sdk.lose_parcel): value: recorded true, found false"
    );
    assert!(
        said(|edited| edited["transactions"][2]["caller"] = json!(ADA))
            .starts_with("offset 43 (interstice_sdk.lose_parcel): outcome: recorded ok, found not-allowed: "),
    );
    assert_eq!(
        said(|edited| edited["transactions"][1]["outcome"] = json!("trapped")),
        "offset 41 (interstice_sdk.note_parcel): outcome: recorded trapped, found ok"
    );
    assert_eq!(
        said(|edited| {
            edited["transactions"][3]["outcome"] = json!("rejected");
            edited["transactions"][3]["problem"] = json!({"code": "rejected", "message": "there is no receipt"});
        }),
        "offset 44 (interstice_sdk.deliver_parcel): outcome: recorded rejected: there is no receipt, found ok"
    );
    assert_eq!(
        said(|edited| edited["transactions"][1]["of"] = json!(39)),
        "offset 41 (interstice_sdk.note_parcel): cause: recorded an event of offset 39 for interstice_sdk.note_parcel, \
         found an event of offset 40 for interstice_sdk.note_parcel"
    );
    assert_eq!(
        said(|edited| drop(edited["transactions"].as_array_mut().unwrap().remove(0))),
        "offset 41 (interstice_sdk.note_parcel): cause: recorded an event of offset 40 for interstice_sdk.note_parcel, found no event"
    );
    assert_eq!(
        said(|edited| edited["transactions"][3]["due"] = json!("2020-02-01T10:59:00Z")),
        "offset 44 (interstice_sdk.deliver_parcel): cause: recorded interstice_sdk.deliver_parcel, due 2020-02-01T10:59:00.000000Z, \
         found interstice_sdk.deliver_parcel, due 2020-02-01T11:00:00.000000Z"
    );
    assert!(
        said(|edited| edited["transactions"][3]["time"] = json!("2020-02-01T10:30:00Z"))
            .ends_with("found no schedule that is due")
    );
    assert_eq!(
        said(|edited| edited["tables"]["interstice_sdk.parcel"]["sequences"]["id"] = json!(20)),
        "offset 40 (interstice_sdk.post_parcel): value: recorded 8, found 20"
    );
}

#[test]
fn what_is_no_recording_says_where_it_is_wrong() {
    let wrong = |edit: fn(&mut Value), message: &str| {
        let said = said(edit);
        assert!(said.contains("error[invalid-recording]: ") && said.contains(message), "wanted `{message}`: {said}");
    };
    assert!(said_of("{").starts_with("error[invalid-recording]: EOF while parsing"));
    wrong(|edited| edited["schema"] = json!("interstice.recording/v2"), "`schema` is \"interstice.recording/v2\", not");
    wrong(|edited| edited["form"] = json!(40), "unknown field `form`");
    wrong(|edited| edited["from"] = json!("the beginning"), "expected a number");
    wrong(|edited| edited["from"] = json!(41), "offset 40 is not in order between 41 and 45");
    wrong(|edited| edited["to"] = json!(10_041), "at most 10000 offsets");
    wrong(|edited| edited["to"] = json!(39), "is not from 40 to 39");
    wrong(|edited| (edited["from"], edited["transactions"]) = (json!(0), json!([])), "is not from 0");
    wrong(|edited| edited["transactions"][1]["offset"] = json!(40), "offset 40 is not in order");
    wrong(
        |edited| edited["transactions"][1]["time"] = json!("2020-01-01T00:00:00Z"),
        "is before that of the transaction before",
    );
    wrong(|edited| edited["transactions"][0]["cause"] = json!("publish"), "unknown variant `publish`");
    wrong(|edited| edited["transactions"][0]["seed"] = json!("00"), "expected 32 hex digits");
    wrong(
        |edited| edited["transactions"][0]["args"] = json!(null),
        "`args` is missing\n  where: offset 40 (interstice_sdk.post_parcel)",
    );
    wrong(|edited| edited["transactions"][0]["args"] = json!({"too": "ada"}), "at `too`: expected `to`");
    wrong(|edited| edited["transactions"][0]["value"] = json!("eight"), "`value`: expected u64");
    wrong(
        |edited| edited["transactions"][0]["function"] = json!("post_parcel"),
        "`function` is not as in `module.function`",
    );
    wrong(
        |edited| edited["transactions"][1]["changes"][0] = json!({"table": "interstice_sdk.receipt"}),
        "a change is one of `insert`",
    );
    wrong(
        |edited| edited["transactions"][1]["changes"][0]["insert"]["parcel"] = json!(null),
        "at `parcel`: expected u64, got null",
    );
    wrong(
        |edited| edited["transactions"][1]["changes"][0]["table"] = json!("interstice_sdk.recipt"),
        "did you mean `interstice_sdk.receipt`?",
    );
    wrong(|edited| edited["owners"] = json!({"nobody": OWNER}), "module `nobody`");
    wrong(
        |edited| edited["tables"]["interstice_sdk.parcels"] = json!({}),
        "there is no table `interstice_sdk.parcels` that keeps rows",
    );
    wrong(
        |edited| edited["tables"]["interstice.client"] = json!({}),
        "there is no table `interstice.client` that keeps rows",
    );
    wrong(|edited| edited["tables"]["interstice.schedule"]["rows"] = json!([{}]), "are not put there");
    wrong(
        |edited| edited["tables"]["interstice_sdk.parcel"]["sequences"]["to"] = json!(1),
        "column `to` of table `interstice_sdk.parcel` counts nothing",
    );
    wrong(|edited| edited["tables"]["interstice_sdk.receipt"] = json!({"rows": [[1, true]]}), "is an object by column");
    wrong(
        |edited| {
            let row = json!({"parcel": 1, "delivered": false});
            edited["tables"]["interstice_sdk.receipt"] = json!({"rows": [row, row]});
        },
        "has a row with primary key",
    );
    wrong(|edited| edited["schedules"] = json!([{"id": 1}]), "missing field `function`");
    wrong(
        |edited| {
            edited["schedules"] =
                json!([{"id": 1, "function": "interstice_sdk.send_parcel", "due": "2020-02-01T11:00:00Z"}]);
        },
        "`interstice_sdk.send_parcel` does not exist",
    );
    assert_eq!(
        said(|edited| edited["module"] = json!("other")),
        "the recording is of module `other`, this database is of `interstice_sdk`"
    );
    assert!(
        said(|edited| edited["transactions"][0]["function"] = json!("interstice_sdk.post"))
            .starts_with("error[unknown-function]: `interstice_sdk.post` does not exist")
    );
}

#[interstice_sdk::test]
fn a_recording_comes_before_all_else(db: &mut TestDatabase) {
    let mut early = recording();
    (early["from"], early["to"], early["transactions"]) = (json!(2), json!(3), json!([]));
    assert_eq!(db.reproduce(&early.to_string()), 0);
    assert_eq!(db.rows::<Parcel>().len(), 1);
    db.call::<u64>("post_parcel", ("ada",)).unwrap();
    let failed = catch_unwind(AssertUnwindSafe(|| db.reproduce(&early.to_string()))).unwrap_err();
    let said = failed.downcast_ref::<String>().unwrap();
    assert!(said.contains("it begins at offset 2, and there are 4 transactions already"), "{said}");
}
