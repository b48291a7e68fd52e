//! Copr's APIv3, as the unmodified `copr-cli` and python `copr` speak it.
//!
//! [`routes`] is the one list of what exists; what it lacks answers 404 in JSON. Handlers of [`Access::Token`] routes
//! take [`crate::auth::Signed`], without which no operation that writes can be called.

mod build;
mod build_chroot;
mod general;
mod input;
mod models;
mod project;
mod upload;

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::{HttpRequest, Resource, Route, web};

use crate::error::Error;

/// Who gets beyond a route's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Users with an API token.
    Token,
}

/// One operation of the API.
pub struct ApiRoute {
    /// Methods. Copr takes POST wherever it takes PUT or DELETE.
    pub methods: &'static [&'static str],
    /// Path below `/api_3`, without a trailing slash; both forms are served.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: fn() -> Route,
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const PUT: &[&str] = &["PUT", "POST"];
const DELETE: &[&str] = &["DELETE", "POST"];

/// Everything that the API does.
pub fn routes() -> Vec<ApiRoute> {
    use Access::{Public, Token};
    let route = |methods, path, access, handler| ApiRoute {
        methods,
        path,
        access,
        handler,
    };
    vec![
        route(GET, "", Public, || web::to(general::version)),
        route(GET, "/auth-check", Token, || web::to(general::auth_check)),
        route(POST, "/api-token", Token, || web::to(general::new_token)),
        route(GET, "/mock-chroots/list", Public, || {
            web::to(general::mock_chroots)
        }),
        route(GET, "/project", Public, || web::to(project::get)),
        route(GET, "/project/list", Public, || web::to(project::list)),
        route(GET, "/project/search", Public, || web::to(project::search)),
        route(POST, "/project/add/{owner}", Token, || web::to(project::add)),
        route(PUT, "/project/edit/{owner}/{project}", Token, || {
            web::to(project::edit)
        }),
        route(DELETE, "/project/delete/{owner}/{project}", Token, || {
            web::to(project::delete)
        }),
        route(GET, "/project-chroot", Public, || web::to(project::chroot)),
        route(GET, "/build/list", Public, || web::to(build::list)),
        route(GET, "/build/{id:\\d+}", Public, || web::to(build::get)),
        route(GET, "/build/source-chroot/{id}", Public, || {
            web::to(build::source_chroot)
        }),
        route(GET, "/build/built-packages/{id}", Public, || {
            web::to(build::built_packages)
        }),
        route(PUT, "/build/cancel/{id}", Token, || web::to(build::cancel)),
        route(POST, "/build/check-before-build", Token, || web::to(build::check)),
        route(POST, "/build/create/url", Token, || web::to(build::create_url)),
        route(POST, "/build/create/upload", Token, || web::to(upload::create)),
        route(GET, "/build-chroot", Public, || web::to(build_chroot::get)),
        route(GET, "/build-chroot/list", Public, || web::to(build_chroot::list)),
        route(GET, "/build-chroot/built-packages", Public, || {
            web::to(build_chroot::built_packages)
        }),
    ]
}

/// Registers the API.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut resources: BTreeMap<&str, Resource> = BTreeMap::new();
    let mut order = Vec::new();
    for route in routes() {
        let resource = resources.remove(route.path).unwrap_or_else(|| {
            order.push(route.path);
            Resource::new([route.path.to_owned(), format!("{}/", route.path)])
                .default_service(web::to(wrong_method))
        });
        let resource = route.methods.iter().fold(resource, |resource, method| {
            // The table holds well-known methods only.
            let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
            resource.route((route.handler)().method(method))
        });
        resources.insert(route.path, resource);
    }
    let mut scope = web::scope("/api_3").default_service(web::to(no_endpoint));
    for path in order {
        if let Some(resource) = resources.remove(path) {
            scope = scope.service(resource);
        }
    }
    config.service(scope);
}

async fn no_endpoint(request: HttpRequest) -> Result<&'static str, Error> {
    Err(Error::NoSuchEndpoint(crate::operations::projects::shown(
        request.path(),
    )))
}

async fn wrong_method(request: HttpRequest) -> Result<&'static str, Error> {
    Err(Error::Method(request.method().to_string()))
}
