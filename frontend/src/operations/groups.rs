//! Groups: making, changing and leaving them.

use db::DbError;
use db::groups::{self, Group, GroupRole};
use db::users::{self, User};
use protocol::{GroupName, OwnerName, UserName};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;

/// Longest description, in bytes.
const MAX_TEXT: usize = 10_000;

/// Reads a group's name, with or without the `@`.
///
/// # Errors
/// 400 with the rule for names.
pub fn group_name(text: &str) -> Result<GroupName, Error> {
    text.strip_prefix('@')
        .unwrap_or(text)
        .parse()
        .map_err(|e| Error::Invalid(format!("name: {e}")))
}

/// Finds a group by a name from outside, with or without the `@`.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find_group(app: &App, name: &str) -> Result<Group, Error> {
    let bare = name.strip_prefix('@').unwrap_or(name);
    let missing = || Error::NotFound(format!("Group @{} does not exist.", shown(bare)));
    let group: GroupName = bare.parse().map_err(|_| missing())?;
    groups::find(&mut *app.conn().await?, &group)
        .await?
        .ok_or_else(missing)
}

/// Finds a user by a name from outside; what is wrong is about the field that named them.
pub(crate) async fn named_user(app: &App, field: &str, name: &str) -> Result<User, Error> {
    let missing = || {
        Error::Invalid(format!(
            "{field}: There is no user '{}'; people exist here once they have signed in",
            shown(name)
        ))
    };
    let name: UserName = name.trim().parse().map_err(|_| missing())?;
    users::find(&mut *app.conn().await?, &name)
        .await?
        .ok_or_else(missing)
}

fn check_description(text: &str) -> Result<(), Error> {
    if text.len() > MAX_TEXT || text.contains('\0') {
        return Err(Error::Invalid(
            "description: The text is too long or holds a zero byte".to_owned(),
        ));
    }
    Ok(())
}

/// Makes a group, with the actor as its admin.
///
/// # Errors
/// 403 when the service lets only administrators make groups, 400 for a name that is taken.
pub async fn create(app: &App, actor: &Actor, name: &str, description: &str) -> Result<Group, Error> {
    let user = actor.may_make_groups(app.config.groups)?;
    let name = group_name(name)?;
    check_description(description)?;
    let now = app.now();
    let made = groups::create(&mut *app.conn().await?, &name, description, user, now).await;
    match made {
        Err(DbError::Duplicate(constraint)) if constraint == "groups_name_key" => Err(Error::Invalid(
            format!("name: There is a group named '@{name}' already."),
        )),
        other => {
            other?;
            find_group(app, name.as_str()).await
        }
    }
}

/// Writes a new description.
///
/// # Errors
/// 403 for all but the group's admins.
pub async fn describe(app: &App, actor: &Actor, group: &Group, description: &str) -> Result<(), Error> {
    actor.may_lead(&group.name)?;
    check_description(description)?;
    let now = app.now();
    Ok(groups::describe(&mut *app.conn().await?, group, description, actor.name(), now).await?)
}

/// Removes a group.
///
/// # Errors
/// 403 for all but the group's admins, 409 while it has projects.
pub async fn delete(app: &App, actor: &Actor, group: &Group) -> Result<(), Error> {
    actor.may_lead(&group.name)?;
    let now = app.now();
    if groups::delete(&mut *app.conn().await?, group, actor.name(), now).await? {
        Ok(())
    } else {
        Err(Error::Conflict(format!(
            "The group @{} has projects, or there are projects at its address; delete them or give them away first.",
            group.name
        )))
    }
}

/// Takes a user into a group, or gives a member another role.
///
/// # Errors
/// 403 for all but the group's admins, 400 for an unknown user or role, 409 for the last admin.
pub async fn set_member(
    app: &App,
    actor: &Actor,
    group: &Group,
    user: &str,
    role: &str,
) -> Result<(), Error> {
    actor.may_lead(&group.name)?;
    let role: GroupRole = role.parse().map_err(|_| {
        Error::Invalid(format!(
            "role: '{}' is not a valid choice for this field",
            shown(role)
        ))
    })?;
    change_member(app, actor, group, user, Some(role)).await
}

/// Takes a member out of a group: by its admins, or by themselves.
///
/// # Errors
/// 403 for others, 400 for who is no member, 409 for the last admin.
pub async fn remove_member(app: &App, actor: &Actor, group: &Group, user: &str) -> Result<(), Error> {
    actor.may_take_out(&group.name, user)?;
    let members = groups::members(&mut *app.conn().await?, group.id).await?;
    if !members.iter().any(|m| m.user.as_str() == user) {
        return Err(Error::Invalid(format!(
            "username: '{}' is no member of {}",
            shown(user),
            OwnerName::from(&group.name)
        )));
    }
    change_member(app, actor, group, user, None).await
}

async fn change_member(
    app: &App,
    actor: &Actor,
    group: &Group,
    user: &str,
    role: Option<GroupRole>,
) -> Result<(), Error> {
    let user = named_user(app, "username", user).await?;
    let now = app.now();
    let done = groups::set_member(&mut *app.conn().await?, group, &user, role, actor.name(), now).await?;
    if done {
        Ok(())
    } else {
        Err(Error::Conflict(format!(
            "{} is the last admin of @{}; make another member an admin first.",
            user.name, group.name
        )))
    }
}
