//! The append-only log of signatures, and of what became of keys: one JSON line each, chained by SHA-256.
//!
//! A line is `{"hash":"<64 digits>","entry":{…,"prev":"<64 digits>"}}`: `hash` is the SHA-256 of the entry's bytes as
//! written, `prev` the hash of the line before (64 zeros in the first). Whoever keeps a [`LogSummary::head`] can tell
//! that everything before it is still there and unchanged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::intent::Intent;
use crate::names::{Fingerprint, KeyId, RevocationReason};
use crate::server::error::Error;

const HEAD: &str = "{\"hash\":\"";
const MIDDLE: &str = "\",\"entry\":";
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A log that was read through and found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSummary {
    /// How many entries it has.
    pub entries: u64,
    /// The hash of the last one; 64 zeros in an empty log.
    pub head: String,
}

/// A log that cannot be trusted or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read.
    #[error("read the log of signatures: {0}")]
    Io(#[from] std::io::Error),
    /// A line was changed, removed, inserted or cut.
    #[error("line {line} of {path}: {reason}")]
    Broken {
        /// The file.
        path: String,
        /// Counted from 1.
        line: u64,
        /// What does not fit.
        reason: &'static str,
    },
}

#[derive(Serialize)]
struct Entry<'a> {
    seq: u64,
    time: String,
    peer: &'a str,
    key: &'a KeyId,
    fingerprint: Fingerprint,
    #[serde(flatten)]
    what: &'a Event<'a>,
    prev: &'a str,
}

/// What a line tells.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Event<'a> {
    /// A signature, before it leaves.
    Signature {
        digest_sha256: &'a str,
        #[serde(flatten)]
        intent: &'a Intent,
    },
    /// A change of a key, before it is made.
    Act {
        requester: &'a str,
        #[serde(flatten)]
        act: Act<'a>,
    },
}

/// What becomes of a key.
#[derive(Serialize)]
#[serde(tag = "kind")]
pub(crate) enum Act<'a> {
    #[serde(rename = "key-created")]
    Created { user_id: &'a str },
    #[serde(rename = "key-rotated")]
    Rotated { after: Fingerprint },
    #[serde(rename = "key-extended")]
    Extended { expires: Option<i64> },
    #[serde(rename = "key-revoked")]
    Revoked {
        reason: RevocationReason,
        message: &'a str,
    },
}

#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
}

/// Reads a log from its start and checks every link.
pub fn verify_log(path: &Path) -> Result<LogSummary, LogError> {
    let (summary, _, torn) = read_through(path)?;
    if torn {
        return Err(broken(path, summary.entries + 1, "the line has no end"));
    }
    Ok(summary)
}

fn broken(path: &Path, line: u64, reason: &'static str) -> LogError {
    LogError::Broken {
        path: path.display().to_string(),
        line,
        reason,
    }
}

/// The log's state, the length of its whole lines in bytes, and whether an unfinished line follows them.
fn read_through(path: &Path) -> Result<(LogSummary, u64, bool), LogError> {
    let mut reader = BufReader::new(fs_err::File::open(path)?);
    let mut summary = LogSummary {
        entries: 0,
        head: START.to_owned(),
    };
    let mut length = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Ok((summary, length, read > 0));
        }
        let number = summary.entries + 1;
        let (hash, entry) = split(&line).ok_or_else(|| broken(path, number, "not an entry"))?;
        if hex::encode(Sha256::digest(entry)) != hash {
            return Err(broken(path, number, "the entry does not match its hash"));
        }
        let link: Link = serde_json::from_str(entry).map_err(|_| broken(path, number, "not an entry"))?;
        if link.prev != summary.head || link.seq != number {
            return Err(broken(path, number, "the entry does not follow the one before"));
        }
        summary = LogSummary {
            entries: number,
            head: hash.to_owned(),
        };
        length += read as u64;
    }
}

fn split(line: &[u8]) -> Option<(&str, &str)> {
    let rest = std::str::from_utf8(line).ok()?.strip_prefix(HEAD)?;
    let (hash, rest) = rest.split_at_checked(64)?;
    Some((hash, rest.strip_prefix(MIDDLE)?.strip_suffix('}')?))
}

pub(crate) struct Log {
    file: fs_err::File,
    length: u64,
    summary: LogSummary,
}

impl Log {
    /// Opens the log and verifies it. A last line without an end is what a crash leaves: its signature never left the
    /// process, so the line goes.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let open = Error::io("open the log of signatures");
        let file = fs_err::OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .open(path)
            .map_err(open)?;
        let (summary, length, torn) = read_through(path)?;
        if torn {
            tracing::warn!(
                entries = summary.entries,
                "the log of signatures ended in half a line: dropped"
            );
            file.set_len(length)
                .map_err(Error::io("cut the log of signatures"))?;
            file.sync_all().map_err(Error::io("cut the log of signatures"))?;
        }
        Ok(Self {
            file,
            length,
            summary,
        })
    }

    pub(crate) fn summary(&self) -> &LogSummary {
        &self.summary
    }

    /// Appends what one request does and returns when it is durable.
    pub(crate) fn append(
        &mut self,
        time: DateTime<Utc>,
        peer: &str,
        key: (&KeyId, Fingerprint),
        events: &[Event<'_>],
    ) -> Result<(), Error> {
        let mut summary = self.summary.clone();
        let mut lines = String::new();
        for what in events {
            let entry = serde_json::to_string(&Entry {
                seq: summary.entries + 1,
                time: time.to_rfc3339_opts(SecondsFormat::Millis, true),
                peer,
                key: key.0,
                fingerprint: key.1,
                what,
                prev: &summary.head,
            })
            .map_err(|error| Error::Io {
                operation: "write the log of signatures",
                source: error.into(),
            })?;
            let hash = hex::encode(Sha256::digest(&entry));
            lines.push_str(&format!("{HEAD}{hash}{MIDDLE}{entry}}}\n"));
            summary = LogSummary {
                entries: summary.entries + 1,
                head: hash,
            };
        }
        let written = self
            .file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // A full disk leaves half a line: take it back, so that the next entry starts a line of its own.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::error!(%error, "the log of signatures could not be cut back");
            }
            return Err(Error::Io {
                operation: "write the log of signatures",
                source,
            });
        }
        self.length += lines.len() as u64;
        self.summary = summary;
        Ok(())
    }
}
