//! A hub in memory: one task at a time, everything that the builder says is kept.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use protocol::builder_api::{FinishRequest, Phase, Task};
use serde_json::{Value, json};

/// What the hub has heard, and how it answers.
#[derive(Default)]
pub struct State {
    /// Tasks to hand out.
    pub tasks: VecDeque<Task>,
    /// Files that it serves by path, and those that were put.
    pub files: BTreeMap<String, Bytes>,
    /// The log.
    pub log: Vec<u8>,
    /// Phases of the heartbeats, with their times.
    pub beats: Vec<(Instant, Phase)>,
    /// The last word.
    pub finished: Option<FinishRequest>,
    /// The reason of a refusal.
    pub refused: Option<String>,
    /// Calls by name.
    pub calls: BTreeMap<String, usize>,
    /// Answers heartbeats with `cancel`.
    pub cancel: bool,
    /// Answers every fenced call with 410.
    pub gone: bool,
    /// Answers this many fenced calls with 503 first.
    pub unavailable: usize,
    /// Prints the log as it arrives.
    pub echo: bool,
}

/// The running hub.
#[derive(Clone)]
pub struct TestHub {
    /// What it knows.
    pub state: Arc<Mutex<State>>,
    /// Where it listens.
    pub url: String,
}

type Answer = Response<Full<Bytes>>;

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::new(body.into()))
        .unwrap()
}

fn as_json(value: &impl serde::Serialize) -> Answer {
    answer(200, serde_json::to_vec(value).unwrap())
}

impl TestHub {
    /// Starts it on a free port of the loopback interface.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub = Self {
            state: Arc::default(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let serving = hub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let hub = serving.clone();
                let service = hyper::service::service_fn(move |request| {
                    let hub = hub.clone();
                    async move { Ok::<_, Infallible>(hub.request(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        hub
    }

    async fn request(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let put = request.method() == "PUT";
        let authorised = request
            .headers()
            .get("authorization")
            .is_some_and(|value| value == "Bearer secret");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        if put {
            self.state.lock().unwrap().files.insert(path, body);
            return answer(200, "");
        }
        if !path.starts_with("/v1/") {
            let file = self.state.lock().unwrap().files.get(&path).cloned();
            return file.map_or_else(|| answer(404, ""), |body| answer(200, body));
        }
        if !authorised {
            return answer(401, r#"{"error":"wrong token"}"#);
        }
        if path == "/v1/claim" {
            return self.claim().await;
        }
        self.fenced(path.rsplit('/').next().unwrap(), &query, &body)
    }

    async fn claim(&self) -> Answer {
        for _ in 0..50 {
            if let Some(task) = self.state.lock().unwrap().tasks.pop_front() {
                return as_json(&task);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        answer(204, "")
    }

    fn fenced(&self, call: &str, query: &str, body: &Bytes) -> Answer {
        let mut state = self.state.lock().unwrap();
        *state.calls.entry(call.to_owned()).or_default() += 1;
        if state.gone {
            return answer(410, r#"{"error":"not yours"}"#);
        }
        if state.unavailable > 0 {
            state.unavailable -= 1;
            return answer(503, "");
        }
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        match call {
            "heartbeat" => {
                let phase = serde_json::from_value(value["phase"].clone()).unwrap();
                state.beats.push((Instant::now(), phase));
                as_json(&json!({"cancel": state.cancel}))
            }
            "log" => {
                let offset: usize = query.strip_prefix("offset=").unwrap().parse().unwrap();
                if offset != state.log.len() {
                    return answer(409, json!({"offset": state.log.len()}).to_string());
                }
                if state.echo {
                    print!("{}", String::from_utf8_lossy(body));
                }
                state.log.extend_from_slice(body);
                answer(204, "")
            }
            "uploads" => {
                let urls: Vec<String> = value["files"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|file| format!("{}/put/{}", self.url, file["name"].as_str().unwrap()))
                    .collect();
                as_json(&json!({"urls": urls}))
            }
            "finish" => {
                state.finished = Some(serde_json::from_slice(body).unwrap());
                answer(204, "")
            }
            "refuse" => {
                state.refused = Some(value["reason"].as_str().unwrap().to_owned());
                answer(204, "")
            }
            _ => answer(404, ""),
        }
    }

    /// Waits until the state satisfies a condition.
    pub async fn wait<T>(&self, limit: Duration, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look(&self.state.lock().unwrap()) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "the hub's state is not reached within {limit:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
