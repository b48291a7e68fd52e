//! A way to the object store on which things happen: errors, delays, and connections that end after the store has done
//! what it was asked, before it could say so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the weather is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forecast {
    /// Of a hundred requests, how many are answered 503 and never reach the store.
    pub refused: u32,
    /// How many that write lose their connection when the store answers.
    pub lost: u32,
    /// How many are held up for [`DELAY`].
    pub slow: u32,
}

const DELAY: Duration = Duration::from_millis(400);
const REFUSAL: &str =
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// What happened so far.
#[derive(Default)]
pub struct Weather {
    forecast: Mutex<Forecast>,
    pub refused: AtomicU64,
    pub lost: AtomicU64,
    pub slow: AtomicU64,
}

enum Fate {
    Passes,
    Refused,
    /// The answer of the store gets lost.
    Lost,
    Slow,
}

impl Weather {
    pub fn turn(&self, forecast: Forecast) {
        *self.forecast.lock().unwrap() = forecast;
    }

    fn fate(&self, writes: bool, dice: &mut StdRng) -> Fate {
        let forecast = *self.forecast.lock().unwrap();
        let number = dice.random_range(0..100);
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if number < forecast.refused {
            count(&self.refused);
            Fate::Refused
        } else if number < forecast.refused + forecast.lost && writes {
            count(&self.lost);
            Fate::Lost
        } else if number >= 100 - forecast.slow {
            count(&self.slow);
            Fate::Slow
        } else {
            Fate::Passes
        }
    }

    /// Stands between clients and the store; the address to use in its place.
    pub async fn stand_before(self: &Arc<Self>, store: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::clone(self);
        tokio::spawn(async move {
            let mut seed = 7;
            while let Ok((client, _)) = listener.accept().await {
                seed += 1;
                let weather = Arc::clone(&weather);
                // Whatever ends a connection is one more kind of weather.
                tokio::spawn(async move { weather.serve(client, store, StdRng::seed_from_u64(seed)).await });
            }
        });
        address
    }

    async fn serve(&self, client: TcpStream, store: SocketAddr, mut dice: StdRng) -> std::io::Result<()> {
        let (mut from_client, to_client) = client.into_split();
        let (mut from_store, mut to_store) = TcpStream::connect(store).await?.into_split();
        let to_client = Arc::new(tokio::sync::Mutex::new(to_client));
        let lose = Arc::new(AtomicBool::new(false));
        let (answers, losing) = (Arc::clone(&to_client), Arc::clone(&lose));
        let back = tokio::spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = from_store.read(&mut buffer).await?;
                let mut client = answers.lock().await;
                if read == 0 || losing.load(Ordering::SeqCst) {
                    return client.shutdown().await;
                }
                client.write_all(&buffer[..read]).await?;
            }
        });
        let mut pending = Vec::new();
        while let Some((head, length)) = head(&mut from_client, &mut pending).await? {
            let writes = head.starts_with(b"PUT") || head.starts_with(b"POST") || head.starts_with(b"DELETE");
            match self.fate(writes, &mut dice) {
                Fate::Refused => {
                    let mut client = to_client.lock().await;
                    let length = REFUSAL.len();
                    let head = format!(
                        "HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    client.write_all((head + REFUSAL).as_bytes()).await?;
                    client.shutdown().await?;
                    back.abort();
                    return Ok(());
                }
                Fate::Lost => lose.store(true, Ordering::SeqCst),
                Fate::Slow => tokio::time::sleep(DELAY).await,
                Fate::Passes => {}
            }
            to_store.write_all(&head).await?;
            pass(&mut from_client, &mut to_store, &mut pending, length).await?;
        }
        to_store.shutdown().await?;
        // The end of the other direction.
        let _ = back.await;
        Ok(())
    }
}

/// The next request's head and the length of its body; `None` at the end. What was read of the body is left in `pending`.
async fn head(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    pending: &mut Vec<u8>,
) -> std::io::Result<Option<(Vec<u8>, usize)>> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if let Some(end) = pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = pending.split_off(end + 4);
            let head = std::mem::replace(pending, rest);
            let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
            assert!(!text.contains("transfer-encoding"), "bodies have a length");
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            return Ok(Some((head, length)));
        }
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        pending.extend_from_slice(&buffer[..read]);
    }
}

/// Passes a body on.
async fn pass(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    pending: &mut Vec<u8>,
    mut length: usize,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    while length > 0 {
        if pending.is_empty() {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            pending.extend_from_slice(&buffer[..read]);
        }
        let rest = pending.split_off(pending.len().min(length));
        to.write_all(pending).await?;
        length -= pending.len();
        *pending = rest;
    }
    Ok(())
}
