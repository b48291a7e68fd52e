//! The one binary: configuration, the parts as processes, and the command that runs all of them on one machine.

pub mod bench;
pub mod chroots;
pub mod cli;
pub mod config;
pub mod parts;
pub mod retention;
pub mod secrets;
pub mod up;
