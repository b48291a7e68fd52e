//! What happens to published packages: forks, directories, devel mode, groups. A whole service without builders, which
//! the tests stand in for: packages come from the real `rpmbuild`, and the unmodified `copr-cli` and dnf look at the rest.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod api;
mod appstream;
mod checks;
mod commits;
mod deletion;
mod devel;
mod directories;
mod faults;
mod flows;
mod foreign;
mod fork;
mod frames;
mod gates;
mod house;
mod import;
mod keys;
mod machine;
mod minis;
mod mirror;
mod mock_config;
mod monitor;
mod packit;
mod promote;
mod refresher;
mod replay;
mod retention;
mod same_nevra;
mod snapshots;
mod sweep;
mod transfer;
mod trouble;
mod weather;
mod zypper;
