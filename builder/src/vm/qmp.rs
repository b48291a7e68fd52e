//! QEMU's monitor.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Longest line that is read, and longest time for an answer.
const LINE: u64 = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A monitor connection that is ready for commands.
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Reads the greeting and leaves the negotiation.
    pub async fn open(stream: UnixStream) -> Result<Self> {
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        let greeting = qmp.line().await?;
        if greeting.get("QMP").is_none() {
            bail!("QEMU's monitor does not greet");
        }
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    async fn line(&mut self) -> Result<Value> {
        let mut line = Vec::new();
        let read = (&mut self.stream)
            .take(LINE)
            .read_until(b'\n', &mut line)
            .await
            .context("read from QEMU")?;
        if read == 0 {
            bail!("QEMU's monitor is gone");
        }
        serde_json::from_slice(&line).context("read QEMU's answer")
    }

    /// Executes a command and waits for its answer, passing over events.
    pub async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let answer = async {
            let mut line = json!({"execute": command, "arguments": arguments}).to_string();
            line.push('\n');
            self.stream
                .write_all(line.as_bytes())
                .await
                .context("write to QEMU")?;
            loop {
                let mut answer = self.line().await?;
                if let Some(error) = answer.get("error") {
                    bail!("QEMU refused {command}: {error}");
                }
                if let Some(value) = answer.get_mut("return") {
                    return Ok(value.take());
                }
            }
        };
        tokio::time::timeout(TIMEOUT, answer)
            .await
            .with_context(|| format!("QEMU does not answer to {command}"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_passed_over_and_errors_are_errors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let script = tokio::spawn(async move {
            let mut theirs = BufReader::new(theirs);
            theirs.write_all(b"{\"QMP\": {}}\n").await.unwrap();
            let mut lines = Vec::new();
            for answer in [
                "{\"return\": {}}",
                "{\"event\": \"X\"}\n{\"return\": 7}",
                "{\"error\": {\"desc\": \"no\"}}",
            ] {
                let mut line = String::new();
                theirs.read_line(&mut line).await.unwrap();
                lines.push(line);
                theirs.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
            lines
        });
        let mut qmp = Qmp::open(ours).await.unwrap();
        assert_eq!(qmp.execute("a", json!({})).await.unwrap(), 7);
        assert!(
            qmp.execute("b", json!({}))
                .await
                .unwrap_err()
                .to_string()
                .contains("no")
        );
        assert!(script.await.unwrap()[0].contains("qmp_capabilities"));
        assert!(qmp.execute("c", json!({})).await.is_err());
    }
}
