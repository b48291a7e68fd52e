//! Stories: what users see, told with the real clients against one running service.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod access;
mod checks;
mod consumers;
mod crashes;
mod failures;
mod house;
mod lifecycle;
mod path;
mod retention;
mod running;
mod settings;
mod support;
mod web;
