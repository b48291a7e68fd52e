//! The guest's only way out: a reverse proxy for the task's repositories.
//!
//! The guest names a repository by its number and a path below it, nothing else. Only a build whose project enables
//! the network gets a forward proxy as well, and that one reaches public addresses only.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use url::Url;

use crate::address::{Guard, resolve_public, shown};

/// Connections of one guest at a time.
const CONNECTIONS: usize = 64;
/// How the guest reaches it.
pub const GUEST_URL: &str = "http://10.0.2.100";

type Body = UnsyncBoxBody<Bytes, reqwest::Error>;

/// One repository as the proxy reaches it.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its base, with a slash at the end.
    pub base: Url,
    /// What redirects may lead to.
    pub guard: Guard,
    /// The client that keeps to the guard.
    pub client: reqwest::Client,
}

/// The proxy of one task.
#[derive(Debug)]
pub struct Proxy {
    /// The repositories by number.
    pub upstreams: Vec<Upstream>,
    /// Lets the guest name public destinations.
    pub forward: Option<Forward>,
}

/// What the forward proxy may reach.
#[derive(Debug, Clone)]
pub struct Forward {
    /// What destinations are let through.
    pub guard: Guard,
    /// The client for plain requests.
    pub client: reqwest::Client,
}

/// The repository's number and the path below it, of `/r/<number>/<path>`. Paths that a server might read as leading
/// out of the repository are none.
pub fn parse_path(path: &str) -> Option<(usize, &str)> {
    let rest = path.strip_prefix("/r/")?;
    let (number, rest) = rest.split_once('/')?;
    if number.is_empty() || number.len() > 4 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(rest).decode_utf8().ok()?;
    let clean = decoded.split('/').all(|part| !matches!(part, "." | ".."))
        && !decoded.contains(['\\', '\0', '\n', '\r', '%', '?', '#']);
    // An encoded slash would be a separator to some servers and none to this check's caller.
    let plain = !rest.to_ascii_lowercase().contains("%2f");
    (clean && plain).then_some((number.parse().ok()?, rest))
}

fn answer(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{text}\n")))
        .map_err(|never: Infallible| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

impl Proxy {
    /// Serves connections until it is dropped.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let proxy = Arc::clone(&self);
                    connections.spawn(async move {
                        proxy.connection(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a guest's connection cannot be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn connection(self: Arc<Self>, stream: UnixStream) {
        let service = hyper::service::service_fn(move |request| {
            let proxy = Arc::clone(&self);
            async move { Ok::<_, Infallible>(proxy.request(request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a guest's connection ended");
        }
    }

    async fn request(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::CONNECT || request.uri().authority().is_some() {
            return match &self.forward {
                Some(forward) => forward.request(request).await,
                None => answer(StatusCode::FORBIDDEN, "this build has no network"),
            };
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        }
        let Some((number, path)) = parse_path(request.uri().path()) else {
            return answer(
                StatusCode::FORBIDDEN,
                "the path names no repository of this build",
            );
        };
        let Some(upstream) = self.upstreams.get(number) else {
            return answer(
                StatusCode::NOT_FOUND,
                "the build has no repository of this number",
            );
        };
        let mut url = upstream.base.clone();
        url.set_path(&format!("{}{path}", upstream.base.path()));
        pass(&upstream.client, &upstream.guard, request, url).await
    }
}

/// Headers that mean the same on both sides.
const ASKED: [&str; 5] = [
    "range",
    "if-range",
    "if-modified-since",
    "if-none-match",
    "accept",
];
const ANSWERED: [&str; 7] = [
    "content-length",
    "content-range",
    "content-type",
    "accept-ranges",
    "last-modified",
    "etag",
    "date",
];

async fn pass(
    client: &reqwest::Client,
    guard: &Guard,
    request: Request<Incoming>,
    url: Url,
) -> Response<Body> {
    if let Err(reason) = guard.check(&url) {
        return answer(StatusCode::FORBIDDEN, &reason);
    }
    let mut upstream = client.request(request.method().clone(), url.clone());
    for name in ASKED {
        if let Some(value) = request.headers().get(name) {
            upstream = upstream.header(name, value);
        }
    }
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    if !bodiless {
        if let Some(kind) = request.headers().get("content-type") {
            upstream = upstream.header("content-type", kind);
        }
        upstream = upstream.body(reqwest::Body::wrap(request.into_body()));
    }
    match upstream.send().await {
        Ok(response) => {
            let mut out = Response::builder().status(response.status());
            for name in ANSWERED {
                if let Some(value) = response.headers().get(name) {
                    out = out.header(name, value);
                }
            }
            let body = StreamBody::new(response.bytes_stream().map_ok(Frame::data));
            out.body(body.boxed_unsync())
                .unwrap_or_else(|error| answer(StatusCode::BAD_GATEWAY, &error.to_string()))
        }
        Err(error) => {
            tracing::warn!(url = %shown(&url), %error, "a repository cannot be reached");
            answer(StatusCode::BAD_GATEWAY, "the repository cannot be reached")
        }
    }
}

impl Forward {
    async fn request(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return self.connect(request).await;
        }
        match request.uri().to_string().parse::<Url>() {
            Ok(url) => pass(&self.client, &self.guard, request, url).await,
            Err(error) => answer(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    async fn connect(&self, request: Request<Incoming>) -> Response<Body> {
        let Some((host, port)) = request
            .uri()
            .authority()
            .and_then(|a| Some((a.host().to_owned(), a.port_u16()?)))
        else {
            return answer(StatusCode::BAD_REQUEST, "CONNECT takes host:port");
        };
        let addresses = match resolve_public(&host, port, self.guard.private).await {
            Ok(addresses) if !addresses.is_empty() => addresses,
            _ => return answer(StatusCode::FORBIDDEN, "the host has no public address"),
        };
        let Ok(mut target) = TcpStream::connect(addresses.as_slice()).await else {
            return answer(StatusCode::BAD_GATEWAY, "the host cannot be reached");
        };
        tokio::spawn(async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                // Either side's end is the end.
                let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut target).await;
            }
        });
        answer(StatusCode::OK, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn paths_stay_inside_their_repository() {
        assert_eq!(
            parse_path("/r/0/repodata/repomd.xml"),
            Some((0, "repodata/repomd.xml"))
        );
        assert_eq!(parse_path("/r/12/a%2Bb.rpm"), Some((12, "a%2Bb.rpm")));
        assert_eq!(parse_path("/r/0/"), Some((0, "")));
        for bad in [
            "/",
            "/r/",
            "/r/0",
            "/r//x",
            "/r/-1/x",
            "/r/x/y",
            "/r/99999/x",
            "/r/0/../x",
            "/r/0/a/../../x",
            "/r/0/%2e%2e/x",
            "/r/0/%2E%2E%2Fx",
            "/r/0/a%2f..%2fx",
            "/r/0/..%5cx",
            "/r/0/a\\x",
            "/r/0/%00",
            "/r/0/%252e%252e/",
            "/r/0/a%0ax",
            "/r/0/./x",
            "/R/0/x",
            "//r/0/x",
            "/r/0/%3fq",
            "/r/0/%ff",
        ] {
            assert_eq!(parse_path(bad), None, "{bad}");
        }
    }

    async fn upstream() -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/repo/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                    let text = format!("{} {}", request.method(), request.uri());
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        url.parse().unwrap()
    }

    async fn ask(proxy: &Arc<Proxy>, text: &str) -> String {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        tokio::spawn(Arc::clone(proxy).connection(theirs));
        ours.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn only_the_tasks_repositories_are_reached() {
        let guard = Guard {
            private: true,
            ..Guard::default()
        };
        let client = guard.client().unwrap();
        let base = upstream().await;
        let proxy = Arc::new(Proxy {
            upstreams: vec![Upstream {
                base: base.clone(),
                guard,
                client,
            }],
            forward: None,
        });
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let good = ask(&proxy, &get("/r/0/a/b.rpm?q=1")).await;
        assert!(
            good.starts_with("HTTP/1.1 200") && good.ends_with("GET /repo/a/b.rpm"),
            "{good}"
        );
        assert!(ask(&proxy, &get("/r/1/a")).await.starts_with("HTTP/1.1 404"));
        assert!(ask(&proxy, &get("/r/0/../a")).await.starts_with("HTTP/1.1 403"));
        assert!(
            ask(&proxy, &get(&format!("{base}a")))
                .await
                .starts_with("HTTP/1.1 403")
        );
        let connect = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert!(ask(&proxy, connect).await.starts_with("HTTP/1.1 403"));
        let put = "PUT /r/0/a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert!(ask(&proxy, put).await.starts_with("HTTP/1.1 405"));
    }

    #[tokio::test]
    async fn the_forward_proxy_refuses_private_destinations() {
        let guard = Guard::default();
        let client = guard.client().unwrap();
        let proxy = Arc::new(Proxy {
            upstreams: Vec::new(),
            forward: Some(Forward { guard, client }),
        });
        for request in [
            "CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "CONNECT localhost:22 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "GET http://127.0.0.1/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        ] {
            let answer = ask(&proxy, request).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        }
    }
}
