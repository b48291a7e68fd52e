//! `/coprs/{owner}/{project}/add_package/{type}/`, `/coprs/{owner}/{project}/package/{package}/edit/{type}/`

use actix_web::{HttpResponse, web};
use db::package_edit::{Package, PackageSettings};
use db::projects::Project;
use serde_json::Value;

use super::form::{Posted, about, about_none};
use super::packages::{Named, package_path};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::packages::{PackageChange, add_package, edit_package, find_package, source_type};
use crate::operations::projects::find_project;
use crate::operations::sources::{Given, Of, SourceType, dist_gits};
use crate::templates::context::Field;
use crate::templates::packages::{Choice, FormField, PackageForm, SourceChoice};

/// A field: name, label, hint, and how it is entered.
type Shape = (&'static str, &'static str, &'static str, How);

#[derive(Clone, Copy)]
enum How {
    Text,
    Area,
    Choice(&'static [&'static str]),
    DistGit,
}

/// Fields of any package.
const OPTIONS: &[Shape] = &[
    (
        "chroot_denylist",
        "Chroots to leave out",
        "Patterns with commas between them, such as fedora-*, epel-*-aarch64.",
        How::Text,
    ),
    (
        "timeout",
        "Seconds for a build",
        "Up to 108000; 0 or empty is the service's default.",
        How::Text,
    ),
    (
        "max_builds",
        "Builds to keep",
        "The newest so many, 1 to 100; 0 or empty keeps all.",
        How::Text,
    ),
];

fn shapes(source: SourceType) -> &'static [Shape] {
    match source {
        SourceType::Scm => &[
            (
                "clone_url",
                "Clone URL",
                "Such as https://example.org/hello.git.",
                How::Text,
            ),
            (
                "committish",
                "Branch, tag or commit",
                "Empty: the default branch. Webhooks build pushes to this branch only.",
                How::Text,
            ),
            (
                "subdirectory",
                "Subdirectory",
                "Where the package lies; webhooks build changes below it only.",
                How::Text,
            ),
            (
                "spec",
                "Spec file",
                "Seen from the subdirectory; empty: the only one there.",
                How::Text,
            ),
            ("scm_type", "Kind of repository", "", How::Choice(&["git", "svn"])),
            (
                "source_build_method",
                "What makes the source package",
                "make_srpm runs .copr/Makefile.",
                How::Choice(&["rpkg", "tito", "tito_test", "make_srpm"]),
            ),
        ],
        SourceType::Distgit => &[
            ("distgit", "Distribution's git service", "", How::DistGit),
            (
                "namespace",
                "Name space",
                "Such as forks/alice; usually empty.",
                How::Text,
            ),
            (
                "committish",
                "Branch, tag or commit",
                "Empty: the default branch.",
                How::Text,
            ),
        ],
        SourceType::Pypi => &[
            ("pypi_package_name", "Name at PyPI", "", How::Text),
            ("pypi_package_version", "Version", "Empty: the newest.", How::Text),
            (
                "spec_generator",
                "What writes the spec file",
                "",
                How::Choice(&["pyp2spec", "pyp2rpm"]),
            ),
            (
                "spec_template",
                "Template of pyp2rpm",
                "",
                How::Choice(&["", "fedora", "epel7", "mageia", "pld"]),
            ),
            ("python_versions", "Python versions", "3, or 3 and 2.", How::Text),
        ],
        SourceType::Rubygems => &[("gem_name", "Name of the gem", "", How::Text)],
        SourceType::Custom => &[
            (
                "script",
                "Script",
                "It leaves a spec file and its sources behind. A webhook's body is the file hook_payload.",
                How::Area,
            ),
            (
                "script_chroot",
                "Chroot of the script",
                "Empty: the newest Fedora where there is one.",
                How::Text,
            ),
            (
                "script_builddeps",
                "Packages that it needs",
                "With spaces between them.",
                How::Text,
            ),
            (
                "script_resultdir",
                "Where its results are",
                "Empty: where it starts.",
                How::Text,
            ),
            (
                "script_repos",
                "More repositories for it",
                "URLs with spaces between them.",
                How::Text,
            ),
        ],
    }
}

fn label(source: SourceType) -> &'static str {
    match source {
        SourceType::Scm => "Git or Subversion",
        SourceType::Distgit => "Dist-git",
        SourceType::Pypi => "PyPI",
        SourceType::Rubygems => "RubyGems",
        SourceType::Custom => "Script",
    }
}

/// A stored source's text for a field of the form.
fn stored(settings: &PackageSettings, source: SourceType, name: &str) -> String {
    let own = |stored: &str| match settings.source.get(stored) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    };
    let number = |n: i32| if n > 0 { n.to_string() } else { String::new() };
    match name {
        "chroot_denylist" => settings.chroot_denylist.clone(),
        "timeout" => number(settings.timeout_s.unwrap_or(0)),
        "max_builds" => number(settings.max_builds),
        _ if settings.source_type != source.as_str() => String::new(),
        "script_repos" => own("repos").replace('\n', " "),
        name => own(source.stored_as(name).unwrap_or(name)),
    }
}

fn fields(shapes: &[Shape], message: &str, value: impl Fn(&str) -> String) -> Vec<FormField> {
    shapes
        .iter()
        .map(|(name, label, hint, how)| {
            let value = value(name);
            let choices: Vec<&str> = match how {
                How::Choice(all) => all.to_vec(),
                How::DistGit => dist_gits().collect(),
                How::Text | How::Area => Vec::new(),
            };
            FormField {
                name: (*name).to_owned(),
                label: (*label).to_owned(),
                hint: (*hint).to_owned(),
                kind: match how {
                    How::Text => "text",
                    How::Area => "area",
                    How::Choice(_) | How::DistGit => "choice",
                }
                .to_owned(),
                choices: choices
                    .into_iter()
                    .map(|choice| Choice {
                        value: choice.to_owned(),
                        label: if choice.is_empty() { "default" } else { choice }.to_owned(),
                        chosen: choice == value,
                    })
                    .collect(),
                field: Field {
                    value,
                    error: about(message, name),
                },
            }
        })
        .collect()
}

/// The form for a new package, or for one that exists, with what was entered or is stored.
fn page(
    visitor: &Visitor,
    project: &Project,
    package: Option<&Package>,
    source: SourceType,
    posted: Option<(&Posted, &str)>,
) -> PackageForm {
    let base = match package {
        None => format!("{}add_package/", views::project_path(project)),
        Some(package) => format!("{}edit/", package_path(project, &package.name)),
    };
    let unset = PackageSettings::default();
    let settings = package.map_or(&unset, |p| &p.settings);
    let message = posted.map_or("", |(_, message)| message);
    let value = |name: &str| match posted {
        Some((form, _)) => form.text(name),
        None => stored(settings, source, name),
    };
    let mut known: Vec<&str> = shapes(source)
        .iter()
        .chain(OPTIONS)
        .map(|(name, ..)| *name)
        .collect();
    known.push("package_name");
    PackageForm {
        project: visitor.head(project),
        title: package.map_or("New package".to_owned(), |p| format!("Package {}", p.name)),
        action: format!("{base}{}/", source.as_str()),
        sources: SourceType::ALL
            .iter()
            .map(|s| SourceChoice {
                label: label(*s).to_owned(),
                url: format!("{base}{}/", s.as_str()),
                current: *s == source,
            })
            .collect(),
        error: about_none(message, &known),
        name: package.is_none().then(|| Field {
            value: posted.map_or(String::new(), |(form, _)| form.text("package_name")),
            error: about(message, "package_name"),
        }),
        fields: fields(shapes(source), message, value),
        webhook_rebuild: posted.map_or(settings.webhook_rebuild, |(form, _)| {
            form.ticked("webhook_rebuild")
        }),
        options: fields(OPTIONS, message, value),
    }
}

impl Given for Posted {
    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.ticked(name).then(|| Self::text(self, name)))
    }

    fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        Ok(Some(
            Self::text(self, name)
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        ))
    }

    fn words(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let text = Self::text(self, name);
        let words: Vec<String> = text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Some(words).filter(|words| !words.is_empty()))
    }
}

/// What a form says; every field of it is there.
fn change(form: &Posted, source: SourceType) -> Result<PackageChange, Error> {
    let number = |name: &str| match form.get(name).trim() {
        "" => Ok(Some(0)),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Error::Invalid(format!("{name}: Not a valid integer value"))),
    };
    Ok(PackageChange {
        source: source.read(Of::Package, form)?,
        webhook_rebuild: Some(form.ticked("webhook_rebuild")),
        max_builds: number("max_builds")?,
        timeout: number("timeout")?,
        chroot_denylist: Some(form.text("chroot_denylist")),
    })
}

/// To the form of the usual type.
pub async fn start(app: web::Data<App>, path: web::Path<(String, String)>) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    Ok(redirect(&format!(
        "{}add_package/scm/",
        views::project_path(&project)
    )))
}

/// The form for a new package.
pub async fn new(app: web::Data<App>, visitor: Visitor, path: Named) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    visitor.actor.may_edit(&project)?;
    let page = page(&visitor, &project, None, source_type(&path.2)?, None);
    html(app.templates.render_package_form(&visitor.frame(), &page))
}

/// Adds a package.
pub async fn create(app: web::Data<App>, form: Posted, path: Named) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_edit(&project)?;
    let source = source_type(&path.2)?;
    let name = form.text("package_name");
    let result = match change(&form, source) {
        Ok(change) => add_package(&app, &form.visitor.actor, &project, &name, source, &change).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(package) => Ok(redirect(&package_path(&project, &package.name))),
        Err(Error::Invalid(message)) => again(&app, &form, &project, None, source, &message),
        Err(Error::Conflict(message)) => {
            let message = format!("package_name: {message}");
            again(&app, &form, &project, None, source, &message)
        }
        Err(error) => Err(error),
    }
}

/// To the form of the type that the package has.
pub async fn edit_now(app: web::Data<App>, path: Named) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let package = find_package(&app, &project, &path.2).await?;
    let source = SourceType::parse(&package.source_type).unwrap_or(SourceType::Scm);
    Ok(redirect(&format!(
        "{}edit/{}/",
        package_path(&project, &package.name),
        source.as_str()
    )))
}

type NamedWithType = web::Path<(String, String, String, String)>;

/// The form of a package.
pub async fn edit(app: web::Data<App>, visitor: Visitor, path: NamedWithType) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    visitor.actor.may_edit(&project)?;
    let package = find_package(&app, &project, &path.2).await?;
    let page = page(&visitor, &project, Some(&package), source_type(&path.3)?, None);
    html(app.templates.render_package_form(&visitor.frame(), &page))
}

/// Changes a package.
pub async fn save(app: web::Data<App>, form: Posted, path: NamedWithType) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_edit(&project)?;
    let package = find_package(&app, &project, &path.2).await?;
    let source = source_type(&path.3)?;
    let result = match change(&form, source) {
        Ok(change) => {
            let actor = &form.visitor.actor;
            edit_package(&app, actor, &project, &package, source, &change).await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(package) => Ok(redirect(&package_path(&project, &package.name))),
        Err(Error::Invalid(message)) => again(&app, &form, &project, Some(&package), source, &message),
        Err(error) => Err(error),
    }
}

fn again(
    app: &App,
    form: &Posted,
    project: &Project,
    package: Option<&Package>,
    source: SourceType,
    message: &str,
) -> Result<HttpResponse, Error> {
    let page = page(&form.visitor, project, package, source, Some((form, message)));
    html_again(app.templates.render_package_form(&form.visitor.frame(), &page))
}
