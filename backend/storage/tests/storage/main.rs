//! The object store's client against the real embedded server.

mod objects;
mod presigned;
mod server;
mod uploads;
