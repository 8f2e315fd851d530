//! The Rust client against a node: calls as futures, subscriptions as streams, questions over HTTP.

use crate::support::{Node, row, start_with_guest};
use futures_util::StreamExt;
use futures_util::future::join_all;
use interstice_client::client::{Client, ClientError};
use interstice_client::http::{Http, HttpError};
use interstice_client::subscription::Update;
use interstice_protocol::limits::MAX_CALLS_IN_FLIGHT;
use interstice_protocol::request::Invocation;
use std::future::Future;
use std::ops::ControlFlow;

const ALL: &str = "select * from guest.row";

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

async fn connect(node: &Node) -> Client {
    Client::connect(&url(node), Some("ada")).await.unwrap()
}

fn url(node: &Node) -> String {
    format!("http://{}", node.0.addr())
}

async fn add(client: &Client, value: u64) -> Result<u64, ClientError> {
    let answer = client.call(&Invocation::new("guest", "add", &value.to_le_bytes())).await?;
    Ok(u64::from_le_bytes(answer.value.try_into().unwrap()))
}

#[test]
fn more_calls_than_may_be_in_flight_wait_for_their_places_and_are_all_answered() {
    let node = start_with_guest();
    run(async {
        let client = connect(&node).await;
        let count = 2 * MAX_CALLS_IN_FLIGHT as u64;
        let mut ids = join_all((0..count).map(|value| add(&client, value))).await;
        ids.sort_by_key(|id| *id.as_ref().unwrap());
        assert!(ids.iter().zip(1..).all(|(id, expected)| *id.as_ref().unwrap() == expected));
        let counted = client.query(&Invocation::new("guest", "count", &[])).await.unwrap();
        assert_eq!((counted.offset, counted.value), (count + 1, count.to_le_bytes().to_vec()));
    });
}

#[test]
fn a_subscription_is_a_stream_of_updates_and_ends_when_it_is_dropped() {
    let node = start_with_guest();
    run(async {
        let client = connect(&node).await;
        add(&client, 7).await.unwrap();
        let mut updates = client.subscribe(ALL, true).await.unwrap();
        let names: Vec<_> = updates.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "value"]);
        let initial = Update { offset: 2, unlogged: 0, initial: true, inserts: vec![row(1, 7)], deletes: vec![] };
        assert_eq!(updates.next().await.unwrap().unwrap(), initial);
        add(&client, 8).await.unwrap();
        let update = Update { offset: 3, unlogged: 0, initial: false, inserts: vec![row(2, 8)], deletes: vec![] };
        assert_eq!(updates.next().await.unwrap().unwrap(), update);
        drop(updates);
        add(&client, 9).await.unwrap();
        let mut again = client.subscribe(ALL, true).await.unwrap();
        assert_eq!(again.next().await.unwrap().unwrap().inserts.len(), 3);
    });
}

#[test]
fn initial_rows_in_parts_are_one_update() {
    let node = start_with_guest();
    (0..4).for_each(|_| drop(node.post("/v1/call/guest/fill", "[10000]")));
    run(async {
        let mut updates = connect(&node).await.subscribe(ALL, true).await.unwrap();
        assert_eq!(updates.next().await.unwrap().unwrap().inserts.len(), 40_000);
    });
}

#[test]
fn what_a_node_refuses_is_a_problem_and_the_connection_goes_on() {
    let node = start_with_guest();
    run(async {
        let client = connect(&node).await;
        let code = |error| match error {
            ClientError::Refused(problem) => problem.code.to_string(),
            ClientError::Ended(error) => panic!("{error}"),
        };
        let refused = client.call(&Invocation::new("gest", "add", &[])).await.unwrap_err();
        assert_eq!(code(refused), "unknown-module");
        let refused = client.subscribe("select * from guest.rows", true).await.err().unwrap();
        assert_eq!(code(refused), "unknown-table");
        let large = vec![0; 2 << 20];
        assert_eq!(code(client.call(&Invocation::new("guest", "add", &large)).await.unwrap_err()), "too-large");
        assert_eq!(add(&client, 7).await.unwrap(), 1);
    });
}

#[test]
fn when_the_node_ends_everybody_who_waits_hears_it() {
    let node = start_with_guest();
    run(async {
        let client = connect(&node).await;
        let mut updates = client.subscribe(ALL, false).await.unwrap();
        let stopping = tokio::task::spawn_blocking(move || node.0.stop());
        assert!(matches!(updates.next().await, Some(Err(ClientError::Ended(_)))));
        assert!(updates.next().await.is_none());
        assert!(matches!(add(&client, 7).await, Err(ClientError::Ended(_))));
        stopping.await.unwrap().unwrap();
    });
}

#[test]
fn http_tells_a_refusal_from_a_node_that_is_not_there() {
    let node = start_with_guest();
    let http = Http::new(&url(&node), None);
    assert_eq!(http.post("/v1/call/guest/add", &serde_json::json!([7])).unwrap()["value"], "1");
    let mut lines = 0;
    let counted = |_| {
        lines += 1;
        ControlFlow::Continue(())
    };
    http.get_lines("/v1/log/dump?from=2", counted).unwrap();
    assert_eq!(lines, 1);
    let Err(HttpError::Refused { status, problem }) = http.get("/v1/schema/gest") else { panic!("it is not there") };
    assert_eq!((status, &*problem.code), (404, "unknown-module"));
    node.0.stop().unwrap();
    assert!(matches!(http.get("/v1/status"), Err(HttpError::Unreachable { .. })));
}
