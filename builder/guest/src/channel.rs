//! The agent's end of the virtio-serial port.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use protocol::guest::{DATA, FromGuest, JSON, LOG, MAX_FRAME, PORT_NAME, ToGuest};

/// Frames over the port; writers on several threads do not mix theirs.
pub struct Channel {
    port: File,
    writing: Mutex<()>,
}

impl Channel {
    /// Opens the port named [`PORT_NAME`], which appears a moment after its driver was loaded.
    pub fn open() -> Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(device) = find_port()? {
                let port = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(&device)
                    .with_context(|| format!("open {device}"))?;
                return Ok(Self {
                    port,
                    writing: Mutex::new(()),
                });
            }
            if Instant::now() > deadline {
                bail!("the VM has no serial port named '{PORT_NAME}'");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn frame(&self, kind: u8, body: &[u8]) -> Result<()> {
        let length = u32::try_from(body.len() + 1).context("frame too long")?;
        let mut frame = Vec::with_capacity(body.len() + 5);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.push(kind);
        frame.extend_from_slice(body);
        let _writing = self
            .writing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        (&self.port).write_all(&frame).context("write to the host")
    }

    /// Sends a message.
    pub fn send(&self, message: &FromGuest) -> Result<()> {
        self.frame(
            JSON,
            &serde_json::to_vec(message).context("write a message as JSON")?,
        )
    }

    /// Sends bytes of the log.
    pub fn log(&self, bytes: &[u8]) -> Result<()> {
        bytes
            .chunks(MAX_FRAME / 2)
            .try_for_each(|chunk| self.frame(LOG, chunk))
    }

    /// Sends a line of the log that comes from the agent itself.
    pub fn say(&self, text: &str) -> Result<()> {
        self.log(format!("koper: {text}\n").as_bytes())
    }

    /// Sends bytes of the artefact that was announced last.
    pub fn data(&self, bytes: &[u8]) -> Result<()> {
        self.frame(DATA, bytes)
    }

    /// Waits for the host's next message.
    pub fn receive(&self) -> Result<ToGuest> {
        let mut head = [0; 5];
        (&self.port).read_exact(&mut head).context("read from the host")?;
        let [a, b, c, d, kind] = head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length == 0 || length > MAX_FRAME || kind != JSON {
            bail!("the host sent a frame of type {kind} and length {length}");
        }
        let mut body = vec![0; length - 1];
        (&self.port).read_exact(&mut body).context("read from the host")?;
        serde_json::from_slice(&body).context("read the host's message")
    }
}

fn find_port() -> Result<Option<String>> {
    let ports = match fs::read_dir("/sys/class/virtio-ports") {
        Ok(ports) => ports,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("list /sys/class/virtio-ports"),
    };
    for entry in ports {
        let entry = entry.context("list /sys/class/virtio-ports")?;
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        let device = format!("/dev/{}", entry.file_name().to_string_lossy());
        if name.trim() == PORT_NAME && fs::metadata(&device).is_ok() {
            return Ok(Some(device));
        }
    }
    Ok(None)
}
