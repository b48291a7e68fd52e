//! Roles in projects: asking, approving, listing; and giving a whole project away.

use db::permissions::{self, Change, Role, Roles, State};
use db::projects::Project;
use db::users::{self, User};
use protocol::{OwnerName, UserName};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::groups::{find_group, named_user};
use crate::operations::projects::{reload, shown};

/// Most users in one change.
const MAX_USERS: usize = 1_000;

/// A role by Copr's word.
///
/// # Errors
/// 400 for another word.
pub fn role(text: &str) -> Result<Role, Error> {
    text.parse().map_err(|()| {
        Error::Invalid(format!(
            "invalid permission '{}', choose one of: admin, builder",
            shown(text)
        ))
    })
}

/// A state by Copr's word.
///
/// # Errors
/// 400 for another word.
pub fn state(text: &str) -> Result<State, Error> {
    text.parse().map_err(|()| {
        Error::Invalid(format!(
            "invalid state '{}', choose one of: nothing, request, approved",
            shown(text)
        ))
    })
}

/// Everybody's roles in a project.
///
/// # Errors
/// 403 for who may not edit the project.
pub async fn list(app: &App, actor: &Actor, project: &Project) -> Result<Vec<(UserName, Roles)>, Error> {
    actor.may_edit(project)?;
    Ok(permissions::of_project(&mut *app.conn().await?, project.id).await?)
}

/// Changes users' roles, all or none; gives the names of those for whom something changed.
///
/// # Errors
/// 403 for who may not edit the project, 400 for unknown users and for the user that holds the project.
pub async fn set(
    app: &App,
    actor: &Actor,
    project: &Project,
    changes: &[(String, Change)],
) -> Result<Vec<UserName>, Error> {
    actor.may_edit(project)?;
    if changes.is_empty() || changes.len() > MAX_USERS {
        return Err(Error::Invalid(format!(
            "Name 1 to {MAX_USERS} users, each with the roles to change"
        )));
    }
    let unknown = |name: &str| Error::Invalid(format!("user '{}' doesn't exist in database", shown(name)));
    let mut names = Vec::with_capacity(changes.len());
    for (name, _) in changes {
        names.push(name.parse::<UserName>().map_err(|_| unknown(name))?);
    }
    let mut conn = app.conn().await?;
    let mut users = users::by_names(&mut conn, &names).await?;
    let mut resolved = Vec::with_capacity(changes.len());
    for (name, change) in changes {
        let at = users
            .iter()
            .position(|u| u.name.as_str() == name)
            .ok_or_else(|| unknown(name))?;
        let user = users.swap_remove(at);
        not_the_holder(project, &user)?;
        resolved.push((user, *change));
    }
    // In one order, so that two changes at once wait for each other instead of deadlocking.
    resolved.sort_by_key(|(user, _)| user.id);
    Ok(permissions::set(&mut conn, project, &resolved, actor.name(), app.now()).await?)
}

fn not_the_holder(project: &Project, user: &User) -> Result<(), Error> {
    if project.holder.as_str() == user.name.as_str() {
        return Err(Error::Invalid(format!(
            "user '{}' is owner of the '{}/{}' project",
            user.name, project.owner, project.name
        )));
    }
    Ok(())
}

/// Asks for roles, or gives them up; whether anything changed.
///
/// # Errors
/// 401 for nobody, 400 for the user that holds the project and for no wish at all.
pub async fn request(
    app: &App,
    actor: &Actor,
    project: &Project,
    wishes: &[(Role, bool)],
) -> Result<bool, Error> {
    let user = actor.may_ask_for_roles(project)?;
    not_the_holder(project, user)?;
    if wishes.is_empty() {
        return Err(Error::Invalid(
            "Say which role you want or give up: builder, admin".to_owned(),
        ));
    }
    Ok(permissions::request(&mut *app.conn().await?, project, user, wishes, app.now()).await?)
}

/// Whether a user may build in a project.
///
/// # Errors
/// 404 when there is no such user.
pub async fn can_build_in(app: &App, who: &str, project: &Project) -> Result<bool, Error> {
    let missing = || Error::NotFound(format!("User {} does not exist.", shown(who)));
    let name: UserName = who.parse().map_err(|_| missing())?;
    let (user, rights) = db::rights::of_user(&mut *app.conn().await?, &name)
        .await?
        .ok_or_else(missing)?;
    Ok(Actor::of(user, rights).may_build(project).is_ok())
}

/// Gives a project to another holder. Its address, URLs, key and repositories stay as they are.
///
/// # Errors
/// 403 when the actor may not give it away, or not to this group; 400 for a holder that does not exist; 409 when it
/// changed hands meanwhile.
pub async fn transfer(app: &App, actor: &Actor, project: &Project, to: &str) -> Result<Project, Error> {
    actor.may_give_away(project)?;
    let holder: OwnerName = to
        .trim()
        .parse()
        .map_err(|e| Error::Invalid(format!("to: {e}")))?;
    actor.may_transfer(project, &holder)?;
    if holder == project.holder {
        return Err(Error::Invalid(format!("to: {holder} has the project already")));
    }
    if let Some(group) = holder.group() {
        find_group(app, group.as_str())
            .await
            .map_err(|_| Error::Invalid(format!("to: There is no group {holder}")))?;
    } else {
        named_user(app, "to", holder.as_str()).await?;
    }
    let now = app.now();
    if !db::transfer::transfer(&mut *app.conn().await?, project, &holder, actor.name(), now).await? {
        return Err(Error::Conflict(
            "The project changed hands meanwhile; look at it again.".to_owned(),
        ));
    }
    reload(app, project).await
}
