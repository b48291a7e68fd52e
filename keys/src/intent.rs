//! What a caller says it signs. The signer cannot see the data, so it writes this statement down first.

use serde::{Deserialize, Serialize};

/// Longest requester and project, in bytes.
const MAX_NAME: usize = 200;
/// Longest NEVRA or snapshot id, in bytes.
const MAX_SUBJECT: usize = 400;
/// Longest user id of a key, in bytes: rpm keeps it as a package summary, gpg shows it on one line.
const MAX_USER_ID: usize = 255;

/// A statement of intent: who asks for a signature, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// On whose behalf, 1 to 200 bytes: a service or a user.
    pub requester: String,
    /// The project, as `owner/name`, 1 to 200 bytes.
    pub project: String,
    /// SHA-256 of the artefact that the signature is for, 64 lower-case hexadecimal digits.
    pub artefact_sha256: String,
    /// What the artefact is.
    #[serde(flatten)]
    pub what: What,
}

/// The kind of artefact that a signature is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// The header of an RPM.
    Package {
        /// Its name-epoch:version-release.arch, 1 to 400 bytes.
        nevra: String,
    },
    /// A repository's `repomd.xml`.
    Metadata {
        /// The snapshot's id, 1 to 400 bytes.
        snapshot: String,
    },
}

/// A statement that the signer does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct InvalidStatement {
    field: &'static str,
    rule: &'static str,
}

impl Intent {
    /// The intent to sign a package's header.
    pub fn package(
        requester: impl Into<String>,
        project: impl Into<String>,
        nevra: impl Into<String>,
        artefact_sha256: impl Into<String>,
    ) -> Self {
        Self {
            requester: requester.into(),
            project: project.into(),
            artefact_sha256: artefact_sha256.into(),
            what: What::Package { nevra: nevra.into() },
        }
    }

    /// The intent to sign a snapshot's metadata.
    pub fn metadata(
        requester: impl Into<String>,
        project: impl Into<String>,
        snapshot: impl Into<String>,
        artefact_sha256: impl Into<String>,
    ) -> Self {
        Self {
            requester: requester.into(),
            project: project.into(),
            artefact_sha256: artefact_sha256.into(),
            what: What::Metadata {
                snapshot: snapshot.into(),
            },
        }
    }

    /// Checks lengths and characters: what goes into the log must be one readable line.
    pub fn check(&self) -> Result<(), InvalidStatement> {
        text("requester", &self.requester, MAX_NAME)?;
        text("project", &self.project, MAX_NAME)?;
        digest("artefact_sha256", &self.artefact_sha256)?;
        match &self.what {
            What::Package { nevra } => text("nevra", nevra, MAX_SUBJECT),
            What::Metadata { snapshot } => text("snapshot", snapshot, MAX_SUBJECT),
        }
    }
}

/// Checks a key's user id: 1 to 255 bytes, no control characters (a NUL or a line break would let two readers
/// see two names).
pub(crate) fn check_user_id(user_id: &str) -> Result<(), InvalidStatement> {
    text("user_id", user_id, MAX_USER_ID)
}

/// Checks who asks for a change of a key.
pub(crate) fn check_requester(requester: &str) -> Result<(), InvalidStatement> {
    text("requester", requester, MAX_NAME)
}

/// Checks what a revocation tells people.
pub(crate) fn check_message(message: &str) -> Result<(), InvalidStatement> {
    text("message", message, MAX_SUBJECT)
}

/// Parses a SHA-256 in lower-case hexadecimal digits.
pub(crate) fn digest(field: &'static str, value: &str) -> Result<[u8; 32], InvalidStatement> {
    let rule = "must be 64 lower-case hexadecimal digits";
    let mut bytes = [0; 32];
    let lower = value
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match hex::decode_to_slice(value, &mut bytes) {
        Ok(()) if lower => Ok(bytes),
        _ => Err(InvalidStatement { field, rule }),
    }
}

fn text(field: &'static str, value: &str, longest: usize) -> Result<(), InvalidStatement> {
    if value.is_empty() || value.len() > longest {
        return Err(InvalidStatement {
            field,
            rule: "is empty or too long",
        });
    }
    if value.chars().any(char::is_control) {
        return Err(InvalidStatement {
            field,
            rule: "must hold no control characters",
        });
    }
    Ok(())
}
