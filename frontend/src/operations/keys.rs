//! A project's keys: shown, followed by a new one, ended.

use db::keys::KeyEnd;
use db::projects::Project;
use serde::Deserialize;

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;

/// Why a key may end; the first two words of OpenPGP's own, and the third for what is used no more.
pub const REASONS: [&str; 3] = ["compromised", "superseded", "retired"];
/// Longest sentence about it, in bytes; it becomes a part of the certificate.
const MAX_MESSAGE: usize = 400;

/// The end of a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Revoked {
    /// When: seconds since 1970.
    pub at: i64,
    /// One of [`REASONS`].
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// A key, as the signer described it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Key {
    /// 40 hexadecimal digits.
    pub fingerprint: String,
    /// `rsa4096` or `ed25519`.
    #[serde(default)]
    pub algorithm: String,
    /// Whose it says it is.
    #[serde(default)]
    pub user_id: String,
    /// When it was made: seconds since 1970.
    #[serde(default)]
    pub created: Option<i64>,
    /// When it expires.
    #[serde(default)]
    pub expires: Option<i64>,
    /// Since when it is no good any more, and why.
    #[serde(default)]
    pub revoked: Option<Revoked>,
    /// The certificate, with the revocation if there is one.
    #[serde(default, rename = "public_key_armored")]
    pub certificate: String,
}

/// A project's keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// All, oldest first.
    pub all: Vec<Key>,
    /// Fingerprint of the one that signs; none while the project is being made.
    pub active: Option<String>,
    /// A new key is on its way, or packages are being signed with it.
    pub changing: bool,
}

/// A project's keys, for everybody.
///
/// # Errors
/// When the database fails.
pub async fn show(app: &App, project: &Project) -> Result<Keys, Error> {
    let mut conn = app.conn().await?;
    let found = db::keys::of_project(&mut conn, project.id).await?;
    let changing = db::keys::is_changing(&mut conn, project.id).await?;
    drop(conn);
    let parse = |json| {
        serde_json::from_value::<Key>(json)
            .map_err(|e| Error::Internal(format!("the stored key of project {} is no key: {e}", project.id)))
    };
    let Some(found) = found else {
        return Ok(Keys {
            all: Vec::new(),
            active: None,
            changing,
        });
    };
    Ok(Keys {
        all: found.all.into_iter().map(parse).collect::<Result<_, _>>()?,
        active: Some(parse(found.active)?.fingerprint),
        changing,
    })
}

/// Asks for a new key, with which everything is signed anew in the background.
///
/// # Errors
/// 403 for anybody but who may delete the project, 409 before it has a key and while another change is under way.
pub async fn rotate(app: &App, actor: &Actor, project: &Project) -> Result<Keys, Error> {
    actor.may_change_keys(project)?;
    let keys = show(app, project).await?;
    let active = active(&keys)?;
    if keys.changing {
        return Err(Error::Conflict(
            "The key of this project is being changed already; wait until everything is signed with it."
                .to_owned(),
        ));
    }
    change(app, actor, project, (active, None)).await
}

/// Ends a key: everything is signed with the one that follows it, which is made if there is none, and then the key is
/// revoked.
///
/// # Errors
/// As [`rotate`]; 400 for a key that the project does not have or that has ended, an unknown reason, or a sentence that
/// no certificate can carry.
pub async fn revoke(
    app: &App,
    actor: &Actor,
    project: &Project,
    fingerprint: &str,
    end: KeyEnd,
) -> Result<Keys, Error> {
    actor.may_change_keys(project)?;
    let keys = show(app, project).await?;
    active(&keys)?;
    let wanted = fingerprint.replace(' ', "").to_ascii_uppercase();
    let key = keys
        .all
        .iter()
        .find(|key| key.fingerprint == wanted)
        .ok_or_else(|| {
            Error::Invalid(format!(
                "fingerprint: this project has no key '{}'; give all 40 digits",
                shown(fingerprint)
            ))
        })?;
    if key.revoked.is_some() {
        return Err(Error::Invalid(
            "fingerprint: this key is revoked already".to_owned(),
        ));
    }
    if !REASONS.contains(&end.reason.as_str()) {
        return Err(Error::Invalid(format!(
            "reason: '{}' is none, choose one of: {}",
            shown(&end.reason),
            REASONS.join(", ")
        )));
    }
    let message = &end.message;
    if message.trim().is_empty() || message.len() > MAX_MESSAGE || message.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "message: say in one line of at most {MAX_MESSAGE} bytes what happened; everybody can read it"
        )));
    }
    change(app, actor, project, (&wanted, Some(&end))).await
}

fn active(keys: &Keys) -> Result<&str, Error> {
    keys.active.as_deref().ok_or_else(|| {
        Error::Conflict("This project is being made and has no key yet; ask again in a moment.".to_owned())
    })
}

async fn change(
    app: &App,
    actor: &Actor,
    project: &Project,
    wanted: (&str, Option<&KeyEnd>),
) -> Result<Keys, Error> {
    let now = app.now();
    db::keys::change(&mut *app.conn().await?, project, wanted, actor.name(), now).await?;
    show(app, project).await
}
