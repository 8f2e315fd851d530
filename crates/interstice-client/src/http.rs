//! One question at a time, in JSON over HTTP. Blocks until the answer is there.

use interstice_protocol::http::{AS_HEADER, Envelope, Failed, Shape, status_of};
use interstice_types::problem::Problem;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::time::Duration;
use ureq::http::Response;
use ureq::typestate::WithoutBody;
use ureq::{Agent, RequestBuilder};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long bytes may take that are asked for by size.
const PIECE_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes of a line that are read at most: a transaction of the largest size, told.
const MAX_LINE_SIZE: u64 = 512 << 20;
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
        self.document(&self.text(self.request(path).call())?)
    }

    /// Gives the documents at `path`, one on each line, to `take` as they come, until it breaks off.
    ///
    /// # Errors
    /// [`HttpError`], also if the last line says so.
    pub fn get_lines(&self, path: &str, mut take: impl FnMut(Json) -> ControlFlow<()>) -> Result<(), HttpError> {
        let answer = self.answer(self.request(path).call())?;
        let lines = answer.into_body().into_with_config().limit(u64::MAX).reader();
        let mut lines = BufReader::new(lines);
        loop {
            let mut line = String::new();
            let read = lines.by_ref().take(MAX_LINE_SIZE).read_line(&mut line);
            if read.map_err(|error| self.unreachable(&error))? == 0 {
                return Ok(());
            }
            let document = self.document(&line)?;
            if document.get("schema").is_some_and(|name| name == Failed::NAME) {
                let failed: Result<Envelope<Failed>, _> = serde_json::from_value(document);
                let problem = failed.map_err(|error| self.unreachable(&error))?.body.error;
                return Err(HttpError::Refused { status: status_of(&problem), problem });
            }
            if take(document).is_break() {
                return Ok(());
            }
        }
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

    /// The bytes at `path`, `limit` at most.
    ///
    /// # Errors
    /// [`HttpError`], also if they take longer than a minute.
    pub fn get_bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, HttpError> {
        let request = self.request(path).config().timeout_global(Some(PIECE_TIMEOUT)).build();
        let mut answer = self.answer(request.call())?;
        let read = answer.body_mut().with_config().limit(limit).read_to_vec();
        read.map_err(|error| self.unreachable(&error))
    }

    fn request(&self, path: &str) -> RequestBuilder<WithoutBody> {
        self.named(self.agent.get(format!("{}{path}", self.url)))
    }

    fn send(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Json, HttpError> {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type(content_type);
        let text = self.text(self.named(request).send(body))?;
        self.document(&text)
    }

    fn named<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        match &self.act_as {
            Some(name) => request.header(AS_HEADER, name),
            None => request,
        }
    }

    fn text(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<String, HttpError> {
        self.read(&mut self.answer(answer)?)
    }

    fn read(&self, answer: &mut Response<ureq::Body>) -> Result<String, HttpError> {
        let read = answer.body_mut().with_config().limit(MAX_ANSWER_SIZE).read_to_string();
        read.map_err(|error| self.unreachable(&error))
    }

    /// An answer that is not a refusal.
    fn answer(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Response<ureq::Body>, HttpError> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = self.read(&mut answer)?;
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
