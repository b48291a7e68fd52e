//! Compares this crate with rpm, `createrepo_c` and dnf themselves.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod archive;
mod buckets;
mod command;
mod corpus;
mod createrepo;
mod dnf;
mod extras;
mod formats;
mod generate;
mod hostile;
mod install;
mod mistakes;
mod readers;
mod repository;
mod signing;
mod support;
mod verifying;
mod zchunk;
