//! A project's keys.

use actix_web::web::{self, Json, Path};
use db::keys::KeyEnd;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Fields;
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, POST, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::keys::{self, Keys, REASONS};
use crate::operations::projects::find_project;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/project/key/{owner}/{project}", show)
            .about("A project's keys, oldest first: which one signs, which did, and which are revoked."),
        token(Action::Delete, POST, "/project/key/rotate/{owner}/{project}", rotate).about(
            "Gives a project a new key and signs everything anew with it, in the background. The old one stays good.",
        ),
        token(Action::Delete, POST, "/project/key/revoke/{owner}/{project}", revoke)
            .about("Signs everything with the key that follows another, which is made if there is none, and then revokes that other one.")
            .body(&[
                Field::required("fingerprint", Kind::Text, "Of the key that ends: 40 hexadecimal digits."),
                Field::required("reason", Kind::Choice(&REASONS), "Why."),
                Field::required("message", Kind::Text, "A sentence for everybody; the certificate carries it."),
            ]),
    ]
}

/// A key.
#[derive(Serialize, JsonSchema)]
struct Key {
    /// 40 hexadecimal digits.
    fingerprint: String,
    /// `rsa4096` or `ed25519`.
    algorithm: String,
    user_id: String,
    /// Seconds since 1970.
    created_on: Option<i64>,
    /// Seconds since 1970; `null` when it does not expire.
    expires_on: Option<i64>,
    /// Whether it is the one that signs.
    active: bool,
    /// `null` while it is good.
    revoked: Option<Revoked>,
    /// ASCII-armoured, with the revocation if there is one. Give machines `pubkey.gpg` in its place: it has no revoked keys.
    certificate: String,
}

/// The end of a key.
#[derive(Serialize, JsonSchema)]
struct Revoked {
    /// Seconds since 1970.
    on: i64,
    /// `compromised`, `superseded` or `retired`.
    reason: String,
    message: String,
}

/// A project's keys.
#[derive(Serialize, JsonSchema)]
struct Shown {
    /// Oldest first.
    keys: Vec<Key>,
    /// A new key is on its way, or packages are being signed with it.
    changing: bool,
}

type Answer = Result<Json<Shown>, Error>;

fn answer(keys: Keys) -> Json<Shown> {
    let Keys {
        all,
        active,
        changing,
    } = keys;
    let key = |key: keys::Key| Key {
        active: active.as_ref() == Some(&key.fingerprint),
        fingerprint: key.fingerprint,
        algorithm: key.algorithm,
        user_id: key.user_id,
        created_on: key.created,
        expires_on: key.expires,
        revoked: key.revoked.map(|revoked| Revoked {
            on: revoked.at,
            reason: revoked.reason,
            message: revoked.message,
        }),
        certificate: key.certificate,
    };
    Json(Shown {
        keys: all.into_iter().map(key).collect(),
        changing,
    })
}

async fn show(app: web::Data<App>, path: Path<(String, String)>) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    Ok(answer(keys::show(&app, &project).await?))
}

async fn rotate(app: web::Data<App>, signed: Signed, path: Path<(String, String)>) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    Ok(answer(keys::rotate(&app, &signed.actor, &project).await?))
}

async fn revoke(app: web::Data<App>, signed: Signed, path: Path<(String, String)>, fields: Fields) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_change_keys(&project)?;
    let fingerprint = fields.required("fingerprint")?;
    let end = KeyEnd {
        reason: fields.required("reason")?,
        message: fields.required("message")?,
    };
    let keys = keys::revoke(&app, &signed.actor, &project, &fingerprint, end).await?;
    Ok(answer(keys))
}
