//! `/groups/`, `/coprs/@{group}/`, and the forms about groups.

use actix_web::{HttpResponse, web};
use db::groups::GroupRole;
use db::projects::Filter;
use db::read::projects;
use protocol::{GroupName, OwnerName};

use super::form::{Posted, about, about_none};
use super::home::{PAGE, Search, quota_lines};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::groups::{self, find_group};
use crate::templates::accounts::{Group, GroupLine, Groups, MemberLine};
use crate::templates::context::Field;

fn path_of(name: &GroupName) -> String {
    format!("/coprs/@{name}/")
}

/// All groups, and the form for a new one.
pub async fn list(
    app: web::Data<App>,
    visitor: Visitor,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let page = groups_page(&app, &visitor, &search).await?;
    html(app.templates.render_groups(&visitor.frame(), &page))
}

async fn groups_page(app: &App, visitor: &Visitor, search: &Search) -> Result<Groups, Error> {
    let number = search.page();
    let mut conn = app.conn().await?;
    let mut rows = db::groups::list(&mut conn, None, true, PAGE + 1, (number - 1) * PAGE).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    Ok(Groups {
        groups: rows
            .iter()
            .map(|group| GroupLine {
                owner: format!("@{}", group.name),
                path: path_of(&group.name),
                description: group.description.chars().take(200).collect(),
                members: group.members,
            })
            .collect(),
        may_create: visitor.actor.may_make_groups(app.config.groups).is_ok(),
        error: None,
        name: Field::default(),
        description: Field::default(),
        older: more.then(|| search.url(number + 1)),
        newer: (number > 1).then(|| search.url(number - 1)),
    })
}

/// Makes a group.
pub async fn create(app: web::Data<App>, form: Posted) -> Result<HttpResponse, Error> {
    let (name, description) = (form.text("name"), form.text("description"));
    match groups::create(&app, &form.visitor.actor, &name, &description).await {
        Ok(group) => Ok(redirect(&path_of(&group.name))),
        Err(Error::Invalid(message)) => {
            let field = |field: &str, value| Field {
                value,
                error: about(&message, field),
            };
            let page = Groups {
                error: about_none(&message, &["name", "description"]),
                name: field("name", name),
                description: field("description", description),
                ..groups_page(&app, &form.visitor, &Search::default()).await?
            };
            html_again(app.templates.render_groups(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// A group, its projects and members.
pub async fn show(
    app: &App,
    visitor: &Visitor,
    name: &GroupName,
    search: &Search,
) -> Result<HttpResponse, Error> {
    let page = group_page(app, visitor, name, search).await?;
    html(app.templates.render_group(&visitor.frame(), &page))
}

async fn group_page(app: &App, visitor: &Visitor, name: &GroupName, search: &Search) -> Result<Group, Error> {
    let group = find_group(app, name.as_str()).await?;
    let owner = OwnerName::from(&group.name);
    let may_create = visitor.actor.may_create_for(&owner).is_ok();
    let quota = quota_lines(app, visitor, &owner).await?;
    let filter = Filter {
        owner: Some(owner),
        newest_first: true,
        listed_only: !may_create,
        ..Filter::default()
    };
    let (number, now) = (search.page(), app.now());
    let mut conn = app.conn().await?;
    let members = db::groups::members(&mut conn, group.id).await?;
    let mut rows = projects::list(&mut conn, &filter, PAGE + 1, (number - 1) * PAGE).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    Ok(Group {
        name: group.name.to_string(),
        about: group.description.clone(),
        members: members
            .iter()
            .map(|member| MemberLine {
                name: member.user.to_string(),
                role: member.role.as_str().to_owned(),
                may_remove: visitor
                    .actor
                    .may_take_out(&group.name, member.user.as_str())
                    .is_ok(),
            })
            .collect(),
        may_create,
        may_lead: visitor.actor.may_lead(&group.name).is_ok(),
        error: None,
        username: Field::default(),
        description: Field::of(&group.description),
        quota,
        projects: rows.iter().map(|p| views::project_line(p, now)).collect(),
        older: more.then(|| search.url(number + 1)),
        newer: (number > 1).then(|| search.url(number - 1)),
    })
}

/// Back to the group's page, with what is wrong if the form can be corrected.
async fn answer(
    app: &App,
    form: &Posted,
    name: &GroupName,
    done: Result<(), Error>,
) -> Result<HttpResponse, Error> {
    match done {
        Ok(()) => Ok(redirect(&path_of(name))),
        Err(Error::Invalid(message) | Error::Conflict(message)) => {
            let page = group_page(app, &form.visitor, name, &Search::default()).await?;
            let page = Group {
                error: about_none(&message, &["username"]),
                username: Field {
                    value: form.text("username"),
                    error: about(&message, "username"),
                },
                ..page
            };
            html_again(app.templates.render_group(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// Writes a new description.
pub async fn describe(
    app: web::Data<App>,
    form: Posted,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let group = find_group(&app, &name).await?;
    let text = form.text("description");
    let done = groups::describe(&app, &form.visitor.actor, &group, &text).await;
    answer(&app, &form, &group.name, done).await
}

/// Removes a group.
pub async fn delete(
    app: web::Data<App>,
    form: Posted,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let group = find_group(&app, &name).await?;
    match groups::delete(&app, &form.visitor.actor, &group).await {
        Ok(()) => Ok(redirect("/groups/")),
        Err(error) => answer(&app, &form, &group.name, Err(error)).await,
    }
}

/// Takes a user in, or changes a member's role.
pub async fn set_member(
    app: web::Data<App>,
    form: Posted,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let group = find_group(&app, &name).await?;
    let role = match form.get("role") {
        "" => GroupRole::Member.as_str(),
        role => role,
    };
    let done = groups::set_member(&app, &form.visitor.actor, &group, &form.text("username"), role).await;
    answer(&app, &form, &group.name, done).await
}

/// Takes a member out.
pub async fn remove_member(
    app: web::Data<App>,
    form: Posted,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let group = find_group(&app, &name).await?;
    let done = groups::remove_member(&app, &form.visitor.actor, &group, &form.text("username")).await;
    answer(&app, &form, &group.name, done).await
}
