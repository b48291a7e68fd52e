//! Groups, which hold projects as `@name`.

use actix_web::web::{self, Json, Path};
use db::groups::Group;
use protocol::UserName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::{Fields, Query};
use crate::api_3::models::Paged;
use crate::api_3::route::fields::page_by;
use crate::api_3::route::{Action, ApiRoute, DELETE, Field, GET, Kind, POST, PUT, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::groups::{self, find_group};

type Answer = Result<Json<GroupModel>, Error>;

const DESCRIPTION: Field = Field::new("description", Kind::Text, "For people.");

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/group", get)
            .about("A group and its members.")
            .query(&[Field::required(
                "groupname",
                Kind::Text,
                "Name, with or without the `@`.",
            )]),
        public(GET, "/group/list", list)
            .about("Groups, of one user or all.")
            .query(&[Field::new(
                "username",
                Kind::Text,
                "Only those that this user is in.",
            )])
            .query(&page_by(&["id"])),
        token(Action::Groups, POST, "/group/add", add)
            .about("Makes a group, with its maker as its admin.")
            .body(&[
                Field::required("name", Kind::Text, "Name; owners are named `@name` after it."),
                DESCRIPTION,
            ]),
        token(Action::Groups, PUT, "/group/edit/{group}", edit)
            .about("Changes a group's description.")
            .body(&[DESCRIPTION]),
        token(Action::Groups, DELETE, "/group/delete/{group}", delete)
            .about("Removes a group that has no projects."),
        token(Action::Groups, PUT, "/group/members/set/{group}", set_member)
            .about("Takes a user into a group, or gives a member another role.")
            .body(&[
                Field::required("username", Kind::Text, "Who."),
                Field::new(
                    "role",
                    Kind::Choice(&["member", "admin"]),
                    "`member` when absent.",
                ),
            ]),
        token(
            Action::Groups,
            DELETE,
            "/group/members/remove/{group}",
            remove_member,
        )
        .about("Takes a member out of a group; everybody may leave.")
        .body(&[Field::required("username", Kind::Text, "Who.")]),
    ]
}

/// A group in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct GroupLine {
    id: i64,
    /// Name without the `@`.
    name: String,
    /// Name as the owner of projects.
    ownername: String,
    description: String,
    /// Seconds since the epoch.
    created_on: i64,
    member_count: i64,
}

/// A member of a group.
#[derive(Debug, Serialize, JsonSchema)]
struct MemberModel {
    name: String,
    /// `member` or `admin`.
    role: &'static str,
}

/// A group.
#[derive(Debug, Serialize, JsonSchema)]
struct GroupModel {
    #[serde(flatten)]
    line: GroupLine,
    members: Vec<MemberModel>,
}

fn line(group: &Group) -> GroupLine {
    GroupLine {
        id: group.id,
        name: group.name.to_string(),
        ownername: format!("@{}", group.name),
        description: group.description.clone(),
        created_on: group.created_at.timestamp(),
        member_count: group.members,
    }
}

async fn model(app: &App, group: &Group) -> Answer {
    let members = db::groups::members(&mut *app.conn().await?, group.id).await?;
    Ok(Json(GroupModel {
        line: line(group),
        members: members
            .iter()
            .map(|m| MemberModel {
                name: m.user.to_string(),
                role: m.role.as_str(),
            })
            .collect(),
    }))
}

async fn get(app: web::Data<App>, query: Query) -> Answer {
    let group = find_group(&app, query.required("groupname")?).await?;
    model(&app, &group).await
}

async fn list(app: web::Data<App>, query: Query) -> Result<Json<Paged<GroupLine>>, Error> {
    let page = query.page()?;
    let user: Option<UserName> = match query.get("username")?.map(str::parse) {
        None => None,
        Some(Ok(user)) => Some(user),
        // Nobody of that name can be in a group.
        Some(Err(_)) => return page.answer(Vec::new()),
    };
    let mut conn = app.conn().await?;
    let found = db::groups::list(
        &mut conn,
        user.as_ref(),
        page.descending,
        page.limit(),
        page.offset,
    )
    .await?;
    page.answer(found.iter().map(line).collect())
}

async fn add(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    let description = fields.text("description")?.unwrap_or_default();
    let group = groups::create(&app, &signed.actor, &fields.required("name")?, &description).await?;
    model(&app, &group).await
}

async fn edit(app: web::Data<App>, signed: Signed, name: Path<String>, fields: Fields) -> Answer {
    let group = find_group(&app, &name).await?;
    signed.actor.may_lead(&group.name)?;
    if let Some(description) = fields.text("description")? {
        groups::describe(&app, &signed.actor, &group, &description).await?;
    }
    model(&app, &find_group(&app, &name).await?).await
}

async fn delete(app: web::Data<App>, signed: Signed, name: Path<String>) -> Answer {
    let group = find_group(&app, &name).await?;
    signed.actor.may_lead(&group.name)?;
    let before = model(&app, &group).await?;
    groups::delete(&app, &signed.actor, &group).await?;
    Ok(before)
}

async fn set_member(app: web::Data<App>, signed: Signed, name: Path<String>, fields: Fields) -> Answer {
    let group = find_group(&app, &name).await?;
    signed.actor.may_lead(&group.name)?;
    let role = fields.text("role")?.unwrap_or_else(|| "member".to_owned());
    let user = fields.required("username")?;
    groups::set_member(&app, &signed.actor, &group, &user, &role).await?;
    model(&app, &find_group(&app, &name).await?).await
}

async fn remove_member(app: web::Data<App>, signed: Signed, name: Path<String>, fields: Fields) -> Answer {
    let group = find_group(&app, &name).await?;
    let user = fields.required("username")?;
    groups::remove_member(&app, &signed.actor, &group, &user).await?;
    model(&app, &find_group(&app, &name).await?).await
}
