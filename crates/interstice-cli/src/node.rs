//! The node that a command talks to, over HTTP.

use crate::failure::Failure;
use crate::remote::NodeFiles;
use crate::telling::OWN_TARGET;
use interstice_client::http::{Http, HttpError};
use interstice_protocol::http::{Envelope, SchemaOf, route};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::ControlFlow;
use std::time::Instant;

/// A node by its address.
#[derive(Clone)]
pub(crate) struct Node {
    http: Http,
    url: String,
    act_as: Option<String>,
}

impl Node {
    /// The node at `url`, asked under the local development identity `act_as`.
    pub(crate) fn new(url: &str, act_as: Option<&str>) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { http: Http::new(&url, act_as), url, act_as: act_as.map(str::to_owned) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The name that it is asked under.
    pub(crate) fn act_as(&self) -> Option<&str> {
        self.act_as.as_deref()
    }

    /// The document at `path`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        told("GET", path, || self.http.get(path))
    }

    /// What the node answers to `body`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        told("POST", path, || self.http.post(path, body))
    }

    /// What the node answers to an artefact; `parameters` begin with `?`, if there are some.
    pub(crate) fn publish(&self, artefact: &[u8], parameters: &str) -> Result<Value, Failure> {
        let path = format!("{}{parameters}", route::PUBLISH);
        told("POST", &path, || self.http.post_bytes(&path, artefact))
    }

    /// Gives the lines of JSON at `path` to `take`, until it breaks off.
    pub(crate) fn lines(&self, path: &str, take: impl FnMut(Value) -> ControlFlow<()>) -> Result<(), Failure> {
        told("GET", path, || self.http.get_lines(path, take))
    }

    /// What its history is kept in, as it is now: files that are read over HTTP.
    pub(crate) fn files(&self) -> Result<NodeFiles, Failure> {
        Ok(NodeFiles::of(&self.http, body(&self.get(route::BACKUP)?)?))
    }

    /// The schema of a module in force.
    pub(crate) fn schema(&self, module: &str) -> Result<Schema, Failure> {
        let document = self.get(&format!("{}/{module}", route::SCHEMA))?;
        Ok(body::<SchemaOf>(&document)?.module)
    }
}

/// Asks a node, and says for whoever wants to know what was asked and how long that took.
fn told<T>(method: &str, path: &str, ask: impl FnOnce() -> Result<T, HttpError>) -> Result<T, Failure> {
    let begun = Instant::now();
    let answer = ask();
    let (ok, micros) = (answer.is_ok(), begun.elapsed().as_micros() as u64);
    tracing::debug!(target: OWN_TARGET, method, path, ok, micros, "asked the node");
    Ok(answer?)
}

/// The fields of a document in its envelope.
pub(crate) fn body<T: DeserializeOwned>(document: &Value) -> Result<T, Failure> {
    let envelope: Result<Envelope<T>, _> = serde_json::from_value(document.clone());
    envelope.map(|envelope| envelope.body).map_err(|error| {
        let text = format!("the node's answer is not understood: {error}");
        Problem::new("invalid-answer", text).hint("the command and the node may be of different versions").into()
    })
}
