//! `GET /`, `GET /coprs/`, `GET /coprs/{owner}/`

use actix_web::{HttpResponse, web};
use db::projects::Filter;
use db::read::projects;
use protocol::OwnerName;
use serde::Deserialize;

use super::sort::{Column, Sort};
use super::visitor::Visitor;
use super::{html, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::quotas;
use crate::templates::context::{Home, Projects, QuotaLine};

/// Projects on one page.
pub(super) const PAGE: i64 = 30;
/// Projects and builds on the home page.
const NEWEST: i64 = 10;

/// Columns of the table of projects; whether by name, else by age.
const COLUMNS: [Column<bool>; 3] = [
    Column {
        name: "name",
        label: "Project",
        by: true,
        last_first: false,
    },
    Column::plain("About", false),
    Column {
        name: "made",
        label: "Made",
        by: false,
        last_first: true,
    },
];

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
pub struct Search {
    /// Part of a name.
    #[serde(default)]
    pub q: String,
    /// By which column, and which way.
    #[serde(default)]
    pub sort: String,
    /// Counts from 1; anything else is the first.
    #[serde(default)]
    pub page: String,
}

impl Search {
    /// The page's number, from 1.
    pub fn page(&self) -> i64 {
        self.page.parse().unwrap_or(1).clamp(1, 100_000)
    }

    /// The query of another page of the same list.
    pub fn url(&self, page: i64) -> String {
        self.sorted_url(&self.sort, page)
    }

    /// The query of a page of the same list, sorted as the text says.
    pub fn sorted_url(&self, sort: &str, page: i64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
        for (name, value) in [("q", self.q.as_str()), ("sort", sort)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("page", &page.to_string()).finish()
    }
}

/// What the service is, and what is new.
pub async fn home(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Error> {
    let now = app.now();
    let mut conn = app.conn().await?;
    let filter = Filter {
        listed_only: true,
        newest_first: true,
        ..Filter::default()
    };
    let newest = projects::list(&mut conn, &filter, NEWEST, 0).await?;
    let builds = db::read::builds::newest(&mut conn, NEWEST).await?;
    let chroots = db::chroots::list(&mut conn, true).await?;
    drop(conn);
    let page = Home {
        example_chroot: chroots
            .first()
            .map_or("fedora-44-x86_64".to_owned(), |c| c.definition.name.to_string()),
        projects: newest.iter().map(|p| views::project_line(p, now)).collect(),
        builds: builds
            .iter()
            .map(|(owner, project, line)| views::line(line, owner, project, now))
            .collect(),
    };
    html(app.templates.render_home(&visitor.frame(), &page))
}

/// All listed projects, or those whose name contains a text.
pub async fn projects(
    app: web::Data<App>,
    visitor: Visitor,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let text = search.q.trim();
    let filter = Filter {
        name_contains: (!text.is_empty()).then(|| text.chars().take(100).collect()),
        listed_only: true,
        ..Filter::default()
    };
    let page = Projects {
        title: "Projects".to_owned(),
        query: search.q.clone(),
        searchable: true,
        may_create: visitor.actor.user().is_some(),
        groups: Vec::new(),
        quota: Vec::new(),
        nothing: if text.is_empty() {
            "There is no project yet.".to_owned()
        } else {
            "No project has that in its name.".to_owned()
        },
        sort: search.sort.clone(),
        heads: Vec::new(),
        projects: Vec::new(),
        older: None,
        newer: None,
    };
    list(&app, &visitor, &search, filter, page).await
}

/// A holder's projects.
pub async fn owner(
    app: web::Data<App>,
    visitor: Visitor,
    owner: web::Path<String>,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let missing = || Error::NotFound("There is no such user or group.".to_owned());
    let owner: OwnerName = owner.parse().map_err(|_| missing())?;
    if let Some(group) = owner.group() {
        return super::group::show(&app, &visitor, &group, &search).await;
    }
    let mut conn = app.conn().await?;
    let rights = match owner.as_str().parse() {
        Ok(user) => db::rights::of_user(&mut conn, &user).await?,
        Err(_) => None,
    };
    let known = rights.is_some();
    let groups: Vec<String> = rights
        .iter()
        .flat_map(|(_, rights)| rights.groups())
        .map(ToString::to_string)
        .collect();
    drop(conn);
    let is_own = visitor.actor.may_create_for(&owner).is_ok();
    let filter = Filter {
        owner: Some(owner.clone()),
        listed_only: !is_own,
        ..Filter::default()
    };
    if !known
        && projects::list(&mut *app.conn().await?, &filter, 1, 0)
            .await?
            .is_empty()
    {
        return Err(missing());
    }
    let page = Projects {
        title: format!("Projects of {owner}"),
        query: String::new(),
        searchable: false,
        may_create: is_own,
        groups,
        quota: quota_lines(&app, &visitor, &owner).await?,
        nothing: format!("{owner} has no project yet."),
        sort: search.sort.clone(),
        heads: Vec::new(),
        projects: Vec::new(),
        older: None,
        newer: None,
    };
    list(&app, &visitor, &search, filter, page).await
}

/// What an owner uses and may use, where the visitor may see that.
pub(super) async fn quota_lines(
    app: &App,
    visitor: &Visitor,
    owner: &OwnerName,
) -> Result<Vec<QuotaLine>, Error> {
    if visitor.actor.may_see_quota(owner).is_err() {
        return Ok(Vec::new());
    }
    let quota = quotas::show(app, &visitor.actor, owner).await?;
    Ok(views::quota(&quota))
}

async fn list(
    app: &App,
    visitor: &Visitor,
    search: &Search,
    mut filter: Filter,
    mut page: Projects,
) -> Result<HttpResponse, Error> {
    let number = search.page();
    let now = app.now();
    let sort = Sort::of(&search.sort, &COLUMNS);
    filter.by_name = sort.by;
    filter.newest_first = sort.descending;
    page.heads = sort.heads(|sort| search.sorted_url(sort, 1));
    // One more than is shown tells whether there is another page.
    let mut rows = projects::list(&mut *app.conn().await?, &filter, PAGE + 1, (number - 1) * PAGE).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    page.projects = rows.iter().map(|p| views::project_line(p, now)).collect();
    page.older = more.then(|| search.url(number + 1));
    page.newer = (number > 1).then(|| search.url(number - 1));
    html(app.templates.render_projects(&visitor.frame(), &page))
}
