//! Copr's APIv3, as the unmodified `copr-cli` and python `copr` speak it.
//!
//! [`routes`] is the one list of what exists; what it lacks answers 404 in JSON. Handlers of [`Access::Token`] routes
//! take [`crate::auth::Signed`], without which no operation that writes can be called.

mod audit;
mod batch;
mod build;
mod build_chroot;
mod build_source;
mod docs;
mod door;
mod general;
mod group;
mod import;
mod input;
mod key;
mod mini;
mod models;
mod monitor;
mod openapi;
mod package;
mod package_edit;
mod page;
mod permissions;
mod pointer_moves;
mod pointers;
mod project;
mod project_chroot;
mod quota;
mod retention;
mod route;
mod rpmrepo;
mod shape;
mod snapshot;
mod test_result;
mod token;
mod upload;
mod webhook;
mod written;

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, Resource, web};

use crate::error::Error;

pub(crate) use route::Address;
pub use route::{Access, Action, ApiRoute, BodyKind, Field, Kind, Reads};

/// Everything that the API does.
pub fn routes() -> Vec<ApiRoute> {
    [
        general::routes(),
        docs::routes(),
        token::routes(),
        group::routes(),
        project::routes(),
        permissions::routes(),
        key::routes(),
        project_chroot::routes(),
        build::routes(),
        build_source::routes(),
        batch::routes(),
        mini::routes(),
        upload::routes(),
        import::routes(),
        build_chroot::routes(),
        package_edit::routes(),
        rpmrepo::routes(),
        package::routes(),
        monitor::routes(),
        webhook::routes(),
        audit::routes(),
        quota::routes(),
        retention::routes(),
        snapshot::routes(),
        pointer_moves::routes(),
        pointers::routes(),
        test_result::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Registers the API.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut resources: BTreeMap<&str, (Resource, Address)> = BTreeMap::new();
    let mut order = Vec::new();
    for route in routes() {
        let (resource, mut address) = resources.remove(route.path).unwrap_or_else(|| {
            order.push(route.path);
            let resource = Resource::new([route.path.to_owned(), format!("{}/", route.path)])
                .default_service(web::to(wrong_method));
            (resource, Address::default())
        });
        let head = route.reads.methods.contains(&"GET").then_some(&"HEAD");
        let methods = route.reads.methods.iter().chain(head);
        let resource = methods.fold(resource, |resource, method| {
            // The table holds well-known methods only.
            let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
            resource.route(route.handler().method(method))
        });
        address.0.push(route.reads);
        resources.insert(route.path, (resource, address));
    }
    let mut scope = web::scope("/api_3").default_service(web::to(no_endpoint));
    for path in order {
        if let Some((resource, address)) = resources.remove(path) {
            scope = scope.service(resource.app_data(address).wrap(from_fn(door::door)));
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
