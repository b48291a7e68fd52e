//! Who may do what in a project: roles of users, and its holder.

use std::collections::BTreeMap;

use actix_web::web::{self, Json, Path};
use db::permissions::{Change, Roles};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api_3::input::Fields;
use crate::api_3::models;
use crate::api_3::route::{Action, ApiRoute, BodyKind, Field, GET, Kind, POST, PUT, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::permissions;
use crate::operations::projects::{find_project, shown};

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(
            GET,
            "/project/permissions/can_build_in/{who}/{owner}/{project}",
            can_build_in,
        )
        .about("Whether a user may build in a project."),
        token(
            Action::Edit,
            GET,
            "/project/permissions/get/{owner}/{project}",
            get,
        )
        .about("Everybody's roles in a project: nothing, request or approved."),
        token(
            Action::Edit,
            PUT,
            "/project/permissions/set/{owner}/{project}",
            set,
        )
        .about("Changes roles, all or none; the body is {user: {role: state}}, with the roles admin and builder and the states nothing, request and approved.")
        .body_kind(BodyKind::Free),
        token(
            Action::Account,
            PUT,
            "/project/permissions/request/{owner}/{project}",
            request,
        )
        .about("Asks for roles in a project, or gives them up.")
        .body(&[
            Field::new("builder", Kind::Flag, "Submit builds."),
            Field::new("admin", Kind::Flag, "Change the project, and submit builds."),
        ]),
        token(
            Action::Delete,
            POST,
            "/project/transfer/{owner}/{project}",
            transfer,
        )
        .about("Gives a project to another holder; its address, URLs and key stay as they are.")
        .body(&[Field::required(
            "to",
            Kind::Text,
            "A user, or a group that one is in as `@name`.",
        )]),
    ]
}

/// Whether somebody may build.
#[derive(Serialize, JsonSchema)]
struct CanBuildIn {
    who: String,
    ownername: String,
    projectname: String,
    can_build_in: bool,
}

async fn can_build_in(
    app: web::Data<App>,
    path: Path<(String, String, String)>,
) -> Result<Json<CanBuildIn>, Error> {
    let (who, owner, name) = path.into_inner();
    let project = find_project(&app, &owner, &name).await?;
    let can_build_in = permissions::can_build_in(&app, &who, &project).await?;
    Ok(Json(CanBuildIn {
        who,
        ownername: owner,
        projectname: name,
        can_build_in,
    }))
}

/// A user's roles: `nothing`, `request` or `approved`.
#[derive(Serialize, JsonSchema)]
struct RolesModel {
    admin: &'static str,
    builder: &'static str,
}

impl From<Roles> for RolesModel {
    fn from(roles: Roles) -> Self {
        Self {
            admin: roles.admin.as_str(),
            builder: roles.builder.as_str(),
        }
    }
}

/// Everybody's roles, by user.
#[derive(Serialize, JsonSchema)]
struct Permissions {
    permissions: BTreeMap<String, RolesModel>,
}

async fn get(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String)>,
) -> Result<Json<Permissions>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let all = permissions::list(&app, &signed.actor, &project).await?;
    if all.is_empty() {
        return Err(Error::NotFound(format!(
            "No permissions set on {}/{} project",
            project.owner, project.name
        )));
    }
    let permissions = all
        .into_iter()
        .map(|(user, roles)| (user.to_string(), roles.into()))
        .collect();
    Ok(Json(Permissions { permissions }))
}

/// For whom something changed.
#[derive(Serialize, JsonSchema)]
struct UpdatedUsers {
    updated: Vec<String>,
}

async fn set(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<Json<UpdatedUsers>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_edit(&project)?;
    let mut changes = Vec::new();
    for (user, wanted) in fields.all() {
        changes.push((user.clone(), change(user, wanted)?));
    }
    let updated = permissions::set(&app, &signed.actor, &project, &changes).await?;
    Ok(Json(UpdatedUsers {
        updated: updated.iter().map(ToString::to_string).collect(),
    }))
}

fn change(user: &str, wanted: &Value) -> Result<Change, Error> {
    let Value::Object(roles) = wanted else {
        return Err(Error::Invalid(format!(
            "{}: Not an object of roles and their states",
            shown(user)
        )));
    };
    let mut change = Change::default();
    for (role, state) in roles {
        let role = permissions::role(role)?;
        let state = state
            .as_str()
            .ok_or_else(|| Error::Invalid(format!("{}: A state is a text", shown(user))))?;
        change.set(role, permissions::state(state)?);
    }
    Ok(change)
}

/// Whether something changed.
#[derive(Serialize, JsonSchema)]
struct Updated {
    updated: bool,
}

async fn request(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<Json<Updated>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let mut wishes = Vec::new();
    for name in fields.all().keys() {
        let role = permissions::role(name)?;
        if let Some(wanted) = fields.flag(name)? {
            wishes.push((role, wanted));
        }
    }
    let updated = permissions::request(&app, &signed.actor, &project, &wishes).await?;
    Ok(Json(Updated { updated }))
}

async fn transfer(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<Json<models::Project>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_give_away(&project)?;
    let to = fields.required("to")?;
    let given = permissions::transfer(&app, &signed.actor, &project, &to).await?;
    Ok(Json(super::project::model(&app, &given).await?))
}
