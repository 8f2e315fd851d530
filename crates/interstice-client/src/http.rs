//! One question at a time, in JSON over HTTP. Blocks until the answer is there.

use interstice_protocol::http::AS_HEADER;
use interstice_types::problem::Problem;
use serde_json::Value as Json;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read at most.
const MAX_ANSWER_SIZE: u64 = 1 << 30;

/// A node, asked over HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    url: String,
    act_as: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers there.
    #[error("no node answers at {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The node said no.
    #[error("{problem}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        problem: Problem,
    },
}

impl Http {
    /// The node at `url`, as in `http://127.0.0.1:7070`, asked under the local development identity `act_as`.
    pub fn new(url: &str, act_as: Option<&str>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("interstice/", env!("CARGO_PKG_VERSION")))
            .build();
        let (agent, url) = (config.into(), url.trim_end_matches('/').to_owned());
        Self { agent, url, act_as: act_as.map(str::to_owned) }
    }

    /// The document at `path`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get(&self, path: &str) -> Result<Json, HttpError> {
        self.document(&self.get_text(path)?)
    }

    /// The documents at `path`, one on each line.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get_lines(&self, path: &str) -> Result<Vec<Json>, HttpError> {
        self.get_text(path)?.lines().map(|line| self.document(line)).collect()
    }

    /// What the node answers to `body`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn post(&self, path: &str, body: &Json) -> Result<Json, HttpError> {
        self.send(path, "application/json", body.to_string().as_bytes())
    }

    /// What the node answers to bytes.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn post_bytes(&self, path: &str, body: &[u8]) -> Result<Json, HttpError> {
        self.send(path, "application/octet-stream", body)
    }

    /// The bytes at `path`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get_bytes(&self, path: &str) -> Result<Vec<u8>, HttpError> {
        let mut answer = self.ask(path).map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            return self.text(Ok(answer)).map(String::into_bytes);
        }
        let read = answer.body_mut().with_config().limit(MAX_ANSWER_SIZE).read_to_vec();
        read.map_err(|error| self.unreachable(&error))
    }

    fn get_text(&self, path: &str) -> Result<String, HttpError> {
        self.text(self.ask(path))
    }

    fn ask(&self, path: &str) -> Result<Response<ureq::Body>, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(name) = &self.act_as {
            request = request.header(AS_HEADER, name);
        }
        request.call()
    }

    fn send(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Json, HttpError> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).content_type(content_type);
        if let Some(name) = &self.act_as {
            request = request.header(AS_HEADER, name);
        }
        let text = self.text(request.send(body))?;
        self.document(&text)
    }

    fn text(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<String, HttpError> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let read = answer.body_mut().with_config().limit(MAX_ANSWER_SIZE).read_to_string();
        let text = read.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(text);
        }
        let problem = Problem::from_json(text.as_bytes()).unwrap_or_else(|_| {
            let first = text.lines().next().unwrap_or_default();
            Problem::new("not-a-node", format!("{} answers {status}: {first}", self.url))
        });
        Err(HttpError::Refused { status: status.as_u16(), problem })
    }

    fn document(&self, text: &str) -> Result<Json, HttpError> {
        serde_json::from_str(text).map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> HttpError {
        HttpError::Unreachable { url: self.url.clone(), reason: error.to_string() }
    }
}
