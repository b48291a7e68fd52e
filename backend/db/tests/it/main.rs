//! Queries against a real PostgreSQL.

mod jobs;
mod migrations;
mod repositories;
mod support;
mod tasks;
mod users;
