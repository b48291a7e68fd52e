//! Running commands from the agent.

use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::channel::Channel;
use crate::launch::{self, Jail};
use crate::root::HOME;

/// Bytes of output that are kept of a command whose output is not the log, and of the log's end.
const CAPTURE: usize = 4 << 20;
const TAIL: usize = 32 << 10;

/// How a streamed command ended.
pub struct Streamed {
    /// Exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// The last 32 KiB of what it wrote.
    pub tail: String,
}

/// How a captured command ended.
pub struct Captured {
    /// Exit code, as in [`Streamed`].
    pub code: i32,
    /// Standard output, at most 4 MiB.
    pub stdout: String,
    /// Standard error, at most 4 MiB.
    pub stderr: String,
}

fn prepare<S: AsRef<str>>(jail: Jail, argv: &[S]) -> Result<Command> {
    let (program, arguments) = argv.split_first().context("empty command")?;
    let mut command = launch::command(jail, program.as_ref());
    command.args(arguments.iter().map(AsRef::as_ref));
    let (home, user) = match jail {
        Jail::Root => ("/root", "root"),
        Jail::User | Jail::UserWithNetwork => (HOME, "mockbuild"),
    };
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        )
        .env("HOME", home)
        .env("USER", user)
        .env("LOGNAME", user)
        .env("SHELL", "/bin/bash")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .current_dir(if jail == Jail::Root { "/" } else { HOME })
        .stdin(Stdio::null());
    if jail == Jail::UserWithNetwork {
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(name, "http://10.0.2.100:80");
        }
    }
    Ok(command)
}

/// Runs a command and sends its output as log.
pub fn stream<S: AsRef<str>>(channel: &Channel, jail: Jail, argv: &[S]) -> Result<Streamed> {
    let name = argv.first().map(AsRef::as_ref).unwrap_or_default().to_owned();
    let (mut reader, writer) = std::io::pipe().context("make a pipe")?;
    let mut command = prepare(jail, argv)?;
    command
        .stdout(writer.try_clone().context("share a pipe")?)
        .stderr(writer);
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    // The command holds the pipe's write end; while it does, reading would never end.
    drop(command);
    let mut tail = Vec::new();
    let mut buffer = vec![0; 32 << 10];
    loop {
        let read = reader
            .read(&mut buffer)
            .with_context(|| format!("read the output of {name}"))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        channel.log(bytes)?;
        tail.extend_from_slice(bytes);
        if tail.len() > 2 * TAIL {
            tail.drain(..tail.len() - TAIL);
        }
    }
    let status = child.wait().with_context(|| format!("wait for {name}"))?;
    Ok(Streamed {
        code: status.code().unwrap_or(-1),
        tail: String::from_utf8_lossy(&tail).into_owned(),
    })
}

fn read_some(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 32 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let room = CAPTURE.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Runs a command and keeps its output.
pub fn capture<S: AsRef<str>>(jail: Jail, argv: &[S]) -> Result<Captured> {
    let name = argv.first().map(AsRef::as_ref).unwrap_or_default().to_owned();
    let mut command = prepare(jail, argv)?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    let errors = child.stderr.take().context("standard error is not piped")?;
    let errors = std::thread::spawn(move || read_some(errors));
    let stdout = read_some(child.stdout.take().context("standard output is not piped")?);
    let status = child.wait().with_context(|| format!("wait for {name}"))?;
    Ok(Captured {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr: errors.join().unwrap_or_default(),
    })
}

/// A command's complaint, short enough for a verdict: its error lines without repetitions, or else its last lines.
pub fn complaint(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let errors = text.lines().any(|line| line.starts_with("error:"));
    for line in text.lines().map(str::trim) {
        let wanted = if errors {
            line.strip_prefix("error:")
        } else {
            Some(line)
        };
        if let Some(line) = wanted.map(str::trim)
            && !line.is_empty()
            && !lines.contains(&line)
        {
            lines.push(line);
        }
    }
    let start = lines.len().saturating_sub(12);
    let text = lines.get(start..).unwrap_or_default().join("; ");
    text.chars().take(1_500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_the_error_lines_once() {
        assert_eq!(complaint("rpm: note\nerror: a\nerror: b\nerror: a\n"), "a; b");
        assert_eq!(complaint("one\n\n two \n"), "one; two");
        assert_eq!(complaint(""), "");
    }
}
