//! The VM's serial console, of which the end is kept for diagnosis.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// Bytes that are kept.
const KEPT: usize = 64 << 10;

/// The end of what the console printed.
#[derive(Debug, Clone, Default)]
pub struct Console(Arc<Mutex<Vec<u8>>>);

impl Console {
    /// Reads the console until it ends.
    pub fn read(mut stream: UnixStream) -> Self {
        let console = Self::default();
        let kept = console.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                kept.push(buffer.get(..read).unwrap_or_default());
            }
        });
        console
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        if kept.len() > 2 * KEPT {
            let old = kept.len() - KEPT;
            kept.drain(..old);
        }
    }

    /// The last lines, without control characters.
    pub fn tail(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                line.chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect::<String>()
            })
            .filter(|line: &String| !line.trim().is_empty())
            .collect();
        let start = lines.len().saturating_sub(8);
        lines.get(start..).unwrap_or_default().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let console = Console::default();
        for _ in 0..1000 {
            console.push(&[b'x'; 1024]);
        }
        console.push(b"\nKernel panic\x1b[0m\r\n");
        assert!(console.tail().ends_with("Kernel panic[0m"));
        assert!(console.0.lock().unwrap().len() <= 2 * KEPT);
    }
}
