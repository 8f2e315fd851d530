//! The node that a command talks to, over HTTP.

use crate::failure::Failure;
use crate::remote::NodeFiles;
use interstice_client::http::Http;
use interstice_protocol::http::{Envelope, SchemaOf, route};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::ControlFlow;

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
        Ok(self.http.get(path)?)
    }

    /// What the node answers to `body`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(self.http.post(path, body)?)
    }

    /// What the node answers to an artefact; `parameters` begin with `?`, if there are some.
    pub(crate) fn publish(&self, artefact: &[u8], parameters: &str) -> Result<Value, Failure> {
        Ok(self.http.post_bytes(&format!("{}{parameters}", route::PUBLISH), artefact)?)
    }

    /// Gives the lines of JSON at `path` to `take`, until it breaks off.
    pub(crate) fn lines(&self, path: &str, take: impl FnMut(Value) -> ControlFlow<()>) -> Result<(), Failure> {
        Ok(self.http.get_lines(path, take)?)
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

/// The fields of a document in its envelope.
pub(crate) fn body<T: DeserializeOwned>(document: &Value) -> Result<T, Failure> {
    let envelope: Result<Envelope<T>, _> = serde_json::from_value(document.clone());
    envelope.map(|envelope| envelope.body).map_err(|error| {
        let text = format!("the node's answer is not understood: {error}");
        Problem::new("invalid-answer", text).hint("the command and the node may be of different versions").into()
    })
}
