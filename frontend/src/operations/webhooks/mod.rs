//! Deliveries of webhooks: what they start, why not, and their log.

mod address;
mod forge;
mod refused;
mod repository;
mod select;
mod signature;

use db::builds::BuildOptions;
use db::package_edit::{self, Package};
use db::projects::Project;
use db::webhooks::{self, Decision, Delivery, Keys, NotStarted, Outcome, Request, Started};
use protocol::BuildId;
use serde_json::Value;

use self::forge::{Event, Push};
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::BuildRequest;
use crate::operations::packages::build_by_webhook;
use crate::operations::projects::shown;

pub use address::{Named, Urls, Wrong, open, urls};
pub use refused::Refused;

/// The field of a build's source that holds what a custom webhook brought along.
pub const HOOK_DATA: &str = "hook_data";
/// Longest body that is kept, in bytes.
const MAX_KEPT: usize = 1 << 20;
/// Longest delivery, in bytes: GitHub's own limit.
pub const MAX_DELIVERY: usize = 25 << 20;
/// Longest payload of a custom webhook, which goes into the build, in bytes.
const MAX_PAYLOAD: usize = 1 << 20;
/// Stands in the log's headers for a body that was too long to keep.
const NOT_KEPT: &str = "(body not kept, bytes)";
/// Shortest and longest key of signatures, in characters.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 8..=500;

/// What a delivery is answered with.
#[derive(Debug, Clone)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Number in the log.
    pub delivery: i64,
    /// What was decided.
    pub decision: Decision,
    /// Copr's word for what is wrong, at custom webhooks.
    pub code: Option<&'static str>,
}

/// What becomes of a delivery.
struct Verdict {
    status: u16,
    decision: Decision,
    code: Option<&'static str>,
}

impl Verdict {
    fn said(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            decision: Decision {
                message: message.into(),
                ..Decision::default()
            },
            code: None,
        }
    }

    fn coded(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            ..Self::said(status, message)
        }
    }
}

/// Takes a delivery whose URL held the right secret: starts builds and writes the log. `raw` gives headers as they came.
///
/// # Errors
/// Faults of the service only; whatever is wrong with the delivery is part of the answer.
pub async fn receive(
    app: &App,
    project: &Project,
    keys: &Keys,
    request: &Request,
    raw: &dyn Fn(&str) -> Option<String>,
) -> Result<Answered, Error> {
    let refusal = keys
        .hmac
        .as_deref()
        .and_then(|key| signature::check(key, request, raw).err());
    let verdict = match refusal {
        Some(why) => Verdict::coded(403, "BAD_SIGNATURE", why),
        None => decide(app, project, request).await?,
    };
    log(app, project, request, verdict, None).await
}

/// Runs a delivery of the log again.
///
/// # Errors
/// 403 for whoever may not edit the project, 409 for deliveries that were refused or not kept whole.
pub async fn redeliver(
    app: &App,
    actor: &Actor,
    project: &Project,
    delivery: &Delivery,
    request: &Request,
) -> Result<Answered, Error> {
    actor.may_edit(project)?;
    if delivery.status == 403 {
        return Err(Error::Conflict(format!(
            "Delivery {} was refused because its signature did not match, so it is not run again; let the forge send it \
             again.",
            delivery.id
        )));
    }
    if request.headers.contains_key(NOT_KEPT) {
        return Err(Error::Conflict(format!(
            "Delivery {} was longer than {MAX_KEPT} bytes, so its body was not kept; let the forge send it again.",
            delivery.id
        )));
    }
    let verdict = decide(app, project, request).await?;
    log(app, project, request, verdict, Some((delivery.id, actor.name()))).await
}

async fn log(
    app: &App,
    project: &Project,
    request: &Request,
    verdict: Verdict,
    again: Option<(i64, &str)>,
) -> Result<Answered, Error> {
    let short;
    let kept = if request.body.len() > MAX_KEPT {
        let mut headers = request.headers.clone();
        headers.insert(NOT_KEPT.to_owned(), Value::from(request.body.len().to_string()));
        short = Request {
            headers,
            body: Vec::new(),
            ..request.clone()
        };
        &short
    } else {
        request
    };
    let outcome = Outcome {
        forge_id: forge::forge_id(request),
        event: forge::event_name(request),
        status: verdict.status,
        decision: &verdict.decision,
        redelivery_of: again,
    };
    let now = app.now();
    let delivery = webhooks::record(&mut *app.conn().await?, project, kept, &outcome, now).await?;
    Ok(Answered {
        status: verdict.status,
        delivery,
        decision: verdict.decision,
        code: verdict.code,
    })
}

async fn decide(app: &App, project: &Project, request: &Request) -> Result<Verdict, Error> {
    if matches!(request.kind.as_str(), "custom" | "custom-dir") {
        return custom(app, project, request).await;
    }
    match forge::read(request) {
        Err(why) => Ok(Verdict::said(400, why)),
        Ok(Event::Ping) => Ok(Verdict::said(200, "pong: the webhook leads to this project")),
        Ok(Event::Nothing(why)) => Ok(Verdict::said(200, why)),
        Ok(Event::Pushes(pushes)) => {
            let mut decision = Decision::default();
            for push in &pushes {
                rebuild(app, project, request.package.as_deref(), push, &mut decision).await?;
            }
            decision.message = summary(project, request, &pushes, &decision);
            Ok(Verdict {
                status: 200,
                decision,
                code: None,
            })
        }
    }
}

/// Starts builds of the packages that a push concerns.
async fn rebuild(
    app: &App,
    project: &Project,
    named: Option<&str>,
    push: &Push,
    decision: &mut Decision,
) -> Result<(), Error> {
    let repositories = push.repositories();
    let Some(name) = repositories.first().map(repository::Repository::name) else {
        return Ok(());
    };
    let candidates = package_edit::cloned_from(&mut *app.conn().await?, project.id, name).await?;
    for package in candidates.iter().filter(|p| select::is_from(p, &repositories)) {
        let reason = match select::judge(package, named, push) {
            Err(reason) => reason,
            Ok(committish) => {
                let change = ("committish", Value::from(committish));
                match start(app, project, package, None, Some(change)).await? {
                    Ok(build) => {
                        decision.started.push(Started {
                            package: package.name.clone(),
                            build: build.0,
                        });
                        continue;
                    }
                    Err((_, reason)) => reason,
                }
            }
        };
        decision.not_started.push(NotStarted {
            package: package.name.clone(),
            reason,
        });
    }
    Ok(())
}

/// Starts a build; the text says why a user's settings or their quota stand against it, and the number is the status
/// that programs are told.
async fn start(
    app: &App,
    project: &Project,
    package: &Package,
    dir: Option<&str>,
    change: Option<(&str, Value)>,
) -> Result<Result<BuildId, (u16, String)>, Error> {
    let request = BuildRequest {
        dir: dir.map(str::to_owned),
        options: BuildOptions {
            background: true,
            ..BuildOptions::default()
        },
        ..BuildRequest::default()
    };
    match build_by_webhook(app, project, package, &request, change).await {
        Ok(build) => Ok(Ok(build)),
        Err(error @ Error::TooMany(_)) => Ok(Err((429, error.public_message()))),
        Err(error) if error.status().is_client_error() => Ok(Err((400, error.public_message()))),
        Err(error) => Err(error),
    }
}

fn summary(project: &Project, request: &Request, pushes: &[Push], decision: &Decision) -> String {
    match decision.started.as_slice() {
        [] => {}
        [one] => return format!("Started build {} of {}.", one.build, one.package),
        many => return format!("Started {} builds.", many.len()),
    }
    if !decision.not_started.is_empty() {
        return "Nothing was started: see the reasons.".to_owned();
    }
    let address = pushes
        .first()
        .and_then(|p| p.addresses.first())
        .map_or_else(String::new, |a| shown(a));
    match &request.package {
        Some(name) => format!(
            "Nothing was started: the package {} of {}/{} is not built from {address}.",
            shown(name),
            project.owner,
            project.name
        ),
        None => format!(
            "Nothing was started: no package of {}/{} is built from {address}; a package needs a source of the type scm \
             with this clone URL.",
            project.owner, project.name
        ),
    }
}

/// A build of the package that the URL names, with whatever was sent.
async fn custom(app: &App, project: &Project, request: &Request) -> Result<Verdict, Error> {
    let Some(name) = request.package.as_deref() else {
        return Ok(Verdict::coded(
            400,
            "PACKAGE_NAME_REQUIRED",
            "The URL names no package.",
        ));
    };
    let mut conn = app.conn().await?;
    let Some(package) = package_edit::find(&mut conn, project.id, name).await? else {
        let message = format!("The project has no package {}.", shown(name));
        return Ok(Verdict::coded(404, "PACKAGE_NOT_FOUND", message));
    };
    if forge::event_name(request) == Some("ping") {
        return Ok(Verdict::coded(
            200,
            "SKIPPED",
            "pong: the webhook leads to this package",
        ));
    }
    let enabled = db::projects::chroots(&mut conn, project.id).await?;
    let active = db::chroots::list(&mut conn, true).await?;
    drop(conn);
    if !active.iter().any(|a| enabled.contains(&a.definition.name)) {
        return Ok(Verdict::coded(
            500,
            "NO_ACTIVE_CHROOTS_IN_PROJECT",
            "The project has no active chroots: enable one in its settings.",
        ));
    }
    let change = match payload(&package, &request.body) {
        Ok(change) => change,
        Err(why) => return Ok(Verdict::coded(400, "BUILD_REQUEST_ERROR", why)),
    };
    Ok(
        match start(app, project, &package, request.dirname.as_deref(), change).await? {
            Ok(build) => {
                let mut verdict = Verdict::said(200, format!("Started build {build} of {name}."));
                verdict.decision.started.push(Started {
                    package: name.to_owned(),
                    build: build.0,
                });
                verdict
            }
            Err((status, reason)) => {
                let mut verdict = Verdict::coded(status, "BUILD_REQUEST_ERROR", reason.clone());
                verdict.decision.not_started.push(NotStarted {
                    package: name.to_owned(),
                    reason,
                });
                verdict
            }
        },
    )
}

/// What was sent, as a field of the build's source: scripts find it as the file `hook_payload`.
fn payload(package: &Package, body: &[u8]) -> Result<Option<(&'static str, Value)>, String> {
    if package.source_type != "custom" || body.is_empty() {
        return Ok(None);
    }
    if body.len() > MAX_PAYLOAD {
        return Err(format!(
            "The payload has {} bytes, and scripts get {MAX_PAYLOAD} at most.",
            body.len()
        ));
    }
    match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => Ok(Some((HOOK_DATA, Value::from(text)))),
        _ => Err("The payload has to be text in UTF-8 without zero bytes.".to_owned()),
    }
}

/// Finds a delivery of a project's log that the actor may see.
///
/// # Errors
/// 403 for whoever may not edit the project, 404 when there is none.
pub async fn find_delivery(
    app: &App,
    actor: &Actor,
    id: &str,
) -> Result<(Project, Delivery, Request), Error> {
    actor.signed_in()?;
    let missing = || Error::NotFound(format!("Delivery {} does not exist.", shown(id)));
    let number: i64 = id.parse().map_err(|_| missing())?;
    let mut conn = app.conn().await?;
    let (delivery, request) = webhooks::find(&mut conn, number).await?.ok_or_else(missing)?;
    let project = db::projects::by_id(&mut conn, delivery.project)
        .await?
        .filter(|p| p.deleted_at.is_none())
        .ok_or_else(missing)?;
    actor.may_edit(&project)?;
    Ok((project, delivery, request))
}

/// The keys of a project, for whoever may edit it.
///
/// # Errors
/// 403 for others.
pub async fn project_keys(app: &App, actor: &Actor, project: &Project) -> Result<Keys, Error> {
    actor.may_edit(project)?;
    webhooks::keys(&mut *app.conn().await?, project.id)
        .await?
        .ok_or_else(|| Error::NotFound("The project does not exist.".to_owned()))
}

/// Makes a new secret; URLs with the old one end.
///
/// # Errors
/// 403 for whoever may not edit the project.
pub async fn new_secret(app: &App, actor: &Actor, project: &Project) -> Result<String, Error> {
    actor.may_edit(project)?;
    let secret = uuid::Uuid::from_u128(rand::random());
    let secret = uuid::Builder::from_u128(secret.as_u128())
        .with_version(uuid::Version::Random)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
        .to_string();
    let now = app.now();
    webhooks::set_secret(&mut *app.conn().await?, project, &secret, actor.name(), now).await?;
    Ok(secret)
}

/// Sets the key that deliveries have to be signed with; an empty one takes unsigned ones again.
///
/// # Errors
/// 403 for whoever may not edit the project, 400 for a key that is too short, too long or holds white space.
pub async fn set_hmac(app: &App, actor: &Actor, project: &Project, key: &str) -> Result<(), Error> {
    actor.may_edit(project)?;
    let key = Some(key).filter(|k| !k.is_empty());
    if let Some(key) = key
        && (!KEY_LENGTH.contains(&key.len()) || !key.chars().all(|c| c.is_ascii_graphic()))
    {
        return Err(Error::Invalid(format!(
            "key: Give {} to {} characters: letters, digits and signs, no white space.",
            KEY_LENGTH.start(),
            KEY_LENGTH.end()
        )));
    }
    let now = app.now();
    Ok(webhooks::set_hmac(&mut *app.conn().await?, project, key, actor.name(), now).await?)
}
