//! The result gateway over HTTP, on the real embedded object store.

mod house;
mod outage;
mod repository;
mod results;
