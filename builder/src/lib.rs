//! The builder: claims tasks from the hub, runs each in a virtual machine of its own, and uploads what comes out.
//!
//! It makes outbound connections only. A VM's disks, sockets and files live in one directory per attempt, which is
//! removed when the attempt ends, however it ends.

mod address;
mod channel;
mod check;
mod config;
mod error;
mod fetch;
mod hub;
mod import;
mod initramfs;
mod kernel;
mod lease;
mod log;
mod mirrors;
mod outcome;
mod proxy;
mod relay;
mod root_image;
mod session;
mod task;
mod upload;
mod vm;
mod worker;

pub use config::{Accel, Config, Token};
pub use error::Error;
pub use relay::relay;
pub use worker::run;
