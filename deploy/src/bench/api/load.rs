//! A load generator that costs little, because it shares the machine with what it measures: one thread, connections that
//! stay open, and requests written by hand.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How to ask.
pub(super) struct Load {
    /// Connections that ask at the same time, each again as soon as it has its answer.
    pub connections: usize,
    /// How long; the first second does not count.
    pub seconds: u64,
}

/// What came of it.
pub(super) struct Measured {
    /// Answers per second.
    pub per_second: f64,
    /// Bytes of an answer's body.
    pub bytes: usize,
    /// Milliseconds of each answer, ascending.
    times: Vec<f64>,
}

impl Measured {
    /// A percentile of the times, in milliseconds.
    pub fn percentile(&self, n: usize) -> f64 {
        let at = (self.times.len() * n / 100).min(self.times.len().saturating_sub(1));
        let ms = self.times.get(at).copied().unwrap_or(f64::NAN);
        (ms * 100.0).round() / 100.0
    }
}

/// An open connection.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: koper-bench\r\nAccept: */*\r\n\r\n"
        );
        Ok(Self {
            stream,
            request: request.into_bytes(),
            answer: vec![0; 64 << 10],
        })
    }

    /// Asks once; the number of bytes of the body.
    async fn ask(&mut self) -> anyhow::Result<usize> {
        self.stream.write_all(&self.request).await?;
        let mut have = 0;
        let head = loop {
            have += self.read_to(have).await?;
            if let Some(head) = self.answer.windows(4).take(have).position(|w| w == b"\r\n\r\n") {
                break head + 4;
            }
        };
        let text = std::str::from_utf8(&self.answer[..head]).context("the answer's head")?;
        if !text.starts_with("HTTP/1.1 200 ") {
            bail!("the answer is {}", text.lines().next().unwrap_or_default());
        }
        let length: usize = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .context("the answer has no length")?
            .1
            .parse()?;
        while have < head + length {
            // What the body holds is not looked at: it is read over itself.
            let left = head + length - have;
            let part = left.min(self.answer.len() - head);
            have += match self.stream.read(&mut self.answer[head..head + part]).await? {
                0 => bail!("the answer ends too early"),
                n => n,
            };
        }
        Ok(length)
    }

    async fn read_to(&mut self, have: usize) -> anyhow::Result<usize> {
        match self.stream.read(&mut self.answer[have..]).await? {
            0 => bail!("the connection was closed"),
            n => Ok(n),
        }
    }
}

impl Load {
    /// Asks for one address.
    pub async fn run(&self, address: SocketAddr, path: &str) -> anyhow::Result<Measured> {
        let begin = Instant::now() + Duration::from_secs(1);
        let end = begin + Duration::from_secs(self.seconds);
        let asking = (0..self.connections).map(|_| async move {
            let mut client = Client::connect(address, path).await?;
            let mut times = Vec::with_capacity(100_000);
            let mut bytes = 0;
            loop {
                let start = Instant::now();
                if start >= end {
                    return anyhow::Ok((times, bytes));
                }
                bytes = client.ask().await?;
                if start >= begin {
                    times.push(super::super::ms(start));
                }
            }
        });
        // On one task: what measures is not to take both cores.
        let mut times = Vec::new();
        let mut bytes = 0;
        for (some, size) in futures_util::future::try_join_all(asking).await? {
            times.extend(some);
            bytes = size;
        }
        times.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let per_second = times.len() as f64 / self.seconds as f64;
        Ok(Measured {
            per_second,
            bytes,
            times,
        })
    }
}
