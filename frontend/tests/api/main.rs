//! APIv3 and the builder API over real HTTP, PostgreSQL and S3.

mod access;
mod builders;
mod builds;
mod general;
mod house;
mod packages;
mod projects;
mod uploads;
