//! Pages.

use actix_web::web;

/// Registers the pages.
pub fn configure(_: &mut web::ServiceConfig) {}
