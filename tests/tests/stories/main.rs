//! Stories: what users see, told with the real clients against one running service.

mod access;
mod crashes;
mod failures;
mod house;
mod path;
mod running;
mod support;
mod web;
