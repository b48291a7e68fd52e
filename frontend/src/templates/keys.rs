//! Context of the page with a project's keys.

use serde::Serialize;

use super::context::{Field, ProjectHead};

/// The end of a key.
#[derive(Debug, Clone, Serialize)]
pub struct RevokedLine {
    /// Its day.
    pub on: String,
    /// `compromised`, `superseded` or `retired`.
    pub reason: String,
    /// What happened.
    pub message: String,
}

/// A key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyLine {
    /// 40 hexadecimal digits.
    pub fingerprint: String,
    /// What kind of key it is.
    pub algorithm: String,
    /// It signs.
    pub active: bool,
    /// The day it was made.
    pub created: Option<String>,
    /// Its last day.
    pub expires: Option<String>,
    /// It is good no more.
    pub revoked: Option<RevokedLine>,
    /// What rpm calls it.
    pub package: String,
}

/// A project's keys.
#[derive(Debug, Clone, Serialize)]
pub struct Keys {
    /// Top.
    pub project: ProjectHead,
    /// Newest first.
    pub keys: Vec<KeyLine>,
    /// A new one is on its way.
    pub changing: bool,
    /// URL of `pubkey.gpg`.
    pub url: String,
    /// Whether the visitor may change them.
    pub may_change: bool,
    /// What concerns no single field.
    pub error: Option<String>,
    /// Which key to revoke.
    pub fingerprint: Field,
    /// Why.
    pub reason: String,
    /// The reasons that there are.
    pub reasons: Vec<String>,
    /// What happened.
    pub message: Field,
}

#[cfg(test)]
mod samples {
    use super::*;

    const HOSTILE: &str = "<b>hostile</b> \"'&";

    fn line(active: bool) -> KeyLine {
        KeyLine {
            fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567".to_owned(),
            algorithm: "rsa4096".to_owned(),
            active,
            created: Some("2026-11-21".to_owned()),
            expires: active.then(|| "2031-11-20".to_owned()),
            revoked: (!active).then(|| RevokedLine {
                on: "2026-11-21".to_owned(),
                reason: "compromised".to_owned(),
                message: HOSTILE.to_owned(),
            }),
            package: "gpg-pubkey-01234567-6b01b874".to_owned(),
        }
    }

    impl Keys {
        pub(crate) fn samples() -> Vec<Self> {
            let wrong = || Field {
                value: HOSTILE.to_owned(),
                error: Some(HOSTILE.to_owned()),
            };
            let of = |full: bool| Self {
                project: ProjectHead {
                    owner: "alice".to_owned(),
                    name: "tools".to_owned(),
                    path: "/coprs/alice/tools/".to_owned(),
                    holder: None,
                    may_build: full,
                    may_edit: full,
                },
                keys: if full {
                    vec![line(true), line(false)]
                } else {
                    vec![]
                },
                changing: full,
                url: "https://koper.example.org/results/alice/tools/pubkey.gpg".to_owned(),
                may_change: full,
                error: full.then(|| HOSTILE.to_owned()),
                fingerprint: if full { wrong() } else { Field::default() },
                reason: "superseded".to_owned(),
                reasons: vec!["compromised".to_owned(), "superseded".to_owned()],
                message: if full { wrong() } else { Field::default() },
            };
            vec![of(true), of(false)]
        }
    }
}
