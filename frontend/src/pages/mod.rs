//! Pages for people, `.repo` files and what else lives outside the APIs' addresses.

mod batches;
mod build;
mod builds;
mod dress;
mod feeds;
mod form;
mod group;
mod home;
mod import;
mod keys;
mod monitor;
mod package_form;
mod packages;
mod permissions;
mod project;
mod project_form;
mod promotion;
mod repo;
mod sign_in;
mod snapshots;
mod sort;
mod static_files;
mod submit;
mod token;
pub mod twins;
pub(crate) mod views;
pub(crate) mod visitor;
mod webhooks;

use actix_web::http::header::{ContentType, LOCATION};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route, guard};

use crate::error::Error;
use crate::live_log;
use crate::templates::RenderError;

/// Registers all pages. They take every address that nobody took before, so this comes last.
pub fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("")
            .wrap(from_fn(dress::dress))
            .configure(people)
            .configure(projects)
            .configure(builds)
            .configure(packages_and_webhooks)
            .default_service(web::to(nowhere)),
    );
}

fn people(config: &mut ServiceConfig) {
    config
        .route("/", get().to(home::home))
        .route("/static/{file}", get().to(static_files::file))
        .route("/favicon.ico", get().to(static_files::icon))
        .service(web::resource(["/login/", "/login"]).route(get().to(sign_in::how)))
        // A HEAD must not use the link up.
        .route("/login/{secret}", web::get().to(sign_in::redeem))
        .route("/logout", web::post().to(sign_in::logout))
        .service(web::resource(["/api/", "/api"]).route(get().to(token::show)))
        .service(web::resource(["/api/new/", "/api/new"]).route(web::post().to(token::make)))
        .service(
            web::resource(["/api/revoke/{id}/", "/api/revoke/{id}"]).route(web::post().to(token::revoke)),
        )
        .service(web::resource(["/status/batches/", "/status/batches"]).route(get().to(batches::show)))
        .configure(feeds)
        .configure(groups);
}

fn feeds(config: &mut ServiceConfig) {
    config
        .service(web::resource(["/rss/", "/rss", "/rss/all/", "/rss/all"]).route(get().to(feeds::projects)))
        .service(web::resource(["/rss/builds/", "/rss/builds"]).route(get().to(feeds::builds)));
}

fn groups(config: &mut ServiceConfig) {
    let post = web::post;
    let group = |tail: &str| {
        let path = format!("/groups/{{group}}/{tail}");
        web::resource([path.clone() + "/", path])
    };
    config
        .service(web::resource(["/groups/", "/groups"]).route(get().to(group::list)))
        .service(web::resource(["/groups/add/", "/groups/add"]).route(post().to(group::create)))
        .service(group("edit").route(post().to(group::describe)))
        .service(group("delete").route(post().to(group::delete)))
        .service(group("members/set").route(post().to(group::set_member)))
        .service(group("members/remove").route(post().to(group::remove_member)));
}

fn projects(config: &mut ServiceConfig) {
    let post = web::post;
    let project = |tail: &str| {
        let path = format!("/coprs/{{owner}}/{{project}}/{tail}");
        web::resource([path.clone() + "/", path])
    };
    config
        .service(web::resource(["/coprs/", "/coprs"]).route(get().to(home::projects)))
        .service(
            web::resource(["/coprs/add/", "/coprs/add"])
                .route(get().to(project_form::new))
                .route(post().to(project_form::create)),
        )
        .service(web::resource(["/coprs/build/{id}/", "/coprs/build/{id}"]).route(get().to(build::find)))
        // Files are fetched by programs, some of which follow no redirect: groups have both spellings.
        .service(
            web::resource([
                "/coprs/g/{group}/{dir}/repo/{name_release}/{file}",
                "/coprs/g/{group}/{dir}/repo/{name_release}/",
                "/coprs/g/{group}/{dir}/repo/{name_release}",
            ])
            .route(get().to(repo::of_group)),
        )
        .service(
            web::resource([
                "/coprs/{owner}/{dir}/repo/{name_release}/{file}",
                "/coprs/{owner}/{dir}/repo/{name_release}/",
                "/coprs/{owner}/{dir}/repo/{name_release}",
            ])
            .route(get().to(repo::of_owner)),
        )
        .route("/coprs/g/{group}", get().to(short_group))
        .route("/coprs/g/{group}/{tail:.*}", get().to(group_address))
        .service(web::resource(["/coprs/{owner}/", "/coprs/{owner}"]).route(get().to(home::owner)))
        .service(
            web::resource(["/coprs/{owner}/{project}/", "/coprs/{owner}/{project}"])
                .route(get().to(project::show)),
        )
        .service(project("keys").route(get().to(keys::show)))
        .service(project("keys/rotate").route(post().to(keys::rotate)))
        .service(project("keys/revoke").route(post().to(keys::revoke)))
        .service(project("snapshots").route(get().to(snapshots::show)))
        .service(project("snapshots/rollback").route(post().to(snapshots::roll_back)))
        .service(project("snapshots/move").route(post().to(snapshots::move_pointer)))
        .service(project("snapshots/delete").route(post().to(snapshots::delete_pointer)))
        .service(project("snapshots/yank").route(post().to(snapshots::yank)))
        .service(project("snapshots/promote").route(post().to(promotion::promote)))
        .service(project("permissions").route(get().to(permissions::show)))
        .service(project("permissions/set").route(post().to(permissions::set)))
        .service(project("permissions/request").route(post().to(permissions::request)))
        .service(project("permissions/transfer").route(post().to(permissions::transfer)))
        .service(
            project("edit")
                .route(get().to(project_form::edit))
                .route(post().to(project_form::save)),
        )
        .service(
            project("delete")
                .route(get().to(project_form::ask_delete))
                .route(post().to(project_form::delete)),
        );
}

fn builds(config: &mut ServiceConfig) {
    let post = web::post;
    let project = |tail: &str| {
        let path = format!("/coprs/{{owner}}/{{project}}/{tail}");
        web::resource([path.clone() + "/", path])
    };
    config
        .service(project("add_build").route(get().to(submit::form)))
        .service(project("add_build/upload").route(post().to(submit::upload)))
        .service(project("add_build/url").route(post().to(submit::url)))
        .service(project("import").route(get().to(import::form)))
        .service(project("import/upload").route(post().to(import::upload)))
        .service(project("import/url").route(post().to(import::url)))
        .service(project("monitor").route(get().to(monitor::show)))
        .service(project("builds").route(get().to(builds::list)))
        .service(project("build/{id}").route(get().to(build::show)))
        .service(project("build/{id}/cancel").route(post().to(build::cancel)))
        .service(project("build/{id}/resubmit").route(post().to(build::again)))
        .service(
            project("build/{id}/delete")
                .route(get().to(build::ask_delete))
                .route(post().to(build::delete)),
        )
        .route(
            "/coprs/{owner}/{project}/build/{id}/{chroot}/log",
            web::get().to(live_log::follow),
        );
}

fn packages_and_webhooks(config: &mut ServiceConfig) {
    let post = web::post;
    let project = |tail: &str| {
        let path = format!("/coprs/{{owner}}/{{project}}/{tail}");
        web::resource([path.clone() + "/", path])
    };
    config
        .service(project("packages").route(get().to(packages::list)))
        .service(project("add_package").route(get().to(package_form::start)))
        .service(
            project("add_package/{type}")
                .route(get().to(package_form::new))
                .route(post().to(package_form::create)),
        )
        .service(project("package/{package}").route(get().to(packages::show)))
        .service(project("package/{package}/rebuild").route(post().to(packages::rebuild)))
        .service(project("package/{package}/reset").route(post().to(packages::reset)))
        .service(project("package/{package}/delete").route(post().to(packages::delete)))
        .service(project("package/{package}/edit").route(get().to(package_form::edit_now)))
        .service(
            project("package/{package}/edit/{type}")
                .route(get().to(package_form::edit))
                .route(post().to(package_form::save)),
        )
        .service(project("webhooks").route(get().to(webhooks::show)))
        .service(project("webhooks/secret").route(post().to(webhooks::new_secret)))
        .service(project("webhooks/hmac").route(post().to(webhooks::hmac)))
        .service(project("webhooks/{delivery}").route(get().to(webhooks::delivery)))
        .service(project("webhooks/{delivery}/redeliver").route(post().to(webhooks::redeliver)));
}

/// GET, or HEAD, which is answered as GET without the body.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The visitor is asked for, so that the page knows who is signed in.
async fn nowhere(req: HttpRequest, _visitor: Option<visitor::Visitor>) -> Result<HttpResponse, Error> {
    Err(Error::NotFound(format!(
        "There is no page at {}.",
        crate::operations::projects::shown(req.path())
    )))
}

/// `/coprs/g/GROUP` is Copr's other spelling of `/coprs/@GROUP/`.
async fn short_group(group: web::Path<String>) -> HttpResponse {
    redirect(&format!("/coprs/@{}/", views::segment(&group)))
}

/// `/coprs/g/GROUP/…` is Copr's other spelling of `/coprs/@GROUP/…`.
async fn group_address(path: web::Path<(String, String)>) -> HttpResponse {
    let (group, tail) = path.into_inner();
    redirect(&format!(
        "/coprs/@{}/{}",
        views::segment(&group),
        views::segments(&tail)
    ))
}

fn html(rendered: Result<String, RenderError>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(rendered?))
}

/// The same form again, with what is wrong.
fn html_again(rendered: Result<String, RenderError>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::BadRequest()
        .content_type(ContentType::html())
        .body(rendered?))
}

/// To a page of our own, by GET.
fn redirect(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}
